"""Who a node is on the network: an Ed25519 key of its own, apart from the consensus key.

A peer id is the key itself in libp2p's form: the identity multihash of the protobuf of an Ed25519
public key, base58btc when written (`12D3KooW…`). (libp2p peer-ids specification.)
"""

from typing import Final

import base58
from libp2p.crypto.ed25519 import create_new_key_pair
from libp2p.crypto.keys import KeyPair
from libp2p.peer.id import ID

from p2p.peer_id import PREFIX

SEED_BYTES: Final = 32
PEER_ID_BYTES: Final = len(PREFIX) + SEED_BYTES
PEER_ID_TEXT_MAX: Final = 64


class BadPeerIdError(ValueError):
    """The text is no peer id of an Ed25519 key; says why."""


def key_pair_of(seed: bytes) -> KeyPair:
    """Return the key pair of a 32-byte seed."""
    assert len(seed) == SEED_BYTES, f"a seed of {len(seed)} bytes"
    return create_new_key_pair(seed)


def peer_id_of(public_key: bytes) -> ID:
    """Return the peer id of a 32-byte Ed25519 public key."""
    assert len(public_key) == SEED_BYTES, f"a public key of {len(public_key)} bytes"
    return ID(PREFIX + public_key)


def public_key_of(peer: ID) -> bytes:
    """Return the Ed25519 public key that a peer id is; raises `BadPeerIdError`."""
    raw = peer.to_bytes()
    if len(raw) != PEER_ID_BYTES or not raw.startswith(PREFIX):
        raise BadPeerIdError(f"{peer.to_base58()[:PEER_ID_TEXT_MAX]} is not that of an Ed25519 key")
    return raw[len(PREFIX) :]


def parse_peer_id(text: str) -> ID:
    """Read a peer id as people write it; raises `BadPeerIdError`."""
    if len(text) > PEER_ID_TEXT_MAX:
        raise BadPeerIdError(f"{text[:16]}… has {len(text)} characters: too many for a peer id")
    try:
        peer = ID(base58.b58decode(text))
    except ValueError as error:
        raise BadPeerIdError(f"{text!r} is not base58") from error
    public_key_of(peer)
    return peer
