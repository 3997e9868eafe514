"""Two final blocks that cannot be of one chain: evidence, whichever of them is read first."""

from dataclasses import replace

import pytest
import trio

from chain.block import Header
from client.light import blocks as blocks_module
from client.light.blocks import FinalBlock, FinalBlocks, ForkError
from client.reader import Reader
from tests.client.reading import Json, Saying
from tests.client.recorded import certify, final, form, header_in, recording

HASH = b"\xab" * 32


def true_header(height: int) -> Header:
    return header_in(recording().answer("chain_header", height=height))


def answer_of(header: Header) -> Json:
    return {"header": form(header), "certificate": form(certify(header))}


def read_all(*headers: Header) -> Reader:
    """Read headers one after the other, all signed by all validators."""
    said = iter(headers)
    reader = Reader(Saying(lambda *_, **__: answer_of(next(said))), recording().genesis)

    async def run() -> None:
        for header in headers:
            assert await reader.header(header.height) == header

    trio.run(run)
    return reader


def both_ways(one: Header, other: Header, why: str) -> None:
    """Check that either header is believed alone, and either refused after the other."""
    read_all(one)
    read_all(other)
    for first, second in ((one, other), (other, one)):
        with pytest.raises(ForkError, match=why) as caught:
            read_all(first, second)
        proven = {caught.value.lower.header, caught.value.higher.header}
        assert proven == {one, other}
        for block in (caught.value.lower, caught.value.higher):
            assert block.certificate == certify(block.header)
        assert caught.value.lower.height <= caught.value.higher.height
        assert "they prove which authorities signed both" in str(caught.value)


def test_the_headers_of_one_chain_are_no_fork() -> None:
    for order in ((1, 2, 3), (3, 2, 1), (2, 1, 3, 1, 2)):
        assert read_all(*map(true_header, order)).newest == true_header(3)


def test_two_blocks_of_one_height_are_a_fork() -> None:
    header = true_header(2)
    both_ways(header, replace(header, state_root=HASH), "block 2 is [0-9a-f]{64} and")


def test_a_block_that_follows_another_than_the_final_one_is_a_fork() -> None:
    both_ways(true_header(2), replace(true_header(3), parent_hash=HASH), "block 3 follows abab")


def test_a_block_1_that_does_not_follow_genesis_is_a_fork() -> None:
    with pytest.raises(ForkError, match="block 1 follows abab") as caught:
        read_all(replace(true_header(1), parent_hash=HASH))
    assert caught.value.lower.certificate is None


def test_a_later_block_of_an_earlier_time_is_a_fork() -> None:
    one, three = true_header(1), true_header(3)
    both_ways(one, replace(three, time_ms=one.time_ms), "before it of")


def test_a_fork_changes_nothing_of_what_was_known() -> None:
    headers = [true_header(2), replace(true_header(3), parent_hash=HASH), true_header(3)]
    said = iter(headers)
    reader = Reader(Saying(lambda *_, **__: answer_of(next(said))), recording().genesis)

    async def run() -> None:
        await reader.header()
        with pytest.raises(ForkError):
            await reader.header()
        assert reader.newest == headers[0]
        assert await reader.header() == headers[2]

    trio.run(run)


def test_of_many_blocks_only_so_many_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blocks_module, "BLOCKS_MAX", 4)
    first = header_in(recording().answer("chain_header", height=0))
    blocks = FinalBlocks(first)
    headers = {0: first}
    for height in range(1, 9):
        below = headers[height - 1]
        headers[height] = replace(
            below, height=height, time_ms=below.time_ms + 1, parent_hash=below.id()
        )
    for height in (7, 1, 2, 3, 6, 5, 4):
        blocks.add(final(headers[height]))
        kept = [one for one in headers if headers[one] in blocks]
        assert len(kept) <= 4
        assert {0, 7} <= set(kept)
        assert blocks.newest.height == 7
    blocks.add(final(headers[8]))
    assert blocks.newest.height == 8
    assert [one for one in headers if headers[one] in blocks] == [0, 6, 7, 8]


def test_a_certificate_by_other_validators_is_as_good() -> None:
    header = true_header(3)
    names = ("validator 0", "validator 1", "validator 3")
    block = FinalBlock(header, certify(header, *names))
    answer = {"header": form(header), "certificate": form(certify(header, *names))}
    reader = Reader(Saying(lambda *_, **__: answer), recording().genesis)
    assert trio.run(reader.header) == block.header
