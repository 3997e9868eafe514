"""The ledger: the committed chain, and candidate blocks on top of it.

It builds proposals, checks the proposals of others against every rule that depends on the parent
state and the block alone, and commits the one that was decided. Candidates of one height are
sibling versions of their parent; the losers are dropped at commit. (PROTOCOL §2–4.)
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final, Protocol

from chain.block import (
    ZERO_HASH,
    Block,
    Body,
    Header,
    InvalidBlockError,
)
from chain.execution.executor import UNLIMITED, BlockContext, BlockExecution, BlockResult
from chain.genesis import EMPTY_BODY, Genesis, run_genesis
from chain.merkle import merkle_root
from chain.mmr import Mmr
from chain.refusals import BlockFull, NotIncludableError
from chain.store import CommitBatch, Store, StoredBlock
from chain.tip import Tip
from chain.transaction import PreparedTransaction, decode_transaction, prepare
from chain.trie.trie import Trie
from chain.trie.versions import Version
from chain.validators import Validator, ValidatorSet
from chain.validity import (
    check_body,
    check_certificate,
    check_header,
    transactions_bytes_max,
)
from chain.verdicts import Judge, SignedMessage
from chain.votes import Certificate, Step
from contracts.kernel import Host
from contracts.kernel.meter import Meter, WeightTable
from contracts.kernel.state import Decoded, State
from contracts.registry import Registry

STATE_START: Final = b"\0"
STATE_END: Final = b"\xff" * 33
CANDIDATES_MAX: Final = 64

Preparer = Callable[[bytes], PreparedTransaction]
Refused = tuple[PreparedTransaction, NotIncludableError]


class BlockSource(Protocol):
    """Where a proposal's transactions come from, in order; the mempool's `Proposal` is one."""

    def __iter__(self) -> Iterator[PreparedTransaction]:
        """Give the transactions."""

    def spent(self, weight: int) -> None:
        """Take note of what the last transaction weighed."""

    def failed(self) -> None:
        """Take note that the last transaction cannot be in the block."""


class ForeignChainError(Exception):
    """The stored chain began with another genesis."""

    def __init__(self, expected: bytes, got: bytes) -> None:
        """Say both chain ids."""
        super().__init__(
            f"the data folder holds chain {got.hex()}, but the genesis makes {expected.hex()}; "
            "use the genesis of that chain, or another data folder"
        )


class CorruptStateError(Exception):
    """What is stored does not hash to what the last header says."""

    def __init__(self, what: str, height: int, expected: bytes, got: bytes) -> None:
        """Say the place and both hashes."""
        super().__init__(
            f"{what} at height {height} is {got.hex()}, the header says {expected.hex()}; "
            "the database is damaged: restore a backup or sync again"
        )


@dataclass(frozen=True)
class Candidate:
    """An executed block that may be decided."""

    block: Block
    result: BlockResult
    version: Version
    history: Mmr
    history_nodes: tuple[tuple[int, bytes], ...]
    transaction_ids: tuple[bytes, ...]

    def stored(self, certificate: Certificate) -> StoredBlock:
        """Return what is kept of the block once this certificate made it final."""
        return StoredBlock(
            self.block.header,
            self.block.body,
            self.block.id,
            certificate,
            tuple(receipt.encode() for receipt in self.result.receipts),
            self.result.events,
            self.transaction_ids,
        )


class Ledger:
    """One node's chain; a single thread owns it."""

    def __init__(self, store: Store, trie: Trie, tip: Tip, judge: Judge) -> None:
        """Use `create` or `open_` instead."""
        self._store = store
        self._trie = trie
        self._judge = judge
        self._candidates: dict[bytes, Candidate] = {}
        self._decoded = Decoded()
        self.tip = tip
        self.preparer: Preparer = self._prepare

    @classmethod
    def create(cls, genesis: Genesis, store: Store, judge: Judge) -> "Ledger":
        """Write block 0 of a new chain; raises `InvalidGenesisError`."""
        assert store.tip_height() is None, "a chain begins in an empty store"
        begun = run_genesis(genesis, store)
        trie, empty = Trie.empty()
        version = trie.apply(empty, begun.changes)
        trie.release(empty)
        header = begun.header(genesis, version.root_hash)
        block = StoredBlock(header, EMPTY_BODY, header.id(), None, (), (), ())
        store.commit(CommitBatch(block, begun.changes, ()))
        tip = Tip(
            header,
            block.block_id,
            None,
            begun.validators,
            begun.validators,
            begun.parameters,
            Mmr(),
            version,
        )
        return cls(store, trie, tip, judge)

    @classmethod
    def reopen(cls, genesis: Genesis, store: Store, judge: Judge) -> "Ledger":
        """Continue a stored chain, having checked its whole state against the last header.

        Raises `ForeignChainError` or `CorruptStateError`; both say what to do. About 6 µs a key.
        """
        height = store.tip_height()
        assert height is not None, "a new chain is made by `create`"
        block = store.block(height)
        assert block is not None, "the tip is stored"
        header = block.header
        if header.chain_id != genesis.chain_id:
            raise ForeignChainError(genesis.chain_id, header.chain_id)
        trie, version = Trie.from_sorted(store.scan(STATE_START, STATE_END))
        if version.root_hash != header.state_root:
            raise CorruptStateError("state root", height, header.state_root, version.root_hash)
        history = Mmr.load(store.history_node, height)
        if history.history_root != header.history_root:
            raise CorruptStateError(
                "history root", height, header.history_root, history.history_root
            )
        registry = Registry(Host(State(store, Meter(WeightTable(), UNLIMITED))))
        members = ValidatorSet.of(Validator(*one) for one in registry.authorities.validators())
        if members.hash != header.validators_hash:
            raise CorruptStateError("validator set", height, header.validators_hash, members.hash)
        tip = Tip(
            header, block.block_id, block.certificate, members, members,
            registry.parameters.in_force(), history, version,
        )  # fmt: skip
        return cls(store, trie, tip, judge)

    @property
    def trie(self) -> Trie:
        """Return the trie, for whoever pins versions to prove from them."""
        return self._trie

    def build(
        self,
        time_ms: int,
        proposer: bytes,
        parent_certificate: Certificate | None,
        transactions: BlockSource,
    ) -> tuple[Block, list[Refused]]:
        """Build and execute a proposal; returns it with the transactions that cannot be in it.

        Stops at the first transaction that no longer fits by size or weight.
        """
        execution = self._begin(time_ms, parent_certificate)
        parameters = self.tip.parameters
        taken: list[PreparedTransaction] = []
        refused: list[Refused] = []
        size = 0
        for prepared in transactions:
            size += len(prepared.signed.raw)
            if size > transactions_bytes_max(parameters):
                break
            if len(taken) == parameters.block_transactions_max:
                break
            try:
                receipt = execution.apply(prepared)
            except BlockFull:
                break
            except NotIncludableError as error:
                size -= len(prepared.signed.raw)
                transactions.failed()
                refused.append((prepared, error))
                continue
            transactions.spent(receipt.weight)
            taken.append(prepared)
        result = execution.finish()
        body = Body(parent_certificate, tuple(p.signed.raw for p in taken), ())
        ids = tuple(p.id for p in taken)
        made = self._complete(time_ms, proposer, body, result, ids)
        self._keep(made)
        return made.block, refused

    def validate(self, block: Block) -> None:
        """Check a block against every rule of the chain; raises `InvalidBlockError`."""
        if block.id in self._candidates:
            return
        check_header(block, self.tip)
        check_certificate(block.body.parent_certificate, self.tip, self._verify)
        check_body(block, self.tip.parameters)
        prepared = self._prepared(block)
        execution = self._begin(block.header.time_ms, block.body.parent_certificate)
        for position, transaction in enumerate(prepared):
            try:
                execution.apply(transaction)
            except NotIncludableError as error:
                reason = f"transaction {position} is not includable"
                raise InvalidBlockError(reason, "includable", str(error)) from error
        result = execution.finish()
        ids = tuple(p.id for p in prepared)
        header = block.header
        made = self._complete(header.time_ms, header.proposer, block.body, result, ids)
        if made.block.id != block.id:
            self._trie.release(made.version)
            for name in ("receipts_root", "state_root", "next_validators_hash", "evidence_root"):
                expected, got = getattr(made.block.header, name), getattr(header, name)
                if expected != got:
                    raise InvalidBlockError(name, expected, got)
            reason = "header differs"
            raise InvalidBlockError(reason, made.block.id, block.id)
        self._keep(made)

    def check_decided(self, block: Block, certificate: Certificate) -> None:
        """Check that a quorum of the next set has decided this block, and that its body is whole.

        Raises `InvalidTallyError` or `InvalidBlockError`; whether the block keeps the rules of the
        chain is for `validate` to say.
        """
        if certificate.block_id != block.id or certificate.height != block.height:
            reason = "certificate is of another block"
            raise InvalidBlockError(reason, block.id, certificate.block_id)
        tip = self.tip
        certificate.verify(Step.PRECOMMIT, tip.header.chain_id, tip.next_validators, self._verify)
        if block.misfit is not None:
            raise InvalidBlockError("body does not fit its header", None, block.misfit)

    def commit(self, block_id: bytes, certificate: Certificate) -> Candidate:
        """Make a validated candidate final; its siblings are dropped."""
        candidate = self._candidates[block_id]
        assert certificate.block_id == block_id, "the certificate is of another block"
        block, result = candidate.block, candidate.result
        stored = candidate.stored(certificate)
        self._store.commit(CommitBatch(stored, result.changes, candidate.history_nodes))
        old = self.tip.version
        for other in [other for other in self._candidates if other != block_id]:
            self._forget(other)
        self._candidates.clear()
        self.tip = Tip(
            block.header,
            block_id,
            certificate,
            self.tip.next_validators,
            result.next_validators,
            result.next_parameters,
            candidate.history,
            candidate.version,
        )
        self._trie.release(old)
        return candidate

    def candidate(self, block_id: bytes) -> Candidate | None:
        """Return a block of the next height that has been executed."""
        return self._candidates.get(block_id)

    def _begin(self, time_ms: int, parent_certificate: Certificate | None) -> BlockExecution:
        tip = self.tip
        context = BlockContext(tip.header.chain_id, tip.height + 1, time_ms, tip.block_id)
        execution = BlockExecution(self._store, context, self._judge, decoded=self._decoded)
        signers: tuple[bytes, ...] = ()
        if parent_certificate is not None:
            members = tip.validators.members
            positions = parent_certificate.signers(tip.validators)
            signers = tuple(members[i].address for i in positions)
        execution.begin(signers)
        return execution

    def _complete(
        self, time_ms: int, proposer: bytes, body: Body, result: BlockResult, ids: tuple[bytes, ...]
    ) -> Candidate:
        """Make the header that this execution yields; the caller keeps or releases it."""
        tip = self.tip
        version = self._trie.apply(tip.version, result.changes)
        history, nodes = tip.history.append(tip.block_id)
        certificate = body.parent_certificate
        header = Header(
            chain_id=tip.header.chain_id,
            height=tip.height + 1,
            time_ms=time_ms,
            parent_hash=tip.block_id,
            parent_certificate_hash=ZERO_HASH if certificate is None else certificate.hash,
            proposer=proposer,
            txs_root=merkle_root(body.transactions),
            receipts_root=merkle_root([receipt.encode() for receipt in result.receipts]),
            state_root=version.root_hash,
            history_root=history.history_root,
            evidence_root=merkle_root([one.encode() for one in body.evidence]),
            validators_hash=tip.next_validators.hash,
            next_validators_hash=result.next_validators.hash,
            params_hash=tip.parameters.hash,
        )
        return Candidate(Block(header, body), result, version, history, tuple(nodes), ids)

    def _keep(self, candidate: Candidate) -> None:
        """Keep an executed block, once, in place of the oldest if there are too many."""
        block_id = candidate.block.id
        if block_id in self._candidates:
            self._trie.release(candidate.version)
            return
        while len(self._candidates) >= CANDIDATES_MAX:
            self._forget(next(iter(self._candidates)))
        self._candidates[block_id] = candidate

    def _prepared(self, block: Block) -> list[PreparedTransaction]:
        prepared = []
        for position, raw in enumerate(block.body.transactions):
            try:
                prepared.append(self.preparer(raw))
            except NotIncludableError as error:
                reason = f"transaction {position} is malformed"
                raise InvalidBlockError(reason, "well-formed", str(error)) from error
        return prepared

    def _prepare(self, raw: bytes) -> PreparedTransaction:
        return prepare(decode_transaction(raw, self.tip.header.chain_id))

    def _verify(self, public_key: bytes, message: bytes, signature: bytes) -> bool:
        return self._judge.verdict(SignedMessage(public_key, message, signature))

    def _forget(self, block_id: bytes) -> None:
        self._trie.release(self._candidates.pop(block_id).version)
