"""A reader who trusts no node gets what is in the chain: headers, values, ranges, receipts."""

from pathlib import Path
from typing import Annotated, Any

import pytest
import trio

from chain.bech32 import encode_address
from chain.genesis import Genesis, InvalidGenesisError
from chain.light import VerificationError
from client import reader as reader_module
from client.reader import IncompleteReadError, Proven, Reader
from client.rpc import NodeUnreachableError, Rpc, RpcError
from contracts.governance.authorities import Authorities, Authority
from contracts.kernel import Map, Record, Size, record
from contracts.kernel.types import Address, Hash32, Uthb
from contracts.money.accounts import Accounts
from contracts.money.credit import EMPTY, Account, Credit
from contracts.money.nrg import Nrg
from node.api import ApiLimits
from tests.client.reading import (
    ALICE,
    BOB,
    CREDIT,
    KEY,
    NO_KEY,
    NOBODY,
    Liar,
    reader_of,
    town,
    transfer,
)
from tests.node.api.real_node import real_node
from tests.node.api.serving import serving
from tests.node.api.test_real_node import transfer as transfer_call
from tests.support.genesis import make_genesis


@record(version=1)
class Shorter(Record):
    """An account's value as it might once have been."""

    free: Uthb


@record(version=2)
class Newer(Record):
    """An account's value as it might become: as long as it is, and of another version."""

    columns: Annotated[bytes, Size(64)]
    history_head: Hash32


async def test_a_reader_begins_with_block_0_of_its_genesis() -> None:
    backend, _ = await town()
    async with serving(backend) as served, Rpc(served.url) as rpc:
        reader = reader_of(backend, rpc)
        first = backend.archive.block(0)
        assert first is not None
        assert reader.newest == first.header
        assert await reader.header(0) == first.header


async def test_headers_are_those_of_the_chain() -> None:
    backend, _ = await town(3)
    async with serving(backend) as served, Liar(served.url) as rpc:
        reader = reader_of(backend, rpc)
        assert (await reader.header()).height == reader.newest.height == 3
        for height in (2, 0, 3, 1):
            block = backend.archive.block(height)
            assert block is not None
            assert await reader.header(height) == block.header
        assert reader.newest.height == 3
        assert rpc.asked == ["chain_header"] * 5


async def test_a_value_and_an_absence_are_those_of_the_state() -> None:
    backend, _ = await town()
    async with serving(backend) as served, Rpc(served.url) as rpc:
        reader = reader_of(backend, rpc)
        found = await reader.value(KEY)
        assert found == Proven(backend.chain.ledger.tip.header, backend.archive.get(KEY))
        assert found.value is not None
        assert (await reader.value(NO_KEY)).value is None


async def test_tables_are_read_as_contracts_read_them() -> None:
    backend, _ = await town()
    async with serving(backend) as served, Rpc(served.url) as rpc:
        reader = reader_of(backend, rpc)
        bob = (await reader.get(Credit.accounts, BOB)).value
        assert isinstance(bob, Account)
        assert bob.history_count == 6
        assert (await reader.get(Credit.accounts, NOBODY)).value == EMPTY
        assert (await reader.get(Accounts.nonces, ALICE)).value == 6
        assert (await reader.get(Accounts.key_records, ALICE)).value is None
        each = await reader.get_each(BOB, Accounts.nonces, Credit.accounts, Nrg.balances)
        assert each == Proven(reader.newest, (0, bob, 0))
        supply = await reader.cell(Credit.supply)
        accounts = await reader.items(Credit.accounts)
        assert supply.value == sum(sum(one.columns()) for _, one in accounts.value)
        assert dict(accounts.value)[BOB] == bob
        members = await reader.items(Authorities.members)
        assert [address for address, _ in members.value] == [
            one.address for one in backend.chain.ledger.tip.validators.members
        ]
        one = await reader.items(Nrg.balances, ALICE)
        assert [address for address, _ in one.value] == [ALICE]


