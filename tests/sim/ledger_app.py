"""The project's own chain behind the machine: real genesis, contracts, execution, trie and proofs.

Every proposal carries a few real transactions, drawn from the block's place and time: transfers,
some of which fail, so that receipts, fees and histories of all nodes must agree. A restart reopens
the ledger from its store, with the whole state checked against the last header.
"""

import pickle
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache

from chain.block import Block, InvalidBlockError
from chain.consensus.inputs import HeightContext
from chain.execution.executor import UNLIMITED
from chain.genesis import Genesis
from chain.ledger import Ledger
from chain.store import MemoryStore
from chain.tip import Tip
from chain.transaction import (
    Call,
    Mode,
    PreparedTransaction,
    Transaction,
    prepare,
    sign_transaction,
)
from chain.trie.trie import Trie
from chain.validators import ValidatorSet
from chain.verdicts import SignedMessage, Verdicts
from chain.votes import Certificate, Verifier
from contracts.governance.authorities import Authority, GenesisAuthority
from contracts.governance.parameters import Timing
from contracts.kernel import Host, Value, sha256
from contracts.kernel.meter import Meter, WeightTable
from contracts.kernel.state import State
from contracts.registry import Registry
from tests.sim.app import Decision, Rulebook
from tests.support.genesis import FUNDS_UTHB, PEOPLE, make_genesis, network_name, parameters
from tests.support.people import account_of, key_of, seed_of

FEE_MAX_UTHB = 100_000
TRANSACTIONS_MAX = 2
# Few timings and validator sets are drawn, so runs share them.
CHAINS_MAX = 64


@dataclass(frozen=True)
class SimulatedGenesis(Genesis):
    """A genesis that stands for the chain id of a simulated network."""

    given_id: bytes = b""

    @cached_property
    def chain_id(self) -> bytes:
        """Return the id that the simulated validators sign for."""
        return self.given_id


@dataclass(frozen=True, slots=True)
class SharedJudge:
    """Verdicts by the verifier that all nodes of a run share."""

    verifier: Verifier

    def verdict(self, signed: SignedMessage) -> bool:
        """Return the verdict on this triple."""
        return self.verifier(*signed)


class Drawn(Iterator[PreparedTransaction]):
    """A block's transactions, in order."""

    def __init__(self, transactions: list[PreparedTransaction]) -> None:
        self._left = iter(transactions)

    def __next__(self) -> PreparedTransaction:
        return next(self._left)

    def spent(self, weight: int) -> None:
        assert weight > 0, "an executed transaction weighs something"

    def failed(self) -> None:
        raise AssertionError("every transaction of the simulation is includable")


@dataclass(frozen=True, slots=True)
class Begun:
    """A chain with its block 0, to be copied; bytes, because nothing else is copied as fast."""

    genesis: SimulatedGenesis
    parts: bytes

    @classmethod
    def of(cls, genesis: SimulatedGenesis) -> "Begun":
        """Begin the chain."""
        store = MemoryStore()
        ledger = Ledger.create(genesis, store, Verdicts())
        return cls(genesis, pickle.dumps((store, ledger.trie, ledger.tip)))

    def copy(self) -> tuple[MemoryStore, Trie, Tip]:
        """Return the parts of a ledger at block 0, shared with nobody."""
        store, trie, tip = pickle.loads(self.parts)  # noqa: S301 - our own bytes, from `of`
        return store, trie, tip


class LedgerApp:
    """One node's real ledger, in memory."""

    def __init__(self, rulebook: Rulebook) -> None:
        self._judge = SharedJudge(rulebook.verifier)
        begun = _begun(
            rulebook.chain_id, rulebook.genesis_time_ms, rulebook.timing, rulebook.set_at(0)
        )
        self._genesis = begun.genesis
        self._store, trie, tip = begun.copy()
        self._ledger = Ledger(self._store, trie, tip, self._judge)
        # Reads what is committed, whenever it is asked.
        self._committed = Registry(Host(State(self._store, Meter(WeightTable(), UNLIMITED))))

    def context(self) -> HeightContext:
        tip = self._ledger.tip
        return HeightContext(
            tip.height + 1,
            tip.next_validators,
            tip.block_id,
            tip.header.time_ms,
            tip.certificate,
            tip.validators,
            tip.parameters.timing,
        )

    def propose(
        self, proposer: bytes, time_ms: int, parent_certificate: Certificate | None
    ) -> Block:
        draw = sha256(proposer + time_ms.to_bytes(8, "big"))
        block, refused = self._ledger.build(
            time_ms, proposer, parent_certificate, Drawn(self._transactions(draw))
        )
        assert not refused, refused
        return block

    def validate(self, block: Block) -> bool:
        try:
            self._ledger.validate(block)
        except InvalidBlockError:
            return False
        return True

    def commit(self, block: Block, certificate: Certificate) -> None:
        self._ledger.commit(block.id, certificate)

    def decision(self, height: int) -> Decision | None:
        stored = self._store.block(height)
        if stored is None or stored.certificate is None:
            return None
        return Decision(Block(stored.header, stored.body), stored.certificate)

    def restart(self) -> None:
        self._ledger = Ledger.reopen(self._genesis, self._store, self._judge)

    def check(self) -> None:
        """Assert every invariant of the contracts over the committed state."""
        assert self._committed.credit.columns_add_up_to_supply()
        assert self._committed.nrg.supply_is_fixed()

    def _transactions(self, draw: bytes) -> list[PreparedTransaction]:
        out: list[PreparedTransaction] = []
        used = dict.fromkeys(PEOPLE, 0)
        for number in range(draw[0] % (TRANSACTIONS_MAX + 1)):
            sender = PEOPLE[draw[1 + number] % len(PEOPLE)]
            recipient = account_of(PEOPLE[draw[5 + number] % len(PEOPLE)])
            # One in eight asks for more than anybody has, and is refused with a receipt.
            amount = 10 * FUNDS_UTHB if draw[9 + number] < 32 else draw[9 + number]
            nonce = self._committed.accounts.nonces[account_of(sender)] + used[sender]
            used[sender] += 1
            call = Call("credit", "transfer", (recipient, amount, b"simulated"))
            transaction = Transaction(
                self._genesis.chain_id,
                account_of(sender),
                nonce,
                self._ledger.tip.height + 100,
                FEE_MAX_UTHB,
                Mode.ALL_OR_NOTHING,
                (call,),
            )
            out.append(prepare(sign_transaction(transaction, [seed_of(sender)])))
        return out


@lru_cache(maxsize=CHAINS_MAX)
def _begun(chain_id: bytes, time_ms: int, timing: Timing, members: ValidatorSet) -> Begun:
    """Begin a chain once; every node of a run, and of later runs, works on a copy."""
    return Begun.of(_genesis(chain_id, time_ms, timing, members))


def _genesis(
    chain_id: bytes, time_ms: int, timing: Timing, members: ValidatorSet
) -> SimulatedGenesis:
    base = make_genesis(chain=parameters(timing=timing))
    seats: list[Value] = [
        GenesisAuthority(
            v.address,
            Authority(name := v.address.hex()[:8], v.public_key, key_of(network_name(name))),
        ).to_wire()
        for v in members.members
    ]
    sections: dict[str, Mapping[str, Value]] = {
        **base.sections,
        "authorities": {"authorities": seats},
    }
    return SimulatedGenesis("simulated", time_ms, devnet=True, sections=sections, given_id=chain_id)
