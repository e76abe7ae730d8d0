"""Stripe: its webhooks, its API, and what follows from both. Only `stripe_api` knows Stripe's SDK.

Belongs here: subscriptions, Checkout, the portal, dunning. Not here: what is stored (`konstruct/database`).
"""