async def test_a_value_that_these_contracts_cannot_read_is_named() -> None:
    backend, _ = await town()
    async with serving(backend) as served, Rpc(served.url) as rpc:
        reader = reader_of(backend, rpc)
        # Tables of a later version, with other values under the same keys.
        plain = Map[Address, Authority | None](id=Accounts.nonces.id, default=None)
        packed = Map[Address, Account](id=Accounts.nonces.id, default=EMPTY, packed=True)
        shorter = Map[Address, Shorter | None](id=Credit.accounts.id, default=None, packed=True)
        newer = Map[Address, Newer | None](id=Credit.accounts.id, default=None, packed=True)
        assert Newer.shape.packed_size == Account.shape.packed_size
        tables: list[Map[Address, Any]] = [plain, packed, shorter, newer]
        for table in tables:
            table.read_types("later")
            with pytest.raises(VerificationError, match="proven, but no later that is known here"):
                await reader.items(table)
            with pytest.raises(VerificationError, match="proven, but no later that is known here"):
                await reader.get(table, ALICE)


async def test_a_range_is_whole_however_small_the_nodes_pages_are() -> None:
    backend, _ = await town()
    expected = tuple(backend.archive.scan(*CREDIT))
    async with serving(backend, ApiLimits(items_max=2)) as served, Liar(served.url) as rpc:
        reader = reader_of(backend, rpc)
        found = await reader.range(*CREDIT)
        assert found == Proven(backend.chain.ledger.tip.header, expected)
        assert len(rpc.asked) == (len(expected) + 1) // 2
        page = await reader.page(*CREDIT, limit=1)
        assert (page.items, page.cursor) == (expected[:1], expected[0][0] + b"\0")
        assert (await reader.range(b"\x7e\x00", b"\x7e\x01")).value == ()


async def test_a_range_that_a_block_changes_meanwhile_is_read_again() -> None:
    backend, _ = await town()
    async with serving(backend, ApiLimits(items_max=2)) as served, Liar(served.url) as rpc:
        reader = reader_of(backend, rpc)
        await reader.header()
        left = 3

        def lie(method: str, answer: object) -> object:
            nonlocal left
            if left and len(rpc.asked) % 3 == 0:
                left -= 1
                backend.commit()
            return answer

        rpc.lie = lie
        found = await reader.range(*CREDIT)
        assert left == 0
        assert found.header == backend.chain.ledger.tip.header
        assert found.value == tuple(backend.archive.scan(*CREDIT))


async def test_what_a_block_changes_every_time_is_said_to_be_incomplete() -> None:
    backend, _ = await town()

    def lie(method: str, answer: object) -> object:
        backend.commit()
        return answer

    async with serving(backend, ApiLimits(items_max=2)) as served, Liar(served.url, lie) as rpc:
        reader = reader_of(backend, rpc)
        with pytest.raises(IncompleteReadError, match="8 times"):
            await reader.range(*CREDIT)
        with pytest.raises(IncompleteReadError, match="8 times"):
            await reader.values([KEY, NO_KEY])
        rpc.lie = None
        both = await reader.values([KEY, NO_KEY])
        assert both == Proven(reader.newest, (backend.archive.get(KEY), None))
        assert await reader.values([]) == Proven(reader.newest, ())


async def test_a_range_beyond_the_limit_is_left_to_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reader_module, "RANGE_ITEMS_MAX", 3)
    backend, _ = await town()
    async with serving(backend, ApiLimits(items_max=2)) as served, Rpc(served.url) as rpc:
        with pytest.raises(IncompleteReadError, match="more than 3 items"):
            await reader_of(backend, rpc).range(*CREDIT)


