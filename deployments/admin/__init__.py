"""The operators' API under /admin/v1. Belongs here: who may ask, and one module of routes per subject.

Does not: what the answers are made of; that is in `konstruct`. CONTRIBUTING.md has the recipe for a route.
"""
