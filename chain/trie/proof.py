"""What is proven about a state, as data: existence, absence, ranges, and their wire forms.

Proofs come from strangers. What is read from a wire form has been checked in type, size and count,
and every step has one of the two exact forms there are; whether it proves anything is for
`chain.trie.verify` to say, which checks all this again before it hashes.

    ProofError      a proof is malformed, or does not prove what is asked of it

Wire forms, for the codec (lists as it decodes them; a step is leaf-most first):

    existence  [1, 0, key, value, [[prefix, suffix], …]]
    absence    [1, 1, key, existence of the left neighbour or null, of the right one or null]
    range      [1, 2, start, end, cursor or null, before or null, [[key, value], …], after or null,
                [hash, …], [hash, …], shape]
"""

from dataclasses import dataclass
from typing import Final, TypeAlias

from chain.trie.nodes import (
    ASKED_KEY_BYTES_MAX,
    DEPTH_MAX,
    HASH_BYTES,
    INNER_PREFIX,
    KEY_BYTES_MAX,
    VALUE_BYTES_MAX,
)
from contracts.kernel.codec import Value

# A key and its value.
Item: TypeAlias = tuple[bytes, bytes]

WIRE_VERSION: Final = 1

# How many items one range proof has at most; the cursor leads on.
RANGE_ITEMS_MAX: Final = 10_000

# The two neighbours come in addition, and the boundary of a range has a hash a level on each side.
_SHAPE_BYTES_MAX: Final = (2 * (RANGE_ITEMS_MAX + 2 + 2 * DEPTH_MAX) + 7) >> 3

_EXISTENCE: Final = 0
_ABSENCE: Final = 1
_RANGE: Final = 2


class ProofError(Exception):
    """A proof is malformed, or does not prove what is asked of it."""


@dataclass(frozen=True, slots=True)
class Step:
    """One step up: the hash below comes between `prefix` and `suffix`, as an ICS-23 `InnerOp`.

    From a left side the prefix is 01 and the suffix the hash of the right side; from a right side
    the prefix is 01 and the hash of the left side, and the suffix is empty.
    """

    prefix: bytes
    suffix: bytes

    @classmethod
    def from_left(cls, right_hash: bytes) -> "Step":
        """Make the step from a left side."""
        return cls(INNER_PREFIX, right_hash)

    @classmethod
    def from_right(cls, left_hash: bytes) -> "Step":
        """Make the step from a right side."""
        return cls(INNER_PREFIX + left_hash, b"")

    @property
    def is_from_left(self) -> bool:
        """Whether the step comes from a left side."""
        return len(self.suffix) == HASH_BYTES


@dataclass(frozen=True, slots=True)
class Existence:
    """A key has a value: the steps from its leaf to the root, leaf-most first."""

    key: bytes
    value: bytes
    path: tuple[Step, ...]

    def check(self) -> None:
        """Raise `ProofError` unless every field has a size and form that a proof can have."""
        _check_bytes("key", self.key, 1, KEY_BYTES_MAX)
        _check_bytes("value", self.value, 1, VALUE_BYTES_MAX)
        if len(self.path) > 8 * len(self.key):
            raise ProofError(
                f"{len(self.path)} steps above a key of {len(self.key)} bytes, 8 a byte at most"
            )
        for step in self.path:
            _check_step(step)

    def to_wire(self) -> Value:
        """Give the wire form."""
        path: list[Value] = [[step.prefix, step.suffix] for step in self.path]
        return [WIRE_VERSION, _EXISTENCE, self.key, self.value, path]

    @classmethod
    def from_wire(cls, wire: Value) -> "Existence":
        """Read the wire form; raises `ProofError`."""
        key, value, path = _fields(wire, _EXISTENCE, 3)
        steps = tuple(_step_from(step) for step in _list("path", path, DEPTH_MAX))
        proof = cls(_bytes("key", key), _bytes("value", value), steps)
        proof.check()
        return proof


