"""A market in a small world: participants with names, one market, orders in a few words.

A transaction costs one µTHB here, and `free` counts it back, so that whatever else moves is the
market's doing.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Final, NamedTuple, Unpack

from chain.execution.executor import UNLIMITED, BlockResult
from chain.execution.receipt import Outcome
from chain.transaction import Call, PreparedTransaction
from contracts.grid.model import GenesisParticipant, GenesisZone, ParticipantTerms
from contracts.kernel import Host, Reject, Value
from contracts.kernel.clock import ClockMode
from contracts.kernel.meter import Meter, WeightTable
from contracts.kernel.state import State
from contracts.money.credit import Account
from contracts.registry import Registry
from contracts.trading.markets import GenesisMarket
from contracts.trading.model import EnergySource, Position, ProductState
from contracts.trading.results import ClearingRecord
from contracts.trading.terms import Mechanism, Terms
from contracts.trading.uniform_price import Side
from tests.support.genesis import START_S, make_genesis, parameters
from tests.support.grid import LICENSED, REGISTRAR, RETAILER_NUMBER, ZONE, ZONE_TERMS
from tests.support.people import account_of
from tests.support.world import Options, World

MARKET: Final = 1
QUARTER_S: Final = 900
FIRST_S: Final = START_S + QUARTER_S
SOLAR: Final = int(EnergySource.SOLAR)


@dataclass(frozen=True)
class Person:
    """A participant: its accounts by name, the head of its affiliates, Wh a quarter."""

    accounts: tuple[str, ...]
    head: str | None = None
    market_maker: bool = False
    import_cap_wh: int = 1_000_000
    export_cap_wh: int = 1_000_000

    @property
    def name(self) -> str:
        """Return the name of its first account."""
        return self.accounts[0]

    @property
    def terms(self) -> ParticipantTerms:
        """Return what the registry is told of it; 4 W make 1 Wh a quarter."""
        return ParticipantTerms(
            4 * self.import_cap_wh, 4 * self.export_cap_wh, 0, self.market_maker
        )


def household(*accounts: str, **options: object) -> Person:
    """Return a participant that is no market maker."""
    return Person(accounts, **options)  # type: ignore[arg-type]  # by name


RETAILER: Final = Person(("retailer",), market_maker=True)
PEOPLE: Final = (
    RETAILER,
    household("alice"),
    household("bob", "bob's second", "bob's third"),
    household("carol"),
    household("dave"),
    household("erin", head="dave"),
)


def terms(**overrides: object) -> Terms:
    """Return the terms of a market of quarters with a fee of 5; `overrides` replace fields."""
    values: dict[str, object] = {
        "zones": (ZONE,),
        "quarters": 1,
        "mechanism": Mechanism.UNIFORM_PRICE,
        "tick_per_wh": 10,
        "band_low_per_wh": 1_000,
        "band_high_per_wh": 10_000,
        "fee_per_wh": 5,
        "import_per_wh": 3_950,
        "feed_in_per_wh": 2_200,
        "gate_lead_s": 300,
        "open_ahead_s": 86_400,
        "order_min_wh": 1,
        "order_max_wh": 10_000_000,
        "orders_max": 100,
        "product_orders_max": 200_000,
        "slice_orders_max": 1_000,
    }
    return Terms(**(values | overrides))  # type: ignore[arg-type]  # by name


class Placed(NamedTuple):
    """An order that was placed: all that names it, and who placed it."""

    who: str
    start_s: int
    side: Side
    limit: int
    id: bytes


class MarketWorld(World):
    """A world with participants of one zone and a market."""

    def __init__(
        self,
        people: Sequence[Person] = PEOPLE,
        *,
        market: Terms | None = None,
        second: Terms | None = None,
        mode: ClockMode = ClockMode.DRIVEN,
        **chain: object,
    ) -> None:
        """Run the genesis and the blocks that open the first products.

        The methods speak of the first market, 1; `second` are the terms of market 2 beside it.
        """
        small = {"fee_base_uthb": 1, "fee_per_weight_uthb": 0, "block_weight_max": 40_000_000}
        names = [account for person in people for account in person.accounts]
        genesis = make_genesis(people=names, chain=parameters(**(small | chain)), mode=mode)
        self.people = tuple(people)
        self.terms = market or terms()
        sections = {**genesis.sections, **_sections(self.people, self.terms, second)}
        super().__init__(replace(genesis, sections=sections))
        if mode is ClockMode.DRIVEN:
            self.advance(START_S)
        else:
            self.block()

    @property
    def first_s(self) -> int:
        """Return when the first product begins to deliver."""
        return first_start_s(self.terms)

    def start_s(self, product: int) -> int:
        """Return when the product of this number, from 0, begins to deliver."""
        return self.first_s + product * self.terms.length_s

    def participant(self, who: str) -> int:
        """Return the participant to whom an account belongs, by name."""
        participant = self.read.grid.participant_of(account_of(who))
        assert participant is not None, f"{who} is no participant's account"
        return participant

    def suspend(self, who: str) -> None:
        """Suspend a participant."""
        self.call(REGISTRAR, "registry", "suspend", self.participant(who))

    @contextmanager
    def edit(self) -> Iterator[Registry]:
        """Change the state by plain methods of the contracts, outside any block."""
        state = State(self.state, Meter(WeightTable(), UNLIMITED))
        yield self.registry(Host(state))
        self.state.write(state.changes())

    def signed(self, sender: str, *calls: Call, **options: Unpack[Options]) -> PreparedTransaction:
        """Sign a transaction that sets aside no more than its fee."""
        highest_uthb = self.parameters.fee_uthb(self.parameters.transaction_weight_max)
        return super().signed(sender, *calls, **(Options(fee_max_uthb=highest_uthb) | options))

    def block(
        self, *transactions: PreparedTransaction, signers: tuple[bytes, ...] = ()
    ) -> BlockResult:
        """Execute one block in which no unit fails."""
        result = super().block(*transactions, signers=signers)
        assert not list(self.read.schedule.failed.items()), "a unit failed"
        return result

    # ── Orders ──

    def bid(
        self, who: str, quantity_wh: int, limit: int, *, product: int = 0, green: bool = False
    ) -> Placed:
        """Place a bid that must be accepted."""
        start_s = self.start_s(product)
        arguments = (MARKET, start_s, ZONE, quantity_wh, limit, green)
        id_ = self.call(who, "orders", "submit_bid", *arguments)
        assert isinstance(id_, bytes)
        return Placed(who, start_s, Side.BID, limit, id_)

    def ask(
        self, who: str, quantity_wh: int, limit: int, *, product: int = 0, green: bool = False
    ) -> Placed:
        """Place an ask of solar energy that must be accepted."""
        start_s = self.start_s(product)
        arguments = (MARKET, start_s, ZONE, quantity_wh, limit, SOLAR, green)
        id_ = self.call(who, "orders", "submit_ask", *arguments)
        assert isinstance(id_, bytes)
        return Placed(who, start_s, Side.ASK, limit, id_)

    def cancel(self, order: Placed) -> None:
        """Cancel an order, which must succeed."""
        self.call(order.who, "orders", "cancel_order", *name_of(order))

    def replace(self, order: Placed, quantity_wh: int, limit: int) -> Placed:
        """Replace an order, which must succeed."""
        arguments = (*name_of(order), quantity_wh, limit)
        id_ = self.call(order.who, "orders", "replace_order", *arguments)
        assert isinstance(id_, bytes)
        return order._replace(limit=limit, id=id_)

    def submit(self, who: str, items: Sequence[Value], **options: Unpack[Options]) -> list[int]:
        """Submit a list of orders and return the codes."""
        receipt = self.send(who, Call("orders", "submit_orders", (tuple(items),)), **options)
        assert receipt.results[0].code == Outcome.OK, receipt.results[0]
        codes = receipt.results[0].value
        assert isinstance(codes, list)
        return [code for code in codes if isinstance(code, int)]

    def refuses_items(self, reject: type[Reject], who: str, *items: Value) -> None:
        """Submit a list whose items must all be refused so, changing nothing but nonce and fee."""
        result = self.without_effect(self.signed(who, Call("orders", "submit_orders", (items,))))
        assert result.code == Outcome.OK, result
        assert result.value == [reject.receipt_code()] * len(items), result

    def item(self, side: Side, quantity_wh: int, limit: int, *, product: int = 0) -> list[Value]:
        """Return an order as an item of a list."""
        source = SOLAR if side is Side.ASK else None
        start_s = self.start_s(product)
        return [1, MARKET, start_s, ZONE, int(side), quantity_wh, limit, source, False]

    # ── Time ──

    def pass_gate(self, product: int = 0) -> None:
        """Drive market time to a product's gate and let all work of it run."""
        self.advance(self.start_s(product) - self.terms.gate_lead_s)

    # ── What came of it ──

    def account(self, who: str) -> Account:
        """Return an account by name."""
        return self.read.credit.account(account_of(who))

    def free(self, who: str) -> int:
        """Return an account's free credit before transaction fees."""
        return self.account(who).free + self.read.accounts.nonces[account_of(who)]

    def held(self, who: str) -> tuple[int, int, int]:
        """Return an account's escrow, margin and proceeds."""
        account = self.account(who)
        return account.bid_escrow, account.ask_margin, account.proceeds

    def position(self, who: str, product: int = 0, quarter: int = 0) -> Position:
        """Return what the participant of an account has in a quarter of a product."""
        quarter_s = self.start_s(product) + quarter * QUARTER_S
        return self.read.positions.position(ZONE, self.participant(who), quarter_s)

    def result(self, product: int = 0) -> ClearingRecord:
        """Return the outcome of a product's auction."""
        result = self.read.auction.result(MARKET, self.start_s(product))
        assert result is not None, "the product has no result"
        return result

    def state_of(self, product: int = 0) -> ProductState:
        """Return the state of a product."""
        return self.read.markets.product(MARKET, self.start_s(product)).state


