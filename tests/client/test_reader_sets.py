"""A validator set that changes is followed by what the set before has signed, and by nothing else.

No contract changes the set yet, so these chains are of headers alone: real ones, signed by the keys
of the sets that they name.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import pytest
import trio
import trio.lowlevel
from hypothesis import given, settings
from hypothesis import strategies as st

from chain.bech32 import encode_address
from chain.block import Header
from chain.crypto import sign
from chain.genesis import Genesis
from chain.light import VerificationError
from chain.validators import Validator, ValidatorSet
from chain.votes import Certificate, Step, bitmap_of, vote_message
from client.light import finality
from client.light.blocks import ForkError
from client.reader import Reader
from client.rpc import RpcError
from tests.client.reading import Json, Saying
from tests.client.recorded import form
from tests.support.genesis import make_genesis
from tests.support.people import account_of, key_of, seed_of

GENESIS = make_genesis(validators=4)
FIRST = tuple(f"validator {i}" for i in range(4))
SECOND = ("validator 1", "validator 2", "validator 3", "rookie")
THIRD = ("rookie", "upstart", "novice")
Names = tuple[str, ...]


def set_of(names: Names) -> ValidatorSet:
    return ValidatorSet.of(Validator(account_of(name), key_of(name)) for name in names)


def certify(header: Header, names: Names) -> Certificate:
    """Return a certificate by the whole of a set."""
    ordered = sorted(names, key=account_of)
    message = vote_message(header.chain_id, Step.PRECOMMIT, header.height, 0, header.id())
    signatures = tuple(sign(seed_of(name), message) for name in ordered)
    bitmap = bitmap_of(list(range(len(ordered))), len(ordered))
    return Certificate(header.chain_id, header.height, 0, header.id(), bitmap, signatures)


@dataclass
class Headers:
    """The headers of a chain; `sets[h]` is in force at height h, that of the last one after it."""

    sets: Sequence[Names]
    forged: dict[int, Json] = field(default_factory=dict)
    offered: tuple[Names, Names] | None = None
    asked: list[int | None] = field(default_factory=list)

    @cached_property
    def headers(self) -> list[Header]:
        made = [Reader(Saying(lambda *_: None), GENESIS).newest]
        for height in range(1, len(self.sets)):
            later = self.sets[min(height + 1, len(self.sets) - 1)]
            made.append(
                replace(
                    made[-1],
                    height=height,
                    time_ms=made[-1].time_ms + 1_000,
                    parent_hash=made[-1].id(),
                    validators_hash=set_of(self.sets[height]).hash,
                    next_validators_hash=set_of(later).hash,
                )
            )
        return made

    def answer(self, height: int) -> Json:
        header = self.headers[height]
        certificate = certify(header, self.sets[height]) if height else None
        return {"header": form(header), "certificate": certificate and form(certificate)}

    def say(self, method: str, /, height: int | None = None) -> Json:
        if method == "chain_validators":
            now, later = self.offered or (self.sets[-1], self.sets[-1])
            return {"validators": members(now), "next_validators": members(later)}
        self.asked.append(height)
        tip = len(self.headers) - 1
        wanted = tip if height is None else height
        if wanted > tip:
            raise RpcError({"message": "There is no block at this height."})
        return self.forged.get(wanted) or self.answer(wanted)

    def reader(self) -> Reader:
        return Reader(Saying(self.say), GENESIS)

    def read(self, *heights: int | None) -> list[Header]:
        """Read these heights with one reader."""
        return read(self.reader(), *heights)


def read(reader: Reader, *heights: int | None) -> list[Header]:
    async def run() -> list[Header]:
        return [await reader.header(height) for height in heights]

    return trio.run(run)


def members(names: Names) -> Json:
    return [
        {"address": encode_address(v.address), "public_key": v.public_key.hex(), "name": None}
        for v in set_of(names).members
    ]


def chain_of(*reigns: tuple[Names, int]) -> list[Names]:
    """Return the sets by height, from 0 on, of sets that each reign for so many blocks."""
    return [reigns[0][0], *(names for names, blocks in reigns for _ in range(blocks))]


# Followed


def test_a_set_that_never_changes_needs_one_header() -> None:
    chain = Headers(chain_of((FIRST, 1_000)))
    assert chain.read(None) == [chain.headers[1_000]]
    assert chain.asked == [None]


@pytest.mark.parametrize("last", [1, 2, 57, 98, 99])
def test_a_set_that_follows_is_found_with_few_headers(last: int) -> None:
    chain = Headers(chain_of((FIRST, last), (SECOND, 100 - last)))
    reader = chain.reader()
    assert read(reader, None) == [chain.headers[100]]
    assert len(chain.asked) <= 8
    # The change is known from now on, on both sides of it.
    del chain.asked[:]
    around = [h for h in (last - 1, last, last + 1, 100, 1) if 0 <= h <= 100]
    assert read(reader, *around) == [chain.headers[h] for h in around]
    assert chain.asked == around


@settings(max_examples=30)
@given(
    st.lists(st.tuples(st.sampled_from([FIRST, SECOND]), st.integers(1, 9)), max_size=8),
    st.lists(st.integers(0, 20), max_size=6),
)
def test_two_sets_that_take_turns_are_followed(
    reigns: list[tuple[Names, int]], heights: list[int]
) -> None:
    chain = Headers(chain_of((FIRST, 2), *reigns), offered=(FIRST, SECOND))
    wanted = [min(height, len(chain.headers) - 1) for height in heights]
    assert chain.read(None, *wanted) == [chain.headers[-1], *(chain.headers[h] for h in wanted)]


def test_three_sets_are_followed_where_the_node_gives_the_members() -> None:
    sets = chain_of((FIRST, 5), (SECOND, 5), (THIRD, 5))
    chain = Headers(sets, offered=(SECOND, THIRD))
    assert chain.read(None, 3, 7, 12) == [chain.headers[h] for h in (15, 3, 7, 12)]
    # The sets of the tip are all that a node tells today; then the way there cannot be shown.
    chain = Headers(sets)
    named = set_of(SECOND).hash.hex()
    with pytest.raises(VerificationError, match=f"block 5 names {named} as the next validator set"):
        chain.read(None)


def test_a_set_that_comes_back_is_known() -> None:
    chain = Headers(chain_of((FIRST, 5), (SECOND, 5), (FIRST, 5)), offered=(SECOND, SECOND))
    assert chain.read(8, 15, 3) == [chain.headers[h] for h in (8, 15, 3)]


def test_two_readings_at_once_find_the_same_change() -> None:
    chain = Headers(chain_of((FIRST, 7), (SECOND, 5)))
    reader = chain.reader()
    found: list[Header] = []

    async def one(height: int) -> None:
        await trio.lowlevel.checkpoint()
        found.append(await reader.header(height))

    async def run() -> None:
        async with trio.open_nursery() as nursery:
            for height in (12, 9, 8):
                nursery.start_soon(one, height)

    trio.run(run)
    assert {header.height for header in found} == {8, 9, 12}


# Refused


def forge(chain: Headers, heights: Iterable[int], names: Names, signers: Names) -> None:
    """Let headers say that they are of a set, signed by those who call themselves so."""
    for height in heights:
        header = replace(chain.headers[height], validators_hash=set_of(names).hash)
        certificate = certify(header, signers)
        chain.forged[height] = {"header": form(header), "certificate": form(certificate)}


def test_a_set_that_nobody_before_it_has_signed_is_refused() -> None:
    for heights in ((20,), range(11, 21), range(1, 21)):
        chain = Headers(chain_of((FIRST, 20)), offered=(THIRD, THIRD))
        forge(chain, heights, THIRD, THIRD)
        first = set_of(FIRST).hash.hex()
        why = f"block {heights[0]} is said to be of another validator set than block "
        with pytest.raises(VerificationError, match=f"{why}.* which is {first}"):
            chain.read(None)


def test_a_last_block_that_its_own_set_has_not_signed_proves_nothing() -> None:
    chain = Headers(chain_of((FIRST, 10), (THIRD, 10)))
    assert chain.read(None)
    last = chain.headers[10]
    chain.forged[10] = {"header": form(last), "certificate": form(certify(last, FIRST))}
    assert chain.read(None)
    for signers in (THIRD, ("validator 0", "validator 1", "x", "y")):
        chain.forged[10]["certificate"] = form(certify(last, signers))
        with pytest.raises(VerificationError, match="certificate of height 10"):
            chain.read(None)
    chain.forged[10]["certificate"] = None
    with pytest.raises(VerificationError, match="no certificate of block 10"):
        chain.read(None)


def test_other_members_than_the_header_names_are_refused() -> None:
    for offered in ((FIRST, FIRST), (THIRD, FIRST), ((*SECOND, "more"), (*SECOND[:3], "other"))):
        chain = Headers(chain_of((FIRST, 10), (SECOND, 10)), offered=offered)
        with pytest.raises(VerificationError, match="gives the members of others"):
            chain.read(None)


def test_members_that_are_no_set_are_refused() -> None:
    for wrong, why in (
        ([], "0 validators"),
        ([*members(SECOND), members(SECOND)[0]], "not strictly ascending"),
        ([members(SECOND)[0]] * 65, "65 items"),
        ([{"address": "gtx1", "public_key": "ab" * 32}], "address"),
        ([{"address": "ab" * 20, "public_key": "ab" * 31}], "31 bytes"),
        ([5], "is not an object"),
        (None, "is not a list"),
    ):
        chain = Headers(chain_of((FIRST, 10), (SECOND, 10)))

        def say(
            method: str, /, chain: Headers = chain, wrong: Json = wrong, **params: int | None
        ) -> Json:
            said = chain.say(method, **params)
            return said | {"validators": wrong} if method == "chain_validators" else said

        with pytest.raises(VerificationError, match=why):
            read(Reader(Saying(say), GENESIS), None)


def test_a_former_set_counts_for_nothing_after_the_change() -> None:
    """Who has the keys of all who have left cannot sign another present."""
    chain = Headers(chain_of((FIRST, 10), (THIRD, 10)))
    reader = chain.reader()
    assert read(reader, None) == [chain.headers[20]]
    for height in (11, 15):
        forge(chain, (height,), FIRST, FIRST)
        with pytest.raises(VerificationError, match="said to be of another validator set"):
            read(reader, height)
    forge(chain, range(11, 20), FIRST, FIRST)
    with pytest.raises(VerificationError):
        read(reader, 19)


def test_a_coming_set_counts_for_nothing_before_the_change() -> None:
    chain = Headers(chain_of((FIRST, 10), (THIRD, 10)))
    reader = chain.reader()
    assert read(reader, None) == [chain.headers[20]]
    forge(chain, (10, 9), THIRD, THIRD)
    for height in (10, 9):
        with pytest.raises(VerificationError, match="said to be of another validator set"):
            read(reader, height)


def test_a_change_on_a_fork_is_evidence() -> None:
    chain = Headers(chain_of((FIRST, 10), (SECOND, 10)))
    fork = Headers(chain_of((FIRST, 10), (THIRD, 10)))
    reader = chain.reader()
    assert read(reader, None, 10, 20)
    with pytest.raises(ForkError, match="block 10 is"):
        read(answered_by(reader, fork), 10)
    with pytest.raises(VerificationError, match="block 11 is said to be of another validator set"):
        read(reader, 20)
    reader = chain.reader()
    assert read(reader, 10)
    # Here the way to the set of the other side leads over a block that is known.
    with pytest.raises(ForkError, match="block 10 is"):
        read(answered_by(reader, fork), 20)


def answered_by(reader: Reader, other: Headers) -> Reader:
    """Let a reader be answered by another chain from now on."""
    rpc = reader._rpc  # noqa: SLF001 - the same reader, another node
    assert isinstance(rpc, Saying)
    rpc.say = other.say
    return reader


@pytest.mark.parametrize("height", [2**40, 2**63 - 1])
def test_a_height_out_of_the_blue_ends_in_a_few_questions(height: int) -> None:
    chain = Headers(chain_of((FIRST, 10)))
    header = replace(chain.headers[10], height=height, validators_hash=set_of(THIRD).hash)
    answer = {"header": form(header), "certificate": form(certify(header, THIRD))}

    def absent(method: str, /, height: int | None = None) -> Json:
        return answer if height is None else chain.say(method, height=height)

    with pytest.raises(VerificationError, match="gives no block"):
        read(Reader(Saying(absent), GENESIS), None)

    def agreeing(method: str, /, height: int | None = None) -> Json:
        chain.asked.append(height)
        said = {**answer["header"], "height": height}
        return answer if height is None else {"header": said, "certificate": None}

    del chain.asked[:]
    with pytest.raises(VerificationError, match="block 1 is said to be of another validator set"):
        read(Reader(Saying(agreeing), GENESIS), None)
    assert len(chain.asked) <= 64


def test_another_height_on_the_way_is_refused() -> None:
    chain = Headers(chain_of((FIRST, 10), (SECOND, 10)))
    chain.forged[10] = chain.answer(9)
    with pytest.raises(VerificationError, match="block 10 was asked for, the node gives 9"):
        chain.read(None)


def test_more_changes_than_the_limit_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    chain = Headers(chain_of((FIRST, 5), (SECOND, 5), (THIRD, 5)), offered=(SECOND, THIRD))
    monkeypatch.setattr(finality, "CHANGES_MAX", 2)
    assert chain.read(None) == [chain.headers[15]]
    monkeypatch.setattr(finality, "CHANGES_MAX", 1)
    with pytest.raises(VerificationError, match="more than 1 changes"):
        chain.read(None)


def test_the_genesis_is_the_only_beginning() -> None:
    other: Genesis = make_genesis(validators=3)
    chain = Headers(chain_of((FIRST, 10)))
    with pytest.raises(VerificationError, match="is of chain"):
        read(Reader(Saying(chain.say), other), None)
