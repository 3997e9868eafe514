"""What `bench.validator` sends: four kinds of signed transactions, each on a chain made for it.

A chain is as `gtx init` makes it, with the devnet's block interval of 50 ms, so many accounts, and
the contracts' genesis that the kind needs. Transactions come in lanes: a lane has its own senders
and is sent in order, so that lanes may be sent side by side.

transfers   one call, one recipient, three keys of the state changed
orders      one bid a transaction, by 500 households over 90 products of a day
lists       a hundred bids of one household in one call, over the same products
readings    a hundred meters' readings of one quarter in one call, each signed by its device
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from random import Random
from typing import Final

from chain.crypto import Domain, sign, signed_bytes
from chain.genesis import Genesis
from chain.transaction import Call, Mode, SignedTransaction, Transaction, sign_transaction
from contracts.governance.parameters import Timing
from contracts.grid.model import (
    GenesisGateway,
    GenesisParticipant,
    GenesisZone,
    ParticipantTerms,
)
from contracts.grid.reading import MeteringRules, Quality, SignedReading
from contracts.kernel import Value
from contracts.kernel.clock import ClockMode
from contracts.kernel.types import QUARTER_S
from contracts.trading.markets import GenesisMarket
from contracts.trading.uniform_price import Side
from node.cli.new_genesis import Founder, new_genesis
from tests.support.grid import (
    FIRST_NUMBER,
    FIRST_QUARTER_S,
    LICENSED,
    RETAILER_NUMBER,
    ZONE,
    ZONE_TERMS,
    grid_sections,
    meter_name,
)
from tests.support.market import MARKET, first_start_s, terms
from tests.support.people import account_of, key_of, seed_of

VALIDATOR: Final = "validator"
FUNDS_UTHB: Final = 10**12
FEE_MAX_UTHB: Final = 4_000_000
VALID_UNTIL: Final = 5_000
LIST_ITEMS: Final = 100
HOUSEHOLDS: Final = 500
PRODUCTS: Final = 90
QUARTERS: Final = 96
DAY_S: Final = 86_400


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of work: its bar as a share of R, items a transaction, transactions a batch."""

    name: str
    bar: float
    items: int
    batch: int
    make: Callable[[int, int], "Work"]


@dataclass(frozen=True, slots=True)
class Work:
    """A chain and, for each lane, the signed bytes of its transactions in order."""

    genesis: Genesis
    lanes: list[list[bytes]]


class Senders:
    """Signs transactions of people by name, each with its next nonce."""

    def __init__(self, genesis: Genesis) -> None:
        self._chain_id = genesis.chain_id
        self._nonces: dict[str, int] = {}

    def sign(self, who: str, contract: str, method: str, *arguments: Value) -> SignedTransaction:
        """Sign a transaction of one call."""
        nonce = self._nonces.get(who, 0)
        self._nonces[who] = nonce + 1
        call = Call(contract, method, arguments)
        return sign_transaction(
            Transaction(
                self._chain_id, account_of(who), nonce, VALID_UNTIL, FEE_MAX_UTHB,
                Mode.ALL_OR_NOTHING, (call,),
            ),
            [seed_of(who)],
        )  # fmt: skip


def chain(people: list[str], sections: dict[str, dict[str, Value]]) -> Genesis:
    """Return a genesis of one validator whose people have credit."""
    made = new_genesis(
        "bench",
        Founder(VALIDATOR, account_of(VALIDATOR), key_of(VALIDATOR), key_of("node")),
        time_ms=FIRST_QUARTER_S * 1_000,
        funded=[(account_of(who), FUNDS_UTHB) for who in people],
        devnet=True,
        timing=Timing(block_interval_min_ms=50),
    )
    return replace(made, sections={**made.sections, **sections})


def clock(start_s: int) -> dict[str, Value]:
    """Return a clock that stands still."""
    return {"mode": int(ClockMode.DRIVEN), "driver": account_of(VALIDATOR), "start_s": start_s}


