"""Addresses as text: bech32m (BIP-350) of the 20 bytes, with the prefix `gtx1`.

```text
gtx1  qypqxpq9qcrsszg2pvxq6rs0zqg3yyc5  f785jw      42 characters in all
      20 bytes, 5 bits a character      checksum
```

Written in lower case; all upper case is read as well, mixed case is not. The checksum finds every
error of up to four characters, so a mistyped address is never another account. Of a single wrong
character it also tells the place, which is shown; the right one is not guessed (BIP-173).
"""

from collections.abc import Iterable, Sequence
from typing import Final

from contracts.kernel.crypto import ADDRESS_BYTES

PREFIX: Final = "gtx"
ADDRESS_CHARACTERS: Final = 42
CHARACTERS_MAX: Final = 90

_ALPHABET: Final = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"
_GENERATOR: Final = (0x3B6A57B2, 0x26508E6D, 0x1EA119FA, 0x3D4233DD, 0x2A1462B3)
_CARRIED_MAX: Final = 32
_RESIDUE: Final = 0x2BC830A3
_CHECKSUM_CHARACTERS: Final = 6
_PRINTABLE: Final = range(33, 127)


class AddressTextError(ValueError):
    """The text is not an address; `position` is the index of the wrong character, if known."""

    def __init__(self, reason: str, position: int | None = None) -> None:
        """Keep the position apart for forms that mark it."""
        super().__init__(reason)
        self.position = position


def encode_address(address: bytes) -> str:
    """Return the text form of a 20-byte address."""
    assert len(address) == ADDRESS_BYTES, f"an address of {len(address)} bytes"
    number = int.from_bytes(address, "big")
    return encode(PREFIX, [number >> shift & 31 for shift in range(8 * ADDRESS_BYTES - 5, -1, -5)])


def decode_address(text: str) -> bytes:
    """Return the 20 bytes of an address typed or pasted by a person; raises `AddressTextError`."""
    if not text.lower().startswith(f"{PREFIX}1"):
        raise AddressTextError(f"an address begins with {PREFIX}1", 0)
    if len(text) != ADDRESS_CHARACTERS:
        reason = f"an address has {ADDRESS_CHARACTERS} characters, this has {len(text)}"
        raise AddressTextError(reason)
    number = 0
    for group in _groups(text, len(PREFIX)):
        number = number << 5 | group
    return number.to_bytes(ADDRESS_BYTES, "big")


def encode(prefix: str, groups: Sequence[int]) -> str:
    """Return the bech32m text of groups of 5 bits."""
    residue = _divide([*_expand(prefix), *groups, *[0] * _CHECKSUM_CHARACTERS]) ^ _RESIDUE
    checksum = [residue >> 5 * place & 31 for place in reversed(range(_CHECKSUM_CHARACTERS))]
    return f"{prefix}1" + "".join(_ALPHABET[group] for group in (*groups, *checksum))


def decode(text: str) -> tuple[str, list[int]]:
    """Return prefix and groups of any bech32m text; raises `AddressTextError`."""
    if len(text) > CHARACTERS_MAX:
        raise AddressTextError(f"more than {CHARACTERS_MAX} characters")
    separator = text.rfind("1")
    if separator < 1:
        raise AddressTextError("there is no prefix that ends in 1")
    return text[:separator].lower(), _groups(text, separator)


def _groups(text: str, separator: int) -> list[int]:
    """Check case, characters and checksum; return the groups without the checksum."""
    _check_characters(text)
    values = []
    for position, character in enumerate(text.lower()[separator + 1 :], separator + 1):
        if character not in _ALPHABET:
            raise AddressTextError(f"{_place(text, position)} cannot occur", position)
        values.append(_ALPHABET.index(character))
    if len(values) < _CHECKSUM_CHARACTERS:
        raise AddressTextError("too short to hold a checksum")
    difference = _divide([*_expand(text[:separator].lower()), *values]) ^ _RESIDUE
    if difference:
        wrong = _single_error(difference, len(values))
        if wrong is None:
            raise AddressTextError("the checksum does not fit: several characters are wrong")
        position = separator + 1 + wrong
        reason = f"the checksum does not fit: probably {_place(text, position)} is wrong"
        raise AddressTextError(reason, position)
    return values[:-_CHECKSUM_CHARACTERS]


def _check_characters(text: str) -> None:
    """Refuse what is not printable ASCII (the Kelvin sign has k as its lower case), mixed case."""
    letters = []
    for position, character in enumerate(text):
        if ord(character) not in _PRINTABLE:
            raise AddressTextError(f"{_place(text, position)} cannot occur", position)
        if character.isalpha():
            letters.append(position)
            if character.isupper() != text[letters[0]].isupper():
                reason = f"{_place(text, position)} mixes upper and lower case"
                raise AddressTextError(reason, position)


def _single_error(difference: int, length: int) -> int | None:
    """Return the only position where one wrong value leaves this difference, or None.

    The checksum is linear: a value that is off by `error` and is followed by k others changes the
    residue by `error` carried through k steps. Two such errors never leave the same difference.
    """
    for error in range(1, 32):
        residue = error
        for following in range(length):
            if residue == difference:
                return length - 1 - following
            residue = _step(residue, 0)
    return None


def _expand(prefix: str) -> list[int]:
    high, low = [ord(c) >> 5 for c in prefix], [ord(c) & 31 for c in prefix]
    return [*high, 0, *low]


def _divide(values: Iterable[int]) -> int:
    """Return the residue of the polynomial with these coefficients, BIP-173's `polymod`."""
    residue = 1
    for value in values:
        residue = _step(residue, value)
    return residue


def _step(residue: int, value: int) -> int:
    return (residue & 0x1FFFFFF) << 5 ^ value ^ _TERMS[residue >> 25]


def _terms_of(carried: int) -> int:
    """Return the sum of the generator's terms for the five bits that are carried out."""
    terms = 0
    for bit, term in enumerate(_GENERATOR):
        if carried >> bit & 1:
            terms ^= term
    return terms


_TERMS: Final = tuple(_terms_of(carried) for carried in range(_CARRIED_MAX))


def _place(text: str, position: int) -> str:
    return f"character {position + 1}, {text[position]!r},"
