"""ICS-23 `CommitmentProof` bytes: our proofs for the verifiers of others, and theirs for ours.

The messages, of `cosmos.ics23.v1` (protobuf; a field with its default value is left out):

    CommitmentProof    exist = 1 | nonexist = 2
    ExistenceProof     key = 1, value = 2, leaf = 3, path = 4 (repeated InnerOp)
    NonExistenceProof  key = 1, left = 2, right = 3 (ExistenceProof)
    LeafOp             hash = 1, prehash_key = 2, prehash_value = 3, length = 4, prefix = 5
    InnerOp            hash = 1, prefix = 2, suffix = 3

Enumerations: HashOp SHA256 = 1, NO_HASH = 0; LengthOp VAR_PROTO = 1. They verify under the
`tendermintSpec` of ICS-23.

Only what we would encode ourselves is decoded: the leaf operation has to be ours to the byte, and
what was read is encoded again and compared. That is what refuses the proofs described in
`chain.trie.verify`.
"""

from collections.abc import Iterator
from typing import Final

from chain.trie.nodes import DEPTH_MAX, HASH_BYTES, KEY_BYTES_MAX, LEAF_PREFIX, VALUE_BYTES_MAX
from chain.trie.proof import Absence, Existence, ProofError, Step

# Two neighbours with longest keys, values and paths, and what protobuf adds.
BYTES_MAX: Final = 2 * (KEY_BYTES_MAX + VALUE_BYTES_MAX + DEPTH_MAX * (HASH_BYTES + 16)) + 1024

# Field numbers.
_EXIST, _NONEXIST = 1, 2
_KEY, _VALUE, _LEAF, _PATH = 1, 2, 3, 4
_LEFT, _RIGHT = 2, 3
_HASH, _PREHASH_VALUE, _LENGTH, _LEAF_PREFIX = 1, 3, 4, 5
_INNER_PREFIX, _INNER_SUFFIX = 2, 3

# The top bit of a varint's byte: another one follows.
_MORE: Final = 0x80

_VARINT: Final = 0
_LENGTH_DELIMITED: Final = 2

_SHA256: Final = 1
_VAR_PROTO: Final = 1


def encode(proof: Existence | Absence) -> bytes:
    """Encode a proof as a `CommitmentProof`."""
    if isinstance(proof, Existence):
        return _message(_EXIST, _existence(proof))
    absence = _message(_KEY, proof.key)
    if proof.left is not None:
        absence += _message(_LEFT, _existence(proof.left))
    if proof.right is not None:
        absence += _message(_RIGHT, _existence(proof.right))
    return _message(_NONEXIST, absence)


def decode(data: bytes) -> Existence | Absence:
    """Decode a `CommitmentProof` that is, to the byte, one that `encode` can give.

    Raises `ProofError`.
    """
    if len(data) > BYTES_MAX:
        raise ProofError(f"a proof of {len(data)} bytes, at most {BYTES_MAX} are allowed")
    proof: Existence | Absence | None = None
    for field, content in _messages(data):
        if field == _EXIST:
            proof = _read_existence(content)
        elif field == _NONEXIST:
            proof = _read_absence(content)
    if proof is None:
        raise ProofError("the proof is neither of existence nor of absence")
    proof.check()
    if encode(proof) != data:
        raise ProofError("the proof has operations or an encoding other than ours")
    return proof


def _existence(proof: Existence) -> bytes:
    parts = [_message(_KEY, proof.key), _message(_VALUE, proof.value), _message(_LEAF, _LEAF_OP)]
    for step in proof.path:
        operation = _number(_HASH, _SHA256) + _message(_INNER_PREFIX, step.prefix)
        if step.suffix:
            operation += _message(_INNER_SUFFIX, step.suffix)
        parts.append(_message(_PATH, operation))
    return b"".join(parts)


def _read_existence(data: bytes) -> Existence:
    """Read what `encode` will compare; what is missing is empty."""
    key, value = b"", b""
    path: list[Step] = []
    for field, content in _messages(data):
        if field == _KEY:
            key = content
        elif field == _VALUE:
            value = content
        elif field == _PATH:
            step = dict(_messages(content))
            path.append(Step(step.get(_INNER_PREFIX, b""), step.get(_INNER_SUFFIX, b"")))
    return Existence(key, value, tuple(path))


def _read_absence(data: bytes) -> Absence:
    fields = dict(_messages(data))
    return Absence(
        fields.get(_KEY, b""),
        _read_existence(fields[_LEFT]) if _LEFT in fields else None,
        _read_existence(fields[_RIGHT]) if _RIGHT in fields else None,
    )


def _number(field: int, value: int) -> bytes:
    return _varint(field << 3 | _VARINT) + _varint(value)


def _message(field: int, content: bytes) -> bytes:
    return _varint(field << 3 | _LENGTH_DELIMITED) + _varint(len(content)) + content


def _varint(value: int) -> bytes:
    encoded = bytearray()
    while value >= _MORE:
        encoded.append(value & 0x7F | _MORE)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)


def _messages(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Give the fields with bytes in them, having passed over the numbers."""
    position = 0
    while position < len(data):
        tag, position = _read_varint(data, position)
        number, position = _read_varint(data, position)
        if tag & 7 == _LENGTH_DELIMITED:
            if number > len(data) - position:
                raise ProofError("a field is longer than its message")
            yield tag >> 3, data[position : position + number]
            position += number
        elif tag & 7 != _VARINT:
            raise ProofError(f"a field of wire type {tag & 7}, which no proof has")


def _read_varint(data: bytes, position: int) -> tuple[int, int]:
    """Read a varint of at most four bytes: its value, and the position behind it."""
    value = 0
    for shift in range(0, 28, 7):
        if position >= len(data):
            break
        byte = data[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < _MORE:
            return value, position
    raise ProofError("a number is cut off or too long")


# How a leaf is hashed: SHA-256 over 00, the key with its length, the hash of the value with its.
_LEAF_OP: Final = (
    _number(_HASH, _SHA256)
    + _number(_PREHASH_VALUE, _SHA256)
    + _number(_LENGTH, _VAR_PROTO)
    + _message(_LEAF_PREFIX, LEAF_PREFIX)
)
