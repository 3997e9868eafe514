"""Answers of a real node, kept, so that each can be falsified without asking again."""

import json
from collections.abc import Awaitable, Callable
from copy import deepcopy
from dataclasses import dataclass, field
from functools import cache

import trio

from chain.block import Header
from chain.crypto import sign
from chain.genesis import Genesis
from chain.json_form import from_json, to_json
from chain.votes import Certificate, Step, bitmap_of, vote_message
from client.light.blocks import FinalBlock
from client.reader import Proven, ProvenPage, ProvenReceipt, Reader
from client.rpc import Rpc, RpcError
from contracts.kernel import Record
from node.api import ApiLimits
from tests.client.reading import CREDIT, KEY, NO_KEY, OTHER_KEY, Json, Saying, genesis_of, town
from tests.node.api.serving import serving
from tests.support.genesis import validator_names
from tests.support.people import account_of, seed_of

BLOCKS = 3
NOT_FOUND = {"message": "There is no such thing.", "data": {"name": "NotFound"}}
Result = Header | Proven[bytes | None] | ProvenPage | ProvenReceipt


@dataclass(frozen=True)
class Recording:
    """A chain's genesis, what a node says of it, and the ids of its transactions.

    `truth` is what a reader makes of it, and `said` what the node said to that read.
    """

    genesis: Genesis
    answers: dict[str, Json]
    ids: tuple[bytes, ...]
    truth: dict[str, Result] = field(default_factory=dict)
    said: dict[str, Json] = field(default_factory=dict)

    def answer(self, method: str, /, **params: Json) -> Json:
        """Return what the node said to this."""
        try:
            return deepcopy(self.answers[_name(method, params)])
        except KeyError:
            raise RpcError(NOT_FOUND) from None


READS: dict[str, Callable[[Reader, Recording], Awaitable[Result]]] = {
    "newest header": lambda reader, _: reader.header(),
    "header 2": lambda reader, _: reader.header(2),
    "header 0": lambda reader, _: reader.header(0),
    "value": lambda reader, _: reader.value(KEY),
    "value of another": lambda reader, _: reader.value(OTHER_KEY),
    "absence": lambda reader, _: reader.value(NO_KEY),
    "range": lambda reader, _: reader.page(*CREDIT),
    "part of a range": lambda reader, _: reader.page(*CREDIT, limit=2),
    "empty range": lambda reader, _: reader.page(b"\x7e\x00", b"\x7e\x01"),
    "receipt": lambda reader, told: reader.receipt(told.ids[0]),
    "last receipt": lambda reader, told: reader.receipt(told.ids[-1]),
}


@cache
def recording() -> Recording:
    """Record each of `READS`, and all headers, of a chain of four validators."""
    return trio.run(_record)


async def _record() -> Recording:
    backend, ids = await town(BLOCKS)
    told = Recording(genesis_of(backend), {}, tuple(ids))
    async with serving(backend, ApiLimits()) as served, _Recorder(served.url, told) as rpc:
        for name, read in READS.items():
            told.truth[name] = await read(Reader(rpc, told.genesis), told)
            told.said[name] = rpc.last
        for height in range(BLOCKS + 1):
            await rpc.call("chain_header", height=height)
        await rpc.call("chain_validators")
    return told


class _Recorder(Rpc):
    """Keeps what a real node answers."""

    def __init__(self, url: str, told: Recording) -> None:
        super().__init__(url)
        self.told = told
        self.last: Json = None

    async def call(self, method: str, /, **params: Json) -> Json:
        answer = await super().call(method, **params)
        self.told.answers[_name(method, params)] = self.last = answer
        return answer


def _name(method: str, params: dict[str, Json]) -> str:
    return json.dumps([method, params], sort_keys=True)


_NOWHERE = Saying(lambda *_: None)


def read(name: str, say: Callable[..., Json], reader: Reader | None = None) -> Result:
    """Read one of `READS` from a node that answers by `say`."""
    _NOWHERE.say = say
    told = recording()
    reader = reader or Reader(_NOWHERE, told.genesis)

    async def run() -> Result:
        return await READS[name](reader, told)

    return trio.run(run)


def changed(change: Callable[[Json], object], *methods: str) -> Callable[..., Json]:
    """Return a node that changes what it says to these methods, or to all."""

    def say(method: str, /, **params: Json) -> Json:
        answer = recording().answer(method, **params)
        if not methods or method in methods:
            change(answer)
        return answer

    return say


# What only those can make who have the validators' keys


def header_in(answer: Json) -> Header:
    """Return the header that an answer has."""
    return Header.from_wire(from_json(Header.shape, answer["header"]))


def form(record: Record) -> Json:
    """Return the JSON form of a record."""
    return to_json(record.shape, record.to_wire())


def certify(header: Header, *names: str, step: Step = Step.PRECOMMIT) -> Certificate:
    """Return a certificate by these validators, by all four if none is named."""
    members = sorted(validator_names(4), key=account_of)
    names = names or tuple(members)
    signers = [name for name in members if name in names]
    message = vote_message(header.chain_id, step, header.height, 0, header.id())
    return Certificate(
        header.chain_id,
        header.height,
        0,
        header.id(),
        bitmap_of([members.index(name) for name in signers], len(members)),
        tuple(sign(seed_of(name), message) for name in signers),
    )


def final(header: Header) -> FinalBlock:
    """Return a header that all validators made final."""
    return FinalBlock(header, certify(header))
