"""Counters: what `fhv status` shows of what the driver did."""

import collections
import threading


class Counters:
    """Named counters since the start of the driver; threads add to them."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts = collections.Counter[str]()

    def add(self, name: str) -> None:
        """Add one."""
        with self._lock:
            self._counts[name] += 1

    def read(self) -> dict[str, int]:
        """Return all counters by name."""
        with self._lock:
            return dict(sorted(self._counts.items()))
