"""How a host's parts fit together, without Ray: used by the Ray actor and by crash tests alike."""

from dataclasses import dataclass
from uuid import UUID

import aiohttp

from actors.conversation import Conversation
from actors.conversation_host import ConversationHost
from actors.memory_job import Embed, MemoryJob
from actors.office import Office, turn_queue
from konstruct.channels.slack import Client
from konstruct.database.outbox import Outbox
from konstruct.database.pool import Database
from konstruct.database.tenants import ModelRow
from konstruct.database.web_messages import WebMessages
from konstruct.delivery import Delivery
from konstruct.failpoints import Failpoint, armed, disarmed
from konstruct.fair_queue import FairQueue
from konstruct.limits import Limits
from konstruct.media.reader import MediaReader
from konstruct.media.store import open_store
from konstruct.metrics import Metrics
from konstruct.models import Model
from konstruct.models.hosted import HostedModel
from konstruct.models.local import LocalModel
from konstruct.models.transcription import HostedTranscriber
from konstruct.price_list import PriceList
from konstruct.roster import OpenModel, Roster
from konstruct.settings import Settings
from konstruct.tenant_file import LOCAL
from konstruct.token_rotation import TokenRotation
from konstruct.vault import Vault, cache_salt, local_model_token


@dataclass(frozen=True, slots=True)
class HostParts:
    """A host and what must be started before it and closed after it."""

    host: ConversationHost
    database: Database
    session: aiohttp.ClientSession
    outbox: Outbox

    async def stop(self) -> None:
        """Drain the host, write what is left to write, close the connections."""
        await self.host.stop()
        await self.outbox.settle()
        await self.close()

    async def close(self) -> None:
        """Close the connections, whatever still uses them."""
        await self.session.close()
        await self.database.stop()


async def build_host(
    settings: Settings, number: int, embed: Embed, metrics: Metrics, turns: FairQueue | None = None
) -> HostParts:
    """Host number `number`, its database pool open, its shards not taken yet. Raises SettingsInvalid."""
    Vault(settings.master_keys)  # before anything is open that would have to be closed
    database = Database(settings.database_url or "", settings.database_connections)
    await database.start()
    session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=30))
    outbox = Outbox(database)
    memory_job = MemoryJob(database, embed)
    failpoint = failpoint_for(settings)
    office = Office(
        database=database,
        roster=build_roster(settings, database, session),
        delivery=Delivery(outbox, metrics, failpoint),
        embedding=memory_job,
        media=MediaReader(open_store(settings)),
        metrics=metrics,
        failpoint=failpoint,
        turns=turns or turn_queue(),
    )
    host = ConversationHost(
        number,
        database,
        lambda owned, on_end: Conversation(owned, office, on_end),
        memory_job,
        metrics,
        turns=office.turns,
    )
    return HostParts(host, database, session, outbox)


def failpoint_for(settings: Settings) -> Failpoint:
    """Failpoints live in the installation's folder, so that a test can arm them from outside."""
    return armed(settings.home / "failpoints") if settings.failpoints else disarmed


def build_roster(settings: Settings, database: Database, session: aiohttp.ClientSession) -> Roster:
    """Who works for whom, as a host knows it."""
    vault = Vault(settings.master_keys)
    client = Client(settings.slack_client_id, settings.slack_client_secret or "")
    rotation = TokenRotation(database, vault, session, settings.slack_api_url, client)
    return Roster(
        database, vault, _opener(settings, session), _api_urls(settings), session, rotation=rotation,
        feed=WebMessages(database), open_transcriber=_transcriber,
        prices=PriceList.read(settings.prices_file),
        limits=Limits(settings.answers_per_minute, settings.answers_at_once, settings.contact_messages_per_minute),
    )  # fmt: skip


def _api_urls(settings: Settings) -> dict[str, str]:
    return {"slack": settings.slack_api_url, "whatsapp": settings.whatsapp_api_url}


def _transcriber(row: ModelRow) -> HostedTranscriber:
    return HostedTranscriber(row.name, row.litellm, row.api_base, row.api_key)


def _opener(settings: Settings, session: aiohttp.ClientSession) -> OpenModel:
    def open_model(tenant: UUID, name: str, row: ModelRow | None) -> Model:
        if row is not None:
            return HostedModel(
                row.name, row.litellm, row.api_base, row.api_key, sees=row.vision, max_tokens=row.max_answer_tokens
            )
        token = local_model_token(settings.master_keys)
        salt = cache_salt(settings.master_keys, tenant)
        return LocalModel(name.removeprefix(LOCAL), settings.local_model_url, token, session, cache_salt=salt)

    return open_model
