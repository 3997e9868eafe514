"""What the contracts of the grid speak of: zones, participants, meters, gateways. Types, no rules.

- A **participant** is a household, plant or retailer in one zone, named by a number; who that is
  stands in no record of the chain. It trades and is settled as one, through up to 16 accounts.
- A **group** is a participant with its registered affiliates, named by its head; one that has none
  is its own head.
- A **meter** is a measuring device with a key of its own. Its role says what it measures: the
  participant's exchange with the grid, or a generator or storage behind that point.
- A **gateway** is an account that brings readings to the chain.

Units: energy in Wh, power in W, times in seconds of market time; a quarter is named by its start.
(MARKET §2, §4, §14.)
"""

import enum
from dataclasses import dataclass
from typing import Annotated, ClassVar, Final

from contracts.kernel import Claim, Items, Range, Record, Size, Unit, record
from contracts.kernel.rounding import floor_div
from contracts.kernel.types import (
    QUARTER_S,
    U16,
    U32,
    Address,
    PublicKey,
    Signature,
    Text32,
    TimeS,
    Wh,
)

ACCOUNTS_MAX: Final = 16
AFFILIATES_MAX: Final = 16
ZONES_MAX: Final = 1_024
PARTICIPANT_METERS_MAX: Final = 64
# A quarter at this power is below 2^30 Wh, so that four of them add up within 32 bits.
POWER_W_MAX: Final = 2**32 - 1
HOUR_S: Final = 3_600
DAY_S: Final = 86_400
# Time zones reach from 12 h west to 14 h east of Greenwich.
UTC_OFFSET_S_MAX: Final = 14 * HOUR_S
OPEN_END_S: Final = 2**40
"""The last quarter of a meter that is not retired: the largest time there is."""

PowerW = Annotated[int, Range(0, POWER_W_MAX), Unit("W")]
CapacityW = Annotated[int, Range(1, POWER_W_MAX), Unit("W")]
OffsetS = Annotated[int, Range(-UTC_OFFSET_S_MAX, UTC_OFFSET_S_MAX), Unit("s")]
Licence = Annotated[str, Size(0, 64)]


class Role(enum.IntFlag):
    """What a registrar may do; an account may hold several roles."""

    PARTICIPANTS = 1
    METERS = 2
    GATEWAYS = 4
    COMPLIANCE = 8
    ZONES = 16
    REGISTRARS = 32


ROLES_ALL: Final = 63
RoleBits = Annotated[int, Range(0, ROLES_ALL)]


class Standing(enum.IntEnum):
    """Whether a participant or a device meets the conditions of its licence."""

    PENDING = 0
    COMPLIANT = 1
    NON_COMPLIANT = 2
    SUSPENDED = 3


class MeterRole(enum.IntEnum):
    """What a meter measures; only a settlement meter is settled."""

    SETTLEMENT = 0
    GENERATION = 1
    STORAGE = 2


@record(version=1)
class Compliance(Record):
    """The standing of a participant or device, and the licence it rests on."""

    standing: Standing
    licence: Licence
    """The reference under which the licence is filed, for example with the regulator."""
    licence_expires_s: TimeS
    """The first second at which the licence no longer holds."""


UNLICENSED: Final = Compliance(Standing.PENDING, "", 0)


@record(version=1)
class ZoneTerms(Record):
    """What a registrar says of a zone."""

    name: Text32
    utc_offset_s: OffsetS
    """Local time less UTC; it decides which days are weekends, all year alike."""
    metering_operator: Address
    """Who may correct readings that are final."""
    market_operator: Address
    """Who runs the zone's markets and receives their fees."""
    grid_account: Address
    """Settles with everybody in the zone; no participant trades from it."""


@record(version=1)
class Zone(Record):
    """A part of the grid with one price, one time zone and one retailer."""

    name: Text32
    utc_offset_s: OffsetS
    metering_operator: Address
    market_operator: Address
    grid_account: Address
    retailer: U32
    """The participant that answers for the exchange with the grid above."""

    @classmethod
    def of(cls, terms: ZoneTerms, retailer: int) -> "Zone":
        """Return the zone that these terms and this retailer make."""
        return cls(
            terms.name,
            terms.utc_offset_s,
            terms.metering_operator,
            terms.market_operator,
            terms.grid_account,
            retailer,
        )


