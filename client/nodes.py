"""Several nodes of one chain, used as one: each account by its own node, so that all have a share.

    nodes = Nodes([first, second, third])
    await nodes.submit(*transactions)
    tip = await nodes.agree(height)

Transactions of one sender go to one node, in order: what is told from node to node comes in any.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import trio

from chain.transaction import SignedTransaction
from client.rpc import Rpc
from client.submit import submit

NODES_MAX: Final = 64
AGREE_TIMEOUT_S: Final = 60.0
POLL_S: Final = 0.1


class DisagreementError(Exception):
    """Nodes tell different things of one height, or one does not reach it; says which and what."""


@dataclass(frozen=True, slots=True)
class Agreed:
    """What all nodes say of a height."""

    height: int
    block_id: str
    state_root: str


class Nodes:
    """The nodes that a client uses; the first is asked where one is enough."""

    def __init__(self, rpcs: Sequence[Rpc]) -> None:
        """Use these, one at least."""
        if not 1 <= len(rpcs) <= NODES_MAX:
            msg = f"{len(rpcs)} nodes: 1 … {NODES_MAX} can be used together"
            raise ValueError(msg)
        self.all = tuple(rpcs)

    @property
    def first(self) -> Rpc:
        """Return the node that is asked where one is enough."""
        return self.all[0]

    def of(self, account: bytes) -> Rpc:
        """Return the node that an account uses."""
        return self.all[int.from_bytes(account[-4:], "big") % len(self.all)]

    async def submit(self, *transactions: SignedTransaction) -> None:
        """Submit each to its sender's node, to all nodes at a time; raises as `submit` does."""
        async with trio.open_nursery() as nursery:
            for rpc in self.all:
                own = [one for one in transactions if self.of(one.transaction.sender) is rpc]
                if own:
                    nursery.start_soon(submit, rpc, *own)

    async def status(self, sender: bytes, transaction_id: bytes) -> str:
        """Return what is known of a transaction where its sender submitted it."""
        answer = await self.of(sender).call("tx_status", id=transaction_id.hex())
        return str(answer["status"])

    async def waiting(self) -> int:
        """Return how many transactions wait at the node that has most of them."""
        answers = [await rpc.call("mempool_status") for rpc in self.all]
        return max(int(answer["transactions"]) for answer in answers)

    async def agree(self, height: int) -> Agreed:
        """Return what all nodes say of a height, once all have it; raises `DisagreementError`."""
        said = [await self._at(rpc, height) for rpc in self.all]
        for rpc, other in zip(self.all, said, strict=True):
            if other != said[0]:
                msg = (
                    f"the nodes disagree about block {height}: {self.first.url} has "
                    f"{said[0].block_id} with state {said[0].state_root}, {rpc.url} has "
                    f"{other.block_id} with state {other.state_root}; keep their folders and "
                    "find out by `gtx audit` at each"
                )
                raise DisagreementError(msg)
        return said[0]

    async def _at(self, rpc: Rpc, height: int) -> Agreed:
        reached = -1
        with trio.move_on_after(AGREE_TIMEOUT_S):
            while reached < height:
                reached = int((await rpc.call("chain_status"))["height"])
                if reached < height:
                    await trio.sleep(POLL_S)
        if reached < height:
            msg = (
                f"the node at {rpc.url} has {reached} blocks and did not reach block {height} "
                f"within {AGREE_TIMEOUT_S:g} s; `gtx consensus --rpc-url {rpc.url}` says why"
            )
            raise DisagreementError(msg)
        answer = await rpc.call("chain_header", height=height)
        return Agreed(height, answer["block_id"], answer["header"]["state_root"])
