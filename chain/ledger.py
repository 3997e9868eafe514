"""The ledger: the committed chain, and candidate blocks on top of it.

It builds proposals, checks the proposals of others against every rule that depends on the parent
state and the block alone, and commits the one that was decided. Candidates of one height are
sibling versions of their parent; the losers are dropped at commit. (PROTOCOL §2–4.)
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final

from chain.block import (
    ZERO_HASH,
    Block,
    Body,
    Header,
    InvalidBlockError,
)
from chain.execution.executor import BlockContext, BlockExecution, BlockResult
from chain.genesis import EMPTY_BODY, Genesis, run_genesis
from chain.merkle import merkle_root
from chain.mmr import Mmr
from chain.refusals import BlockFull, NotIncludableError
from chain.store import CommitBatch, Store, StoredBlock
from chain.transaction import PreparedTransaction, decode_transaction, prepare
from chain.trie.trie import Trie
from chain.trie.versions import Version
from chain.validators import ValidatorSet
from chain.verdicts import Judge, SignedMessage
from chain.votes import Certificate, InvalidTallyError, Step
from contracts.governance.parameters import ChainParameters

STATE_START: Final = b"\0"
STATE_END: Final = b"\xff" * 33
CANDIDATES_MAX: Final = 64
# What a body may hold beside its transactions: certificate, evidence, array heads.
BODY_RESERVE_BYTES: Final = 128 * 2**10

Preparer = Callable[[bytes], PreparedTransaction]
Refused = tuple[PreparedTransaction, NotIncludableError]


@dataclass(frozen=True)
class Tip:
    """The last committed block and what is in force for the next."""

    header: Header
    block_id: bytes
    certificate: Certificate | None
    validators: ValidatorSet
    next_validators: ValidatorSet
    parameters: ChainParameters
    history: Mmr
    version: Version

    @property
    def height(self) -> int:
        """Return the height of the last committed block."""
        return self.header.height


@dataclass(frozen=True)
class Candidate:
    """An executed block that may be decided."""

    block: Block
    result: BlockResult
    version: Version
    history: Mmr
    history_nodes: tuple[tuple[int, bytes], ...]
    transaction_ids: tuple[bytes, ...]


class Ledger:
    """One node's chain; a single thread owns it."""

    def __init__(self, store: Store, trie: Trie, tip: Tip, judge: Judge) -> None:
        """Use `create` or `open_` instead."""
        self._store = store
        self._trie = trie
        self._judge = judge
        self._candidates: dict[bytes, Candidate] = {}
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

    def build(
        self,
        time_ms: int,
        proposer: bytes,
        parent_certificate: Certificate | None,
        transactions: Iterable[PreparedTransaction],
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
            if size > parameters.block_bytes_max - BODY_RESERVE_BYTES:
                break
            if len(taken) == parameters.block_transactions_max:
                break
            try:
                execution.apply(prepared)
            except BlockFull:
                break
            except NotIncludableError as error:
                size -= len(prepared.signed.raw)
                refused.append((prepared, error))
                continue
            taken.append(prepared)
        result = execution.finish()
        body = Body(parent_certificate, tuple(p.signed.raw for p in taken), ())
        ids = tuple(p.id for p in taken)
        return self._complete(time_ms, proposer, body, result, ids).block, refused

    def validate(self, block: Block) -> None:
        """Check a block against every rule of the chain; raises `InvalidBlockError`."""
        if block.id in self._candidates:
            return
        self._check_header(block)
        prepared = self._check_body(block)
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
            self._forget(made.block.id)
            for name in ("receipts_root", "state_root", "next_validators_hash", "evidence_root"):
                expected, got = getattr(made.block.header, name), getattr(header, name)
                if expected != got:
                    raise InvalidBlockError(name, expected, got)
            reason = "header differs"
            raise InvalidBlockError(reason, made.block.id, block.id)

    def commit(self, block_id: bytes, certificate: Certificate) -> Candidate:
        """Make a validated candidate final; its siblings are dropped."""
        candidate = self._candidates[block_id]
        assert certificate.block_id == block_id, "the certificate is of another block"
        block, result = candidate.block, candidate.result
        stored = StoredBlock(
            block.header,
            block.body,
            block_id,
            certificate,
            tuple(receipt.encode() for receipt in result.receipts),
            result.events,
            candidate.transaction_ids,
        )
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
        execution = BlockExecution(self._store, context, self._judge)
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
        """Make the header that this execution yields, and keep the candidate."""
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
        block = Block(header, body)
        candidate = Candidate(block, result, version, history, tuple(nodes), ids)
        if block.id in self._candidates:
            self._trie.release(version)
            return self._candidates[block.id]
        while len(self._candidates) >= CANDIDATES_MAX:
            self._forget(next(iter(self._candidates)))
        self._candidates[block.id] = candidate
        return candidate

    def _check_header(self, block: Block) -> None:
        """Check what needs no execution, cheapest first."""
        header, tip, body = block.header, self.tip, block.body
        certificate = body.parent_certificate
        expected = {
            "chain_id": tip.header.chain_id,
            "height": tip.height + 1,
            "parent_hash": tip.block_id,
            "validators_hash": tip.next_validators.hash,
            "params_hash": tip.parameters.hash,
            "history_root": tip.history.append(tip.block_id)[0].history_root,
            "parent_certificate_hash": ZERO_HASH if certificate is None else certificate.hash,
        }
        for name, value in expected.items():
            if getattr(header, name) != value:
                raise InvalidBlockError(name, value, getattr(header, name))
        if header.time_ms <= tip.header.time_ms:
            reason = "time_ms does not rise"
            raise InvalidBlockError(reason, f"> {tip.header.time_ms}", header.time_ms)
        if header.proposer not in tip.next_validators.index_of:
            reason = "proposer is no validator"
            raise InvalidBlockError(reason, "a member of the set", header.proposer)
        self._check_certificate(certificate)

    def _check_certificate(self, certificate: Certificate | None) -> None:
        tip = self.tip
        if tip.height == 0 or certificate is None:
            if (tip.height == 0) != (certificate is None):
                reason = "parent certificate"
                raise InvalidBlockError(reason, "none in block 1, one in every later block")
            return
        if (certificate.height, certificate.block_id) != (tip.height, tip.block_id):
            reason = "parent certificate is of another block"
            raise InvalidBlockError(reason, tip.block_id, certificate.block_id)
        try:
            certificate.verify(Step.PRECOMMIT, tip.header.chain_id, tip.validators, self._verify)
        except InvalidTallyError as error:
            reason = "parent certificate"
            raise InvalidBlockError(reason, "a valid certificate", str(error)) from error

    def _check_body(self, block: Block) -> list[PreparedTransaction]:
        header, body, parameters = block.header, block.body, self.tip.parameters
        count = len(body.transactions)
        if count > parameters.block_transactions_max:
            reason = "too many transactions"
            raise InvalidBlockError(reason, f"≤ {parameters.block_transactions_max}", count)
        size = sum(len(raw) for raw in body.transactions)
        if size > parameters.block_bytes_max - BODY_RESERVE_BYTES:
            reason = "transactions are too large"
            raise InvalidBlockError(reason, f"≤ {parameters.block_bytes_max}", size)
        if body.evidence:
            reason = "evidence is not accepted by execution version 1"
            raise InvalidBlockError(reason, 0, len(body.evidence))
        if merkle_root(body.transactions) != header.txs_root:
            raise InvalidBlockError("txs_root", header.txs_root, merkle_root(body.transactions))
        prepared = []
        for position, raw in enumerate(body.transactions):
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
