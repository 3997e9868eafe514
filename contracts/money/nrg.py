"""NRG: the fixed supply of 10⁹ tokens, in µNRG, its pools and balances.

Genesis allots the whole supply to accounts and pools; nothing is minted later. Pools are accounts
whose addresses belong to no key and pay out by the rules of governance alone. (MARKET §11.)
"""

from typing import Annotated, Final

from contracts.kernel import (
    Context,
    Contract,
    Event,
    Items,
    Map,
    Record,
    Reject,
    call,
    genesis,
    invariant,
    query,
    record,
)
from contracts.kernel.crypto import sha256
from contracts.kernel.types import Address, Memo, Text32, Unrg

TOTAL_UNRG: Final = 1_000_000_000 * 1_000_000
ALLOCATIONS_MAX: Final = 100_000
POOLS: Final = ("staking", "incentives", "community")


@record(version=1)
class NrgAllocation(Record):
    """NRG that an account has from genesis on."""

    account: Address
    amount_unrg: Unrg


@record(version=1)
class PoolAllocation(Record):
    """NRG that a pool has from genesis on."""

    pool: Text32
    amount_unrg: Unrg


class InsufficientNrg(Reject):
    """The account has less NRG than the transfer takes.

    Send less.
    """

    code = 1


class ZeroNrg(Reject):
    """A transfer moves at least 1 µNRG.

    Name an amount above zero.
    """

    code = 2


class NrgTransferred(Event, owners=("sender", "recipient")):
    """NRG moved from one account to another."""

    sender: Address
    recipient: Address
    amount_unrg: Unrg
    memo: Memo


def nrg_pool_address(name: str) -> bytes:
    """Return the address of an NRG pool; no key hashes to it."""
    return sha256(b"gridtokenx nrg pool " + name.encode())[:20]


class Nrg(Contract, name="nrg", number=0x12):
    """The governance token: balances and transfers; stakes and rewards build on it."""

    balances = Map[Address, Unrg](id=0x1201, default=0)

    @genesis
    def set_up(
        self,
        allocations: Annotated[tuple[NrgAllocation, ...], Items(ALLOCATIONS_MAX)],
        pools: Annotated[tuple[PoolAllocation, ...], Items(len(POOLS))],
    ) -> None:
        """Allot the whole supply to accounts and to the pools staking, incentives, community."""
        for one in allocations:
            self.balances[one.account] += one.amount_unrg
        for pool in pools:
            if pool.pool not in POOLS:
                msg = f"there is no pool {pool.pool!r}; pools are {', '.join(POOLS)}"
                raise ValueError(msg)
            self.balances[nrg_pool_address(pool.pool)] += pool.amount_unrg
        total = sum(a.amount_unrg for a in allocations) + sum(p.amount_unrg for p in pools)
        if total != TOTAL_UNRG:
            msg = f"genesis allots {total} µNRG, the supply is {TOTAL_UNRG}"
            raise ValueError(msg)

    def move(self, sender: bytes, recipient: bytes, amount_unrg: int) -> None:
        """Move NRG; raises `InsufficientNrg` before anything is written."""
        have = self.balances[sender]
        if have < amount_unrg:
            raise InsufficientNrg(account=sender, have_unrg=have, need_unrg=amount_unrg)
        self.balances[sender] = have - amount_unrg
        self.balances[recipient] += amount_unrg

    @call
    def transfer(self, ctx: Context, recipient: Address, amount_unrg: Unrg, memo: Memo) -> None:
        """Move NRG from the caller to `recipient`."""
        if amount_unrg == 0:
            raise ZeroNrg
        self.move(ctx.caller, recipient, amount_unrg)
        self.emit(NrgTransferred(ctx.caller, recipient, amount_unrg, memo))

    @query
    def balance(self, account: Address) -> Unrg:
        """The account's NRG in µNRG."""
        return self.balances[account]

    @query
    def pool(self, name: Text32) -> Unrg:
        """What is left in a pool, in µNRG."""
        return self.balances[nrg_pool_address(name)]

    @query
    def circulating_supply(self) -> Unrg:
        """The total supply less what the pools hold, in µNRG."""
        return TOTAL_UNRG - sum(self.balances[nrg_pool_address(name)] for name in POOLS)

    @invariant
    def supply_is_fixed(self) -> bool:
        """All balances add up to 10⁹ NRG, for ever."""
        return sum(amount for _, amount in self.balances.items()) == TOTAL_UNRG
