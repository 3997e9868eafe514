"""Accounts: nonces, key records with thresholds, and mandates.

An account without a key record answers to the one key whose hash is its address. A key record
holds up to 16 keys and a threshold and replaces that key for good. A mandate lets an agent send
calls for an owner: only the calls named, up to a spending limit a day, until an expiry.
(PROTOCOL §1.)
"""

from itertools import pairwise
from typing import Annotated, Final

from contracts.kernel import (
    Context,
    Contract,
    Event,
    Items,
    Map,
    NotPermitted,
    Record,
    Reject,
    Size,
    address_of,
    call,
    invariant,
    is_registrable_key,
    query,
    record,
)
from contracts.kernel.rounding import floor_div
from contracts.kernel.types import U8, Address, PublicKey, TimeMs, Uint, Uthb

KEYS_MAX: Final = 16
MANDATES_MAX: Final = 16
MANDATE_CALLS_MAX: Final = 32
DAY_MS: Final = 86_400_000

CallName = Annotated[str, Size(3, 64)]


@record(version=1)
class KeyRecord(Record):
    """The keys of an account, ascending, and how many of them must sign."""

    threshold: U8
    keys: Annotated[tuple[PublicKey, ...], Items(KEYS_MAX)]


@record(version=1)
class Mandate(Record):
    """What an agent may do for an owner, and what it spent on the day `day`."""

    calls: Annotated[tuple[CallName, ...], Items(MANDATE_CALLS_MAX)]
    limit_per_day_uthb: Uthb
    valid_until_ms: TimeMs
    day: Uint
    spent_uthb: Uthb


class BadKeys(Reject):
    """The keys are not 1 to 16 distinct valid Ed25519 keys in ascending order.

    Sort them by their bytes; small-order points are refused.
    """

    code = 1


class BadThreshold(Reject):
    """The threshold is not between 1 and the number of keys.

    Ask for at most as many signatures as there are keys.
    """

    code = 2


class NoMandate(Reject):
    """The sender has no live mandate of this owner for this call.

    The owner grants one with `accounts.grant_mandate`.
    """

    code = 3


class MandateExceeded(Reject):
    """The call would spend more of the owner's credit today than the mandate allows.

    Spend less, wait for the next day, or let the owner grant a higher limit.
    """

    code = 4


class TooManyMandates(Reject):
    """The owner has as many mandates as an account may have.

    Revoke one with `accounts.revoke_mandate`.
    """

    code = 5


class BadMandate(Reject):
    """The mandate names no call, names the agent as its own owner, or has already expired.

    Name at least one call, another account, and a `valid_until_ms` in the future.
    """

    code = 6


class KeysSet(Event, owners=("account",)):
    """An account answers to new keys from now on."""

    account: Address
    threshold: U8
    keys: Annotated[tuple[PublicKey, ...], Items(KEYS_MAX)]


class MandateGranted(Event, owners=("owner", "agent")):
    """An agent may act for an owner."""

    owner: Address
    agent: Address
    mandate: Mandate


class MandateRevoked(Event, owners=("owner", "agent")):
    """An agent may no longer act for an owner."""

    owner: Address
    agent: Address


