"""Model files, prepared by a process of their own: torch is heavy, and only the first `up` needs it."""

import subprocess
import sys
from collections.abc import Mapping

from deployments.installation.layout import Layout
from deployments.installation.steps import Tell
from konstruct.errors import KonstructError


class WeightsFailed(KonstructError):
    """The model files could not be prepared."""


def launch(layout: Layout, environment: Mapping[str, str], *, local_model: bool) -> "subprocess.Popen[str]":
    """Begin; ends at once when everything is there."""
    return subprocess.Popen(
        [sys.executable, "-m", "deployments.weights"],
        env={**environment, "KONSTRUCT_LOCAL_MODEL": "on" if local_model else "off"},
        cwd=layout.home,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def wait(process: "subprocess.Popen[str]", tell: Tell) -> None:
    """Until all files are there; raises WeightsFailed with the process's last words."""
    last = ""
    with process:
        for line in process.stdout or ():
            last = line.strip() or last
            tell(last)
    if process.returncode:
        raise WeightsFailed(f"The model files could not be prepared: {last} Is there room on the disk?")
    tell("in place")
