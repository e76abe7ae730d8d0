"""The benchmark: every figure against its reference in the same run. `make bench`, `python -m tests.bench`."""
