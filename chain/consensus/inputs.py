"""What the machine is told. Every input is data; `handle` gets the local time beside it.

Messages carry the `peer` they came from, so that faults can be scored; what counts is the signature
inside. Records from outside have passed their shapes (sizes, counts, types, ranges) before they
become an input; membership and signatures are the machine's to check.
"""

from dataclasses import dataclass
from typing import TypeAlias

from chain.block import Block
from chain.consensus.messages import Status, StatusClaim
from chain.consensus.statement import Statement
from chain.consensus.timing import Timeout
from chain.validators import ValidatorSet
from chain.votes import Certificate, Polka, Proposal, Vote
from contracts.governance.parameters import Timing


@dataclass(frozen=True, slots=True)
class HeightContext:
    """What is known when a height begins; all of it follows from the parent block.

    `parent_certificate` is None for the first height only. `parent_validators` signed it.
    """

    height: int
    validators: ValidatorSet
    parent_id: bytes
    parent_time_ms: int
    parent_certificate: Certificate | None
    parent_validators: ValidatorSet
    timing: Timing


@dataclass(frozen=True, slots=True)
class Start:
    """The node is up and its chain is committed to the height below this one."""

    context: HeightContext


@dataclass(frozen=True, slots=True)
class Committed:
    """A block is committed, by a `Commit` effect or by sync; this is the next height."""

    context: HeightContext


@dataclass(frozen=True, slots=True)
class BlockDue:
    """A block is due at this height (`timing.due_at_ms`), which has begun."""

    height: int


@dataclass(frozen=True, slots=True)
class Proposed:
    """The block that a `Propose` effect asked for, built and executed."""

    height: int
    round: int
    block: Block


@dataclass(frozen=True, slots=True)
class Validated:
    """What execution says of a block that a `Validate` effect gave it."""

    block_id: bytes
    ok: bool


@dataclass(frozen=True, slots=True)
class Signed:
    """The signature that a `Sign` effect asked for."""

    statement: Statement
    signature: bytes


@dataclass(frozen=True, slots=True)
class ClaimSigned:
    """A status claim that a `SignClaim` effect asked for, to be sent to `peer`."""

    peer: bytes
    claim: StatusClaim


@dataclass(frozen=True, slots=True)
class ProposalReceived:
    """A proposal; `arrival_ms` is the local time when its message arrived."""

    peer: bytes
    proposal: Proposal
    arrival_ms: int


@dataclass(frozen=True, slots=True)
class BlockReceived:
    """A block that was requested."""

    peer: bytes
    block: Block


@dataclass(frozen=True, slots=True)
class VoteReceived:
    """One prevote or precommit."""

    peer: bytes
    vote: Vote


@dataclass(frozen=True, slots=True)
class TallyReceived:
    """A polka or certificate as a whole."""

    peer: bytes
    tally: Polka | Certificate


@dataclass(frozen=True, slots=True)
class StatusReceived:
    """Where a peer stands."""

    peer: bytes
    status: Status


@dataclass(frozen=True, slots=True)
class ClaimAsked:
    """A peer lost its log and asks for our signed height."""

    peer: bytes
    nonce: bytes


@dataclass(frozen=True, slots=True)
class ClaimReceived:
    """A validator's signed height."""

    peer: bytes
    claim: StatusClaim


@dataclass(frozen=True, slots=True)
class TimeoutFired:
    """A timeout that a `ScheduleTimeout` effect asked for."""

    timeout: Timeout


Claim: TypeAlias = ClaimAsked | ClaimSigned | ClaimReceived
Event: TypeAlias = (
    BlockDue | Proposed | Validated | Signed | ProposalReceived | BlockReceived | VoteReceived
    | TallyReceived | StatusReceived | TimeoutFired | Claim
)  # fmt: skip
Input: TypeAlias = Start | Committed | Event
