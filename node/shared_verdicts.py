"""Verdicts that two threads keep: the loop, which takes transactions in, and execution."""

import threading

from chain.verdicts import VERDICTS_MAX, SignedMessage, Verdicts


class SharedVerdicts(Verdicts):
    """The chain's cache with a lock around its only change; finding a verdict needs none."""

    def __init__(self, limit: int = VERDICTS_MAX) -> None:
        """Start empty."""
        super().__init__(limit)
        self._lock = threading.Lock()

    def keep(self, signed: SignedMessage, *, verdict: bool) -> None:
        """Store a verdict; whoever else stores one waits meanwhile."""
        with self._lock:
            super().keep(signed, verdict=verdict)
