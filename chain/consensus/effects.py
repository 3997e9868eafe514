"""What the machine asks for. Effects are data; they are performed in the order of the list.

`Persist` is a barrier: no later effect of the same list may begin before it is on disk.
"""

import enum
from dataclasses import dataclass
from typing import TypeAlias

from chain.block import Block
from chain.consensus.log import LogRecord
from chain.consensus.messages import ClaimRequest, Status, StatusClaim
from chain.consensus.statement import Statement
from chain.consensus.timing import Timeout
from chain.votes import Certificate, Evidence, Polka, Proposal, Vote

Message: TypeAlias = Proposal | Vote | Polka | Certificate | Status | ClaimRequest | StatusClaim


@dataclass(frozen=True, slots=True)
class Validate:
    """Execute this block; its verdict comes back as `Validated`."""

    block: Block


@dataclass(frozen=True, slots=True)
class Propose:
    """Build a block of this height with this time; it comes back as `Proposed`."""

    height: int
    round: int
    time_ms: int
    parent_certificate: Certificate | None


@dataclass(frozen=True, slots=True)
class Sign:
    """Sign this, if the guard allows it; signatures come back as `Signed`, in this order."""

    statement: Statement


@dataclass(frozen=True, slots=True)
class SignClaim:
    """Sign our undecided height for a peer that asked; it comes back as `ClaimSigned`."""

    peer: bytes
    height: int
    nonce: bytes


@dataclass(frozen=True, slots=True)
class Persist:
    """Append this to the log and sync it, then do what the record means for the signer.

    For a signed message renew the last-signed file and sync it; for `MaySignAbove` release the
    guard.
    """

    record: LogRecord


@dataclass(frozen=True, slots=True)
class Broadcast:
    """Send this to every validator and peer."""

    message: Message


@dataclass(frozen=True, slots=True)
class SendTo:
    """Send this to one peer."""

    peer: bytes
    message: Message


@dataclass(frozen=True, slots=True)
class SendDecision:
    """Send a peer the certificate that decided this height, from the store."""

    peer: bytes
    height: int


@dataclass(frozen=True, slots=True)
class RequestBlock:
    """Fetch the block of this id from whoever has it; it comes back as `BlockReceived`."""

    height: int
    block_id: bytes


@dataclass(frozen=True, slots=True)
class ScheduleTimeout:
    """Give back `TimeoutFired` after `delay_ms` and a random part of `jitter_ms` more."""

    timeout: Timeout
    delay_ms: int
    jitter_ms: int = 0


@dataclass(frozen=True, slots=True)
class Commit:
    """The block is final: write it; the next height comes back as `Committed`."""

    block: Block
    certificate: Certificate


class Fault(enum.Enum):
    """Why a peer's message was refused."""

    STRANGER = "signed by nobody of the validator set"
    SIGNATURE = "the signature does not verify"
    TALLY = "the polka or certificate does not prove what it says"
    PROPOSER = "not proposed by the proposer of its round"
    POLKA = "a re-proposal without the polka it needs"
    BODY = "the body does not fit the header"
    FORM = "the parts of the message do not fit each other"


@dataclass(frozen=True, slots=True)
class Refused:
    """A peer sent what no honest node sends."""

    peer: bytes
    fault: Fault


@dataclass(frozen=True, slots=True)
class SkewedProposer:
    """A proposal's time is outside what our clock accepts."""

    height: int
    round: int
    proposer: bytes
    time_ms: int
    arrival_ms: int


@dataclass(frozen=True, slots=True)
class WrongBlock:
    """A proposed block breaks a rule of the chain, or names another proposer."""

    height: int
    round: int
    proposer: bytes
    block_id: bytes


@dataclass(frozen=True, slots=True)
class Diverged:
    """A quorum made final what our execution refuses: this node is wrong and must stop."""

    certificate: Certificate


@dataclass(frozen=True, slots=True)
class Released:
    """A validator without its log may sign again, above this height."""

    above: int


Finding: TypeAlias = Evidence | Refused | SkewedProposer | WrongBlock | Diverged | Released


@dataclass(frozen=True, slots=True)
class Report:
    """Tell operators, and for evidence also the other nodes and the next block."""

    finding: Finding


Effect: TypeAlias = (
    Validate | Propose | Sign | SignClaim | Persist | Broadcast | SendTo | SendDecision
    | RequestBlock | ScheduleTimeout | Commit | Report
)  # fmt: skip