async def test_a_receipt_is_proven_with_all_its_events() -> None:
    backend, ids = await town()
    async with serving(backend) as served, Rpc(served.url) as rpc:
        reader = reader_of(backend, rpc)
        for position, id_ in enumerate(ids):
            found = await reader.receipt(id_)
            block = backend.archive.block(1 + position // 3)
            assert block is not None
            assert found.header == block.header
            assert found.receipt.id == id_
            assert found.receipt.encode() == block.receipts[1 + position % 3]
            assert found.events == block.events[1 + position % 3]
            assert found.events


async def test_what_a_node_refuses_is_raised_as_it_is() -> None:
    backend, _ = await town()
    async with serving(backend) as served, Rpc(served.url) as rpc:
        reader = reader_of(backend, rpc)
        with pytest.raises(RpcError, match="NotFound"):
            await reader.receipt(bytes(32))
        with pytest.raises(RpcError, match="NotFound"):
            await reader.header(9)
        with pytest.raises(RpcError, match="InvalidParams"):
            await reader.value(b"")
    async with Rpc("http://127.0.0.1:9") as rpc:
        with pytest.raises(NodeUnreachableError):
            await reader_of(backend, rpc).header()


async def test_a_genesis_that_cannot_begin_a_chain_is_refused_at_once() -> None:
    genesis = make_genesis()
    broken = Genesis(genesis.name, genesis.time_ms, devnet=True, sections={})
    async with Rpc() as rpc:
        with pytest.raises(InvalidGenesisError):
            Reader(rpc, broken)


# In time


async def test_a_node_that_goes_back_is_refused() -> None:
    backend, _ = await town(3)
    behind = await town(2)
    async with serving(backend) as served, Rpc(served.url) as rpc:
        reader = reader_of(backend, rpc)
        before = await reader.value(KEY)
        async with serving(behind[0]) as other:
            rpc.url = other.url
            for read in (reader.header(), reader.value(KEY), reader.range(*CREDIT)):
                with pytest.raises(
                    VerificationError, match="newest block is 2, but block 3 is final"
                ):
                    await read
            # What is asked for by its height or id may be of any.
            assert (await reader.header(1)).height == 1
            assert (await reader.receipt(behind[1][0])).header.height == 1
        rpc.url = served.url
        assert await reader.value(KEY) == before
        await transfer(backend)
        after = await reader.value(KEY)
        assert (after.header.height, after.value == before.value) == (4, False)


async def test_answers_that_overtake_each_other_are_no_way_back() -> None:
    backend, _ = await town(1)
    asked, answered = trio.Event(), trio.Event()

    class Slow(Liar):
        async def call(self, method: str, /, **params: object) -> object:
            answer = await super().call(method, **params)
            if method == "state_get":
                asked.set()
                await answered.wait()
            return answer

    async with serving(backend) as served, Slow(served.url) as rpc:
        reader = reader_of(backend, rpc)
        found: list[int] = []

        async def read() -> None:
            found.append((await reader.value(KEY)).header.height)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(read)
            await asked.wait()
            await transfer(backend)
            assert (await reader.header()).height == 2
            answered.set()
        assert found == [1]
        assert reader.newest.height == 2


# Over a real node


async def test_a_reader_follows_a_real_validator(tmp_path: Path) -> None:
    genesis = make_genesis()
    async with (
        real_node(tmp_path, genesis=genesis) as node,
        Rpc(node.client.url) as rpc,
    ):
        reader = Reader(rpc, genesis)
        before = (await reader.get(Credit.accounts, BOB)).value
        (id_,) = await node.submit([node.signed(transfer_call(5))])
        await node.final([id_])
        receipt = await reader.receipt(bytes.fromhex(id_))
        assert receipt.receipt.results[0].code == 0
        after = await reader.get(Credit.accounts, BOB)
        assert after.value.free == before.free + 5
        assert after.header.height >= receipt.header.height > 0
        shown = await rpc.call("account_get", address=encode_address(BOB))
        assert shown["credit"]["free"] == after.value.free