@dataclass(frozen=True, slots=True)
class Absence:
    """A key does not exist: its neighbours do and have nothing between them.

    `left` is None if no smaller key exists, `right` if no greater one does.
    """

    key: bytes
    left: Existence | None
    right: Existence | None

    def check(self) -> None:
        """Raise `ProofError` unless every field has a size and form that a proof can have."""
        _check_bytes("key", self.key, 1, ASKED_KEY_BYTES_MAX)
        if self.left is None and self.right is None:
            raise ProofError("an absence needs a neighbour, it has none")
        for neighbour in (self.left, self.right):
            if neighbour is not None:
                neighbour.check()

    def to_wire(self) -> Value:
        """Give the wire form."""
        left = None if self.left is None else self.left.to_wire()
        right = None if self.right is None else self.right.to_wire()
        return [WIRE_VERSION, _ABSENCE, self.key, left, right]

    @classmethod
    def from_wire(cls, wire: Value) -> "Absence":
        """Read the wire form; raises `ProofError`."""
        key, left, right = _fields(wire, _ABSENCE, 3)
        proof = cls(
            _bytes("key", key),
            None if left is None else Existence.from_wire(left),
            None if right is None else Existence.from_wire(right),
        )
        proof.check()
        return proof


@dataclass(frozen=True, slots=True)
class RangeProof:
    """All items from `start` (included) to `end` (not), or to `cursor` if a limit cut them off.

    It shows a run of neighbouring leaves: `before`, the last one before `start` (None if the first
    item stands at `start`, or no leaf is before it); the items; `after`, the first leaf from `end`
    on (None if cut off, or no leaf is there). The rest of the trie is `left_hashes` and
    `right_hashes`, of the subtrees left and right of the run. `shape` says how all these stand: the
    tree in preorder, a 1 for an inner node and a 0 for a leaf or hash, spare bits 0. So there is
    exactly one proof of a range.

    The cursor is the last item's key followed by 00: where the next page starts.
    """

    start: bytes
    end: bytes
    cursor: bytes | None
    before: Item | None
    items: tuple[Item, ...]
    after: Item | None
    left_hashes: tuple[bytes, ...]
    right_hashes: tuple[bytes, ...]
    shape: bytes

    @property
    def leaves(self) -> tuple[Item, ...]:
        """The whole run of leaves, in order."""
        before = () if self.before is None else (self.before,)
        after = () if self.after is None else (self.after,)
        return (*before, *self.items, *after)

    def check(self) -> None:
        """Raise `ProofError` unless every field has a size and form that a proof can have."""
        _check_bytes("start", self.start, 1, ASKED_KEY_BYTES_MAX)
        _check_bytes("end", self.end, 1, ASKED_KEY_BYTES_MAX)
        if self.cursor is not None:
            _check_bytes("cursor", self.cursor, 1, ASKED_KEY_BYTES_MAX)
        _check_count("items", len(self.items), RANGE_ITEMS_MAX)
        _check_count("left hashes", len(self.left_hashes), DEPTH_MAX)
        _check_count("right hashes", len(self.right_hashes), DEPTH_MAX)
        for key, value in self.leaves:
            _check_bytes("key", key, 1, KEY_BYTES_MAX)
            _check_bytes("value", value, 1, VALUE_BYTES_MAX)
        for boundary in (*self.left_hashes, *self.right_hashes):
            _check_bytes("hash", boundary, HASH_BYTES, HASH_BYTES)
        _check_bytes("shape", self.shape, 1, _SHAPE_BYTES_MAX)

    def to_wire(self) -> Value:
        """Give the wire form."""
        return [
            WIRE_VERSION,
            _RANGE,
            self.start,
            self.end,
            self.cursor,
            None if self.before is None else list(self.before),
            [list(item) for item in self.items],
            None if self.after is None else list(self.after),
            list(self.left_hashes),
            list(self.right_hashes),
            self.shape,
        ]

    @classmethod
    def from_wire(cls, wire: Value) -> "RangeProof":
        """Read the wire form; raises `ProofError`."""
        fields = _fields(wire, _RANGE, 9)
        start, end, cursor, before, items, after, left_hashes, right_hashes, shape = fields
        proof = cls(
            start=_bytes("start", start),
            end=_bytes("end", end),
            cursor=None if cursor is None else _bytes("cursor", cursor),
            before=None if before is None else _item_from(before),
            items=tuple(_item_from(item) for item in _list("items", items, RANGE_ITEMS_MAX)),
            after=None if after is None else _item_from(after),
            left_hashes=_hashes_from(left_hashes),
            right_hashes=_hashes_from(right_hashes),
            shape=_bytes("shape", shape),
        )
        proof.check()
        return proof


