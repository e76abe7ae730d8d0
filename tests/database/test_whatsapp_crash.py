"""Hosts killed with -9 while people write on WhatsApp, which de-duplicates nothing: what is doubled is counted."""

import asyncio
from contextlib import suppress
from pathlib import Path

from konstruct.failpoints import NAMES
from simulator.whatsapp.people.acting import ANNA
from tests.checker import Verdict, check, in_order, text_of
from tests.crash import hosting
from tests.whatsapp_rig import WhatsAppRig, until, whatsapp_rig

HOST_FAILPOINTS = [name for name in NAMES if not name.endswith("c1")]
BEN = "4915187654321"
# After a kill between the request and its mark nobody can know whether the message is out.
CLAIMED_AGAIN = "select coalesce(sum(attempts), 0)::int from outbox where channel = 'whatsapp'"


async def test_where_statuses_come_a_kill_at_every_failpoint_loses_and_doubles_nothing(
    database_url: str, tmp_path: Path
) -> None:
    async with whatsapp_rig(database_url, tmp_path, hosts=0) as k, hosting(k.rig):
        verdict = await kill_everywhere(k, tmp_path, HOST_FAILPOINTS)
        assert verdict.clean, verdict


async def test_where_no_status_comes_only_what_was_cut_off_in_its_send_is_doubled(
    database_url: str, tmp_path: Path
) -> None:
    async with whatsapp_rig(database_url, tmp_path, hosts=0, statuses=[]) as k, hosting(k.rig):
        verdict = await kill_everywhere(k, tmp_path, HOST_FAILPOINTS)
        claimed_again = k.rows(CLAIMED_AGAIN)[0][0]
        residue = sum(len(texts) - len(set(texts)) for texts in (k.texts(ANNA), k.texts(BEN)))
    print(f"{verdict}; {len(HOST_FAILPOINTS)} kills sent {residue} replies again")
    assert not verdict.lost
    assert not verdict.misordered
    # Somebody who was written to twice shows that the checker sees it; more than were cut off would be a defect,
    # and one kill can cut off one reply to each of the two people.
    assert 1 <= residue <= claimed_again <= 2 * len(HOST_FAILPOINTS)


async def kill_everywhere(k: WhatsAppRig, home: Path, failpoints: list[str]) -> Verdict:
    """Two people write before every kill. Each is answered before the next: a third crash makes a dead letter."""
    k.whatsapp.people.meet("Ben", phone=BEN)
    said: dict[str, list[int]] = {ANNA: [], BEN: []}

    def judged() -> Verdict:
        return check(
            {person: in_order(numbers) for person, numbers in said.items()},
            {person: k.texts(person) for person in said},
        )

    for name in failpoints:
        (home / "failpoints" / name).touch()
        for person, numbers in said.items():
            numbers.append(1 + sum(map(len, said.values())))
            await k.whatsapp.say(text_of(numbers[-1]), sender=person)
        await until(lambda armed=home / "failpoints" / name: not armed.exists(), 30)  # type: ignore[misc]
        with suppress(TimeoutError):
            await until(lambda: not judged().lost, 60)
    await asyncio.sleep(1)
    return judged()