class Accounts(Contract, name="accounts", number=0x10):
    """Who may sign for an account, and which transaction of it comes next."""

    nonces = Map[Address, Uint](id=0x1001, default=0)
    key_records = Map[Address, KeyRecord | None](id=0x1002, default=None)
    mandates = Map[tuple[Address, Address], Mandate | None](id=0x1003, default=None)

    def accepts_keys(self, account: bytes, keys: tuple[bytes, ...]) -> bool:
        """Say whether exactly these keys, ascending, may sign for the account."""
        own = self.key_records[account]
        if own is None:
            return len(keys) == 1 and address_of(keys[0]) == account
        return len(keys) == own.threshold and all(key in own.keys for key in keys)

    def require_mandate(self, ctx: Context, owner: bytes, contract: str, method: str) -> None:
        """Raise `NoMandate` unless the signer may send this call for the owner now."""
        mandate = self.mandates[owner, ctx.signer]
        named = mandate is not None and (
            f"{contract}.{method}" in mandate.calls or f"{contract}.*" in mandate.calls
        )
        if mandate is None or not named or mandate.valid_until_ms < ctx.time_ms:
            raise NoMandate(owner=owner, agent=ctx.signer, call=f"{contract}.{method}")

    def spend_mandate(self, ctx: Context, owner: bytes, amount_uthb: int) -> None:
        """Count spending against today's limit; raises `MandateExceeded`."""
        mandate = self.mandates[owner, ctx.signer]
        assert mandate is not None, "spending follows require_mandate"
        today = floor_div(ctx.time_ms, DAY_MS)
        spent = (mandate.spent_uthb if mandate.day == today else 0) + amount_uthb
        if spent > mandate.limit_per_day_uthb:
            raise MandateExceeded(spent_uthb=spent, limit_uthb=mandate.limit_per_day_uthb)
        self.mandates[owner, ctx.signer] = Mandate(
            mandate.calls, mandate.limit_per_day_uthb, mandate.valid_until_ms, today, spent
        )

    @call
    def set_keys(
        self, ctx: Context, keys: Annotated[tuple[PublicKey, ...], Items(KEYS_MAX)], threshold: U8
    ) -> None:
        """Let the account answer to these keys, any `threshold` of them; only itself may do so."""
        _require_self(ctx)
        ascending = all(a < b for a, b in pairwise(keys))
        if not keys or not ascending or not all(is_registrable_key(key) for key in keys):
            raise BadKeys(count=len(keys))
        if not 1 <= threshold <= len(keys):
            raise BadThreshold(threshold=threshold, keys=len(keys))
        self.key_records[ctx.caller] = KeyRecord(threshold, keys)
        self.emit(KeysSet(ctx.caller, threshold, keys))

    @call
    def grant_mandate(
        self,
        ctx: Context,
        agent: Address,
        calls: Annotated[tuple[CallName, ...], Items(MANDATE_CALLS_MAX)],
        limit_per_day_uthb: Uthb,
        valid_until_ms: TimeMs,
    ) -> None:
        """Let `agent` send `calls` ("contract.method" or "contract.*") for the caller."""
        _require_self(ctx)
        if not calls or agent == ctx.caller or valid_until_ms < ctx.time_ms:
            raise BadMandate(calls=len(calls), agent=agent, valid_until_ms=valid_until_ms)
        self._drop_expired(ctx)
        live = [other for (_, other), _ in self.mandates.items(ctx.caller)]
        if agent not in live and len(live) >= MANDATES_MAX:
            raise TooManyMandates(mandates=len(live))
        mandate = Mandate(calls, limit_per_day_uthb, valid_until_ms, 0, 0)
        self.mandates[ctx.caller, agent] = mandate
        self.emit(MandateGranted(ctx.caller, agent, mandate))

    @call
    def revoke_mandate(self, ctx: Context, agent: Address) -> None:
        """End the caller's mandate for `agent`."""
        _require_self(ctx)
        if self.mandates[ctx.caller, agent] is None:
            raise NoMandate(owner=ctx.caller, agent=agent, call="any")
        del self.mandates[ctx.caller, agent]
        self.emit(MandateRevoked(ctx.caller, agent))

    @query
    def nonce(self, account: Address) -> Uint:
        """The nonce that the account's next transaction must carry."""
        return self.nonces[account]

    @query
    def keys(self, account: Address) -> KeyRecord | None:
        """The account's key record, or null if it answers to the key of its address."""
        return self.key_records[account]

    @query
    def mandate(self, owner: Address, agent: Address) -> Mandate | None:
        """What `agent` may do for `owner`, or null."""
        return self.mandates[owner, agent]

    @invariant
    def key_records_are_sound(self) -> bool:
        """Every record has ascending keys and a threshold that they can reach."""
        return all(
            held is not None
            and 1 <= held.threshold <= len(held.keys) <= KEYS_MAX
            and list(held.keys) == sorted(dict.fromkeys(held.keys))
            for _, held in self.key_records.items()
        )

    @invariant
    def mandates_are_bounded(self) -> bool:
        """No owner has more mandates than allowed, and none has overspent."""
        owners = [owner for (owner, _), _ in self.mandates.items()]
        return all(owners.count(owner) <= MANDATES_MAX for owner in dict.fromkeys(owners)) and all(
            m is not None and m.spent_uthb <= m.limit_per_day_uthb for _, m in self.mandates.items()
        )

    def _drop_expired(self, ctx: Context) -> None:
        for (owner, agent), mandate in list(self.mandates.items(ctx.caller)):
            if mandate is not None and mandate.valid_until_ms < ctx.time_ms:
                del self.mandates[owner, agent]


def _require_self(ctx: Context) -> None:
    if ctx.signer != ctx.caller:
        raise NotPermitted(signer=ctx.signer, caller=ctx.caller)
