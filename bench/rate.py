"""What benchmarks measure with: processor time, and R, the rate that figures are held against."""

import statistics
import time
from collections.abc import Callable
from typing import Final

from nacl.signing import SigningKey

BATCH: Final = 500
REPEAT: Final = 5


def median_s(work: Callable[[], object], repeat: int) -> float:
    """Return the median processor time of `work`, after one run that warms up."""
    work()
    return statistics.median(used_s(work) for _ in range(repeat))


def used_s(work: Callable[[], object]) -> float:
    """Return the processor time of `work`."""
    start = time.process_time()
    work()
    return time.process_time() - start


def verify_rate_per_s(repeat: int = REPEAT) -> float:
    """Return R: Ed25519 signatures of a transaction-sized message one core verifies a second."""
    key = SigningKey(bytes(range(32)))
    signed = key.sign(bytes(200))

    def verify() -> None:
        for _ in range(BATCH):
            key.verify_key.verify(signed)

    return BATCH / median_s(verify, repeat)