def in_lanes(lanes: int, count: int, one: Callable[[int, int], bytes]) -> list[list[bytes]]:
    """Make `one(lane, number)` so often in all."""
    each = -(-count // lanes)
    return [[one(lane, number) for number in range(each)] for lane in range(lanes)]


def transfers(count: int, lanes: int) -> Work:
    """Return transfers among a thousand accounts."""
    people = [f"person {i}" for i in range(1_000)]
    genesis, random = chain(people, {}), Random(count)
    senders, each = Senders(genesis), len(people) // lanes

    def one(lane: int, number: int) -> bytes:
        recipient = account_of(random.choice(people))
        who = people[lane * each + number % each]
        return senders.sign(who, "credit", "transfer", recipient, 5, b"").raw

    return Work(genesis, in_lanes(lanes, count, one))


def market_chain(people: list[str]) -> tuple[Genesis, int]:
    """Return a chain with a market of households, and when its first product begins."""
    limits = ParticipantTerms(4_000_000, 4_000_000, 0, market_maker=False)
    participants: list[Value] = [
        GenesisParticipant(ZONE, None, (account_of(who),), limits, LICENSED).to_wire()
        for who in people
    ]
    market = terms(orders_max=10_000)
    start_s = first_start_s(market)
    markets: list[Value] = [GenesisMarket(MARKET, "quarters", market, start_s).to_wire()]
    sections: dict[str, dict[str, Value]] = {
        "clock": clock(FIRST_QUARTER_S),
        "registry": {
            "zones": [GenesisZone(ZONE, ZONE_TERMS, RETAILER_NUMBER).to_wire()],
            "participants": participants,
        },
        "markets": {"markets": markets},
    }
    return chain(people, sections), start_s


def orders(count: int, lanes: int) -> Work:
    """Return bids, one a transaction."""
    people = ["retailer", *(f"household {i}" for i in range(HOUSEHOLDS))]
    genesis, first_s = market_chain(people)
    senders, each = Senders(genesis), HOUSEHOLDS // lanes

    def one(lane: int, number: int) -> bytes:
        turn, place = divmod(number, each)
        start_s = first_s + (place + 7 * turn) % PRODUCTS * QUARTER_S
        limit = 3_000 + 10 * (number % 300)
        who = people[1 + lane * each + place]
        bid = MARKET, start_s, ZONE, 10 + turn, limit, False
        return senders.sign(who, "orders", "submit_bid", *bid).raw

    return Work(genesis, in_lanes(lanes, count, one))


def lists(count: int, lanes: int) -> Work:
    """Return bids, a hundred a transaction."""
    people = ["retailer", *(f"household {i}" for i in range(HOUSEHOLDS))]
    genesis, first_s = market_chain(people)
    senders, each = Senders(genesis), HOUSEHOLDS // lanes

    def item(place: int, turn: int, i: int) -> list[Value]:
        start_s = first_s + (place + i) % PRODUCTS * QUARTER_S
        limit = 3_000 + 10 * ((place + 3 * i) % 300)
        return [1, MARKET, start_s, ZONE, int(Side.BID), 10 + turn, limit, None, False]

    def one(lane: int, number: int) -> bytes:
        turn, place = divmod(number, each)
        items: list[Value] = [item(place, turn, i) for i in range(LIST_ITEMS)]
        who = people[1 + lane * each + place]
        return senders.sign(who, "orders", "submit_orders", items).raw

    return Work(genesis, in_lanes(lanes, -(-count // LIST_ITEMS), one))


def readings(count: int, lanes: int) -> Work:
    """Return readings: a gateway brings those of its hundred meters, quarter by quarter."""
    calls = -(-count // LIST_ITEMS)
    gateways = lanes * -(-calls // (lanes * QUARTERS))
    homes = [f"home {i}" for i in range(gateways * LIST_ITEMS)]
    names = [f"gateway {i}" for i in range(gateways)]
    rules = MeteringRules(
        provisional_s=900,
        final_s=DAY_S,
        correction_s=30 * DAY_S,
        window_days=40,
        capacity_margin_ppm=20_000,
    )
    sections = grid_sections(homes, rules, statements=False)
    brought = [GenesisGateway(account_of(name), name, None).to_wire() for name in names]
    sections["devices"]["gateways"] = list(brought)
    sections["clock"] = clock(FIRST_QUARTER_S + QUARTERS * QUARTER_S)
    genesis = chain([*homes, *names, "retailer"], sections)
    senders, each = Senders(genesis), gateways // lanes

    def one(lane: int, number: int) -> bytes:
        quarter, place = divmod(number, each)
        gateway = lane * each + place
        first = FIRST_NUMBER + gateway * LIST_ITEMS
        items: list[Value] = [reading(genesis, first + i, quarter) for i in range(LIST_ITEMS)]
        return senders.sign(names[gateway], "metering", "submit_readings", items).raw

    return Work(genesis, in_lanes(lanes, calls, one))


def reading(genesis: Genesis, meter: int, quarter: int) -> list[Value]:
    """Return a meter's signed reading of a quarter of the day, 100 Wh taken in each."""
    key = meter_name(meter)
    unsigned = SignedReading(
        meter=meter,
        interval_s=FIRST_QUARTER_S + quarter * QUARTER_S,
        import_wh=100,
        export_wh=0,
        import_register_wh=100 * (quarter + 1),
        export_register_wh=0,
        quality=Quality.MEASURED,
        version=1,
        sequence=quarter + 1,
        public_key=key_of(key),
        signature=bytes(64),
    )
    message = signed_bytes(Domain.READING, genesis.chain_id, unsigned.payload())
    return replace(unsigned, signature=sign(seed_of(key), message)).to_wire()


KINDS: Final = {
    kind.name: kind
    for kind in (
        Kind("transfers", 0.2, 1, 250, transfers),
        Kind("orders", 0.14, 1, 250, orders),
        Kind("lists", 0.4, LIST_ITEMS, 10, lists),
        Kind("readings", 0.3, LIST_ITEMS, 10, readings),
    )
}


def batches(lane: list[bytes], size: int) -> Iterator[list[bytes]]:
    """Yield a lane's transactions in batches."""
    for start in range(0, len(lane), size):
        yield lane[start : start + size]
