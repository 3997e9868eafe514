"""Worlds whose blocks are real: each is built by a ledger, certified, and kept for an audit."""

from collections.abc import Callable
from dataclasses import replace
from functools import cached_property

import trio

from chain.block import Block
from chain.crypto import sign
from chain.execution.executor import BlockResult
from chain.genesis import Genesis
from chain.ledger import Ledger
from chain.store import MemoryStore, StoredBlock
from chain.transaction import Call, PreparedTransaction
from chain.votes import Certificate, Step, Vote, vote_message
from client.audit import AuditReport, Difference, StoreSource, audit
from contracts.grid.reading import MeteringRules
from contracts.kernel import Value
from contracts.trading.markets import GenesisMarket
from contracts.trading.terms import Terms
from contracts.trading.uniform_price import Side
from tests.support.chain import InOrder
from tests.support.genesis import PEOPLE, START_S, make_genesis, parameters, validator_names
from tests.support.grid import RULES, ZONE
from tests.support.market import MARKET, SOLAR, MarketWorld, first_start_s, terms
from tests.support.metering import GridWorld
from tests.support.people import account_of, seed_of
from tests.support.settlement import SettlementWorld
from tests.support.world import BLOCK_MS, World

VALIDATORS = {account_of(name): name for name in validator_names(8)}


class Audited(World):
    """A world on a ledger; mix it in behind all other bases."""

    store: MemoryStore

    @cached_property
    def ledger(self) -> Ledger:
        """The ledger that builds the blocks, made when the first one is asked for."""
        store = self.state = self.store = MemoryStore()
        return Ledger.create(self.genesis, store, self.judge)

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
        World.__init__(self, genesis)
        self.rules = rules
        self.measured = {}


class AuditedTown(AuditedGrid):
    """People with meters and a market on a ledger; transactions cost 1 µTHB."""

    def __init__(
        self, people: tuple[str, ...] = PEOPLE, market: Terms | None = None, **chain: object
    ) -> None:
        self.terms = market or terms()
        self.rules = RULES
        self.measured = {}
        small = {"fee_base_uthb": 1, "fee_per_weight_uthb": 0, "block_weight_max": 80_000_000}
        genesis = make_genesis(people=people, chain=parameters(**(small | chain)), statements=True)
        first = GenesisMarket(MARKET, "quarters", self.terms, first_start_s(self.terms))
        markets: dict[str, Value] = {"markets": [first.to_wire()]}
        sections = {**genesis.sections, "markets": markets}
        World.__init__(self, replace(genesis, sections=sections))
        self.advance(START_S)

    def start_s(self, product: int) -> int:
        """Return when the product of this number, from 0, begins to deliver."""
        return first_start_s(self.terms) + product * self.terms.length_s

    def order(self, side: Side, quantity_wh: int, limit: int, product: int = 0) -> Call:
        """Return a call that places an order."""
        arguments: tuple[Value, ...] = (MARKET, self.start_s(product), ZONE, quantity_wh, limit)
        if side is Side.BID:
            return Call("orders", "submit_bid", (*arguments, False))
        return Call("orders", "submit_ask", (*arguments, SOLAR, False))


class AuditedSettlement(SettlementWorld, Audited):  # type: ignore[misc]  # `submit` is of orders
    """A settled market on a ledger."""
