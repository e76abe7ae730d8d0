"""One host in a plain process that loads many conversations, their windows full, from PostgreSQL.

python -m tests.bench.warm_process HOME DATABASE_URL MASTER_KEY CONVERSATIONS
"""

import asyncio
import gc
import json
import sys
import time
from collections.abc import Sequence
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import psutil
import uvloop

from actors.memory_job import Question
from actors.wiring import build_host
from konstruct.database import hosting
from konstruct.identity import shard_of, tenant_id
from konstruct.metrics import Unmeasured
from konstruct.settings import Settings
from tests.bench import place
from tests.bench.child import READY

AT_ONCE = 200
TEXT = "The blue trousers of order {n} left the warehouse on Tuesday and should be with you by Friday noon."
TENANT = tenant_id("warm")
SEED = """
insert into conversations (tenant_id, id, shard, channel, address, version)
  select $1, c.id, c.shard, 'slack', $4, $5 / 2 from unnest($2::uuid[], $3::int[]) as c (id, shard)"""
SEED_MESSAGES = """
insert into messages (tenant_id, conversation_id, turn_id, turn, role, contact_id, text)
  select $1, c, gen_random_uuid(), n / 2, case when n % 2 = 0 then 'contact' else 'employee' end, null,
         replace($4, '{n}', n::text) from unnest($2::uuid[]) c, generate_series(2, $3 + 1) n"""
ADDRESS = json.dumps({"team": "T0WARM", "channel": "D0WARM", "thread": None, "private": True})


async def main(home: str, url: str, key: str, count: int) -> None:
    """Seed, load, report."""
    print(READY, flush=True)
    ids = await _seed(url, count)
    settings = Settings.from_environment(
        {"KONSTRUCT_HOME": home, "KONSTRUCT_DATABASE_URL": url, "KONSTRUCT_MASTER_KEYS": key}
    )
    parts = await build_host(settings, 0, _no_embedding, Unmeasured())
    await hosting.remap(parts.database, 1)
    await parts.host.start(1)
    await _activate(parts.host, ids[:AT_ONCE])  # connections open, queries prepared
    gc.collect()
    memory = psutil.Process().memory_full_info().uss
    begun = time.perf_counter()
    for some in slices(ids[AT_ONCE:]):
        await _activate(parts.host, some)
    seconds = time.perf_counter() - begun
    gc.collect()
    grown = psutil.Process().memory_full_info().uss - memory
    loaded = parts.host.loaded - AT_ONCE
    print(json.dumps({"bytes_each": grown / loaded, "activations_per_second": loaded / seconds}), flush=True)
    await parts.stop()


async def _activate(host: Any, ids: Sequence[UUID]) -> None:
    residents = [host._resident(TENANT, id_, shard_of(id_)) for id_ in ids]
    for resident in residents:
        resident.look()
    await asyncio.gather(*(resident.settle() for resident in residents))
    assert all(len(resident._known.window) == place.WINDOW for resident in residents)


async def _seed(url: str, count: int) -> list[UUID]:
    owner = await asyncpg.connect(url)
    await owner.execute("insert into tenants (id, name) values ($1, 'warm') on conflict do nothing", TENANT)
    ids = [uuid4() for _ in range(count + AT_ONCE)]
    for some in slices(ids, 5000):
        await owner.execute(SEED, TENANT, some, [shard_of(id_) for id_ in some], ADDRESS, place.WINDOW)
        await owner.execute(SEED_MESSAGES, TENANT, some, place.WINDOW, TEXT)
    await owner.execute("analyze")
    await owner.close()
    return ids


def slices(ids: Sequence[UUID], size: int = AT_ONCE) -> list[Sequence[UUID]]:
    """Slices of at most `size`."""
    return [ids[start : start + size] for start in range(0, len(ids), size)]


async def _no_embedding(_: Sequence[Question]) -> Sequence[Sequence[float]]:
    raise RuntimeError("Nobody speaks here.")


if __name__ == "__main__":
    uvloop.run(main(sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4])))
