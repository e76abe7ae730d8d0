"""Who runs: stateful classes, one per file. Only `wrap.py` knows Ray; actors never import each other."""
