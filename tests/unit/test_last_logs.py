"""Where the logs of a run go when it has ended."""

import os
import shutil

from deployments.installation import ray_head
from deployments.installation.layout import Layout


def test_logs_stay_with_the_installation_until_the_next_run_ends(tmp_path):
    layout = Layout(tmp_path)
    try:
        for run in ("first", "second"):
            session = layout.ray / f"session_{run}"
            (session / "logs" / "serve").mkdir(parents=True)
            (session / "logs" / "serve" / "replica.log").write_text(run)
            (layout.ray / "session_latest").symlink_to(session)
            ray_head.clear(layout)
            assert (layout.last_logs / "serve" / "replica.log").read_text() == run
            assert layout.last_logs.stat().st_mode & 0o077 == 0
            assert not layout.ray.exists()
        ray_head.clear(layout)
        assert layout.last_logs.exists()
    finally:
        shutil.rmtree(layout.ray, ignore_errors=True)


def test_nothing_is_taken_from_a_folder_that_somebody_else_made(tmp_path, monkeypatch):
    layout, precious = Layout(tmp_path / "home"), tmp_path / "precious"
    (precious / "logs").mkdir(parents=True)
    layout.ray.mkdir()
    try:
        (layout.ray / "session_latest").symlink_to(precious)
        monkeypatch.setattr(os, "getuid", lambda: layout.ray.stat().st_uid + 1)
        ray_head.clear(layout)
        assert (precious / "logs").exists()
    finally:
        shutil.rmtree(layout.ray, ignore_errors=True)
