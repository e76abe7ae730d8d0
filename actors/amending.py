"""Applying an edit or a deletion to a conversation: its inbox, history, memories and kept files."""

import structlog

from actors.office import Office
from konstruct.database import amendments
from konstruct.messages import Heard

log = structlog.get_logger()


async def apply(office: Office, amendment: Heard, epoch: int) -> None:
    """The conversation must be read anew afterwards. Raises Fenced or StaleTurn with nothing changed."""
    structlog.contextvars.bind_contextvars(request=amendment.request)
    if amendment.kind == "delete":
        # First the files: what crashes here is repeated, and a message without its file is no leak. No turn of this
        # conversation runs now, and one that was stopped has finished keeping what it kept.
        await office.media.forget(amendment.tenant, await amendments.files_of(office.database, amendment))
    found = await amendments.amend(office.database, amendment, epoch=epoch)
    log.info("message amended", kind=amendment.kind, found=found)
