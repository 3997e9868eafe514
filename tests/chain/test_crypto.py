"""Signatures: libsodium's verdict, keys that may be registered, and domains that never meet."""

import hashlib
import json
from itertools import permutations
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from nacl.bindings import crypto_core_ed25519_add, crypto_sign

from chain.crypto import (
    PUBLIC_KEY_BYTES,
    SEED_BYTES,
    SIGNATURE_BYTES,
    Domain,
    public_key_of,
    sign,
    signed_bytes,
    verify,
)
from contracts.kernel import address_of, is_registrable_key, sha256
from contracts.kernel.record import CLAIM_DOMAINS

VECTORS = Path(__file__).parents[2] / "vectors" / "ed25519"
CHAIN_ID = sha256(b"chain of the tests")
SEED = sha256(b"seed of the tests")
GROUP_ORDER = 2**252 + 27742317777372353535851937790883648493


def rows_of(name: str, section: str) -> list[Any]:
    rows: list[Any] = json.loads((VECTORS / name).read_text(encoding="utf-8"))[section]
    return rows


def vectors(name: str, section: str) -> list[Any]:
    return [pytest.param(row, id=str(number)) for number, row in enumerate(rows_of(name, section))]


def unhex(row: dict[str, str], *names: str) -> list[bytes]:
    return [bytes.fromhex(row[name]) for name in names]


POINTS = rows_of("small_order.json", "points")


# ── Signatures ──


@pytest.mark.parametrize("row", vectors("rfc8032.json", "cases"))
def test_the_examples_of_the_standard(row: dict[str, str]) -> None:
    seed, key, message, signature = unhex(row, "seed", "public_key", "message", "signature")
    assert public_key_of(seed) == key
    assert sign(seed, message) == signature
    assert verify(key, message, signature)
    assert is_registrable_key(key)


@pytest.mark.parametrize("row", vectors("speccheck.json", "cases"))
def test_edge_cases_have_the_verdict_of_libsodium(row: dict[str, Any]) -> None:
    key, message, signature = unhex(row, "public_key", "message", "signature")
    assert verify(key, message, signature) is row["libsodium_accepts"]
    # The one that passes is signed by a mixed-order key, which nobody can register.
    assert is_registrable_key(key) is (row["number"] in {6, 7})


@given(st.binary(min_size=SEED_BYTES, max_size=SEED_BYTES), st.binary(max_size=100), st.data())
def test_a_signature_holds_for_its_key_and_message_only(
    seed: bytes, message: bytes, data: st.DataObject
) -> None:
    key, signature = public_key_of(seed), sign(seed, message)
    assert (len(key), len(signature)) == (PUBLIC_KEY_BYTES, SIGNATURE_BYTES)
    assert verify(key, message, signature)
    assert sign(seed, message) == signature
    assert not verify(key, message + b"\x00", signature)
    assert not verify(flip(key, data), message, signature)
    assert not verify(key, message, flip(signature, data))
    if message:
        assert not verify(key, flip(message, data), signature)


def flip(value: bytes, data: st.DataObject) -> bytes:
    bit = data.draw(st.integers(0, 8 * len(value) - 1))
    position, mask = bit >> 3, 1 << (bit & 7)
    return value[:position] + bytes((value[position] ^ mask,)) + value[position + 1 :]


def test_a_signature_has_no_second_form() -> None:
    key, signature = public_key_of(SEED), sign(SEED, b"message")
    scalar = int.from_bytes(signature[32:], "little")
    for multiple in range(1, 16):
        other = signature[:32] + (scalar + multiple * GROUP_ORDER).to_bytes(32, "little")
        assert not verify(key, b"message", other)


def test_bytes_do_not_move_between_signature_and_message() -> None:
    key, message = public_key_of(SEED), b"message"
    signature = sign(SEED, message)
    for cut in (0, 1, 32, 63):
        assert not verify(key, signature[cut:] + message, signature[:cut])
    for extra in (1, len(message)):
        assert not verify(key, message[extra:], signature + message[:extra])


@pytest.mark.parametrize("size", [0, 1, 31, 33, 64])
def test_a_key_of_another_size_is_neither_used_nor_registered(size: int) -> None:
    key = (public_key_of(SEED) * 2)[:size]
    assert not verify(key, b"message", sign(SEED, b"message"))
    assert not is_registrable_key(key)


# ── Keys ──


@pytest.mark.parametrize("row", vectors("small_order.json", "points"))
def test_keys_of_small_order_are_not_registered(row: dict[str, Any]) -> None:
    assert not is_registrable_key(bytes.fromhex(row["public_key"]))


