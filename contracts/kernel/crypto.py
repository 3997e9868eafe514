"""Hash, address and key validity: the primitives that contracts and chain share.

SHA-256 everywhere; Ed25519 as libsodium judges it, whose verdict is consensus.
"""

import hashlib
from typing import Final

from nacl.bindings import crypto_core_ed25519_BYTES, crypto_core_ed25519_is_valid_point

ADDRESS_BYTES: Final = 20


def sha256(data: bytes) -> bytes:
    """Return the 32-byte SHA-256 of `data`."""
    return hashlib.sha256(data).digest()


def address_of(public_key: bytes) -> bytes:
    """Return the 20-byte address of an Ed25519 public key: the first bytes of its SHA-256."""
    return hashlib.sha256(public_key).digest()[:ADDRESS_BYTES]


def is_registrable_key(public_key: bytes) -> bool:
    """Say whether a public key may be registered.

    It must be the canonical encoding of a point of the prime-order group other than the identity;
    small-order points would make signatures that fit any message (RFC 8032 §8.9, libsodium).
    """
    if len(public_key) != crypto_core_ed25519_BYTES:
        return False
    return crypto_core_ed25519_is_valid_point(public_key)
