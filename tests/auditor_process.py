"""An Auditor in a bare process, to be killed; settings come from the environment.

python -m tests.auditor_process
"""

import asyncio

from actors.auditor import Auditor
from actors.wiring import failpoint_for
from konstruct.audit.anchor_file import AnchorFile
from konstruct.audit.signing import Signer
from konstruct.database.pool import Database
from konstruct.metrics import Unmeasured
from konstruct.settings import Settings


async def main() -> None:
    """Seal until killed."""
    settings = Settings.from_environment()
    database = Database(settings.database_url or "", 2)
    await database.start()
    auditor = Auditor(
        database,
        Signer(settings.master_keys),
        Unmeasured(),
        AnchorFile(settings.home),
        failpoint=failpoint_for(settings),
    )
    print("ready", flush=True)
    while True:
        await auditor.seal_once()
        await asyncio.sleep(0.02)


if __name__ == "__main__":
    asyncio.run(main())
