"""Our own sources, as trees."""

import ast
import functools
import gc
from pathlib import Path


@functools.cache
def parsed(path: Path) -> ast.Module:
    """Without a collection meanwhile: what it ends may print a traceback, which is parsed, too; CPython 3.11 fails then."""
    collects = gc.isenabled()
    gc.disable()
    try:
        return ast.parse(path.read_text())
    finally:
        if collects:
            gc.enable()
