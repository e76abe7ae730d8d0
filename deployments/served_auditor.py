"""The Auditor as a Serve deployment of one replica; should there be two for a moment, the database lets one seal."""

import asyncio

from actors.auditor import Auditor
from actors.wiring import failpoint_for
from actors.wrap import RayMetrics
from konstruct import logs
from konstruct.audit.anchor_file import AnchorFile
from konstruct.audit.signing import Signer
from konstruct.database.pool import Database
from konstruct.settings import Settings


class ServedAuditor:
    """Seals what everybody else writes."""

    def __init__(self) -> None:
        """Begin with the event loop."""
        settings = Settings.from_environment()
        logs.configure(settings.log_level)
        self._database = Database(settings.database_url or "", 2)
        self._auditor = Auditor(
            self._database,
            Signer(settings.master_keys),
            RayMetrics(),
            AnchorFile(settings.home),
            failpoint=failpoint_for(settings),
        )
        self._task = asyncio.get_running_loop().create_task(self._start())

    async def _start(self) -> None:
        await self._database.start()
        await self._auditor.start()

    def check_health(self) -> None:
        """Serve replaces the replica when nobody seals any more."""
        if self._task.done():
            self._auditor.check_health()
