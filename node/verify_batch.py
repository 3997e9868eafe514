"""What a worker process does: verify signatures. It imports nothing else, to stay small."""

from collections.abc import Sequence

from nacl.bindings import crypto_sign_open
from nacl.exceptions import CryptoError

Triple = tuple[bytes, bytes, bytes]


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
