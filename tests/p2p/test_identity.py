"""Peer ids: an Ed25519 key in libp2p's form, and nothing else."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from libp2p.crypto.rsa import create_new_key_pair as create_rsa_key_pair
from libp2p.peer.id import ID
from nacl.signing import SigningKey

from p2p.identity import BadPeerIdError, key_pair_of, parse_peer_id, peer_id_of, public_key_of
from p2p.peer_id import peer_id_text


@given(st.binary(min_size=32, max_size=32))
def test_a_peer_id_is_the_key_itself(seed: bytes) -> None:
    public_key = bytes(SigningKey(seed).verify_key)
    peer = peer_id_of(public_key)
    assert peer == ID.from_pubkey(key_pair_of(seed).public_key)
    assert public_key_of(peer) == public_key
    assert parse_peer_id(peer.to_base58()) == peer


def test_the_text_is_that_of_other_implementations() -> None:
    # The peer id that js-libp2p gives the seed 00 01 … 1f.
    public_key = bytes(SigningKey(bytes(range(32))).verify_key)
    text = "12D3KooWA4Xop1JaT3MHxwYMkCepYsv4iPVopMXwCz5iHYdBfeSB"
    assert peer_id_of(public_key).to_base58() == text


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "not that of an Ed25519 key"),
        ("0OIl", "not base58"),
        ("12D3KooW", "not that of an Ed25519 key"),
        ("1" * 65, "too many"),
        ("é", "not base58"),
        ("QmYyQSo1c1Ym7orWxLYvCrM2EmxFTANf8wXmmE7DWjhx5N", "not that of an Ed25519 key"),
    ],
)
def test_other_text_is_refused(text: str, said: str) -> None:
    with pytest.raises(BadPeerIdError, match=said):
        parse_peer_id(text)


def test_a_key_of_another_kind_is_refused() -> None:
    with pytest.raises(BadPeerIdError):
        public_key_of(ID.from_pubkey(create_rsa_key_pair(1024).public_key))


def test_the_text_of_a_peer_id_needs_no_library() -> None:
    pair = key_pair_of(bytes(range(32)))
    peer = ID.from_pubkey(pair.public_key)
    assert peer_id_text(public_key_of(peer)) == peer.to_base58()
