"""Which processes belong to an installation, what they listen on, and how they are ended."""

import os
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import psutil

from deployments.installation.layout import Layout

MARK = "KONSTRUCT_INSTALLATION"
SHARED_MEMORY = Path("/dev/shm")  # noqa: S108 - only what processes of ours have mapped is removed there


@dataclass(frozen=True, slots=True)
class Listener:
    """A TCP port that somebody listens on; `process` is None where we may not see whose it is."""

    address: str
    port: int
    process: psutil.Process | None

    @property
    def on_loopback(self) -> bool:
        """Whether only this machine can reach it."""
        return self.address.startswith("127.") or self.address in ("::1", "::ffff:127.0.0.1")


def find(layout: Layout) -> list[psutil.Process]:
    """Every living process of the installation, this one and its parents excepted."""
    spared = {os.getpid(), *(parent.pid for parent in psutil.Process().parents())}
    others = [process for process in psutil.process_iter() if process.pid not in spared]
    roots = [process for process in others if _is_ours(process, layout)]
    ours = {process.pid: process for process in roots}
    for root in roots:
        try:
            children = root.children(recursive=True)
            ours.update({child.pid: child for child in children if child.pid not in spared})
        except psutil.Error:
            continue
    return list(ours.values())


def counted(number: int) -> str:
    """So many processes, as a person says it."""
    return "1 process" if number == 1 else f"{number} processes"


def end(processes: Iterable[psutil.Process], patience: float = 10.0) -> int:
    """Ask them to stop, wait `patience` seconds, then kill; answers how many had to be killed."""
    waiting = list(processes)
    for process in waiting:
        _signal(process, "terminate")
    _, stubborn = psutil.wait_procs(waiting, timeout=patience)
    for process in stubborn:
        _signal(process, "kill")
    psutil.wait_procs(stubborn, timeout=5)
    return len(stubborn)


def end_all(layout: Layout, patience: float = 5.0, spare: Iterable[psutil.Process] = ()) -> int:
    """End the installation's processes, also those that appear meanwhile; answers how many there were."""
    seen: set[int] = set()
    semaphores: set[Path] = set()
    spared = set(spare)
    deadline = time.monotonic() + patience + 20
    while time.monotonic() < deadline:
        found = [process for process in find(layout) if process not in spared]
        if not found:
            # vLLM's engine leaves one: whoever is killed together with its resource tracker removes none.
            for semaphore in semaphores:
                semaphore.unlink(missing_ok=True)
            break
        seen.update(process.pid for process in found)
        semaphores |= _semaphores(found)
        end(found, patience)
        patience = 1.0
    return len(seen)


def listeners(processes: Iterable[psutil.Process] | None = None) -> list[Listener]:
    """TCP listeners of these processes, or of everybody."""
    wanted = None if processes is None else {process.pid: process for process in processes}
    found = []
    for connection in psutil.net_connections("tcp"):
        if connection.status != psutil.CONN_LISTEN or not connection.laddr:
            continue
        if wanted is not None and connection.pid not in wanted:
            continue
        process = _open(connection.pid)
        found.append(Listener(connection.laddr.ip, connection.laddr.port, process))
    return sorted(found, key=lambda listener: (listener.port, listener.address))


def owner_of(port: int) -> psutil.Process | None:
    """The process that listens on `port`, None if nobody does or it is not ours to see."""
    return next((listener.process for listener in listeners() if listener.port == port), None)


def describe(process: psutil.Process | None) -> str:
    """For an error message: pid and the beginning of the command."""
    if process is None:
        return "a process that this user may not see"
    try:
        return f"process {process.pid} ({' '.join(process.cmdline())[:60] or process.name()})"
    except psutil.Error:
        return f"process {process.pid}"


def _is_ours(process: psutil.Process, layout: Layout) -> bool:
    try:
        if f"{MARK}={layout.mark}".encode() in _environment(process.pid).split(b"\0"):
            return True
        # Ray's workers rename themselves, which overwrites the environment; their log files stay open.
        title = " ".join(process.cmdline())
        return title.startswith("ray") and _holds_a_file_in(process.pid, str(layout.ray))
    except (psutil.Error, OSError):
        return False


def _environment(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/environ").read_bytes()
    except OSError:
        return b""


def _holds_a_file_in(pid: int, folder: str) -> bool:
    for link in Path(f"/proc/{pid}/fd").iterdir():
        try:
            if str(link.readlink()).startswith(folder + "/"):
                return True
        except OSError:
            continue
    return False


def _semaphores(processes: Iterable[psutil.Process]) -> set[Path]:
    """Files of multiprocessing's semaphores that these processes have mapped: by inode, for the names there differ."""
    mapped = {mapping for process in processes for mapping in _mapped_in_shared_memory(process.pid)}
    return {path for path in SHARED_MEMORY.glob("sem.mp-*") if _inode(path) in mapped}


def _inode(path: Path) -> tuple[int, int] | None:
    try:
        file = path.stat()
    except OSError:
        return None  # another program's, gone meanwhile
    return file.st_dev, file.st_ino


def _mapped_in_shared_memory(pid: int) -> set[tuple[int, int]]:
    """(device, inode) of each such file; none of a process that has ended meanwhile."""
    try:
        lines = [line.split(maxsplit=5) for line in Path(f"/proc/{pid}/maps").read_text().splitlines()]
    except OSError:
        return set()
    found = set()
    for _, _, _, device, inode, *name in lines:
        if name and name[0].startswith(f"{SHARED_MEMORY}/sem."):
            major, minor = (int(part, 16) for part in device.split(":"))
            found.add((os.makedev(major, minor), int(inode)))
    return found


def _signal(process: psutil.Process, verb: str) -> None:
    try:
        getattr(process, verb)()
    except psutil.Error:
        return


def _open(pid: int | None) -> psutil.Process | None:
    try:
        return psutil.Process(pid) if pid else None
    except psutil.Error:
        return None
