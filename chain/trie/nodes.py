"""The shape of the trie and the hashes of its nodes: what prover and verifier share.

The trie is a path-compressed binary (crit-bit) trie over raw key bytes, most significant bit first.
An inner node stands where the keys below it first differ; none has an empty side, so a set of keys
has exactly one shape, whatever the order in which it came about.

    leaf  = SHA-256(00 ‖ varint(length of key) ‖ key ‖ 20 ‖ SHA-256(value))
    inner = SHA-256(01 ‖ left ‖ right)

These are the node hashes of ICS-23 under `tendermintSpec`, so verifiers written by others can check
our proofs. Keys have 1 to 255 bytes and none is the beginning of another; values are never empty
(ICS-23 knows neither empty keys nor empty values, nor a proof in an empty trie).

Positions are bit indices from the start of the key: bit 0 is the top bit of the first byte.
"""

from hashlib import sha256
from typing import Final

HASH_BYTES: Final = 32

KEY_BYTES_MAX: Final = 255

# An absence may be asked for a key just behind the longest one: that key followed by 00.
ASKED_KEY_BYTES_MAX: Final = KEY_BYTES_MAX + 1

# A value must fit into a proof, and a proof into a frame on the wire.
VALUE_BYTES_MAX: Final = 1 << 20

# The inner nodes above a leaf stand at different bits of its key.
DEPTH_MAX: Final = 8 * KEY_BYTES_MAX

# The root of a trie without leaves, as for the list roots: the hash of nothing.
EMPTY_ROOT: Final = sha256(b"").digest()

# From this length on, a varint has a second byte, which for a key is always 01.
_LONG_VARINT: Final = 0x80

LEAF_PREFIX: Final = b"\x00"
INNER_PREFIX: Final = b"\x01"

# `first_difference` of two equal keys: behind every position.
NO_DIFFERENCE: Final = 0xFFFF
# `first_difference` of two keys of which one is the beginning of the other: before every position.
IS_PREFIX: Final = -1


class TrieMisuseError(AssertionError):
    """Our own code broke a rule of the trie: a bug, after which the state cannot be trusted.

    It is raised, not asserted, so that running Python with -O does not lose the check. Whoever
    raises it has changed nothing.
    """


def leaf_hash(key: bytes, value_hash: bytes) -> bytes:
    """Hash a leaf of `key` (at most 255 bytes) and the SHA-256 of its value."""
    length = len(key)
    if length < _LONG_VARINT:
        return sha256(b"\x00%c%b\x20%b" % (length, key, value_hash)).digest()
    return sha256(b"\x00%c\x01%b\x20%b" % (length, key, value_hash)).digest()


def inner_hash(left: bytes, right: bytes) -> bytes:
    """Hash an inner node of the hashes of its two sides."""
    return sha256(b"\x01" + left + right).digest()


def first_difference(one: bytes, other: bytes) -> int:
    """Find the first bit in which two keys differ.

    `NO_DIFFERENCE` where they are equal, `IS_PREFIX` where one is the beginning of the other.
    """
    if one == other:
        return NO_DIFFERENCE
    length = len(one)
    if length != len(other):
        length = min(length, len(other))
        one = one[:length]
        other = other[:length]
        if one == other:
            return IS_PREFIX
    return 8 * length - (int.from_bytes(one) ^ int.from_bytes(other)).bit_length()


def bit_of(key: bytes, position: int) -> int:
    """Give the bit of `key` at `position`: zero or not zero."""
    return key[position >> 3] & (0x80 >> (position & 7))


def check_key(key: bytes) -> None:
    """Raise `TrieMisuseError` unless `key` may stand in the trie."""
    if not 1 <= len(key) <= KEY_BYTES_MAX:
        raise TrieMisuseError(
            f"a key of {len(key)} bytes; 1 to {KEY_BYTES_MAX} are allowed: {key[:64].hex()}"
        )


def check_value(value: bytes) -> None:
    """Raise `TrieMisuseError` unless `value` may stand in the trie."""
    if not 1 <= len(value) <= VALUE_BYTES_MAX:
        raise TrieMisuseError(f"a value of {len(value)} bytes; 1 to {VALUE_BYTES_MAX} are allowed")
