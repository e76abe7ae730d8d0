"""The latest anchor, remembered outside the database: there, a tail can be cut off so that nothing points to it."""

import os
from pathlib import Path

import orjson

from konstruct.audit.chain import digest
from konstruct.audit.statements import Anchor


class AnchorFile:
    """`$KONSTRUCT_HOME/audit/anchor.json`; on a cluster, each node that ran the Auditor has its own."""

    def __init__(self, home: Path) -> None:
        """Nothing is made before `write`."""
        self._path = home / "audit" / "anchor.json"

    @property
    def path(self) -> Path:
        """Where it is."""
        return self._path

    def write(self, anchor: Anchor) -> None:
        """Remember; the file is whole at any moment."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        new = self._path.with_suffix(f".{os.getpid()}")
        new.write_bytes(orjson.dumps({"place": anchor.place, "digest": digest(anchor.content)}))
        new.replace(self._path)

    def read(self) -> tuple[int, str] | None:
        """Place and digest; None where nothing was remembered. Raises ValueError for anything else."""
        try:
            found = orjson.loads(self._path.read_bytes())
        except FileNotFoundError:
            return None
        if not isinstance(found, dict) or not isinstance(found.get("place"), int):
            raise ValueError(f"{self._path} is not what the Auditor wrote")  # noqa: TRY004 - a damaged file
        return found["place"], str(found.get("digest"))
