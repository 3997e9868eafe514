"""The cache of verdicts between loop and execution: neither fails because of the other."""

import sys
import threading
from collections.abc import Iterator

import pytest

from chain.verdicts import SignedMessage
from node.shared_verdicts import SharedVerdicts

LIMIT = 100
KEEPS = 30_000


@pytest.fixture
def threads_take_turns_often() -> Iterator[None]:
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


@pytest.mark.usefixtures("threads_take_turns_often")
def test_two_threads_keep_in_a_full_cache() -> None:
    verdicts = SharedVerdicts(LIMIT)
    failures: list[Exception] = []

    def keep(name: bytes) -> None:
        try:
            for number in range(KEEPS):
                signed = SignedMessage(name, b"%d" % number, b"")
                verdicts.keep(signed, verdict=number % 2 == 0)
        except Exception as error:  # noqa: BLE001 - whatever it is, the other thread caused it
            failures.append(error)

    threads = [threading.Thread(target=keep, args=(name,)) for name in (b"loop", b"execution")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert len(verdicts) == LIMIT
    latest = [SignedMessage(name, b"%d" % (KEEPS - 1), b"") for name in (b"loop", b"execution")]
    assert len(verdicts.unknown(latest)) < len(latest), "whoever was last is known"
