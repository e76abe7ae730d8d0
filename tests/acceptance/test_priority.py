"""Who goes first where processors are short, in the processes that really run."""

import os
from pathlib import Path

from deployments.installation import processes
from deployments.installation.layout import Layout
from konstruct.priority import ANSWERING, TELLING
from tests.acceptance.conftest import Installation


def test_whoever_acknowledges_goes_before_whoever_answers_or_tells(installation: Installation) -> None:
    running = [
        (" ".join(p.cmdline()), p.pid) for p in processes.find(Layout(Path(installation.environment["KONSTRUCT_HOME"])))
    ]

    def nicenesses(name: str) -> list[int]:
        tasks = [task for title, pid in running if name in title for task in Path(f"/proc/{pid}/task").iterdir()]
        return [os.getpriority(os.PRIO_PROCESS, int(task.name)) for task in tasks]

    base = os.getpriority(os.PRIO_PROCESS, 0)
    assert set(nicenesses("konstruct:Ingress")) == {base}
    assert set(nicenesses("bin/haproxy")) == {base}
    assert set(nicenesses("ray::DashboardAgent")) == {max(base, TELLING)}
    # The thread that runs its event loop, and what that started; Ray's own go on as before.
    assert min(19, base + ANSWERING) in nicenesses("ray::HostActor")
    assert min(19, base + ANSWERING) in nicenesses("konstruct:Embedder")
