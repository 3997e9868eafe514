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

from chain.consensus.guard import MustNotSign
from chain.consensus.machine import Machine
from chain.crypto import public_key_of
from chain.genesis import Genesis
from chain.ledger import Ledger
from chain.mempool import Mempool, MempoolLimits
from chain.validators import Validator
from node.engine import Engine, Parts
from node.home import Home
from node.intake import Intake
from node.leveldb import LevelStore
from node.outbox import Alone, Outbox
from node.publish import CachedReader, TipAccounts
from node.recovery import recover_chain
from node.shared_verdicts import SharedVerdicts
from node.signer import Signer
from node.signer_reset import refuse_other_genesis, signer_state
from node.workers import SignatureWorkers

NONCE_BYTES: Final = 32
NS_PER_MS: Final = 1_000_000


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
    *,
    account: bytes,
    consensus_seed: bytes,
    workers: int,
    limits: MempoolLimits | None = None,
    outbox: Outbox | None = None,
) -> Iterator[ChainNode]:
    """Open a validator's chain and give its parts; closes everything in reverse order.

    Raises `HomeError`, `OtherGenesisError`, `StorageError`, `ForeignChainError`,
    `CorruptStateError` or `SignerError`.
    """
    verdicts = SharedVerdicts()
    with ExitStack() as opened:
        opened.enter_context(home.locked())
        paths = home.signer_paths(genesis.chain_id, consensus_seed)
        refuse_other_genesis(paths, genesis.chain_id, public_key_of(consensus_seed))
        store = LevelStore(home.database)
        opened.callback(store.close)
        store.check_blocks()
        if store.tip_height() is None:
            ledger = Ledger.create(genesis, store, verdicts)
        else:
            ledger = Ledger.reopen(genesis, store, verdicts)
        signer = Signer(consensus_seed, genesis.chain_id, paths)
        opened.callback(signer.close)
        me = Validator(account, signer.public_key)
        highest = 0
        if isinstance(signer.recovered, MustNotSign):
            highest = signer_state(paths, genesis.chain_id, signer.public_key).highest
        recover_chain(ledger, me, signer.recovered, highest)
        pool = opened.enter_context(SignatureWorkers(workers))
        reader = CachedReader(store.snapshot())
        mempool = Mempool(
            TipAccounts(reader), ledger.tip.parameters, ledger.tip.height, verdicts, limits
        )
        machine = Machine(
            genesis.chain_id,
            me,
            signer.recovered,
            secrets.token_bytes(NONCE_BYTES),
        )
        engine = Engine(
            Parts(
                machine=machine,
                ledger=ledger,
                store=store,
                signer=signer,
                mempool=mempool,
                accounts=reader,
                outbox=outbox or Alone(),
                clock_ms=wall_clock_ms,
                account=account,
            )
        )
        intake = Intake(genesis.chain_id, mempool, pool, verdicts, engine.wake)
        yield ChainNode(engine, intake, ledger, machine, genesis.chain_id)


def make_signer(home: Home, chain_id: bytes, consensus_seed: bytes) -> None:
    """Make the log and last-signed file of a new consensus key; raises `SignerError`."""
    paths = home.signer_paths(chain_id, consensus_seed)
    Signer.create(consensus_seed, chain_id, paths).close()


def genesis_of(path: Path) -> Genesis:
    """Read `genesis.json`; raises `InvalidGenesisError`."""
    return Genesis.from_json(path.read_text())
