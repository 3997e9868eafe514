"""The signer's log: what must be on disk before a signature leaves, and how it is read back.

Records (PROTOCOL §5), each with the bytes that were signed:

    SignerIdentity    first: [chain_id, key, new]; `new` if log and file were made with the key
    SignedProposal    the proposal with its block, valid round and polka
    SignedPrevote     the prevote
    SignedPrecommit   the precommit; with its lock: polka and block, unless it is for nil
    LastSigned        the last position signed: opens a compacted log, and is what the file holds
    MaySignAbove      a validator without its log was released, by a quorum or by its operator

A frame is `length ‖ CRC-32 of length and payload ‖ payload`, integers of 4 bytes, big-endian; the
payload is one byte for the kind of record and the record. A crash leaves at most a torn last frame,
which was never sent and is dropped. Anything else that does not read is damage. A log cut at the
end of a frame looks clean; the last-signed file, outside the data folder, tells (`slots.py`,
`guard.py`).
"""

import struct
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, TypeAlias

from chain.block import BLOCK_BYTES_MAX, Body, Header
from chain.consensus.statement import Position, Statement, statement_of
from chain.votes import Polka, Proposal, Round, Step, Vote
from contracts.kernel import Record, record, sha256
from contracts.kernel.codec import MalformedError
from contracts.kernel.shape import BadValueError
from contracts.kernel.types import Hash32, Height, PublicKey

FRAME_BYTES_MAX: Final = BLOCK_BYTES_MAX + 2**20
_HEAD: Final = struct.Struct(">II")
_LENGTH: Final = struct.Struct(">I")


@record(version=1)
class SignerIdentity(Record):
    """Whose log this is. Only one made together with its key (`new`) may sign at once."""

    chain_id: Hash32
    public_key: PublicKey
    new: bool


@record(version=1)
class SignedProposal(Record):
    """A proposal of ours and its block."""

    proposal: Proposal
    header: Header
    body: Body


@record(version=1)
class SignedPrevote(Record):
    """A prevote of ours."""

    vote: Vote


@record(version=1)
class SignedPrecommit(Record):
    """A precommit of ours; for a block, with the polka and the block it locks."""

    vote: Vote
    polka: Polka | None
    header: Header | None
    body: Body | None


@record(version=1)
class LastSigned(Record):
    """A position and the digest of the payload that was signed there."""

    height: Height
    round: Round
    step: Step
    payload_hash: Hash32

    @property
    def position(self) -> Position:
        """Return the place in the order of signing."""
        return Position(self.height, self.round, self.step)


@record(version=1)
class MaySignAbove(Record):
    """From here on this validator may sign, at heights above `height` only."""

    height: Height


Spoken: TypeAlias = SignedProposal | SignedPrevote | SignedPrecommit
LogRecord: TypeAlias = SignerIdentity | Spoken | LastSigned | MaySignAbove

_KINDS: Final[tuple[type[LogRecord], ...]] = (
    SignerIdentity,
    SignedProposal,
    SignedPrevote,
    SignedPrecommit,
    LastSigned,
    MaySignAbove,
)


@dataclass(frozen=True, slots=True)
class LogContents:
    """What a log holds: its records, the bytes they take, and what is wrong with the rest.

    Without `damage`, bytes after `size_bytes` are a torn frame: cut them off before appending.
    """

    records: tuple[LogRecord, ...]
    size_bytes: int
    damage: str | None


def frame(one: LogRecord) -> bytes:
    """Return the bytes that are appended for a record."""
    payload = bytes((_KINDS.index(type(one)),)) + one.encode()
    assert len(payload) <= FRAME_BYTES_MAX, f"log record of {len(payload)} bytes"
    length = _LENGTH.pack(len(payload))
    return length + _LENGTH.pack(zlib.crc32(length + payload)) + payload


def read_frames(data: bytes) -> LogContents:
    """Read a log back; O(its size)."""
    records: list[LogRecord] = []
    start = 0
    while start < len(data):
        end = start + _HEAD.size
        if end > len(data):
            break
        length, checksum = _HEAD.unpack_from(data, start)
        end += length
        # A frame that was being written; a file system may leave zeros in its place.
        if end > len(data) or (length == 0 and not any(data[start:])):
            break
        payload = data[start + _HEAD.size : end]
        if zlib.crc32(data[start : start + _LENGTH.size] + payload) != checksum:
            if not any(data[end:]):
                break
            return LogContents(tuple(records), start, f"frame at byte {start}: wrong checksum")
        one = _decoded(payload)
        if one is None:
            return LogContents(tuple(records), start, f"frame at byte {start}: not a record")
        records.append(one)
        start = end
    return LogContents(tuple(records), start, None)


def message_of(spoken: Spoken) -> Proposal | Vote:
    """Return the signed message inside a record."""
    return spoken.proposal if isinstance(spoken, SignedProposal) else spoken.vote


def said(spoken: Spoken) -> Statement:
    """Return the statement inside a record."""
    return statement_of(message_of(spoken))


def last_signed(one: LogRecord) -> LastSigned | None:
    """Return what the last-signed file must hold after this record; None if it does not change."""
    if isinstance(one, LastSigned):
        return one
    if isinstance(one, SignedProposal | SignedPrevote | SignedPrecommit):
        statement = said(one)
        return LastSigned(*statement.position, sha256(statement.payload))
    return None


def compacted(records: Iterable[LogRecord], height: int) -> tuple[LogRecord, ...]:
    """Return the records that still matter once every block below `height` is committed.

    These are the identity, the last position below `height`, the latest release, and all statements
    from `height` on, in this order or their own. The last-signed file must be up to date.
    """
    identity: list[LogRecord] = []
    base: list[LogRecord] = []
    rest: list[LogRecord] = []
    for one in records:
        last = last_signed(one)
        if isinstance(one, SignerIdentity):
            identity = [one]
        elif isinstance(one, MaySignAbove):
            rest = [*(kept for kept in rest if not isinstance(kept, MaySignAbove)), one]
        elif last is not None and (last.height < height or isinstance(one, LastSigned)):
            base = [last]
        else:
            rest.append(one)
    return (*identity, *base, *rest)


def _decoded(payload: bytes) -> LogRecord | None:
    if not payload or payload[0] >= len(_KINDS):
        return None
    try:
        return _KINDS[payload[0]].decode(payload[1:], size_max=FRAME_BYTES_MAX)
    except (MalformedError, BadValueError):
        return None
