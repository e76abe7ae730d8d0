"""WhatsApp Cloud API: signed webhooks in, Graph API out. Facts from https://developers.facebook.com/docs/whatsapp."""

from konstruct.channels.whatsapp.client import WhatsAppChannel
from konstruct.channels.whatsapp.country import country_of
from konstruct.channels.whatsapp.events import glimpse, parse
from konstruct.channels.whatsapp.outgoing import written
from konstruct.channels.whatsapp.records import Moved, Notice, Person, Problem, Record, Said, Status, Unreadable
from konstruct.channels.whatsapp.signature import check_form, verify
from konstruct.channels.whatsapp.verdicts import verdict

__all__ = [
    "Moved",
    "Notice",
    "Person",
    "Problem",
    "Record",
    "Said",
    "Status",
    "Unreadable",
    "WhatsAppChannel",
    "check_form",
    "country_of",
    "glimpse",
    "parse",
    "verdict",
    "verify",
    "written",
]
