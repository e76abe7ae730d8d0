"""Is the audit in PostgreSQL what was sealed? Every chain and signature, and what the anchors say of cut-off tails."""

from collections.abc import AsyncIterator, Iterator
from uuid import UUID

from konstruct.audit.anchor_file import AnchorFile
from konstruct.audit.chain import digest, instant
from konstruct.audit.signing import Signer, is_signed, trusted
from konstruct.audit.statements import Anchor, Checkpoint, NewKey, Signed
from konstruct.audit.verification import Finding, Walk
from konstruct.database import audit, audit_months
from konstruct.database.pool import Database

STRAYS_NAMED = 20


class Evidence:
    """Verifies; changes nothing."""

    def __init__(self, database: Database, signer: Signer, anchor_file: AnchorFile) -> None:
        """`anchor_file` says how far the installation was known to be."""
        self._database = database
        self._signer = signer
        self._anchor_file = anchor_file

    async def of_tenant(self, tenant: UUID) -> AsyncIterator[Finding]:
        """Everything that is wrong with one tenant's audit."""
        floor = (await audit.horizon(self._database, None)).floor
        keys = await self.trusted_keys()
        walk = Walk(tenant, keys, await self._drop(tenant, keys))
        async for finding in self._leftovers(tenant, walk):
            yield finding
        async for finding in self._chain(tenant, walk):
            yield finding
        content, last, anchor = await audit.ends(self._database, tenant)
        for finding in end(content, last, walk):
            yield finding
        async for finding in self._anchored(tenant, walk, keys, anchor):
            yield finding
        for id_, at, action in await audit.strays(self._database, tenant, floor, STRAYS_NAMED):
            yield Finding("foreign", f"row {id_} ({action}, {instant(at)}) was never sealed")

    async def of_installation(self) -> AsyncIterator[Finding]:
        """Everything that is wrong with the chain of all tenants' checkpoints; every tenant's own comes besides."""
        keys = await self.trusted_keys()
        place, previous = 0, ""
        async for page in audit.anchors(self._database):
            for signed in page:
                for finding in follow(signed, keys, place, previous):
                    yield finding
                place, previous = signed.number, digest(signed.content)
        async for finding in self._anchored_tenants():
            yield finding
        for finding in await self.tail():
            yield finding

    async def tail(self) -> list[Finding]:
        """Whether anchors are missing: in between, or at the end that this machine remembers."""
        count, last = await audit.extent(self._database)
        found = [] if count == last else [Finding("cut", f"{last - count} anchors of {last} are missing")]
        try:
            remembered = self._anchor_file.read()
        except ValueError as error:
            return [*found, Finding("damaged", str(error))]
        if remembered is None:
            return found
        place, known = remembered
        async for page in audit.anchors(self._database, after=place - 1):
            if page and page[0].number == place and digest(page[0].content) == known:
                return found
            break
        here = f"{self._anchor_file.path} knows anchor {place}"
        return [*found, Finding("cut", f"{here}, which the database does not have: cut off, or an older backup")]

    async def trusted_keys(self) -> set[str]:
        """Our own public keys, and older ones that those vouch for."""
        vouched = []
        for signed in await audit.keys(self._database):
            try:
                new = NewKey.parse(signed.content)
            except ValueError:
                continue
            if is_signed(signed.content, signed.signature, new.key):
                vouched.append((new.key, new.previous))
        return trusted(self._signer.known, vouched)

    async def _drop(self, tenant: UUID, keys: set[str]) -> Checkpoint | None:
        signed = await audit_months.latest_drop(self._database, tenant)
        if signed is None:
            return None
        try:
            drop = Checkpoint.parse(signed.content)
        except ValueError:
            return None
        is_true = drop.key in keys and is_signed(signed.content, signed.signature, drop.key)
        return drop if is_true and drop.tenant == str(tenant) else None

    async def _leftovers(self, tenant: UUID, walk: Walk) -> AsyncIterator[Finding]:
        if walk.seq:
            async for places in audit.sealed(self._database, tenant, 0, walk.seq):
                for found in places:
                    for finding in walk.leftover(found):
                        yield finding
        for finding in walk.unkept():
            yield finding

    async def _chain(self, tenant: UUID, walk: Walk) -> AsyncIterator[Finding]:
        async for page in audit.checkpoints(self._database, tenant):
            for signed in page:
                for finding in walk.checkpoint(signed):
                    yield finding
            async for places in audit.sealed(self._database, tenant, walk.seq, walk.last):
                for found in places:
                    for finding in walk.place(found):
                        yield finding
            for finding in walk.close():
                yield finding

    async def _anchored(self, tenant: UUID, walk: Walk, keys: set[str], last: int) -> AsyncIterator[Finding]:
        anchored = set[int]()
        async for page in audit.anchors(self._database, self._signer.marks(tenant)):
            for signed in page:
                if signed.number > last:
                    break
                anchor, wrong = read(signed, keys)
                for finding in wrong:
                    yield finding
                if anchor is not None:
                    anchored.add(anchor.number)
                    for finding in walk.anchor(anchor):
                        yield finding
        for number, key in walk.keys.items():
            if key in self._signer.known and number not in anchored:
                yield Finding("cut", f"checkpoint {number} has no anchor")

    async def _anchored_tenants(self) -> AsyncIterator[Finding]:
        numbers: dict[str, int] = {}
        async for page in audit.anchors(self._database):
            for signed in page:
                anchor, _ = read(signed, set(self._signer.known))
                if anchor is not None:
                    numbers[anchor.mark] = max(numbers.get(anchor.mark, 0), anchor.number)
        # Only now: a tenant that came meanwhile is among them.
        tenants = await audit.tenants(self._database)
        marks = {mark.hex() for tenant in tenants for mark in self._signer.marks(tenant)}
        for mark, number in numbers.items():
            if mark in marks:
                continue
            yield Finding("cut", f"all {number} checkpoints of the tenant with mark {mark} are gone")


def end(content: str, last: int, walk: Walk) -> Iterator[Finding]:
    """What is wrong with the end of a chain: its last checkpoint, and its last place."""
    try:
        checkpoint = Checkpoint.parse(content) if content else None
    except ValueError:
        return  # said already
    if last > (checkpoint.last if checkpoint else 0):
        yield Finding("foreign", f"row {last} is sealed beyond the last checkpoint")
    # Sealing goes on meanwhile: what came since is no tail that was cut off.
    walk.number = max(walk.number, checkpoint.number if checkpoint else 0)


def read(signed: Signed, keys: set[str]) -> tuple[Anchor | None, list[Finding]]:
    """The anchor, None where it cannot be believed."""
    try:
        anchor = Anchor.parse(signed.content)
    except ValueError as error:
        return None, [Finding("damaged", f"anchor {signed.number} cannot be read: {error}")]
    if anchor.key not in keys or not is_signed(signed.content, signed.signature, anchor.key):
        return None, [Finding("unsigned", f"the signature of anchor {signed.number} is not the Auditor's")]
    return anchor, []


def follow(signed: Signed, keys: set[str], place: int, previous: str) -> list[Finding]:
    """What is wrong with an anchor after the one at `place`."""
    anchor, found = read(signed, keys)
    if signed.number != place + 1:
        return [*found, Finding("cut", f"anchors {place + 1} to {signed.number - 1} are missing")]
    if anchor is not None and (anchor.previous != previous or anchor.place != signed.number):
        found.append(Finding("unchained", f"anchor {signed.number} does not follow the one before"))
    return found
