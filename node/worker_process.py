"""What a worker process does: decode transactions, and verify all that is signed in them.

It decodes and verifies by the chain's own functions, so that its answer is what the node would have
found by itself. It keeps nothing from one batch to the next.

It lives as long as the node: a node that is killed cannot end its workers, and they would wait for
work for ever, because each of them holds both ends of the queue.
"""

import multiprocessing
import os
import signal
import threading
from collections.abc import Sequence

from chain.crypto import verify
from chain.refusals import NotIncludableError
from chain.transaction import CheckedFields, decode_transaction, prepare, to_fields

# A transaction's fields, and the verdicts on its `signed_messages` in their order.
Decoded = tuple[CheckedFields, list[bool]]


def begin_worker() -> None:
    """Tie this process to the node: end with it, and leave Ctrl-C to it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_the_node, daemon=True).start()


def decode_batch(chain_id: bytes, raws: Sequence[bytes]) -> list[Decoded | None]:
    """Return what is in each transaction; None stands for one that the chain refuses to decode."""
    return [_decode(raw, chain_id) for raw in raws]


def _decode(raw: bytes, chain_id: bytes) -> Decoded | None:
    try:
        prepared = prepare(decode_transaction(raw, chain_id))
    except NotIncludableError:
        # The node finds the refusal again itself: a name and values that need no way between
        # processes, and a cost that only bad input has.
        return None
    return to_fields(prepared), [verify(*signed) for signed in prepared.signed_messages]


def _end_with_the_node() -> None:
    node = multiprocessing.parent_process()
    assert node is not None, "a worker is started by a node"
    node.join()
    os._exit(1)
