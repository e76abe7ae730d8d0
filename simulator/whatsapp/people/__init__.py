"""People: what they write, send, press and change; each act is what Meta then tells the app."""

from simulator.whatsapp.people.changing import Changing
from simulator.whatsapp.people.choosing import Choosing
from simulator.whatsapp.people.writing import Writing

__all__ = ["People"]


class People(Writing, Choosing, Changing):
    """Every act names a person (`sender`: phone number, user id or name) and, if there are several, a number."""
