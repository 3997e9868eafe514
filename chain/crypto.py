"""Signatures: the table of domain tags, what is signed, and the one verdict on a signature.

Ed25519 (RFC 8032) by libsodium. What is signed is `tag ‖ chain_id ‖ SHA-256(payload)`, so that no
signature of one kind or chain can pass as another. Every tag ends in a zero byte that occurs
nowhere else in it: none is a prefix of another.
"""

import enum
from typing import Final

from nacl.bindings import crypto_sign, crypto_sign_open, crypto_sign_seed_keypair
from nacl.exceptions import CryptoError

from contracts.kernel.crypto import sha256

SIGNATURE_BYTES: Final = 64
PUBLIC_KEY_BYTES: Final = 32
SEED_BYTES: Final = 32


class Domain(enum.Enum):
    """Every kind of thing that is signed, with its exact tag."""

    TRANSACTION = b"gridtokenx transaction\0"
    PROPOSAL = b"gridtokenx proposal\0"
    PREVOTE = b"gridtokenx prevote\0"
    PRECOMMIT = b"gridtokenx precommit\0"
    READING = b"gridtokenx meter reading\0"
    GATEWAY = b"gridtokenx gateway\0"
    POSSESSION = b"gridtokenx key possession\0"
    STATUS = b"gridtokenx status\0"
    CHANNEL = b"gridtokenx channel state\0"
    SIGNER = b"gridtokenx signer socket\0"


def signed_bytes(domain: Domain, chain_id: bytes, payload: bytes) -> bytes:
    """Return the message that a signature of this domain covers."""
    return domain.value + chain_id + sha256(payload)


def sign(seed: bytes, message: bytes) -> bytes:
    """Return the 64-byte signature of `message` by the key of this 32-byte seed."""
    _, secret = crypto_sign_seed_keypair(seed)
    return crypto_sign(message, secret)[:SIGNATURE_BYTES]


def public_key_of(seed: bytes) -> bytes:
    """Return the public key of this 32-byte seed."""
    public, _ = crypto_sign_seed_keypair(seed)
    return public


def verify(public_key: bytes, message: bytes, signature: bytes) -> bool:
    """Say whether libsodium accepts the signature; a wrong size is a wrong signature.

    The library checks no size: a short key would be read beyond its end, and bytes of a short
    signature could be moved into the message.
    """
    if len(public_key) != PUBLIC_KEY_BYTES or len(signature) != SIGNATURE_BYTES:
        return False
    try:
        crypto_sign_open(signature + message, public_key)
    except CryptoError:
        return False
    return True
