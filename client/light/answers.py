"""What a node says, read: JSON answers as headers, certificates and proofs, none verified yet.

Sizes and counts are checked before types, and those before ranges, so that no answer costs more
than its bytes. Whatever has another form is refused by a `VerificationError` that names the method
and the place. What is not asked for here is not read: nothing is believed because it stands there.
"""

from dataclasses import dataclass
from typing import Final, TypeVar

from chain.block import Header
from chain.execution.receipt import RECEIPT_BYTES_MAX
from chain.json_form import from_json
from chain.light import VerificationError
from chain.merkle import InclusionProof
from chain.trie import ics23
from chain.trie.nodes import (
    ASKED_KEY_BYTES_MAX,
    DEPTH_MAX,
    HASH_BYTES,
    KEY_BYTES_MAX,
    VALUE_BYTES_MAX,
)
from chain.trie.proof import (
    RANGE_ITEMS_MAX,
    Absence,
    Existence,
    Item,
    ProofError,
    RangeProof,
)
from chain.validators import VALIDATORS_MAX, Validator, ValidatorSet
from chain.votes import Certificate
from client.rpc import Json
from contracts.kernel import BadValueError, Record
from contracts.kernel.shape import Shape, shape_of
from contracts.kernel.types import Address, PublicKey

EVENTS_MAX: Final = 100_000
EVENT_BYTES_MAX: Final = 2**20
# Two bits an item and less than a byte a level; the proof's own check is exact.
SHAPE_BYTES_MAX: Final = RANGE_ITEMS_MAX

# Of headers, certificates and inclusion proofs: the longest text is a signature in hex after 0x,
# the longest list the signatures, and a record holds lists of texts.
RECORD_TEXT_MAX: Final = 130
RECORD_ITEMS_MAX: Final = 64
RECORD_DEPTH_MAX: Final = 2

_ADDRESS: Final = shape_of(Address)
_PUBLIC_KEY: Final = shape_of(PublicKey)

R = TypeVar("R", bound=Record)


@dataclass(frozen=True, slots=True)
class Answer:
    """An object of an answer; `where` leads to it, beginning with the method."""

    where: str
    fields: dict[str, Json]

    @classmethod
    def of(cls, where: str, value: Json) -> "Answer":
        """Take an object; raises `VerificationError`."""
        if not isinstance(value, dict):
            raise VerificationError(f"{where} is not an object")
        return cls(where, value)

    def has(self, name: str) -> bool:
        """Say whether a field is there and not null."""
        return self.fields.get(name) is not None

    def object(self, name: str) -> "Answer":
        """Return a field that is an object itself."""
        return Answer.of(self._at(name), self._field(name))

    def items(self, name: str, count_max: int) -> list[Json]:
        """Return a field that is a list of at most `count_max`."""
        value = self._field(name)
        if not isinstance(value, list):
            raise VerificationError(f"{self._at(name)} is not a list")
        if len(value) > count_max:
            raise VerificationError(
                f"{self._at(name)} has {len(value)} items, at most {count_max} are allowed"
            )
        return value

    def objects(self, name: str, count_max: int) -> list["Answer"]:
        """Return a field that is a list of objects."""
        items = self.items(name, count_max)
        return [Answer.of(f"{self._at(name)}[{i}]", item) for i, item in enumerate(items)]

    def data(self, name: str, size_max: int) -> bytes:
        """Return a field that is a byte string of at most `size_max` bytes."""
        return _data(self._at(name), self._field(name), size_max)

    def hashes(self, name: str, count_max: int) -> tuple[bytes, ...]:
        """Return a field that is a list of hashes."""
        items = self.items(name, count_max)
        return tuple(_data(f"{self._at(name)}[{i}]", x, HASH_BYTES) for i, x in enumerate(items))

    def record(self, name: str, kind: type[R]) -> R:
        """Return a field that is a small record: a header, certificate or inclusion proof."""
        wire = self._wire(name, kind.shape)
        try:
            return kind.from_wire(wire)
        except BadValueError as error:
            raise VerificationError(f"{self._at(name)}: {error}") from error

    def bytes_of(self, name: str, shape: Shape) -> bytes:
        """Return a field that is a key or an address."""
        wire = self._wire(name, shape)
        assert isinstance(wire, bytes), f"{shape} is not of byte strings"
        return wire

    def _wire(self, name: str, shape: Shape) -> Json:
        value = self._field(name)
        if not _is_small(value, RECORD_DEPTH_MAX):
            raise VerificationError(
                f"{self._at(name)} is larger than {RECORD_DEPTH_MAX} levels of "
                f"{RECORD_ITEMS_MAX} items, or than {RECORD_TEXT_MAX} characters in one"
            )
        try:
            return from_json(shape, value)
        except BadValueError as error:
            raise VerificationError(f"{self._at(name)}: {error}") from error

    def _field(self, name: str) -> Json:
        if name not in self.fields:
            raise VerificationError(f"{self.where} has no {name}")
        return self.fields[name]

    def _at(self, name: str) -> str:
        return f"{self.where}.{name}"


