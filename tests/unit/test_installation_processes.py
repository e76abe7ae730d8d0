"""Which processes are an installation's, and how they end."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from deployments.installation import processes
from deployments.installation.layout import Layout

WAIT = "import time; print('up', flush=True); time.sleep(60)"
STUBBORN = f"import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); {WAIT}"
PARENT = f"import subprocess, sys, os; subprocess.Popen([sys.executable, '-c', {WAIT!r}], env={{}}); {WAIT}"

# As vLLM's engine: no resource tracker is left to remove it.
SEMAPHORE = f"""
import multiprocessing, signal
from multiprocessing import resource_tracker
lock = multiprocessing.get_context("spawn").Lock()
resource_tracker.unregister(lock._semlock.name, "semaphore")
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("made\\n/dev/shm/sem." + lock._semlock.name[1:], flush=True)
{WAIT}
"""


@pytest.fixture
def start():
    started = []

    def run(code, mark):
        environment = os.environ | {processes.MARK: mark}
        process = subprocess.Popen([sys.executable, "-c", code], env=environment, stdout=subprocess.PIPE)
        started.append(process)
        process.stdout.readline()
        return process

    yield run
    for process in started:
        process.kill()
        process.wait()
        process.stdout.close()


@pytest.fixture
def layout(tmp_path):
    return Layout(tmp_path)


def test_processes_are_found_by_their_mark_and_another_installations_are_not(start, layout, tmp_path):
    ours, theirs = start(WAIT, layout.mark), start(WAIT, Layout(tmp_path / "other").mark)
    pids = {process.pid for process in processes.find(layout)}
    assert ours.pid in pids
    assert theirs.pid not in pids


def test_children_that_lost_the_mark_are_found_through_their_parent(start, layout):
    start(PARENT, layout.mark)
    assert len(processes.find(layout)) == 2
    assert processes.end_all(layout, patience=2) == 2


def test_who_ignores_the_request_to_stop_is_killed(start, layout):
    stubborn = start(STUBBORN, layout.mark)
    assert processes.end(processes.find(layout), patience=0.2) == 1
    assert stubborn.poll() is not None


def test_ending_all_spares_whom_it_is_told_to_spare(start, layout):
    spared = start(WAIT, layout.mark)
    start(WAIT, layout.mark)
    spare = [process for process in processes.find(layout) if process.pid == spared.pid]
    assert processes.end_all(layout, patience=2, spare=spare) == 1
    assert spared.poll() is None


def test_semaphores_of_who_was_killed_go_and_those_of_others_stay(start, layout, tmp_path):
    ours = start(SEMAPHORE, layout.mark)
    theirs = start(SEMAPHORE, Layout(tmp_path / "other").mark)
    files = [Path(process.stdout.readline().decode().strip()) for process in (ours, theirs)]
    try:
        assert [file.exists() for file in files] == [True, True]
        processes.end_all(layout, patience=0.2)
        assert [file.exists() for file in files] == [False, True]
    finally:
        for file in files:
            file.unlink(missing_ok=True)


@pytest.mark.parametrize("address", ["127.0.0.1", "127.0.0.53", "::1", "::ffff:127.0.0.1"])
def test_loopback_addresses_are_known(address):
    assert processes.Listener(address, 1, None).on_loopback


@pytest.mark.parametrize("address", ["0.0.0.0", "::", "10.0.0.5", "::ffff:10.0.0.5"])
def test_other_addresses_are_not_loopback(address):
    assert not processes.Listener(address, 1, None).on_loopback
