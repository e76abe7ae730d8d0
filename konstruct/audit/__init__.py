"""Audit rows as evidence: the hash chain, what is signed, and how both are checked. Knows no database."""
