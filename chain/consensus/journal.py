"""The journal: all that one machine was told and what came of it, to be gone through again.

A machine is a function of what it is told: another one that hears the same at the same local times
does the same, in a node, in the simulation, or on the table of whoever looks for a fault. A journal
is a list of frames, `length ‖ CRC-32 of length and payload ‖ payload`, as in the signer's log:

    [0, chain_id, seat, what its log said, nonce]   first: which machine
    [1, now_ms, input]                              before the machine is told
    [2, SHA-256 of the effects' encoding]           after it has answered

An input without an answer is one at which the machine failed, or the node ended. Values are written
with the names of their classes, so that one form holds for all inputs; a journal is read by the
release that wrote it.
"""

import enum
import typing
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields, is_dataclass
from types import MappingProxyType
from typing import Any, Final

from chain.block import BLOCK_BYTES_MAX, Block, Body, Header
from chain.consensus.effects import Effect, Message
from chain.consensus.guard import MustNotSign, Restored
from chain.consensus.inputs import HeightContext, Input
from chain.consensus.log import LogRecord
from chain.consensus.machine import Machine
from chain.consensus.statement import Statement
from chain.consensus.timing import Timeout, Timer
from chain.crypto import verify
from chain.validators import Validator, ValidatorSet
from chain.votes import Evidence, Step, Verifier
from contracts.governance.parameters import Timing
from contracts.kernel import codec, sha256
from contracts.kernel.codec import MalformedError, Value

# A log can hold what its machine said in several rounds of a height, each with its block.
FRAME_BYTES_MAX: Final = 16 * BLOCK_BYTES_MAX
LENGTH_BYTES: Final = 4
HEAD_BYTES: Final = 2 * LENGTH_BYTES
_OPENED, _TOLD, _ANSWERED = range(3)
# Arrays begin with what they are: the name of a class, or one of these.
_TUPLE: Final = ""

_CLASSES: Final[tuple[type[Any], ...]] = (
    *(kind for kind in typing.get_args(Input) if isinstance(kind, type)),
    *typing.get_args(Message),
    *typing.get_args(LogRecord),
    HeightContext, ValidatorSet, Validator, Timing, Timeout, Timer, Statement, Step,
    Block, Header, Body, Evidence, Restored, MustNotSign,
)  # fmt: skip
_BY_NAME: Final = MappingProxyType({kind.__name__: kind for kind in _CLASSES})


class JournalError(ValueError):
    """The bytes are no journal, or a damaged one; says where."""


@dataclass(frozen=True, slots=True)
class Opening:
    """Which machine a journal is of."""

    chain_id: bytes
    seat: Validator | None
    recovered: Restored | MustNotSign
    nonce: bytes

    def machine(self, verifier: Verifier = verify) -> Machine:
        """Return a machine as that one was before it was told anything."""
        return Machine(self.chain_id, self.seat, self.recovered, self.nonce, verifier)


@dataclass(frozen=True, slots=True)
class Told:
    """An input, and the hash of what came of it; None if nothing did."""

    now_ms: int
    input: Input
    answer_hash: bytes | None


class RecordedMachine(Machine):
    """A machine that writes its journal; `write` takes frames, and must not fail."""

    def __init__(
        self, opening: Opening, write: Callable[[bytes], None], verifier: Verifier = verify
    ) -> None:
        """Begin the journal."""
        super().__init__(opening.chain_id, opening.seat, opening.recovered, opening.nonce, verifier)
        self._write = write
        parts = opening.chain_id, opening.seat, opening.recovered, opening.nonce
        write(_framed([_OPENED, *map(plain, parts)]))

    def handle(self, event: Input, now_ms: int) -> list[Effect]:
        """Write the input, handle it, write the answer."""
        self._write(_framed([_TOLD, now_ms, plain(event)]))
        effects = super().handle(event, now_ms)
        self._write(_framed([_ANSWERED, answer_hash(effects)]))
        return effects


def read_journal(data: bytes) -> tuple[Opening, list[Told]]:
    """Read a journal; a frame that is cut off at the end is left out. Raises `JournalError`."""
    opening: Opening | None = None
    told: list[Told] = []
    for start, frame in _frames(data):
        match frame:
            case [0, bytes(chain_id), seat, recovered, bytes(nonce)] if start == 0:
                opening = Opening(chain_id, unplain(seat), unplain(recovered), nonce)
            case [1, int(now_ms), input_] if opening is not None:
                told.append(Told(now_ms, unplain(input_), None))
            case [2, bytes(hash_)] if told and told[-1].answer_hash is None:
                told[-1] = Told(told[-1].now_ms, told[-1].input, hash_)
            case _:
                raise JournalError(f"frame at byte {start}: not in its place")
    if opening is None:
        raise JournalError("it holds no whole frame")
    return opening, told


def answer_hash(effects: Sequence[Effect]) -> bytes:
    """Return the hash by which answers are compared."""
    return sha256(codec.encode([plain(one) for one in effects]))


def plain(value: Any) -> Value:  # noqa: ANN401 - whatever a machine is told or answers
    """Return the form of a value that says of each part what it is."""
    if isinstance(value, enum.Enum):
        return [type(value).__name__, value.value]
    if isinstance(value, tuple):
        return [_TUPLE, *map(plain, value)]
    if is_dataclass(value):
        parts = (getattr(value, one.name) for one in fields(value))
        return [type(value).__name__, *map(plain, parts)]
    known: Value = value
    return known


def unplain(value: Value) -> Any:  # noqa: ANN401 - as `plain`
    """Invert `plain` for what machines are told; raises `JournalError`."""
    if type(value) is not list:
        return value
    name, *rest = value or ("nothing",)
    if name == _TUPLE:
        return tuple(map(unplain, rest))
    kind = _BY_NAME.get(name) if isinstance(name, str) else None
    if kind is None:
        raise JournalError(f"{name!r:.40} is nothing that a machine is told")
    try:
        return kind(*map(unplain, rest))
    except (TypeError, ValueError, AssertionError) as error:
        raise JournalError(f"{kind.__name__}: {error}") from error


def _framed(payload: Value) -> bytes:
    data = codec.encode(payload)
    assert len(data) <= FRAME_BYTES_MAX, f"a frame of {len(data)} bytes"
    length = len(data).to_bytes(LENGTH_BYTES, "big")
    return length + zlib.crc32(length + data).to_bytes(LENGTH_BYTES, "big") + data


def _frames(data: bytes) -> Iterator[tuple[int, Value]]:
    start = 0
    while start + HEAD_BYTES <= len(data):
        length_bytes = data[start : start + LENGTH_BYTES]
        end = start + HEAD_BYTES + int.from_bytes(length_bytes, "big")
        if end > len(data):
            return
        payload = data[start + HEAD_BYTES : end]
        checksum = int.from_bytes(data[start + LENGTH_BYTES : start + HEAD_BYTES], "big")
        if zlib.crc32(length_bytes + payload) != checksum:
            raise JournalError(f"frame at byte {start}: wrong checksum")
        try:
            yield start, codec.decode(payload, size_max=FRAME_BYTES_MAX)
        except MalformedError as error:
            raise JournalError(f"frame at byte {start}: {error}") from error
        start = end


assert len(_BY_NAME) == len(_CLASSES), "classes are told apart by their names"
