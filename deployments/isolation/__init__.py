"""`konstruct isolation-check`: opens everything of one tenant as another and as nobody, and says what it saw.

Belongs here: what is tried, in the database and around it. Not: the fences themselves; they are in schema/.
"""
