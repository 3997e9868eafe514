"""The driver: replays a week through the API of one or more nodes, quarter by quarter.

A quarter t has three steps, each in a block of its own:

1. at the boundary before it, a quarter ahead: the gateway brings the readings of quarter t − 2,
   which has just ended, and every household sends its order, as does the retailer;
2. the clock moves to the gate, and the chain clears;
3. the clock moves to the next boundary, and the chain settles what is due there.

After the last quarter the clock moves on until that one is settled. What comes next follows from
the market time and from what the chain told, so a driver that is started again goes on where the
one before stopped, whatever of its last transactions came through. (MARKET §1.)
"""

from collections.abc import Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import trio

from chain.bech32 import encode_address
from chain.genesis import Genesis
from chain.transaction import Call, SignedTransaction
from client.devnet_keys import Identity
from client.events import FollowError, follow
from client.groups import leaves
from client.nodes import Nodes
from client.replay.agents import FEED_IN_PER_WH, RETAIL_PER_WH, PlannedOrder
from client.replay.neighbourhood import Neighbourhood
from client.replay.resumed import end_s, refusal
from client.replay.setup import (
    DRIVER,
    GATE_LEAD_S,
    GATEWAY,
    MARKET,
    RETAILER,
    RETAILER_NUMBER,
    ZONE,
    Member,
    clock_start_s,
    members_of,
)
from client.replay.told import Told
from client.replay.week import QUARTER_S, WH_PER_W_QUARTER, Week
from client.rpc import NodeUnreachableError
from client.wallet import VALID_BLOCKS, call_of
from contracts.trading.model import EnergySource

if TYPE_CHECKING:
    # libp2p brings trio-typing, whose stubs take the place of trio's own types.
    from trio_typing import TaskStatus

# How long nothing may happen before the driver asks the node what became of its transactions.
PATIENCE_S: Final = 2.0
STALLED_S: Final = 60.0
EMPTY_POOL_S: Final = 30.0
POLL_S: Final = 0.1


class ReplayError(Exception):
    """The replay cannot go on; says what happened and where."""


