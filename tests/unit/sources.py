"""Our own sources, as trees."""

import ast
import functools
import gc
from pathlib import Path


@functools.cache
def parsed(path: Path) -> ast.Module:
    """No collection meanwhile: what it ends may print a traceback, parsed as well; CPython 3.11 mixes them up."""
    collects = gc.isenabled()
    gc.disable()
    try:
        return ast.parse(path.read_text())
    finally:
        if collects:
            gc.enable()
