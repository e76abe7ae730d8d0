"""What opens foreign files, in a process of its own with little memory and time: `python -m konstruct.media.sandbox`.

Belongs here: decoders and extractors, without settings, network or secrets. Not: what decides on their results.
"""
