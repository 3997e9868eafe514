"""Composition: one node's parts over its folders, wired and opened in the right order.

Order matters: the lock before the database, the database before the ledger, and the ledger's check
of the whole state before anything is signed.
"""

import secrets
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from chain.consensus.guard import MustNotSign, Restored
from chain.consensus.journal import Opening, RecordedMachine
from chain.consensus.machine import Machine
from chain.genesis import Genesis
from chain.ledger import Ledger
from chain.mempool import Mempool, MempoolLimits
from chain.validators import Validator
from node.engine import Engine, Parts, Seat
from node.home import Home
from node.intake import Intake
from node.journal import JournalFile
from node.leveldb import LevelStore
from node.outbox import Alone, Outbox
from node.publish import CachedReader, TipAccounts
from node.recovery import recover_chain
from node.shared_verdicts import SharedVerdicts
from node.signer import Signer
from node.signer_reset import refuse_other_genesis, signer_state
from node.validator_key import ValidatorKey
from node.workers import SignatureWorkers

NONCE_BYTES: Final = 32
NS_PER_MS: Final = 1_000_000
# What a node without a key has said so far.
NOTHING_SAID: Final = Restored((), None, 0)


@dataclass(frozen=True)
class ChainNode:
    """A node's running parts."""

    engine: Engine
    intake: Intake
    ledger: Ledger
    machine: Machine
    chain_id: bytes


def wall_clock_ms() -> int:
    """Return milliseconds since the epoch, UTC."""
    return time.time_ns() // NS_PER_MS


@contextmanager
def open_node(
    home: Home,
    genesis: Genesis,
    key: ValidatorKey | None,
    *,
    workers: int,
    limits: MempoolLimits | None = None,
    outbox: Outbox | None = None,
    journal: bool = False,
) -> Iterator[ChainNode]:
    """Open a node's chain and give its parts; closes everything in reverse order.

    With `key` it is a validator, without it follows the chain. With `journal` it keeps what its
    consensus is told.

    Raises `HomeError`, `OtherGenesisError`, `StorageError`, `ForeignChainError`,
    `CorruptStateError` or `SignerError`.
    """
    verdicts = SharedVerdicts()
    with ExitStack() as opened:
        opened.enter_context(home.locked())
        if key is not None:
            paths = home.signer_paths(genesis.chain_id, key.seed)
            refuse_other_genesis(paths, genesis.chain_id, key.public_key)
        store = LevelStore(home.database)
        opened.callback(store.close)
        store.check_blocks()
        if store.tip_height() is None:
            ledger = Ledger.create(genesis, store, verdicts)
        else:
            ledger = Ledger.reopen(genesis, store, verdicts)
        me: Validator | None = None
        seat: Seat | None = None
        recovered: Restored | MustNotSign = NOTHING_SAID
        if key is not None:
            me, seat = _take_seat(home, key, ledger)
            opened.callback(seat.signer.close)
            recovered = seat.signer.recovered
        pool = opened.enter_context(SignatureWorkers(workers))
        reader = CachedReader(store.snapshot())
        mempool = Mempool(
            TipAccounts(reader), ledger.tip.parameters, ledger.tip.height, verdicts, limits
        )
        opening = Opening(genesis.chain_id, me, recovered, secrets.token_bytes(NONCE_BYTES))
        machine = opening.machine()
        if journal:
            file = JournalFile(home)
            opened.callback(file.close)
            machine = RecordedMachine(opening, file.write)
        engine = Engine(
            Parts(
                machine=machine,
                ledger=ledger,
                store=store,
                seat=seat,
                mempool=mempool,
                accounts=reader,
                outbox=outbox or Alone(),
                clock_ms=wall_clock_ms,
            )
        )
        intake = Intake(genesis.chain_id, mempool, pool, verdicts, engine.wake)
        yield ChainNode(engine, intake, ledger, machine, genesis.chain_id)


def _take_seat(home: Home, key: ValidatorKey, ledger: Ledger) -> tuple[Validator, Seat]:
    """Open a validator's signer and bring the database up to its log."""
    chain_id = ledger.tip.header.chain_id
    paths = home.signer_paths(chain_id, key.seed)
    signer = Signer(key.seed, chain_id, paths)
    try:
        me, highest = Validator(key.account, signer.public_key), 0
        if isinstance(signer.recovered, MustNotSign):
            highest = signer_state(paths, chain_id, signer.public_key).highest
        recover_chain(ledger, me, signer.recovered, highest)
    except BaseException:
        signer.close()
        raise
    return me, Seat(key.account, signer)


def make_signer(home: Home, chain_id: bytes, consensus_seed: bytes) -> None:
    """Make the log and last-signed file of a new consensus key; raises `SignerError`."""
    paths = home.signer_paths(chain_id, consensus_seed)
    Signer.create(consensus_seed, chain_id, paths).close()


def genesis_of(path: Path) -> Genesis:
    """Read `genesis.json`; raises `InvalidGenesisError`."""
    return Genesis.from_json(path.read_text())
