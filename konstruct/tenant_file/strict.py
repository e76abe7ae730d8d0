"""What every entry of a tenant file is: frozen, and without unknown fields; and how secrets are looked up."""

from hashlib import sha256

from pydantic import BaseModel, ConfigDict

LOCAL = "local/"
# Before the name of a secret: another one that is as good, while they change.
OTHER = "other_"


class Strict(BaseModel):
    """A part of the file."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def digest(secret: str) -> str:
    """What a secret is looked up by, so that it need not be readable."""
    return sha256(secret.encode("utf-8", "replace")).hexdigest()
