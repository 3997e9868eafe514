"""A settled market in a small world: people with meters who trade, deliver, and are billed.

Quarter 1 is delivered first: that of the market's product 0. Devices count from there on.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final, TypeVar

from chain.execution.executor import BlockResult
from chain.execution.receipt import Receipt
from chain.transaction import Call, PreparedTransaction
from contracts.grid.model import GenesisGateway, GenesisMeter, GenesisParticipant, GenesisZone
from contracts.grid.reading import MeteringRules, SignedReading
from contracts.kernel import Event, Value, codec
from contracts.money.credit import Allocation
from contracts.registry import Registry
from contracts.trading.markets import GenesisMarket
from contracts.trading.settlement_model import Phase, QuarterBill, SettlementRules
from contracts.trading.terms import Terms
from tests.support.genesis import (
    DRIVER,
    FUNDS_UTHB,
    SETTLEMENT,
    START_S,
    make_genesis,
    parameters,
)
from tests.support.grid import (
    GATEWAY,
    GRID,
    LICENSED,
    OFFICES,
    RETAILER_NUMBER,
    RULES,
    ZONE,
    ZONE_TERMS,
    installation,
    meter_name,
)
from tests.support.market import (
    MARKET,
    PEOPLE,
    MarketWorld,
    Person,
    first_start_s,
    terms,
)
from tests.support.metering import GridWorld, quarter
from tests.support.people import account_of, key_of
from tests.support.world import World

E = TypeVar("E", bound=Event)
FIRST: Final = 1
BASE_LOAD_WH: Final = 50
NOTHING: Final = (0, 0)


class SettlementWorld(MarketWorld, GridWorld):  # type: ignore[misc]  # `submit` is of orders
    """A world in which everything from an order to the paid bill happens by itself."""

    def __init__(
        self,
        people: Sequence[Person] = PEOPLE,
        *,
        market: Terms | None = None,
        second: Terms | None = None,
        rules: SettlementRules = SETTLEMENT,
        metering: MeteringRules = RULES,
        funds: Mapping[str, int] | None = None,
        unmetered: Sequence[str] = (),
        fee_per_weight_uthb: int = 0,
        validators: int = 1,
    ) -> None:
        """Run the genesis and the blocks that open the first products.

        `funds` are of the accounts that do not have the usual credit; the retailer and the
        `unmetered` have no meter.
        """
        self.people = tuple(people)
        self.terms = market or terms()
        self.rules = metering
        chain = parameters(
            fee_base_uthb=1, fee_per_weight_uthb=fee_per_weight_uthb, block_weight_max=40_000_000
        )
        names = [account for person in people for account in person.accounts]
        genesis = make_genesis(
            validators=validators, people=names, chain=chain, metering=metering, statements=True
        )
        residents = dict(enumerate(self.people[1:], RETAILER_NUMBER + 1))
        meters = [n for n, person in residents.items() if person.name not in unmetered]
        own = funds or {}
        sections: dict[str, Mapping[str, Value]] = {
            **genesis.sections,
            "credit": {"allocations": [_funded(one, own) for one in _names(names)]},
            "registry": {
                "zones": [GenesisZone(ZONE, ZONE_TERMS, RETAILER_NUMBER).to_wire()],
                "participants": _participants(self.people),
            },
            "devices": {
                "meters": [
                    GenesisMeter(
                        n,
                        replace(installation(n), first_quarter_s=quarter(FIRST)),
                        key_of(meter_name(n)),
                        LICENSED,
                    ).to_wire()
                    for n in meters
                ],
                "gateways": [GenesisGateway(account_of(GATEWAY), GATEWAY, None).to_wire()],
            },
            "markets": {"markets": [one.to_wire() for one in _markets(self.terms, second)]},
            "statements": {"first_quarter_s": quarter(FIRST)},
            "settlement": {"rules": rules.to_wire(), "first_quarter_s": quarter(FIRST)},
        }
        self.blocks: list[tuple[bytes, ...]] = []
        World.__init__(self, replace(genesis, sections=sections), Registry)
        self.measured = {n: [NOTHING] * FIRST for n in meters}
        self.advance(START_S)

    # ── What happens ──

    def deliver(self, number: int, energies: Mapping[str, tuple[int, int] | None]) -> None:
        """Let a quarter pass; everybody reads (import, export), 0 if not named; None is silent.

        A device counts what is given even if its reading does not come: `late` sends it.
        """
        if self.now_s < quarter(number + 1):
            self.advance(quarter(number + 1))
        readings = []
        silent = {who for who, energy in energies.items() if energy is None}
        named = {self.participant(who): energy for who, energy in energies.items()}
        for meter in self.measured:
            if len(self.measured[meter]) == number:
                self.measure(meter, named.get(meter) or NOTHING)
            if meter not in {self.participant(who) for who in silent}:
                readings.append(self.reading(meter, number))
        if readings:
            self.read_in(*readings)

    def read_in(self, *readings: SignedReading) -> None:
        """Send readings that must all be accepted."""
        codes = self._send(GATEWAY, "submit_readings", readings)
        assert codes == [0] * len(readings), [hex(code) for code in codes]

    def settle_by(self, who: str, number: int) -> Receipt:
        """Let a person settle a quarter in the block that makes it due, offering all it has."""
        due_s = quarter(number + 1) + self.rules.final_s
        self.advance(due_s - 1)
        step = Call("settlement", "settle_trades", (ZONE, quarter(number)))
        all_uthb = self.account(who).free
        result = self.block(
            self.signed(DRIVER, Call("clock", "advance", (due_s,))),
            self.signed(who, *[step] * len(Phase), fee_max_uthb=all_uthb),
        )
        receipt = result.receipts[2]
        assert receipt.results[-1].value is True, "every phase was done"
        return receipt

    def settle(self, number: int) -> None:
        """Drive market time to a quarter's final deadline and let it be settled."""
        self.advance(quarter(number + 1) + self.rules.final_s)

    def block(
        self, *transactions: PreparedTransaction, signers: tuple[bytes, ...] = ()
    ) -> BlockResult:
        """Execute one block in which no unit fails, and keep its events."""
        result = super().block(*transactions, signers=signers)
        self.blocks += result.events
        return result

    # ── What came of it ──

    def events(self, kind: type[E]) -> list[E]:
        """Return all events of a kind so far."""
        decoded = [codec.decode_trusted(data) for events in self.blocks for data in events]
        return [
            kind.from_wire(one[3])
            for one in decoded
            if isinstance(one, list) and one[2] == kind.__name__
        ]

    def bill(self, who: str, number: int) -> QuarterBill:
        """Return a participant's settled quarter."""
        bill = self.read.settlement.bill_of(self.participant(who), ZONE, quarter(number))
        assert bill is not None, "the quarter has no bill"
        return bill

    def owed(self, who: str) -> int:
        """Return a participant's arrears."""
        return self.read.arrears.owed_by(self.participant(who))

    @property
    def grid_uthb(self) -> int:
        """Return what the grid account has."""
        return self.account(GRID).free


def _names(people: Sequence[str]) -> list[str]:
    return list(dict.fromkeys((*people, DRIVER, *OFFICES)))


def _funded(name: str, funds: Mapping[str, int]) -> Value:
    return Allocation(account_of(name), funds.get(name, FUNDS_UTHB)).to_wire()


def _markets(market: Terms, second: Terms | None) -> list[GenesisMarket]:
    markets = [GenesisMarket(MARKET, "quarters", market, first_start_s(market))]
    if second is not None:
        markets.append(GenesisMarket(MARKET + 1, "others", second, first_start_s(second)))
    return markets


def _participants(people: Sequence[Person]) -> list[Value]:
    numbers = {person.name: number for number, person in enumerate(people, 1)}
    return [
        GenesisParticipant(
            ZONE,
            None if one.head is None else numbers[one.head],
            tuple(account_of(name) for name in one.accounts),
            replace(one.terms, base_load_wh=0 if one.market_maker else BASE_LOAD_WH),
            LICENSED,
        ).to_wire()
        for one in people
    ]
