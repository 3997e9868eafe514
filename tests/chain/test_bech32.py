"""Addresses as text: BIP-350, and what a person is told about a mistyped one."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chain.bech32 import (
    ADDRESS_CHARACTERS,
    AddressTextError,
    decode,
    decode_address,
    encode,
    encode_address,
)

VECTORS = Path(__file__).parents[2] / "vectors" / "bech32m"
ALPHABET = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"
ADDRESS = bytes(range(1, 21))
TEXT = "gtx1qypqxpq9qcrsszg2pvxq6rs0zqg3yyc5f785jw"
addresses = st.binary(min_size=20, max_size=20)


def vectors(name: str, section: str) -> list[Any]:
    rows = json.loads((VECTORS / name).read_text(encoding="utf-8"))[section]
    return [pytest.param(row, id=str(number)) for number, row in enumerate(rows)]


def put(text: str, position: int, character: str) -> str:
    return text[:position] + character + text[position + 1 :]


# ── BIP-350 ──


@pytest.mark.parametrize("text", vectors("bip350.json", "valid"))
def test_the_valid_texts_of_the_standard_are_read_and_written(text: str) -> None:
    prefix, groups = decode(text)
    assert encode(prefix, groups) == text.lower()


@pytest.mark.parametrize("row", vectors("bip350.json", "invalid"))
def test_the_invalid_texts_of_the_standard_are_refused(row: dict[str, str]) -> None:
    with pytest.raises(AddressTextError):
        decode(row["text"])


def test_what_the_valid_texts_hold() -> None:
    assert decode("A1LQFN3A") == ("a", [])
    prefix, groups = decode("abcdef1l7aum6echk45nj3s0wdvt2fg8x9yrzpqzd3ryx")
    assert (prefix, groups) == ("abcdef", list(range(31, -1, -1)))


# ── Addresses ──


@pytest.mark.parametrize("row", vectors("addresses.json", "addresses"))
def test_the_text_of_known_addresses(row: dict[str, str]) -> None:
    address = bytes.fromhex(row["address"])
    assert encode_address(address) == row["text"]
    assert decode_address(row["text"]) == address


@given(addresses)
def test_an_address_reads_back_in_either_case(address: bytes) -> None:
    text = encode_address(address)
    assert len(text) == ADDRESS_CHARACTERS
    assert text.startswith("gtx1")
    assert text == text.lower()
    assert decode_address(text) == address
    assert decode_address(text.upper()) == address
    assert decode(text)[0] == "gtx"


@pytest.mark.parametrize("size", [0, 19, 21, 32])
def test_only_addresses_of_20_bytes_are_ours_to_write(size: int) -> None:
    with pytest.raises(AssertionError, match=f"an address of {size} bytes"):
        encode_address(bytes(size))


# ── Mistyped ──


@given(addresses, st.integers(4, ADDRESS_CHARACTERS - 1), st.integers(1, 31))
def test_one_wrong_character_is_found_and_pointed_at(
    address: bytes, position: int, offset: int
) -> None:
    text = encode_address(address)
    wrong = ALPHABET[ALPHABET.index(text[position]) ^ offset]
    with pytest.raises(AddressTextError) as fault:
        decode_address(put(text, position, wrong))
    assert fault.value.position == position
    assert str(fault.value) == (
        f"the checksum does not fit: probably character {position + 1}, {wrong!r}, is wrong"
    )


@given(addresses, st.data(), st.integers(2, 4))
def test_up_to_four_wrong_characters_never_make_another_address(
    address: bytes, data: st.DataObject, count: int
) -> None:
    text = encode_address(address)
    places = st.lists(
        st.integers(4, ADDRESS_CHARACTERS - 1), min_size=count, max_size=count, unique=True
    )
    for position in data.draw(places):
        offset = data.draw(st.integers(1, 31))
        text = put(text, position, ALPHABET[ALPHABET.index(text[position]) ^ offset])
    with pytest.raises(AddressTextError, match="the checksum does not fit"):
        decode_address(text)


def test_two_wrong_characters_are_said_to_be_several() -> None:
    with pytest.raises(AddressTextError) as fault:
        decode_address(put(put(TEXT, 10, "z"), 11, "z"))
    assert str(fault.value) == "the checksum does not fit: several characters are wrong"
    assert fault.value.position is None


@given(st.text(max_size=60) | st.text(ALPHABET + "1gtxGTXb", max_size=50).map("gtx1".__add__))
def test_any_other_text_is_refused_in_one_way(text: str) -> None:
    with pytest.raises(AddressTextError):
        decode_address(text)


BEGINS = "an address begins with gtx1"
LENGTH = "an address has 42 characters, this has"


@pytest.mark.parametrize(
    ("text", "reason", "position"),
    [
        ("", BEGINS, 0),
        ("0x0102030405060708090a0b0c0d0e0f1011121314", BEGINS, 0),
        ("bc1p0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k", BEGINS, 0),
        (f" {TEXT}", BEGINS, 0),
        ("gtx1", f"{LENGTH} 4", None),
        (TEXT[:-1], f"{LENGTH} 41", None),
        (f"{TEXT}q", f"{LENGTH} 43", None),
        (f"{TEXT}\n", f"{LENGTH} 43", None),
        (put(TEXT, 0, "G"), "character 2, 't', mixes upper and lower case", 1),
        (put(TEXT, 9, "Q"), "character 10, 'Q', mixes upper and lower case", 9),
        (put(TEXT, 9, "b"), "character 10, 'b', cannot occur", 9),
        (put(TEXT, 9, "1"), "character 10, '1', cannot occur", 9),
        (put(TEXT, 9, " "), "character 10, ' ', cannot occur", 9),
        (put(TEXT, 9, "é"), "character 10, 'é', cannot occur", 9),
    ],
)
def test_what_a_person_is_told(text: str, reason: str, position: int | None) -> None:
    with pytest.raises(AddressTextError) as fault:
        decode_address(text)
    assert str(fault.value) == reason
    assert fault.value.position == position


def test_a_sign_whose_lower_case_is_a_letter_is_not_that_letter() -> None:
    address = bytes(20)[:-1] + b"\x16"
    text = encode_address(address).upper()
    assert "K" in text
    kelvin = text.replace("K", "\N{KELVIN SIGN}", 1)
    assert kelvin.lower() == text.lower()
    with pytest.raises(AddressTextError, match="cannot occur"):
        decode_address(kelvin)


def test_the_older_checksum_of_bech32_is_refused() -> None:
    # BIP-173's example; its checksum ends in another constant.
    with pytest.raises(AddressTextError, match="the checksum does not fit"):
        decode("abcdef1qpzry9x8gf2tvdw0s3jn54khce6mua7lmqqqxw")
