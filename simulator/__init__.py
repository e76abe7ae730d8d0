"""Slack, WhatsApp and Stripe on this machine: real HTTP servers with their APIs, their events and their faults.

Belongs here: what the vendors do. Not here: anything of Konstruct; this package imports nothing of ours.
"""

from simulator.faults import Fault
from simulator.slack import App, Said, SlackSimulator
from simulator.stripe import Account, StripeSimulator
from simulator.timeline import Entry
from simulator.whatsapp import Number, Person, WhatsAppSimulator

__all__ = [
    "Account",
    "App",
    "Entry",
    "Fault",
    "Number",
    "Person",
    "Said",
    "SlackSimulator",
    "StripeSimulator",
    "WhatsAppSimulator",
]
