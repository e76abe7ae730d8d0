"""WhatsApp: the Graph API of the Cloud API, Meta's webhooks, its people."""

from simulator.whatsapp.number import Number
from simulator.whatsapp.person import Person
from simulator.whatsapp.simulator import WhatsAppSimulator

__all__ = ["Number", "Person", "WhatsAppSimulator"]