def proof_from_wire(wire: Value) -> Existence | Absence:
    """Read the wire form of whichever of the two answers a single key; raises `ProofError`."""
    if isinstance(wire, list) and wire[1:2] == [_ABSENCE]:
        return Absence.from_wire(wire)
    return Existence.from_wire(wire)


def _fields(wire: Value, kind: int, count: int) -> list[Value]:
    """Take a proof's list apart."""
    if not isinstance(wire, list) or len(wire) != count + 2:
        raise ProofError(f"a proof must be a list of {count + 2}")
    for found, expected in zip(wire, (WIRE_VERSION, kind), strict=False):
        # `True == 1`, but it is not the number.
        if type(found) is not int or found != expected:
            raise ProofError(f"a proof must begin with version {WIRE_VERSION} and kind {kind}")
    return wire[2:]


def _list(name: str, wire: Value, count_max: int) -> list[Value]:
    """Take a list of at most `count_max`."""
    if not isinstance(wire, list):
        raise ProofError(f"{name} must be a list")
    _check_count(name, len(wire), count_max)
    return wire


def _pair(name: str, wire: Value) -> tuple[bytes, bytes]:
    """Take a list of two byte strings."""
    match wire:
        case [bytes() as one, bytes() as other] if isinstance(wire, list):
            return one, other
    raise ProofError(f"{name} must be a list of two byte strings")


def _bytes(name: str, wire: Value) -> bytes:
    """Take a byte string."""
    if not isinstance(wire, bytes):
        raise ProofError(f"{name} must be a byte string")
    return wire


def _step_from(wire: Value) -> Step:
    return Step(*_pair("step", wire))


def _item_from(wire: Value) -> Item:
    return _pair("item", wire)


def _hashes_from(wire: Value) -> tuple[bytes, ...]:
    return tuple(_bytes("hash", item) for item in _list("hashes", wire, DEPTH_MAX))


def _check_bytes(name: str, value: object, length_min: int, length_max: int) -> None:
    """Check a byte string and its length."""
    if not isinstance(value, bytes) or not length_min <= len(value) <= length_max:
        raise ProofError(f"{name} must be {length_min} to {length_max} bytes")


def _check_count(name: str, count: int, count_max: int) -> None:
    """Check a number of elements."""
    if count > count_max:
        raise ProofError(f"{count} {name}, at most {count_max} are allowed")


def _check_step(step: Step) -> None:
    """Check that a step has one of the two forms, to the byte."""
    prefix, suffix = step.prefix, step.suffix
    _check_bytes("prefix", prefix, 1, 1 + HASH_BYTES)
    _check_bytes("suffix", suffix, 0, HASH_BYTES)
    left = prefix == INNER_PREFIX and len(suffix) == HASH_BYTES
    right = len(prefix) == 1 + HASH_BYTES and prefix[:1] == INNER_PREFIX and not suffix
    if not (left or right):
        raise ProofError(
            f"a step is neither from a left nor from a right side: {prefix.hex()} {suffix.hex()}"
        )