@record(version=1)
class ParticipantTerms(Record):
    """What a registrar says of a participant: its connection to the grid, and how it may trade."""

    import_limit_w: PowerW
    export_limit_w: PowerW
    base_load_wh: U32
    """Wh a quarter that count as drawn when nothing better is known."""
    market_maker: bool
    """Whether it may hold an ask and a bid in one product, the ask dearer than the bid."""


@record(version=1)
class Participant(Record):
    """One who trades and is settled."""

    zone: U16
    group: U32
    terms: ParticipantTerms
    compliance: Compliance


@record(version=1)
class DeviceKey(Claim):
    """A device's statement that it holds the key by which its meter is to be known."""

    domain: ClassVar[str] = "POSSESSION"
    meter: U32
    public_key: PublicKey
    signature: Signature


@record(version=1)
class Installation(Record):
    """What a registrar says of a meter when it begins to measure."""

    participant: U32
    role: MeterRole
    capacity_w: CapacityW
    """What can flow through it at most, in both directions together."""
    first_quarter_s: TimeS
    import_register_wh: Wh
    """What the registers show when the first quarter begins."""
    export_register_wh: Wh


@record(version=1)
class Meter(Record):
    """A measuring device: its place, its key, and the quarters it is read and settled for."""

    participant: U32
    zone: U16
    role: MeterRole
    public_key: PublicKey
    capacity_w: CapacityW
    first_quarter_s: TimeS
    last_quarter_s: TimeS
    """Its last quarter; `OPEN_END_S` while it is not retired."""
    import_register_wh: Wh
    export_register_wh: Wh
    suspended: bool
    """Whether its standing is `SUSPENDED`; its compliance is kept apart, as few ask for it."""


@record(version=1)
class Service(Record):
    """Which meter settles a participant from some quarter on, and to which quarter."""

    meter: U32
    last_quarter_s: TimeS


@record(version=1)
class Gateway(Record):
    """An account that brings readings: of one zone, or of all if it names none."""

    name: Text32
    zone: U16 | None
    suspended: bool


def quarter_wh(power_w: int) -> int:
    """Return the Wh that flow in a quarter at this power, rounded down: no cap is exceeded."""
    return floor_div(power_w * QUARTER_S, HOUR_S)


@dataclass(frozen=True, slots=True)
class Trader:
    """What trading needs of a participant; Wh are those of one quarter."""

    group: int
    zone: int
    market_maker: bool
    import_cap_wh: int
    export_cap_wh: int

    @classmethod
    def of(cls, one: Participant) -> "Trader":
        """Return the trader that a participant is."""
        terms = one.terms
        caps_wh = quarter_wh(terms.import_limit_w), quarter_wh(terms.export_limit_w)
        return cls(one.group, one.zone, terms.market_maker, *caps_wh)


# ── What genesis says ──


@record(version=1)
class GenesisRegistrar(Record):
    """An account that may register from genesis on."""

    account: Address
    roles: RoleBits


@record(version=1)
class GenesisZone(Record):
    """A zone of genesis; its retailer is one of genesis' participants."""

    number: U16
    terms: ZoneTerms
    retailer: U32


@record(version=1)
class GenesisParticipant(Record):
    """A participant of genesis, whose accounts have consented outside the chain.

    Participants are numbered in their order, from 1. `head` is an earlier one whose affiliate it
    is, if any.
    """

    zone: U16
    head: U32 | None
    accounts: Annotated[tuple[Address, ...], Items(ACCOUNTS_MAX)]
    terms: ParticipantTerms
    compliance: Compliance


@record(version=1)
class GenesisMeter(Record):
    """A meter of genesis."""

    meter: U32
    installation: Installation
    public_key: PublicKey
    compliance: Compliance


@record(version=1)
class GenesisGateway(Record):
    """A gateway of genesis."""

    account: Address
    name: Text32
    zone: U16 | None
