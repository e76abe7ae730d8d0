"""One installation on one machine: its processes, ports, PostgreSQL, Ray and Serve. `up` and `down` begin here.

Belongs here: what starts, finds and ends processes. Does not: what those processes do.
"""
