"""What Konstruct does not do: one Ray actor per conversation, on the installation's own Ray.

python -m tests.bench.actor_process COUNT
"""

import json
import os
import sys
import time

import psutil
import ray

from tests.bench.child import READY
from tests.bench.place import WINDOW

TEXT = "The blue trousers of order {} left the warehouse on Tuesday and should be with you by Friday noon."


class Conversation:
    """Holds a window, as ours do."""

    def __init__(self) -> None:
        """Full from the start."""
        self._window = [("employee", TEXT.format(n)) for n in range(WINDOW)]

    async def pid(self) -> int:
        """Of its process."""
        return os.getpid()


def main(count: int) -> None:
    """Create them all at once, wait for all."""
    # Ray prints to standard output what it thinks of actors and workers; the results go where only we write.
    results = os.fdopen(os.dup(sys.stdout.fileno()), "w")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    ray.init(log_to_driver=False, logging_level="error")
    remote = ray.remote(Conversation).options(num_cpus=0)
    ray.get(remote.remote().pid.remote())
    print(READY, file=results, flush=True)
    begun = time.perf_counter()
    actors = [remote.remote() for _ in range(count)]
    pids = ray.get([actor.pid.remote() for actor in actors])
    seconds = time.perf_counter() - begun
    private = sum(psutil.Process(pid).memory_full_info().uss for pid in pids) / count
    print(json.dumps({"bytes_each": private, "actors_per_second": count / seconds}), file=results, flush=True)
    ray.shutdown()
    os._exit(0)  # the caller ends it now, and Ray would report that at length


if __name__ == "__main__":
    main(int(sys.argv[1]))