def header_of(answer: Answer) -> Header:
    """Read the header that an answer leads to."""
    return answer.record("header", Header)


def certificate_of(answer: Answer) -> Certificate | None:
    """Read the header's certificate, None where the answer has none."""
    return answer.record("certificate", Certificate) if answer.has("certificate") else None


def value_of(answer: Answer) -> tuple[bytes | None, Existence | Absence]:
    """Read what `state_get` says of a key, and what shall prove it."""
    value = answer.data("value", VALUE_BYTES_MAX) if answer.has("value") else None
    data = answer.object("proof").data("ics23", ics23.BYTES_MAX)
    try:
        return value, ics23.decode(data)
    except ProofError as error:
        raise VerificationError(f"{answer.where}.proof: {error}") from error


def range_of(answer: Answer, start: bytes, end: bytes) -> RangeProof:
    """Read a page of `state_range` as the proof of the range that was asked for."""
    proof = answer.object("proof")
    items = proof.objects("items", RANGE_ITEMS_MAX)
    return RangeProof(
        start=start,
        end=end,
        cursor=answer.data("cursor", ASKED_KEY_BYTES_MAX) if answer.has("cursor") else None,
        before=_item(proof.object("before")) if proof.has("before") else None,
        items=tuple(_item(item) for item in items),
        after=_item(proof.object("after")) if proof.has("after") else None,
        left_hashes=proof.hashes("left_hashes", DEPTH_MAX),
        right_hashes=proof.hashes("right_hashes", DEPTH_MAX),
        shape=proof.data("shape", SHAPE_BYTES_MAX),
    )


def receipt_of(answer: Answer) -> tuple[bytes, InclusionProof, tuple[bytes, ...]]:
    """Read the bytes of a receipt, what shall prove them, and the bytes of its events."""
    events = answer.objects("events", EVENTS_MAX)
    return (
        answer.data("receipt_raw", RECEIPT_BYTES_MAX),
        answer.record("proof", InclusionProof),
        tuple(event.data("data", EVENT_BYTES_MAX) for event in events),
    )


def validators_of(answer: Answer, name: str) -> ValidatorSet:
    """Read one of the two sets of `chain_validators`."""
    members = [
        Validator(one.bytes_of("address", _ADDRESS), one.bytes_of("public_key", _PUBLIC_KEY))
        for one in answer.objects(name, VALIDATORS_MAX)
    ]
    try:
        return ValidatorSet(tuple(members))
    except ValueError as error:
        raise VerificationError(f"{answer.where}.{name}: {error}") from error


def _item(answer: Answer) -> Item:
    return answer.data("key", KEY_BYTES_MAX), answer.data("value", VALUE_BYTES_MAX)


def _data(where: str, value: Json, size_max: int) -> bytes:
    """Read hex as the node writes it: two digits a byte and nothing between."""
    if not isinstance(value, str):
        raise VerificationError(f"{where} is not a string of hex digits")
    if len(value) > 2 * size_max:
        raise VerificationError(f"{where} is longer than {size_max} bytes")
    try:
        data = bytes.fromhex(value)
    except ValueError as error:
        raise VerificationError(f"{where}: {error}") from error
    if 2 * len(data) != len(value):
        raise VerificationError(f"{where} has more than hex digits in it")
    return data


def _is_small(value: Json, depth: int) -> bool:
    """Say whether a record's JSON has no long text, no long list, and few levels."""
    if isinstance(value, str):
        return len(value) <= RECORD_TEXT_MAX
    if isinstance(value, list | dict):
        if not depth or len(value) > RECORD_ITEMS_MAX:
            return False
        inner = value.values() if isinstance(value, dict) else value
        return all(_is_small(one, depth - 1) for one in inner)
    return True
