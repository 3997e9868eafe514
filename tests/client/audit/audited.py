"""Worlds whose blocks are real: each is built by a ledger, certified, and kept for an audit."""

from collections.abc import Callable

import trio

from chain.block import Block
from chain.crypto import sign
from chain.execution.executor import BlockResult
from chain.genesis import Genesis
from chain.ledger import Ledger
from chain.store import MemoryStore, StoredBlock
from chain.transaction import PreparedTransaction
from chain.votes import Certificate, Step, Vote, vote_message
from client.audit import AuditReport, Difference, StoreSource, audit
from contracts.grid.reading import MeteringRules
from contracts.registry import Registry
from tests.support.chain import InOrder
from tests.support.genesis import PEOPLE, make_genesis, parameters, validator_names
from tests.support.grid import RULES
from tests.support.market import MarketWorld
from tests.support.metering import GridWorld
from tests.support.people import account_of, seed_of
from tests.support.world import BLOCK_MS, World

VALIDATORS = {account_of(name): name for name in validator_names(8)}


class Audited(World):
    """A world on a ledger; mix it in front of `World` in a world's bases."""

    def __init__(self, genesis: Genesis | None = None, registry: type[Registry] = Registry) -> None:
        super().__init__(genesis, registry)
        self.store = MemoryStore()
        self.state = self.store
        self.ledger = Ledger.create(self.genesis, self.store, self.judge)

    def block(
        self, *transactions: PreparedTransaction, signers: tuple[bytes, ...] = ()
    ) -> BlockResult:
        assert not signers, "the parent's certificate says who signed"
        tip = self.ledger.tip
        proposer = tip.next_validators.proposer(tip.height + 1, 0).address
        time_ms = self.time_ms + BLOCK_MS
        block, refused = self.ledger.build(
            time_ms, proposer, tip.certificate, InOrder(transactions)
        )
        assert not refused, refused
        candidate = self.ledger.commit(block.id, self.certify(block))
        self.height, self.time_ms, self.parent = block.height, time_ms, block.id
        return candidate.result

    def certify(self, block: Block) -> Certificate:
        validators, chain_id = self.ledger.tip.next_validators, self.genesis.chain_id
        message = vote_message(chain_id, Step.PRECOMMIT, block.height, 0, block.id)
        votes = {
            v.address: Vote(
                Step.PRECOMMIT, block.height, 0, block.id, v.address,
                sign(seed_of(VALIDATORS[v.address]), message),
            )
            for v in validators.members
        }  # fmt: skip
        return Certificate.of(chain_id, validators, votes)

    def audit(self, change: Callable[[StoredBlock], StoredBlock] | None = None) -> AuditReport:
        """Audit the chain, as it is or as it would be told by one who changes its blocks."""
        return trio.run(audit, Tampered(self.genesis, self.store, change))

    def differences(
        self, change: Callable[[StoredBlock], StoredBlock] | None = None
    ) -> tuple[Difference, ...]:
        """Audit and return what differs."""
        return self.audit(change).differences


class Tampered(StoreSource):
    """A source that changes what it tells."""

    def __init__(
        self,
        genesis: Genesis,
        store: MemoryStore,
        change: Callable[[StoredBlock], StoredBlock] | None,
    ) -> None:
        super().__init__(genesis, store)
        self._change = change

    async def block(self, height: int) -> StoredBlock:
        block = await super().block(height)
        return block if self._change is None else self._change(block)


class AuditedMarket(MarketWorld, Audited):
    """A market on a ledger."""


class AuditedGrid(GridWorld, Audited):
    """A grid with metering on a ledger; statements come by themselves."""

    def __init__(self, people: tuple[str, ...] = PEOPLE, rules: MeteringRules = RULES) -> None:
        chain = parameters(block_weight_max=40_000_000)
        genesis = make_genesis(people=people, chain=chain, metering=rules, statements=True)
        Audited.__init__(self, genesis)
        self.rules = rules
        self.measured = {}
