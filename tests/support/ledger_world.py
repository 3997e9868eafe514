"""A world on a real ledger: every block is built, certified by validators' votes and stored.

The mixin comes after the world that it carries: `class Mine(SettlementWorld, LedgerWorld)`.
"""

from collections import Counter
from functools import cached_property
from typing import Final

from chain.execution.executor import BlockResult
from chain.execution.receipt import Outcome, Receipt
from chain.transaction import PreparedTransaction, decode_transaction
from contracts.kernel import Reject
from tests.support.chain import ChainNode
from tests.support.world import World

# What returns the code of each item of its list.
LISTS: Final = (
    ("orders", "submit_orders"),
    ("metering", "submit_readings"),
    ("metering", "correct_readings"),
)


class LedgerWorld(World):
    """A world whose blocks a node's ledger makes final, with the time that it gives them."""

    validators = 1

    @cached_property
    def node(self) -> ChainNode:
        """Return the node that the world lives on from its first block."""
        return ChainNode(self.validators, self.genesis)

    def block(
        self, *transactions: PreparedTransaction, signers: tuple[bytes, ...] = ()
    ) -> BlockResult:
        """Decide one block, which must hold all the transactions; returns what came of it."""
        assert not signers, "who signed is what the certificate says"
        block = self.node.build(*transactions)
        assert len(block.body.transactions) == len(transactions), "a block without some of them"
        candidate = self.node.ledger.commit(block.id, self.node.certify(block))
        self.state, self.parent = self.node.store, block.id
        self.height, self.time_ms = block.height, block.header.time_ms
        return candidate.result

    def refusals(self) -> Counter[type[Reject]]:
        """Return how often calls, and items of lists, were refused, as the stored receipts say."""
        codes: Counter[int] = Counter()
        for block in self.node.blocks():
            # The block's own receipt comes first, and is there in every block but genesis.
            for raw, data in zip(block.body.transactions, block.receipts[1:], strict=True):
                calls = decode_transaction(raw, self.genesis.chain_id).transaction.calls
                for call, result in zip(calls, Receipt.decode(data).results, strict=True):
                    codes[result.code] += 1
                    if (call.contract, call.method) in LISTS and isinstance(result.value, list):
                        codes.update(code for code in result.value if isinstance(code, int))
        rejects = self.registry.catalogue.reject_by_code
        known = codes.keys() - set(Outcome)
        return Counter({rejects[code]: codes[code] for code in sorted(known)})
