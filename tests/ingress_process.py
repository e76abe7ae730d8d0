"""An ingress as a process of its own, to be killed: `python -m tests.ingress_process PORT`, settings as ever."""

import asyncio
import sys

import uvicorn

from actors.wiring import failpoint_for
from deployments.ingress import routes
from deployments.webhooks import Intake
from konstruct.database.pool import Database
from konstruct.directory import Directory
from konstruct.metrics import Unmeasured
from konstruct.settings import Settings
from konstruct.vault import Vault


async def main(port: int) -> None:
    settings = Settings.from_environment()
    database = Database(settings.database_url or "", 4)
    await database.start()
    intake = Intake(database, lambda _: None, Unmeasured(), failpoint_for(settings))
    directory = Directory(database, Vault(settings.master_keys))
    application = routes(intake, directory, None, settings, database)  # type: ignore[arg-type]
    server = uvicorn.Server(uvicorn.Config(application, port=port, log_level="error", lifespan="off"))
    await server.serve()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1])))
