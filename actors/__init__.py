"""Who runs: stateful classes, one per file. Only `wrap.py` knows Ray; actors never import each other."""

import time

# When this process came to run one of us (monotonic). Ray may have started it long before, for nobody.
LOADED = time.monotonic()
