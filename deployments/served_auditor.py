"""The Auditor as a Serve deployment of one replica; should there be two for a moment, the database lets one seal."""

import asyncio
from uuid import UUID

from actors.auditor import Auditor
from actors.nightly_verification import NightlyVerification
from actors.ray_metrics import RayMetrics
from actors.sealing_watch import SealingWatch
from actors.wiring import failpoint_for
from konstruct import logs
from konstruct.audit.anchor_file import AnchorFile
from konstruct.audit.signing import Signer
from konstruct.database import operators
from konstruct.database.pool import Database
from konstruct.evidence import Evidence
from konstruct.settings import Settings
from konstruct.vault import Vault


class ServedAuditor:
    """Seals what everybody else writes."""

    def __init__(self) -> None:
        """Begin with the event loop."""
        settings = Settings.from_environment()
        logs.configure(settings.log_level)
        # One each for those who seal, verify and watch: none waits for another's.
        self._database = Database(settings.database_url or "", 3)
        self._vault = Vault(settings.master_keys)
        metrics, signer, anchor_file = RayMetrics(), Signer(settings.master_keys), AnchorFile(settings.home)
        evidence = Evidence(self._database, signer, anchor_file)
        verification = NightlyVerification(self._database, evidence, metrics, self._tell)
        looks = [verification.look, SealingWatch(self._database, self._tell).look]
        self._auditor = Auditor(
            self._database, signer, metrics, anchor_file, failpoint=failpoint_for(settings), looks=looks
        )
        self._task = asyncio.get_running_loop().create_task(self._start())

    async def _start(self) -> None:
        await self._database.start()
        await self._auditor.start()

    async def _tell(self, tenant: UUID, key: str, text: str) -> None:
        await operators.notify(self._database, self._vault, tenant, key, text)

    def check_health(self) -> None:
        """Serve replaces the replica when nobody seals any more."""
        if self._task.done():
            self._auditor.check_health()
