"""One installation on one machine: its processes, ports, PostgreSQL, Ray and Serve.

Belongs here: what starts, finds and ends processes. Does not: what those processes do.
"""
