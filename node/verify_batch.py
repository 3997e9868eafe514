"""What a worker process does: verify signatures. It imports nothing else, to stay small.

It lives as long as the node: a node that is killed cannot end its workers, and they would wait for
work for ever, because each of them holds both ends of the queue.
"""

import multiprocessing
import os
import signal
import threading
from collections.abc import Sequence

from nacl.bindings import crypto_sign_open
from nacl.exceptions import CryptoError

Triple = tuple[bytes, bytes, bytes]


def begin_worker() -> None:
    """Tie this process to the node: end with it, and leave Ctrl-C to it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_the_node, daemon=True).start()


def verify_batch(triples: Sequence[Triple]) -> list[bool]:
    """Return libsodium's verdict on each (public key, message, signature)."""
    return [_verify(*triple) for triple in triples]


PUBLIC_KEY_BYTES = 32
SIGNATURE_BYTES = 64


def _verify(public_key: bytes, message: bytes, signature: bytes) -> bool:
    # The same verdict as `chain.crypto.verify`; a test compares the two on the same vectors.
    if len(public_key) != PUBLIC_KEY_BYTES or len(signature) != SIGNATURE_BYTES:
        return False
    try:
        crypto_sign_open(signature + message, public_key)
    except CryptoError:
        return False
    return True


def _end_with_the_node() -> None:
    node = multiprocessing.parent_process()
    assert node is not None, "a worker is started by a node"
    node.join()
    os._exit(1)
