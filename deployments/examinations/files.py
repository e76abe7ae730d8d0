"""Whether files of contacts can be kept: put, got back and deleted, for a tenant that is none."""

import asyncio
from uuid import UUID

from deployments.examinations.finding import Finding, Patient, odd, well, wrong
from konstruct.errors import KonstructError
from konstruct.media.store import MediaStore, folder_of, open_store

NOBODY = UUID(int=0)
PROBE = b"konstruct doctor"


def files(patient: Patient) -> list[Finding]:
    """One small file there and back."""
    place = patient.settings.media_url or str(patient.settings.home / "media")
    try:
        folder = folder_of(patient.settings)
        if folder is not None and not folder.exists():
            return [odd("files", f"there is no {folder} yet", "run `konstruct up`")]
        asyncio.run(_there_and_back(open_store(patient.settings)))
    except KonstructError as error:
        mend = "correct KONSTRUCT_MEDIA_URL and what it needs; until then files are read but not kept"
        return [wrong("files", f"cannot be kept in {place}: {error}", mend)]
    return [well("files", f"can be kept in {place}")]


async def _there_and_back(store: MediaStore) -> None:
    digest = await store.put(NOBODY, PROBE)
    await store.get(NOBODY, digest)
    await store.delete(NOBODY, digest)
