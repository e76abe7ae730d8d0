"""`/installation/secrets`: which secret is under which master key, and all of them moved to the newest."""

from typing import Annotated

from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from deployments.admin.access import Everything
from deployments.admin.apart import apart
from deployments.admin.installation import installation_only
from deployments.admin.problem import Problem
from konstruct import key_rotation
from konstruct.database.pool import Database
from konstruct.key_rotation import Kept, Rotated
from konstruct.vault import Vault, fingerprint

router = APIRouter(
    prefix="/installation/secrets", tags=["installation"], dependencies=[Depends(installation_only)]
)  # fmt: skip

Fingerprint = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{8}$")]


class Secret(BaseModel):
    """Something encrypted: a model's key, a channel's secrets, an answer kept for a day."""

    tenant: str
    what: str
    master_key: Fingerprint | None = Field(description="Which opens it; null: none does.")
    locked: bool = Field(description="No key opens it, and somebody needs it.")
    endings: dict[str, str] = Field(description="By name; the last four characters at most.")


class Secrets(BaseModel):
    """All of them, and the master keys of what runs."""

    master_keys: list[Fingerprint] = Field(description="Newest first: the first encrypts, all decrypt.")
    secrets: list[Secret]


class Rotation(BaseModel):
    """Which master key is meant: nothing is changed where what runs encrypts with another."""

    model_config = ConfigDict(extra="forbid")

    master_key: Fingerprint


class RotatedSecrets(BaseModel):
    """All of them need this master key only."""

    total: int
    renewed: int = Field(description="Encrypted anew just now.")


@router.get("")
async def list_secrets(parts: Everything) -> Secrets:
    """Every secret of every tenant, never more of it than its ending."""

    async def work(database: Database) -> list[Kept]:
        return await key_rotation.examine(database, Vault(parts.settings.master_keys))

    names = [fingerprint(key) for key in parts.settings.master_keys]
    kept = await apart(parts.settings, work)
    return Secrets(master_keys=names, secrets=[_shown(one, names) for one in kept])


@router.post("/rotate")
async def rotate_secrets(wanted: Rotation, parts: Everything, request: Request) -> RotatedSecrets:
    """Encrypt every secret anew with the newest master key, while messages flow; may be repeated, or killed."""
    newest = fingerprint(parts.settings.master_keys[0])
    if wanted.master_key != newest:
        raise Problem(
            f"What runs encrypts with master key {newest}, not with {wanted.master_key}, the first that you have; "
            "run `konstruct up` with these keys first, then rotate.",
            status=409,
        )

    async def work(database: Database) -> Rotated:
        vault = Vault(parts.settings.master_keys)
        return await key_rotation.rotate(database, vault, request=request.state.request_id)

    rotated = await apart(parts.settings, work)
    return RotatedSecrets(total=rotated.total, renewed=rotated.renewed)


def _shown(kept: Kept, names: list[str]) -> Secret:
    key = None if kept.key is None else names[kept.key]
    what = kept.what.removeprefix("The ")
    return Secret(tenant=kept.tenant, what=what, master_key=key, locked=kept.locked, endings=kept.endings)