def name_of(order: Placed) -> tuple[Value, ...]:
    """Return the arguments that name an order."""
    return MARKET, order.start_s, int(order.side), order.limit, order.id


def first_start_s(market: Terms) -> int:
    """Return when the first product of a market begins to deliver: after the world's first gate."""
    return -(-FIRST_S // market.length_s) * market.length_s


def _sections(
    people: Sequence[Person], market: Terms, second: Terms | None
) -> dict[str, dict[str, Value]]:
    """Return the genesis of participants without meters, numbered from 1, and of markets."""
    numbers = {person.name: number for number, person in enumerate(people, 1)}
    participants = [
        GenesisParticipant(
            ZONE,
            None if one.head is None else numbers[one.head],
            tuple(account_of(name) for name in one.accounts),
            one.terms,
            LICENSED,
        )
        for one in people
    ]
    zone = GenesisZone(ZONE, ZONE_TERMS, RETAILER_NUMBER)
    markets = [GenesisMarket(MARKET, "quarters", market, first_start_s(market))]
    if second is not None:
        markets.append(GenesisMarket(MARKET + 1, "longer", second, first_start_s(second)))
    return {
        "registry": {
            "zones": [zone.to_wire()],
            "participants": [one.to_wire() for one in participants],
        },
        "devices": {"meters": [], "gateways": []},
        "markets": {"markets": [one.to_wire() for one in markets]},
    }
