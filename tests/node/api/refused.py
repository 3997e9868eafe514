"""What calls that a contract refuses may do to a real validator's state: take their fees."""

from collections.abc import Sequence
from dataclasses import replace

from chain.transaction import Call
from contracts.money.accounts import Accounts
from contracts.money.credit import FEE_POOL, Account, Credit
from tests.node.api.real_node import VALIDATOR, RealNode
from tests.support.people import account_of

Rejected = Sequence[tuple[str, Call]]


async def refused(node: RealNode, calls: Rejected, nonce: int = 0) -> None:
    """Send alice's calls, which are refused by these names; check advice, fees and state."""
    before = await node.state()
    raws = [node.signed(call, nonce=nonce + number) for number, (_, call) in enumerate(calls)]
    stated = (await node.client.call("tx_simulate", transaction=raws[0].hex()))["receipt"]
    ids = await node.submit(raws)
    await node.final(ids)
    fees = []
    for (name, call), id_ in zip(calls, ids, strict=True):
        receipt, shown = await node.receipt(id_)
        (result,) = shown["results"]
        assert (call, result["outcome"]) == (call, "rejected")
        assert (call, result["refusal"]["name"]) == (call, name)
        assert result["refusal"]["message"]
        assert result["refusal"]["hint"], name
        fees.append(receipt.fee_uthb)
    assert fees[0] == stated["fee_uthb"]
    await only_fees_moved(node, before, "alice", sum(fees))
    account = await node.client.call("account_get", address=account_of("alice").hex())
    assert account["nonce"] == nonce + len(calls)


async def only_fees_moved(
    node: RealNode, before: dict[bytes, bytes], sender: str, fees_uthb: int
) -> None:
    """Check that the sender's nonce and credit, and what fees go to, are all that changed."""
    after, address = await node.state(), account_of(sender)
    changed = {key for key in before.keys() | after.keys() if before.get(key) != after.get(key)}
    mine = {Accounts.nonces.raw_key(address), Credit.accounts.raw_key(address)}
    takers = {Credit.accounts.raw_key(account_of(VALIDATOR)), Credit.accounts.raw_key(FEE_POOL)}
    assert mine <= changed <= mine | takers
    old, new = (account_from(state[Credit.accounts.raw_key(address)]) for state in (before, after))
    assert replace(new, free=new.free + fees_uthb) == old


def account_from(data: bytes) -> Account:
    """Read an account as the table packs it."""
    account = Account.shape.unpack(data)
    assert isinstance(account, Account)
    return account
