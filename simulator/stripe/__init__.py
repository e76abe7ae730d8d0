"""Stripe: the parts of its API that a subscription business needs, its hosted pages, its clock, its webhooks."""

from simulator.stripe.account import Account
from simulator.stripe.simulator import StripeSimulator

__all__ = ["Account", "StripeSimulator"]
