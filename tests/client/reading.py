"""Chains to read, and nodes that say something else than what is so."""

from collections.abc import Callable
from copy import deepcopy
from typing import Any

import trio

from chain.genesis import Genesis
from client.reader import Reader
from client.rpc import Rpc
from contracts.money.credit import Credit
from tests.node.api.backend import ChainBackend
from tests.support.people import account_of

Json = Any
Lie = Callable[[str, Json], Json]

ALICE, BOB, NOBODY = map(account_of, ("alice", "bob", "nobody"))
KEY = Credit.accounts.raw_key(ALICE)
OTHER_KEY = Credit.accounts.raw_key(BOB)
NO_KEY = Credit.accounts.raw_key(NOBODY)
CREDIT = Credit.accounts.bounds()


class Liar(Rpc):
    """Passes on what a real node answers, changed by `lie`; counts the calls of each method."""

    def __init__(self, url: str, lie: Lie | None = None) -> None:
        super().__init__(url)
        self.lie = lie
        self.asked: list[str] = []

    async def call(self, method: str, /, **params: Json) -> Json:
        self.asked.append(method)
        answer = await super().call(method, **params)
        return answer if self.lie is None else self.lie(method, deepcopy(answer))


class Saying(Rpc):
    """A node without a network, which says what it is told to say."""

    def __init__(self, say: Callable[..., Json]) -> None:
        super().__init__("http://nowhere")
        self.say = say

    async def call(self, method: str, /, **params: Json) -> Json:
        # As over a network, others go on meanwhile.
        await trio.lowlevel.checkpoint()
        return self.say(method, **params)


async def transfer(backend: ChainBackend, count: int = 1) -> list[bytes]:
    """Make a block of transfers from alice to bob; returns their ids."""
    first = backend.nonce_of(ALICE)
    prepared = [backend.chain.transfer("alice", first + i) for i in range(count)]
    await backend.submit([one.signed.raw for one in prepared])
    backend.commit()
    return [one.id for one in prepared]


async def town(blocks: int = 2) -> tuple[ChainBackend, list[bytes]]:
    """Return a chain of four validators with three transfers in each block, and their ids."""
    backend = ChainBackend(4)
    ids = []
    for _ in range(blocks):
        ids += await transfer(backend, 3)
    return backend, ids


def genesis_of(backend: ChainBackend) -> Genesis:
    """Return the genesis as somebody else has it who got it as JSON."""
    return Genesis.from_json(backend.chain.genesis.to_json())


def reader_of(backend: ChainBackend, rpc: Rpc) -> Reader:
    return Reader(rpc, genesis_of(backend))