def test_all_encodings_of_small_order_are_listed() -> None:
    canonical = {row["public_key"]: row["order"] for row in POINTS if row["canonical"]}
    assert sorted(canonical.values()) == [1, 2, 4, 4, 8, 8, 8, 8]
    assert len({row["public_key"] for row in POINTS}) == 14


@pytest.mark.parametrize("number", range(4))
def test_a_key_with_a_part_of_small_order_is_not_registered(number: int) -> None:
    key = public_key_of(sha256(b"key %d" % number))
    assert is_registrable_key(key)
    parts = [row["public_key"] for row in POINTS if row["canonical"] and row["order"] > 1]
    mixed = {crypto_core_ed25519_add(key, bytes.fromhex(part)) for part in parts}
    assert len(mixed | {key}) == 8
    assert not any(map(is_registrable_key, mixed))


def test_a_mixed_key_would_have_signed() -> None:
    # Why such keys are refused: the holder of SEED can sign for a second key, here by search.
    torsion = bytes.fromhex("ec" + "ff" * 30 + "7f")
    mixed = crypto_core_ed25519_add(public_key_of(SEED), torsion)
    expanded = SEED + mixed
    signatures = [(m, crypto_sign(m, expanded)[:64]) for m in map(bytes, zip(range(40)))]
    assert any(verify(mixed, message, signature) for message, signature in signatures)
    assert not is_registrable_key(mixed)


def test_an_encoding_beyond_the_field_is_not_registered() -> None:
    # y and y + p are the same point; only y below p = 2^255 − 19 is its encoding.
    for y in range(19):
        for sign_bit in (0, 1 << 255):
            beyond = (2**255 - 19 + y | sign_bit).to_bytes(32, "little")
            assert not is_registrable_key(beyond)


def test_bytes_that_are_no_point_are_not_registered() -> None:
    keys = [sha256(b"no key %d" % number) for number in range(200)]
    # Half of all bytes are no point at all; of the points, one in eight is of prime order.
    assert 0 < sum(map(is_registrable_key, keys)) < 40


@given(st.binary(min_size=32, max_size=32))
def test_the_key_of_any_seed_may_be_registered(seed: bytes) -> None:
    assert is_registrable_key(public_key_of(seed))


def test_an_address_is_the_first_twenty_bytes_of_the_hash_of_the_key() -> None:
    key = public_key_of(SEED)
    assert address_of(key) == hashlib.sha256(key).digest()[:20]


# ── Domains ──


def test_the_tags_are_those_of_the_protocol() -> None:
    assert {domain.name: domain.value for domain in Domain} == {
        "TRANSACTION": b"gridtokenx transaction\x00",
        "PROPOSAL": b"gridtokenx proposal\x00",
        "PREVOTE": b"gridtokenx prevote\x00",
        "PRECOMMIT": b"gridtokenx precommit\x00",
        "READING": b"gridtokenx meter reading\x00",
        "GATEWAY": b"gridtokenx gateway\x00",
        "POSSESSION": b"gridtokenx key possession\x00",
        "STATUS": b"gridtokenx status\x00",
        "CHANNEL": b"gridtokenx channel state\x00",
        "SIGNER": b"gridtokenx signer socket\x00",
    }


def test_no_tag_is_a_prefix_of_another() -> None:
    for one, other in permutations(Domain, 2):
        assert not one.value.startswith(other.value)
    for domain in Domain:
        assert domain.value.index(b"\x00") == len(domain.value) - 1


def test_every_domain_of_claims_has_a_tag() -> None:
    assert {*CLAIM_DOMAINS} < {domain.name for domain in Domain}


def test_what_is_signed_is_tag_chain_and_hash() -> None:
    expected = b"gridtokenx prevote\x00" + CHAIN_ID + hashlib.sha256(b"payload").digest()
    assert signed_bytes(Domain.PREVOTE, CHAIN_ID, b"payload") == expected


def test_a_signature_of_one_domain_or_chain_does_not_pass_in_another() -> None:
    key, other_chain = public_key_of(SEED), sha256(b"another chain")
    for made in Domain:
        signature = sign(SEED, signed_bytes(made, CHAIN_ID, b"payload"))
        accepted = [
            read
            for read in Domain
            if verify(key, signed_bytes(read, CHAIN_ID, b"payload"), signature)
        ]
        assert accepted == [made]
        assert not verify(key, signed_bytes(made, other_chain, b"payload"), signature)
        assert not verify(key, signed_bytes(made, CHAIN_ID, b"another payload"), signature)
