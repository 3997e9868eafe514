"""Peer ids as text, without the library: `12D3KooW…` of an Ed25519 public key.

The identity multihash of the protobuf of the key, base58btc. (libp2p peer-ids specification.)
"""

from typing import Final

import base58

KEY_BYTES: Final = 32
# Protobuf {type: Ed25519, data: 32 bytes} behind the header of an identity multihash.
PREFIX: Final = bytes((0x00, 0x24, 0x08, 0x01, 0x12, 0x20))


def peer_id_text(public_key: bytes) -> str:
    """Return the peer id of a 32-byte Ed25519 public key as people write it."""
    assert len(public_key) == KEY_BYTES, f"a public key of {len(public_key)} bytes"
    text: str = base58.b58encode(PREFIX + public_key).decode()
    return text
