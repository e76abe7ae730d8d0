"""A PostgreSQL backend gives way as the one whom it works for does."""

import asyncio
import os
import threading

from konstruct.database.pool import Database
from konstruct.priority import ANSWERING, give_way
from tests import postgres

BACKENDS = "select pid from pg_stat_activity where application_name = 'konstruct' and datname = '%s'"


async def niceness_of_a_backend(server: postgres.Server, url: str) -> int:
    database = Database(url, 1)
    await database.start()
    await database.check_health()
    [(pid,)] = await asyncio.to_thread(server.execute, BACKENDS % url.partition("?")[0].rpartition("/")[2])
    try:
        return os.getpriority(os.PRIO_PROCESS, pid)
    finally:
        await database.stop()


def test_a_backend_gives_way_as_the_one_whom_it_works_for_does(
    postgres_server: postgres.Server, database_url: str
) -> None:
    found: list[int] = []

    def work(given: int) -> None:
        give_way(given)
        found.append(asyncio.run(niceness_of_a_backend(postgres_server, database_url)))

    for given in (0, ANSWERING):
        thread = threading.Thread(target=work, args=[given])
        thread.start()
        thread.join()
    assert found[1] == min(19, found[0] + ANSWERING)
