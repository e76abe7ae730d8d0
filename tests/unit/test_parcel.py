"""What a host unpacks is what the ingress packed."""

from uuid import UUID, uuid4

from asyncpg.pgproto import pgproto

from konstruct.messages import Address, Attachment, Heard
from konstruct.parcel import packed, unpacked


def heard(tenant: UUID) -> Heard:
    """A message that uses every field."""
    address = Address("T0", "D0", "12.5", private=True, recipient="T1/U1", open_until=1.5)
    photo = Attachment("image", "a.png", "image/png", "https://files.example/a.png", 7, "ab", voice=False)
    return Heard(
        2**62, tenant, uuid4(), 1023, 5, 2, "slack", address, "U1", "Ä\n\0🙂", "1.5", "edit", "1.4", (photo, photo)
    )


def test_every_field_arrives() -> None:
    messages = [heard(uuid4()), heard(uuid4())]
    assert unpacked(packed(messages)) == messages
    assert unpacked(packed([])) == []


def test_ids_as_the_database_gives_them_arrive_as_plain_ids() -> None:
    tenant = pgproto.UUID(uuid4().bytes)
    (arrived,) = unpacked(packed([heard(tenant)]))
    assert arrived.tenant == tenant
    assert type(arrived.tenant) is UUID