class RefusedError(ReplayError):
    """The chain refused a call of the replay."""

    def __init__(self, result: dict[str, Any], market_time_s: int) -> None:
        """Read the result of the call in its receipt."""
        refusal = result["refusal"]
        self.name = refusal["name"]
        super().__init__(
            f"{result['contract']}.{result['method']} was refused at market time "
            f"{market_time_s}: {self.name} {refusal['values']}; {refusal['hint']}"
        )


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a replay is."""

    quarter: int
    quarters: int
    height: int
    market_time_s: int
    orders: int
    trades: int
    energy_wh: int


class Driver:
    """One replay, on the nodes of one chain."""

    def __init__(
        self,
        nodes: Nodes,
        week: Week,
        genesis: Genesis,
        seed: int,
        quarters: int,
        on_event: Callable[[dict[str, Any]], None],
        on_progress: Callable[[Progress], None],
    ) -> None:
        """Replay the first `quarters` of the week that the chain of this genesis was made for."""
        self._nodes = nodes
        self._rpc = nodes.first
        self._week = week
        self._quarters = quarters
        self._on_event = on_event
        self._on_progress = on_progress
        self._chain_id = genesis.chain_id
        self._seed = seed
        self._homes = Neighbourhood(week, seed, self._chain_id)
        participants = {
            encode_address(member.identity.account): member.number for member in members_of(week)
        }
        participants[encode_address(RETAILER.account)] = RETAILER_NUMBER
        self._told = Told(clock_start_s(week), participants)
        self._nonces: dict[str, int] = {}
        self._news = trio.Event()

    async def run(self) -> None:
        """Replay to the end; raises `ReplayError`, `RpcError` or `NodeUnreachableError`.

        What `on_event` and `on_progress` raise comes out as it is.
        """
        status = await self._rpc.call("chain_status")
        if status["chain_id"] != self._chain_id.hex():
            msg = (
                f"the node's chain {status['chain_id'][:16]}… was not made for this replay; "
                f"start one with `gtx devnet`"
            )
            raise ReplayError(msg)
        await self._let_pool_empty()
        height = (await self._rpc.call("chain_status"))["height"]
        try:
            async with trio.open_nursery() as nursery:
                await nursery.start(self._follow)
                await self._until(lambda: self._told.height >= height)
                self._refuse_what_cannot_go_on()
                await self._play()
                nursery.cancel_scope.cancel()
        except ExceptionGroup as group:
            # Who replays need not know that two tasks do it.
            causes = sorted(leaves(group), key=lambda one: isinstance(one, FollowError))
            if isinstance(causes[0], FollowError):
                raise NodeUnreachableError(self._rpc.url, str(causes[0])) from group
            raise causes[0] from group

    def _refuse_what_cannot_go_on(self) -> None:
        homes = Neighbourhood(self._week, self._seed, self._chain_id)
        refused = refusal(self._told, self._week, self._quarters, homes)
        if refused is not None:
            raise ReplayError(refused)

    # ── What the chain tells ──

    @property
    def height(self) -> int:
        """Return the height of the last block that the chain told of."""
        return self._told.height

    async def _follow(self, task_status: "TaskStatus[None]" = trio.TASK_STATUS_IGNORED) -> None:
        async with follow(self._rpc.url) as source, aclosing(source) as blocks:
            task_status.started()
            async for part in blocks:
                for event in part.events:
                    self._told.add(event)
                    self._on_event(event)
                if part.is_last:
                    self._told.height = part.height
                news, self._news = self._news, trio.Event()
                news.set()

    async def _until(
        self, done: Callable[[], bool], sent: Sequence[SignedTransaction] = ()
    ) -> None:
        """Wait until the chain told enough; raises `ReplayError` if it stalls or refuses."""
        started = trio.current_time()
        while not done():
            news = self._news
            with trio.move_on_after(PATIENCE_S):
                await news.wait()
            if not news.is_set():
                await self._look_into(sent)
                if trio.current_time() - started > STALLED_S:
                    msg = f"nothing has happened since block {self._told.height}; is the node well?"
                    raise ReplayError(msg)
            else:
                started = trio.current_time()

    async def _look_into(self, sent: Sequence[SignedTransaction]) -> None:
        """Find out what became of transactions that no event tells of."""
        for one in sent:
            if one.id.hex() in self._told.transactions:
                continue
            status = await self._nodes.status(one.transaction.sender, one.id)
            if status == "waiting":
                continue
            if status == "unknown":
                msg = f"the node lost transaction {one.id.hex()}; start the replay again"
                raise ReplayError(msg)
            own = self._nodes.of(one.transaction.sender)
            receipt = (await own.call("tx_receipt", id=one.id.hex()))["receipt"]
            for result in receipt["results"]:
                if result["refusal"] is not None:
                    raise RefusedError(result, self._told.market_time_s)

    async def _let_pool_empty(self) -> None:
        """Let what an earlier run left behind come into blocks, so that nonces are known."""
        deadline = trio.current_time() + EMPTY_POOL_S
        while await self._nodes.waiting():
            if trio.current_time() > deadline:
                msg = f"the node still has transactions waiting after {EMPTY_POOL_S:g} s"
                raise ReplayError(msg)
            await trio.sleep(POLL_S)

    # ── Steps ──

    async def _play(self) -> None:
        start_s = self._week.start_s
        last_s = start_s + (self._quarters - 1) * QUARTER_S
        ends_s = end_s(self._week, self._quarters)
        while self._told.market_time_s < ends_s:
            now_s = self._told.market_time_s
            since, rest = divmod(now_s - start_s, QUARTER_S)
            quarter = since + 1
            delivery_s = start_s + quarter * QUARTER_S
            if rest == 0:
                if now_s <= last_s + QUARTER_S:
                    await self._trade(quarter)
                await self._advance(delivery_s - GATE_LEAD_S)
            else:
                await self._advance(delivery_s)
                if 0 <= quarter < self._quarters:
                    await self._until(partial(self._told.is_closed, delivery_s))
            self._report(quarter)
        await self._until(partial(self._told.is_settled, last_s))

    async def _trade(self, quarter: int) -> None:
        """Send readings and orders that are due at the boundary a quarter before this one."""
        start_s = self._week.start_s
        for past in range(self._homes.delivered, min(quarter, self._quarters)):
            past_s = start_s + past * QUARTER_S
            await self._until(partial(self._told.is_closed, past_s))
            self._homes.deliver(self._told.fills_wh(past_s))
        sent = []
        if 0 <= quarter - 2 < self._quarters:
            readings = tuple(self._homes.readings(quarter - 2))
            sent.append(await self._sign(GATEWAY, call_of("metering", "submit_readings", readings)))
        if quarter < self._quarters:
            sent += await self._orders(quarter)
        await self._nodes.submit(*sent)
        expected = {one.id.hex() for one in sent}
        await self._until(lambda: expected <= self._told.transactions, sent)

    async def _orders(self, quarter: int) -> list[SignedTransaction]:
        start_s = self._week.start_s + quarter * QUARTER_S
        prices = self._told.prices_per_wh(self._week.start_s, quarter)
        sent = []
        if not self._has_order(start_s, RETAILER):
            most_wh = self._week.transformer_va // WH_PER_W_QUARTER
            bid = (MARKET, start_s, ZONE, most_wh, FEED_IN_PER_WH, False)
            ask = (MARKET, start_s, ZONE, most_wh, RETAIL_PER_WH, EnergySource.GRID_MIX, False)
            calls = call_of("orders", "submit_bid", *bid), call_of("orders", "submit_ask", *ask)
            sent.append(await self._sign(RETAILER, *calls))
        for member, plan in self._homes.plans(quarter, prices):
            if not self._has_order(start_s, member.identity):
                sent.append(await self._sign(member.identity, _order(start_s, member, plan)))
        return sent

    async def _advance(self, to_s: int) -> None:
        """Move the market clock; due work of the present time may have to end first."""
        while self._told.market_time_s < to_s:
            signed = await self._sign(DRIVER, call_of("clock", "advance", to_s))
            await self._nodes.submit(signed)
            try:
                await self._until(lambda: self._told.market_time_s >= to_s, [signed])
            except RefusedError as refused:
                if refused.name != "WorkPending":
                    raise

    async def _sign(self, who: Identity, *calls: Call) -> SignedTransaction:
        if who.name not in self._nonces:
            account = await self._rpc.call("account_get", address=encode_address(who.account))
            self._nonces[who.name] = int(account["nonce"])
        nonce = self._nonces[who.name]
        self._nonces[who.name] += 1
        wallet = who.wallet(self._chain_id)
        until = self._told.height + VALID_BLOCKS
        return wallet.sign(nonce, *calls, valid_until_height=until)

    def _has_order(self, start_s: int, who: Identity) -> bool:
        return self._told.has_order(start_s, encode_address(who.account))

    def _report(self, quarter: int) -> None:
        told = self._told
        self._on_progress(
            Progress(
                quarter=min(max(quarter, 0), self._quarters),
                quarters=self._quarters,
                height=told.height,
                market_time_s=told.market_time_s,
                orders=told.orders,
                trades=told.trades,
                energy_wh=told.energy_wh,
            )
        )


def _order(start_s: int, member: Member, plan: PlannedOrder) -> Call:
    """Return the call that places a household's order."""
    if plan.quantity_wh > 0:
        bid = (MARKET, start_s, ZONE, plan.quantity_wh, plan.limit_per_wh, False)
        return call_of("orders", "submit_bid", *bid)
    has_surplus = plan.forecast_wh < 0 or member.household.battery is None
    source = EnergySource.SOLAR if has_surplus else EnergySource.BATTERY
    ask = (MARKET, start_s, ZONE, -plan.quantity_wh, plan.limit_per_wh, source, False)
    return call_of("orders", "submit_ask", *ask)
