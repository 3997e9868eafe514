"""What must hold at every moment, watched from outside the nodes and their disks.

- Agreement: honest nodes never commit two blocks at one height.
- Validity: what an honest node commits it has executed since its last start, and the height's
  validator set has certified; and it commits every height once, in order.
- No honest validator lets out two payloads for one height, round and step, ever.
- The guard never has to refuse what the machine asks for.
- Honest nodes never accuse or refuse an honest one; evidence proves what it says.
- No honest node finds that a quorum has decided what it takes for invalid.
"""

from dataclasses import dataclass, field

from chain.block import Block
from chain.consensus.effects import (
    Diverged,
    Finding,
    Message,
    Refused,
    Released,
    SkewedProposer,
    WrongBlock,
)
from chain.consensus.evidence import verify_evidence
from chain.consensus.statement import Position, statement_of
from chain.votes import Certificate, Evidence, InvalidTallyError, Proposal, Step, Vote
from tests.sim.app import Rulebook


class Violation(Exception):
    """The simulation found what must not be."""


@dataclass(slots=True)
class Counts:
    """What happened in a run, so that one sees what was tested."""

    crashes: int = 0
    tears: int = 0
    wipes: int = 0
    releases: int = 0
    evidence: int = 0
    refusals: int = 0
    skewed: int = 0
    wrong_blocks: int = 0
    lost: int = 0
    kept_back: int = 0
    round_max: int = 0
    later_rounds: int = 0
    late_decisions: int = 0
    reproposals: int = 0
    inputs: int = 0
    heights: int = 0


@dataclass(slots=True)
class Watch:
    """Sees every signature that leaves, every commit and every report."""

    rulebook: Rulebook
    key_of: dict[bytes, bytes]
    honest: tuple[bytes, ...]
    decided: dict[int, bytes] = field(default_factory=dict)
    counts: Counts = field(default_factory=Counts)
    _signatures: set[bytes] = field(default_factory=set)
    _said: dict[tuple[bytes, Position], bytes] = field(default_factory=dict)
    _tips: dict[bytes, int] = field(default_factory=dict)

    def left(self, address: bytes, message: Message) -> None:
        """A message leaves an honest node."""
        if not isinstance(message, Proposal | Vote):
            return
        speaker = message.proposer if isinstance(message, Proposal) else message.validator
        if speaker != address or message.signature in self._signatures:
            return
        self._signatures.add(message.signature)
        statement = statement_of(message)
        known = self._said.setdefault((address, statement.position), statement.payload)
        if known != statement.payload:
            raise Violation(f"{address.hex()[:8]} signed twice at {statement.position}")
        self.counts.round_max = max(self.counts.round_max, message.round)
        if isinstance(message, Proposal) and message.valid_round >= 0:
            self.counts.reproposals += 1

    def committed(
        self,
        address: bytes,
        block: Block,
        certificate: Certificate,
        *,
        is_executed: bool,
        round_: int,
    ) -> None:
        """An honest node that stands in `round_` commits a block."""
        height = block.height
        if self.decided.setdefault(height, block.id) != block.id:
            raise Violation(f"two blocks are decided at height {height}")
        if not is_executed:
            raise Violation(f"{address.hex()[:8]} commits height {height} without executing it")
        if height != self._tips.get(address, 0) + 1:
            raise Violation(f"{address.hex()[:8]} commits height {height} out of order")
        if (certificate.height, certificate.block_id) != (height, block.id):
            raise Violation(f"the certificate of height {height} is of something else")
        rules = self.rulebook
        try:
            certificate.verify(Step.PRECOMMIT, rules.chain_id, rules.set_at(height), rules.verifier)
        except InvalidTallyError as error:
            raise Violation(f"certificate of height {height}: {error}") from error
        self._tips[address] = height
        self.counts.heights += 1
        self.counts.later_rounds += certificate.round > 0
        self.counts.late_decisions += certificate.round < round_

    def guard_refused(self, address: bytes, reason: str) -> None:
        """The guard of an honest node refused a signature."""
        raise Violation(f"the guard of {address.hex()[:8]} had to refuse: {reason}")

    def reported(self, address: bytes, finding: Finding) -> None:
        """An honest node reports something."""
        counts = self.counts
        match finding:
            case Evidence():
                key = self.key_of[finding.validator]
                verify_evidence(finding, self.rulebook.chain_id, key, self.rulebook.verifier)
                if finding.validator in self.honest:
                    raise Violation(f"evidence against {finding.validator.hex()[:8]}")
                counts.evidence += 1
            case Refused(peer, fault):
                if peer in self.honest:
                    raise Violation(f"{address.hex()[:8]} refuses {peer.hex()[:8]}: {fault.value}")
                counts.refusals += 1
            case Diverged():
                raise Violation(f"{address.hex()[:8]} takes a decided block for invalid")
            case WrongBlock(proposer=proposer):
                if proposer in self.honest:
                    raise Violation(f"{address.hex()[:8]} takes an honest block for invalid")
                counts.wrong_blocks += 1
            case SkewedProposer():
                counts.skewed += 1
            case Released():
                counts.releases += 1
