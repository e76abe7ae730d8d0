"""The benchmark: every figure against its reference in the same run. `python -m tests.bench`, or `make bench`."""
