"""A node in memory for the tests of API and SDK: a real ledger whose blocks are made on request.

Execution, mempool, proofs and signatures are the chain's own; there is no consensus but the votes
that `ChainNode` signs, and no disk.
"""

from collections.abc import AsyncIterator
from contextlib import AbstractContextManager

import trio

from chain.mempool import Mempool, MempoolLimits, accounts_in
from chain.refusals import NotIncludableError
from chain.store import MemoryState, StoredBlock
from chain.transaction import decode_transaction, prepare
from chain.verdicts import Verdicts
from contracts.kernel import Value
from node.backend import PeerState, Published, RoundState, Submission
from node.publish import CachedReader, Publisher, TipAccounts
from tests.support.chain import ChainNode

SUBSCRIBER_BLOCKS_MAX = 32


class ChainBackend:
    """What the API asks of a node, over a chain in this process."""

    def __init__(
        self, validators: int = 1, limits: MempoolLimits | None = None, *, commits: bool = False
    ) -> None:
        """Begin a chain; with `commits`, what is submitted is in a block before the answer."""
        self.chain = ChainNode(validators)
        self.archive = self.chain.store
        self.publisher = Publisher(self._newest())
        self._accounts = CachedReader(self.publisher.newest.state)
        tip = self.chain.ledger.tip
        view = TipAccounts(self._accounts)
        self.mempool = Mempool(view, tip.parameters, tip.height, Verdicts(), limits)
        self._commits = commits
        self._channels: dict[int, trio.MemorySendChannel[StoredBlock]] = {}
        self.submissions: list[int] = []
        self.tip_age_ms = 0
        self.others: list[PeerState] = []
        self.under_way: RoundState | None = None
        self.gate: trio.Event | None = None
        self._submitted = trio.Event()

    def published(self) -> AbstractContextManager[Published]:
        return self.publisher.pinned()

    async def submit(self, raws: list[bytes]) -> list[Submission]:
        self.submissions.append(len(raws))
        submitted, self._submitted = self._submitted, trio.Event()
        submitted.set()
        if self.gate is not None:
            await self.gate.wait()
        answers = [self._admit(raw) for raw in raws]
        if self._commits:
            self.commit()
        return answers

    def is_waiting(self, transaction_id: bytes) -> bool:
        return transaction_id in self.mempool

    def mempool_status(self) -> dict[str, Value]:
        return self.mempool.status()

    def health(self) -> dict[str, Value]:
        tip = self.chain.ledger.tip
        return {
            "height": tip.height,
            "tip_time_ms": tip.header.time_ms,
            "tip_age_ms": self.tip_age_ms,
        }

    def peers(self) -> list[PeerState]:
        return self.others

    def round_state(self) -> RoundState:
        tip = self.chain.ledger.tip
        members, height = tip.next_validators, tip.height + 1
        return self.under_way or RoundState(
            height=height,
            round=0,
            step="propose",
            proposer=members.proposer(height, 0).address,
            quorum=members.quorum,
            is_due=False,
            has_proposal=False,
            may_sign=True,
            votes=tuple((one.address, False, False) for one in members.members),
        )

    async def blocks(self) -> AsyncIterator[StoredBlock]:
        send, receive = trio.open_memory_channel[StoredBlock](SUBSCRIBER_BLOCKS_MAX)
        self._channels[id(send)] = send
        try:
            async for block in receive:
                yield block
        finally:
            del self._channels[id(send)]

    async def has_submissions(self, count: int) -> None:
        """Return once so many submissions have come in, though they may wait at the gate."""
        while len(self.submissions) < count:
            await self._submitted.wait()

    def commit(self) -> StoredBlock:
        """Make a block of what waits, as the engine does."""
        ledger = self.chain.ledger
        parameters = ledger.tip.parameters
        waiting = self.mempool.proposal(
            bytes_max=parameters.block_bytes_max, weight_max=parameters.block_weight_max
        )
        tip = ledger.tip
        proposer = tip.next_validators.proposer(tip.height + 1, 0).address
        block, refused = ledger.build(
            tip.header.time_ms + 1_000, proposer, tip.certificate, waiting
        )
        assert not refused
        candidate = ledger.commit(block.id, self.chain.certify(block))
        published = self._newest()
        self._accounts.advance(published.state, candidate.result.changes)
        self.mempool.update(
            TipAccounts(self._accounts),
            parameters,
            block.height,
            accounts_in(candidate.result.changes),
            candidate.transaction_ids,
        )
        self.publisher.publish(published)
        stored = self.archive.block(block.height)
        assert stored is not None
        for channel in self._channels.values():
            channel.send_nowait(stored)
        return stored

    def nonce_of(self, account: bytes) -> int:
        """Return the account's nonce at the tip."""
        return TipAccounts(self._accounts).nonce(account)

    def cut_off(self) -> None:
        """End every stream of blocks, as the engine does to a slow reader."""
        for channel in self._channels.values():
            channel.close()

    def _admit(self, raw: bytes) -> Submission:
        try:
            prepared = prepare(decode_transaction(raw, self.chain.genesis.chain_id))
        except NotIncludableError as error:
            return Submission(b"", error)
        try:
            self.mempool.add(prepared)
        except NotIncludableError as error:
            return Submission(prepared.id, error)
        return Submission(prepared.id)

    def _newest(self) -> Published:
        """Return the tip with a copy of its state, which later blocks leave alone."""
        state = MemoryState()
        state.write(self.archive.scan(b"\0", b"\xff" * 64))
        return Published(self.chain.ledger.tip, state, self.chain.ledger.trie)
