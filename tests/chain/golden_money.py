"""The golden chain of accounts and money: transfers, keys, mandates, and calls that fail.

Four validators; every transaction of each block is mixed by dice.
"""

from chain.transaction import Call, Mode, PreparedTransaction, Transaction, prepare
from chain.transaction import sign_transaction as sign_all
from tests.support.chain import ChainNode
from tests.support.dice import Dice
from tests.support.genesis import DRIVER, PEOPLE, START_S
from tests.support.people import account_of, key_of, seed_of

BLOCKS = 24
LATER_MS = 2_000_000_000_000
FEE_MAX_UTHB = 500_000


def golden_money() -> ChainNode:
    """Run the chain; returns the node that decided it."""
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
    return node


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
