"""The application behind the machine: what it must offer, and a small real one.

`App` is one node's chain: it builds, judges and commits blocks, and says what the next height
begins with. `SmallApp` has real headers, bodies, hashes and a history MMR over a toy state, the
hash of all transactions so far; any difference between two executions shows in the state root.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from chain.block import ZERO_ADDRESS, ZERO_HASH, Block, Body, Header
from chain.consensus.inputs import HeightContext
from chain.merkle import EMPTY_ROOT, merkle_root
from chain.mmr import Mmr
from chain.validators import ValidatorSet
from chain.votes import Certificate, InvalidTallyError, Step, Verifier
from contracts.governance.parameters import Timing
from contracts.kernel import sha256


@dataclass(frozen=True, slots=True)
class Decision:
    """A committed block and the certificate it was committed with."""

    block: Block
    certificate: Certificate


class App(Protocol):
    """One node's chain and execution. What `commit` has taken survives `restart`, nothing else."""

    def context(self) -> HeightContext:
        """Return what the height above the last committed block begins with."""

    def propose(
        self, proposer: bytes, time_ms: int, parent_certificate: Certificate | None
    ) -> Block:
        """Build and execute a block on the last committed one; other times, other blocks."""

    def validate(self, block: Block) -> bool:
        """Execute a block whose body fits its header; say whether it is valid."""

    def commit(self, block: Block, certificate: Certificate) -> None:
        """Make a block final that `validate` accepted or `propose` built since the restart."""

    def decision(self, height: int) -> Decision | None:
        """Return a committed block; None for the genesis and above the tip."""

    def restart(self) -> None:
        """Forget everything but what is committed, as after a crash."""


SetAt = Callable[[int], ValidatorSet]


@dataclass(frozen=True, slots=True)
class Rulebook:
    """What all nodes of a simulated chain agree on from the start."""

    chain_id: bytes
    genesis_time_ms: int
    timing: Timing
    set_at: SetAt
    verifier: Verifier


AppMaker = Callable[[Rulebook], App]


class SmallApp:
    """A chain whose state is one hash."""

    def __init__(self, rulebook: Rulebook) -> None:
        self._rules = rulebook
        self._decisions: list[Decision] = []
        self._executed: dict[bytes, None] = {}
        self._tip = _genesis(rulebook)
        self._tip_id = self._tip.id()
        self._history = Mmr().append(self._tip_id)[0]
        self._history_root = self._history.history_root

    def context(self) -> HeightContext:
        height = self._tip.height + 1
        certificate = self._decisions[-1].certificate if self._decisions else None
        return HeightContext(
            height,
            self._rules.set_at(height),
            self._tip_id,
            self._tip.time_ms,
            certificate,
            self._rules.set_at(height - 1),
            self._rules.timing,
        )

    def propose(
        self, proposer: bytes, time_ms: int, parent_certificate: Certificate | None
    ) -> Block:
        transactions = (proposer, time_ms.to_bytes(8, "big"))
        body = Body(parent_certificate, transactions, ())
        block = Block(self._header(proposer, time_ms, body), body)
        self._executed[block.id] = None
        return block

    def validate(self, block: Block) -> bool:
        header = block.header
        members = self._rules.set_at(self._tip.height + 1).index_of
        if header.time_ms <= self._tip.time_ms or header.proposer not in members:
            return False
        if header != self._header(header.proposer, header.time_ms, block.body):
            return False
        if not self._is_final(block.body.parent_certificate):
            return False
        self._executed[block.id] = None
        return True

    def commit(self, block: Block, certificate: Certificate) -> None:
        assert block.id in self._executed, "a block is executed before it is committed"
        assert block.header.parent_hash == self._tip_id, "a block follows its parent"
        self._decisions.append(Decision(block, certificate))
        self._tip, self._tip_id = block.header, block.id
        self._history = self._history.append(block.id)[0]
        self._history_root = self._history.history_root
        self._executed.clear()

    def decision(self, height: int) -> Decision | None:
        return self._decisions[height - 1] if 1 <= height <= len(self._decisions) else None

    def restart(self) -> None:
        self._executed.clear()

    def _is_final(self, certificate: Certificate | None) -> bool:
        """Say whether this certificate makes the tip final; nothing does so for the genesis."""
        if certificate is None or not self._decisions:
            return certificate is None and not self._decisions
        if (certificate.height, certificate.block_id) != (self._tip.height, self._tip_id):
            return False
        rules = self._rules
        signers = rules.set_at(self._tip.height)
        try:
            certificate.verify(Step.PRECOMMIT, rules.chain_id, signers, rules.verifier)
        except InvalidTallyError:
            return False
        return True

    def _header(self, proposer: bytes, time_ms: int, body: Body) -> Header:
        height, certificate = self._tip.height + 1, body.parent_certificate
        return Header(
            chain_id=self._rules.chain_id,
            height=height,
            time_ms=time_ms,
            parent_hash=self._tip_id,
            parent_certificate_hash=ZERO_HASH if certificate is None else certificate.hash,
            proposer=proposer,
            txs_root=merkle_root(body.transactions),
            receipts_root=EMPTY_ROOT,
            state_root=sha256(self._tip.state_root + b"".join(body.transactions)),
            history_root=self._history_root,
            evidence_root=merkle_root([one.encode() for one in body.evidence]),
            validators_hash=self._rules.set_at(height).hash,
            next_validators_hash=self._rules.set_at(height + 1).hash,
            params_hash=ZERO_HASH,
        )


def _genesis(rulebook: Rulebook) -> Header:
    return Header(
        chain_id=rulebook.chain_id,
        height=0,
        time_ms=rulebook.genesis_time_ms,
        parent_hash=ZERO_HASH,
        parent_certificate_hash=ZERO_HASH,
        proposer=ZERO_ADDRESS,
        txs_root=EMPTY_ROOT,
        receipts_root=EMPTY_ROOT,
        state_root=ZERO_HASH,
        history_root=Mmr().history_root,
        evidence_root=EMPTY_ROOT,
        validators_hash=rulebook.set_at(0).hash,
        next_validators_hash=rulebook.set_at(1).hash,
        params_hash=ZERO_HASH,
    )
