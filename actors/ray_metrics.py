"""What is measured, on Ray's Prometheus endpoint."""

import asyncio
import os

from ray.util.metrics import Counter, Gauge

from konstruct.metrics import COUNTERS, GAUGES, HISTOGRAMS, Tally

TELL_SECONDS = 1.0


class RayMetrics:
    """Metrics on Ray's Prometheus endpoint; Ray is told every second, in sums.

    Ray's own histograms are not used: its agent repeats every single observation, with the middle of its bucket.
    """

    def __init__(self) -> None:
        """Register every metric once per process."""
        self._tally = Tally()
        self._telling = False
        self._counters = {name: Counter(name, text, ("kind",)) for name, text in COUNTERS.items()}
        for name, text in HISTOGRAMS.items():
            self._counters[f"{name}_bucket"] = Counter(f"{name}_bucket", text, ("kind", "le"))
            self._counters[f"{name}_sum"] = Counter(f"{name}_sum", text, ("kind",))
            self._counters[f"{name}_count"] = Counter(f"{name}_count", text, ("kind",))
        self._gauges = {name: Gauge(name, text, ("process",)) for name, text in GAUGES.items()}
        self._process = {"process": str(os.getpid())}

    def count(self, name: str, label: str = "", by: float = 1) -> None:
        """See Metrics.count."""
        self._tally.count(name, label, by)
        self._tell_later()

    def observe(self, name: str, seconds: float, label: str = "") -> None:
        """See Metrics.observe."""
        self._tally.observe(name, seconds, label)
        self._tell_later()

    def gauge(self, name: str, value: float) -> None:
        """See Metrics.gauge."""
        self._gauges[name].set(value, self._process)

    def _tell_later(self) -> None:
        if not self._telling:
            self._telling = True
            asyncio.get_running_loop().call_later(TELL_SECONDS, self._tell)

    def _tell(self) -> None:
        self._telling = False
        for name, labels, by in self._tally.take():
            self._counters[name].inc(by, labels)
