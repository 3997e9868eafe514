"""The golden chain: mixed transactions by fixed seeds, whose roots never change.

`python -m tests.chain.golden` prints it. A node of any release, on any Python, must come to the
same roots; a change of them is a change of the protocol and needs an ADR.
"""

import json
from typing import Any

from chain.execution.receipt import Receipt
from chain.transaction import Call, Mode, PreparedTransaction, Transaction, prepare
from chain.transaction import sign_transaction as sign_all
from contracts.kernel import sha256
from tests.support.chain import ChainNode
from tests.support.genesis import DRIVER, PEOPLE, START_S
from tests.support.people import account_of, key_of, seed_of

BLOCKS = 24
LATER_MS = 2_000_000_000_000
FEE_MAX_UTHB = 500_000


class Dice:
    """A deterministic source of choices, the same on every Python."""

    def __init__(self, seed: str) -> None:
        self._state = sha256(seed.encode())

    def roll(self, sides: int) -> int:
        """Return 0 … sides − 1."""
        self._state = sha256(self._state)
        return int.from_bytes(self._state[:8], "big") % sides


def golden_chain() -> list[dict[str, Any]]:
    """Run the chain and return each header's fields in hex, with what its receipts said."""
    node, dice = ChainNode(4), Dice("gridtokenx golden chain 1")
    nonces = dict.fromkeys((*PEOPLE, DRIVER), 0)
    market_s = START_S
    for height in range(1, BLOCKS + 1):
        block: list[PreparedTransaction] = []
        for _ in range(dice.roll(6)):
            sender = PEOPLE[dice.roll(len(PEOPLE))]
            block.append(_transaction(node, dice, sender, nonces, height))
        if height % 5 == 0:
            market_s += 900
            call = Call("clock", "advance", (market_s,))
            block.append(_signed(node, DRIVER, nonces, (call,), Mode.ALL_OR_NOTHING))
        node.decide(*block)
    return [_shown(node, height) for height in range(BLOCKS + 1)]


def _transaction(
    node: ChainNode, dice: Dice, sender: str, nonces: dict[str, int], height: int
) -> PreparedTransaction:
    other = account_of(PEOPLE[dice.roll(len(PEOPLE))])
    amount = dice.roll(10**10)
    choices = (
        Call("credit", "transfer", (other, amount, b"golden")),
        Call("nrg", "transfer", (other, amount, b"")),
        Call("accounts", "grant_mandate", (other, ["credit.*"], amount, LATER_MS)),
        Call("accounts", "revoke_mandate", (other,)),
        Call("credit", "transfer", (account_of("dave"), 1 + dice.roll(1000), b""), other),
        Call("accounts", "set_keys", ([key_of(sender)], 1 + dice.roll(2))),
        Call("credit", "transfer", (other, -1, b"")),
        Call("nowhere", "nothing", ()),
        Call("clock", "advance", (START_S + height,)),
    )
    calls = tuple(choices[dice.roll(len(choices))] for _ in range(1 + dice.roll(3)))
    return _signed(node, sender, nonces, calls, Mode(dice.roll(2)))


def _signed(
    node: ChainNode, sender: str, nonces: dict[str, int], calls: tuple[Call, ...], mode: Mode
) -> PreparedTransaction:
    transaction = Transaction(
        node.genesis.chain_id, account_of(sender), nonces[sender], 1_000, FEE_MAX_UTHB, mode, calls
    )
    nonces[sender] += 1
    return prepare(sign_all(transaction, [seed_of(sender)]))


def _shown(node: ChainNode, height: int) -> dict[str, Any]:
    block = node.store.block(height)
    assert block is not None
    header = block.header
    return {
        "height": height,
        "block_id": block.block_id.hex(),
        "txs_root": header.txs_root.hex(),
        "receipts_root": header.receipts_root.hex(),
        "state_root": header.state_root.hex(),
        "history_root": header.history_root.hex(),
        "codes": [
            [result.code for result in Receipt.decode(data).results] for data in block.receipts
        ],
    }


if __name__ == "__main__":
    print(json.dumps(golden_chain(), indent=1))  # noqa: T201 - a command that prints
