"""A chain inside one process: a real ledger in memory whose blocks are made final by real votes."""

from collections.abc import Iterable, Iterator

from chain.block import Block
from chain.crypto import sign
from chain.genesis import Genesis
from chain.ledger import Ledger
from chain.store import MemoryStore, StoredBlock
from chain.transaction import (
    Call,
    Mode,
    PreparedTransaction,
    Transaction,
    prepare,
    sign_transaction,
)
from chain.verdicts import Verdicts
from chain.votes import Certificate, Step, Vote, vote_message
from contracts.kernel import Value
from tests.support.genesis import make_genesis, validator_names
from tests.support.people import account_of, seed_of

FEE_MAX_UTHB = 1_000_000


class InOrder(Iterator[PreparedTransaction]):
    """Transactions for a block in a given order; keeps what they weighed."""

    def __init__(self, transactions: Iterable[PreparedTransaction]) -> None:
        self._left = iter(transactions)
        self.weights: list[int] = []
        self.failures = 0

    def __next__(self) -> PreparedTransaction:
        return next(self._left)

    def spent(self, weight: int) -> None:
        self.weights.append(weight)

    def failed(self) -> None:
        self.failures += 1


class ChainNode:
    """A ledger with its store, and the means to make its blocks final."""

    def __init__(self, validators: int = 1, genesis: Genesis | None = None) -> None:
        """Begin a chain of so many validators; a genesis of one's own must have them."""
        self.genesis = genesis or make_genesis(validators=validators)
        self.names = {account_of(n): n for n in validator_names(validators)}
        self.store = MemoryStore()
        self.ledger = Ledger.create(self.genesis, self.store, Verdicts())

    def transfer(
        self, sender: str, nonce: int, amount: Value = 5, fee_max_uthb: int = FEE_MAX_UTHB
    ) -> PreparedTransaction:
        call = Call("credit", "transfer", (account_of("bob"), amount, b""))
        transaction = Transaction(
            self.genesis.chain_id, account_of(sender), nonce, 100, fee_max_uthb,
            Mode.ALL_OR_NOTHING, (call,),
        )  # fmt: skip
        return prepare(sign_transaction(transaction, [seed_of(sender)]))

    def build(self, *transactions: PreparedTransaction) -> Block:
        tip = self.ledger.tip
        proposer = tip.next_validators.proposer(tip.height + 1, 0).address
        block, refused = self.ledger.build(
            tip.header.time_ms + 1_000, proposer, tip.certificate, InOrder(transactions)
        )
        assert not refused
        return block

    def certify(self, block: Block, round_: int = 0) -> Certificate:
        validators = self.ledger.tip.next_validators
        chain_id = self.genesis.chain_id
        message = vote_message(chain_id, Step.PRECOMMIT, block.height, round_, block.id)
        votes = {
            v.address: Vote(
                Step.PRECOMMIT, block.height, round_, block.id, v.address,
                sign(seed_of(self.names[v.address]), message),
            )
            for v in validators.members[: validators.quorum]
        }  # fmt: skip
        return Certificate.of(chain_id, validators, votes)

    def decide(self, *transactions: PreparedTransaction) -> Block:
        block = self.build(*transactions)
        self.ledger.commit(block.id, self.certify(block))
        return block

    def blocks(self) -> list[StoredBlock]:
        """Return all blocks, from genesis on."""
        stored = [self.store.block(height) for height in range(self.ledger.tip.height + 1)]
        return [block for block in stored if block is not None]

    def follow(self, block: Block, certificate: Certificate) -> None:
        self.ledger.validate(block)
        self.ledger.commit(block.id, certificate)
