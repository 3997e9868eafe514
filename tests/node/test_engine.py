"""One validator on disk: it makes blocks when they are due, survives restarts, signs once."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import structlog
import trio
import trio.testing

from chain.consensus.inputs import BlockDue, Input
from chain.execution.executor import BlockExecution, BlockResult, FailedUnit
from chain.execution.receipt import Receipt
from chain.genesis import Genesis
from chain.ledger import CorruptStateError
from chain.light import verify_final
from chain.refusals import LowNonce, MalformedTransaction, NonceGap
from chain.store import StoredBlock
from chain.transaction import Call, Mode, Transaction, sign_transaction
from contracts.kernel.schedule import Work
from node.chain_node import ChainNode, make_signer, open_node
from node.engine import Engine
from node.home import Home, HomeError
from node.validator_key import ValidatorKey
from tests.support.genesis import make_genesis, validator_names
from tests.support.people import account_of, seed_of

VALIDATOR = validator_names(1)[0]
BOB = account_of("bob")


@pytest.fixture
def genesis() -> Genesis:
    return make_genesis()


@pytest.fixture
def home(tmp_path: Path, genesis: Genesis) -> Home:
    made = Home(tmp_path)
    make_signer(made, genesis.chain_id, seed_of(VALIDATOR))
    return made


@asynccontextmanager
async def running(home: Home, genesis: Genesis) -> AsyncIterator[ChainNode]:
    with open_node(
        home, genesis, ValidatorKey(account_of(VALIDATOR), seed_of(VALIDATOR)), workers=1
    ) as node:
        async with trio.open_nursery() as nursery:
            await nursery.start(node.engine.run)
            yield node
            nursery.cancel_scope.cancel()


def transfer(genesis: Genesis, nonce: int, amount: int = 5) -> bytes:
    call = Call("credit", "transfer", (BOB, amount, b""))
    transaction = Transaction(
        genesis.chain_id, account_of("alice"), nonce, 1_000, 100_000, Mode.ALL_OR_NOTHING, (call,)
    )
    return sign_transaction(transaction, [seed_of("alice")]).raw


async def committed(node: ChainNode, transaction_id: bytes) -> StoredBlock:
    """Wait until a transaction is in a block."""
    with trio.fail_after(30):
        # The archive tells nobody of a block, and the mempool hears of it a little later.
        while (  # noqa: ASYNC110 - see above
            place := node.engine.archive.place_of(transaction_id)
        ) is None or transaction_id in node.engine.mempool:
            await trio.sleep(0.01)
    block = node.engine.archive.block(place[0])
    assert block is not None
    return block


async def test_a_submitted_transaction_is_final_in_a_block_with_its_certificate(
    home: Home, genesis: Genesis
) -> None:
    async with running(home, genesis) as node:
        (answer,) = await node.intake.submit([transfer(genesis, 0)])
        assert answer.error is None
        block = await committed(node, answer.id)
        assert block.certificate is not None
        validators = node.ledger.tip.validators
        verify_final(genesis.chain_id, validators, block.header, block.certificate)
        receipt = Receipt.decode(block.receipts[1])
        assert (receipt.id, receipt.results[0].code) == (answer.id, 0)


async def test_each_of_a_batch_gets_its_own_answer(home: Home, genesis: Genesis) -> None:
    batch = [transfer(genesis, 0), b"\x80", transfer(genesis, 1), transfer(genesis, 99)]
    async with running(home, genesis) as node:
        answers = await node.intake.submit(batch)
        assert [type(a.error) for a in answers] == [
            type(None), MalformedTransaction, type(None), NonceGap,
        ]  # fmt: skip
        await committed(node, answers[2].id)
        (again,) = await node.intake.submit([batch[0]])
        assert isinstance(again.error, LowNonce)


async def test_a_restarted_node_goes_on_where_it_stopped(home: Home, genesis: Genesis) -> None:
    heights: list[int] = []
    for nonce in range(3):
        async with running(home, genesis) as node:
            assert node.machine.may_sign
            (answer,) = await node.intake.submit([transfer(genesis, nonce)])
            block = await committed(node, answer.id)
            assert block.header.height > nonce
            heights.append(node.ledger.tip.height)
    async with running(home, genesis) as node:
        assert node.ledger.tip.height >= heights[-1] > heights[0]
        assert node.ledger.tip.header.chain_id == genesis.chain_id


class Busy:
    """A machine's queue that takes an announced block only when something else has happened."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.announced: list[int] = []

    async def send(self, input_: Input) -> None:
        assert isinstance(input_, BlockDue), "nothing else is sent here"
        self.announced.append(input_.height)
        await trio.lowlevel.checkpoint()
        self.engine.wake()


