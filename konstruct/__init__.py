"""The core: plain Python that knows nothing of Ray.

Belongs here: identities, records, prompt, window, channels, models, database. Does not: anything that runs or listens.
"""
