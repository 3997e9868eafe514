"""The registry: every system contract, in order, and how they are wired.

Adding a contract is one file, one line in `CONTRACTS` and one in `Registry`. The order is that of
the manifest and of genesis, and part of the protocol; in the wiring a contract comes after those
that it is given.
"""

from typing import ClassVar, Final

from contracts.governance.authorities import Authorities
from contracts.governance.parameters import Parameters
from contracts.grid.devices import Devices
from contracts.grid.metering import Metering
from contracts.grid.registrars import Registrars
from contracts.grid.registry import GridRegistry
from contracts.grid.statements import Statements
from contracts.kernel.catalogue import Catalogue
from contracts.kernel.clock import Clock
from contracts.kernel.contract import Contract
from contracts.kernel.host import Host
from contracts.kernel.schedule import Schedule
from contracts.money.accounts import Accounts
from contracts.money.credit import Credit
from contracts.money.nrg import Nrg
from contracts.trading.arrears import Arrears
from contracts.trading.auction import Auction
from contracts.trading.markets import Markets
from contracts.trading.orders import Orders
from contracts.trading.positions import Positions
from contracts.trading.settlement import Settlement

CONTRACTS: Final[tuple[type[Contract], ...]] = (
    Schedule,
    Clock,
    Parameters,
    Authorities,
    Accounts,
    Credit,
    Nrg,
    Registrars,
    GridRegistry,
    Devices,
    Metering,
    Statements,
    Markets,
    Positions,
    Orders,
    Auction,
    Arrears,
    Settlement,
)
CATALOGUE: Final = Catalogue.of(CONTRACTS)


class Registry:
    """The contracts of one execution, wired over one host."""

    catalogue: ClassVar[Catalogue] = CATALOGUE

    def __init__(self, host: Host) -> None:
        """Make every contract and give each what it needs of the others."""
        self.schedule = Schedule(host)
        self.clock = Clock(host, self.schedule)
        self.parameters = Parameters(host)
        self.authorities = Authorities(host)
        self.accounts = Accounts(host)
        self.nrg = Nrg(host)
        self.registrars = Registrars(host)
        self.grid = GridRegistry(host, self.registrars)
        self.arrears = Arrears(host, self.grid)
        self.credit = Credit(host, self.arrears)
        self.devices = Devices(host, self.registrars, self.grid)
        self.metering = Metering(host, self.schedule, self.grid, self.devices)
        self.statements = Statements(host, self.schedule, self.grid, self.devices, self.metering)
        self.markets = Markets(host, self.grid)
        self.positions = Positions(host)
        self.orders = Orders(
            host, self.credit, self.grid, self.markets, self.positions, self.arrears
        )
        self.auction = Auction(
            host, self.schedule, self.clock, self.credit, self.grid, self.markets, self.orders
        )
        self.settlement = Settlement(
            host, self.schedule, self.credit, self.grid, self.metering, self.markets,
            self.auction, self.positions, self.arrears,
        )  # fmt: skip
        self.contracts: tuple[Contract, ...] = (
            self.schedule,
            self.clock,
            self.parameters,
            self.authorities,
            self.accounts,
            self.credit,
            self.nrg,
            self.registrars,
            self.grid,
            self.devices,
            self.metering,
            self.statements,
            self.markets,
            self.positions,
            self.orders,
            self.auction,
            self.arrears,
            self.settlement,
        )
        self.by_name: dict[str, Contract] = {one.spec.name: one for one in self.contracts}