async def test_what_happens_while_a_block_is_announced_is_looked_at_after_it(
    home: Home, genesis: Genesis, monkeypatch: pytest.MonkeyPatch
) -> None:
    with open_node(
        home, genesis, ValidatorKey(account_of(VALIDATOR), seed_of(VALIDATOR)), workers=1
    ) as node:
        busy, looks = Busy(node.engine), 0

        def has_ready() -> bool:
            nonlocal looks
            looks += 1
            return True

        monkeypatch.setattr(node.engine, "_send", busy)
        monkeypatch.setattr(node.engine.mempool, "has_ready", has_ready)
        async with trio.open_nursery() as nursery:
            await nursery.start(node.engine.run)
            await trio.testing.wait_all_tasks_blocked(0.01)
            assert (busy.announced, looks) == ([1], 2)
            nursery.cancel_scope.cancel()


async def test_subscribers_see_every_block_in_order(home: Home, genesis: Genesis) -> None:
    seen: list[int] = []
    async with running(home, genesis) as node, trio.open_nursery() as nursery:

        async def watch() -> None:
            async for block in node.engine.blocks():
                seen.append(block.header.height)  # noqa: PERF401 - seen while it goes on

        nursery.start_soon(watch)
        await trio.testing.wait_all_tasks_blocked(0.01)
        for nonce in range(4):
            (answer,) = await node.intake.submit([transfer(genesis, nonce)])
            await committed(node, answer.id)
        nursery.cancel_scope.cancel()
    assert len(seen) >= 3
    assert seen == list(range(seen[0], seen[0] + len(seen)))


async def test_a_unit_that_failed_is_told_to_the_operator_once_with_its_error(
    home: Home, genesis: Genesis, monkeypatch: pytest.MonkeyPatch
) -> None:
    failed = FailedUnit(Work("auction", "clear", b"\x80"), ValueError("a fault in a contract"))
    finish = BlockExecution.finish

    def finished(execution: BlockExecution) -> BlockResult:
        execution.failed_units.append(failed)
        return finish(execution)

    monkeypatch.setattr(BlockExecution, "finish", finished)
    with structlog.testing.capture_logs() as logged:
        async with running(home, genesis) as node:
            (answer,) = await node.intake.submit([transfer(genesis, 0)])
            await committed(node, answer.id)
            await trio.testing.wait_all_tasks_blocked(0.01)
    told = [one for one in logged if one["event"] == "unit_failed"]
    blocks = [one for one in logged if one["event"] == "block_committed"]
    assert len(told) == len(blocks) > 0
    assert all(one["exc_info"] is failed.error for one in told)
    assert {(one["contract"], one["unit"]) for one in told} == {("auction", "clear")}


async def test_a_second_process_on_the_same_folder_is_kept_out(
    home: Home, genesis: Genesis
) -> None:
    async with running(home, genesis):
        with pytest.raises(HomeError, match="another node"):
            async with running(home, genesis):
                pass


async def test_a_damaged_state_is_found_before_anything_is_signed(
    home: Home, genesis: Genesis
) -> None:
    import plyvel  # noqa: PLC0415 - only to damage the database

    async with running(home, genesis) as node:
        (answer,) = await node.intake.submit([transfer(genesis, 0)])
        await committed(node, answer.id)
    log = home.signer_paths(genesis.chain_id, seed_of(VALIDATOR)).log.read_bytes()
    raw = plyvel.DB(str(home.database))
    key, value = next(iter(raw.iterator(prefix=b"s|\x11\x01")))
    raw.put(key, value[:-1] + bytes([value[-1] ^ 1]))
    raw.close()
    with pytest.raises(CorruptStateError):
        async with running(home, genesis):
            pass
    assert home.signer_paths(genesis.chain_id, seed_of(VALIDATOR)).log.read_bytes() == log
