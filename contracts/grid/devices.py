"""Devices: meters with their keys, roles and quarters of service, and gateways.

A meter is named by a number that the registrar chooses and the device signs with its key: the
possession claim shows that nobody registers the key of another. A key serves one meter once, so
that neither a claim nor a reading fits two meters, and a lost key cannot return.

A participant has at most one settlement meter in any quarter; a successor begins after the last
quarter of the one before. A zone's retailer has none: what it exchanges is what all others of the
zone do together. A meter begins and ends with quarters that are not over, so that no quarter that
may be settled gains or loses a meter. Gateways are accounts that bring signed readings.

Registers at the first quarter are recorded, so that the first reading is checked like any other
(`contracts/grid/registers.py`). (MARKET §4, §5, §14.)
"""

from dataclasses import replace
from typing import Annotated, Final, Protocol

from contracts.grid import device_words as words
from contracts.grid.model import (
    OPEN_END_S,
    PARTICIPANT_METERS_MAX,
    UNLICENSED,
    Compliance,
    DeviceKey,
    Gateway,
    GenesisGateway,
    GenesisMeter,
    Installation,
    Meter,
    MeterRole,
    Participant,
    Role,
    Service,
    Standing,
    Zone,
)
from contracts.kernel import (
    Context,
    Contract,
    Items,
    Map,
    Reject,
    call,
    genesis,
    invariant,
    is_registrable_key,
    query,
)
from contracts.kernel.host import Host
from contracts.kernel.rounding import floor_mod
from contracts.kernel.types import QUARTER_S, U16, U32, Address, PublicKey, Text32, TimeS

GENESIS_METERS_MAX: Final = 200_000
GENESIS_GATEWAYS_MAX: Final = 10_000


class Registrars(Protocol):
    """What devices need of the registrars."""

    def require(self, ctx: Context, role: Role) -> None:
        """Refuse a caller without this role."""


class Directory(Protocol):
    """What devices need of the registry."""

    def participant(self, number: int) -> Participant:
        """Return a participant; refuses an unknown one."""

    def zone(self, number: int) -> Zone:
        """Return a zone; refuses an unknown one."""


class Devices(Contract, name="devices", number=0x22, vocabulary=(words,)):
    """Meters and their keys, and the gateways that bring their readings."""

    meters = Map[U32, Meter | None](id=0x2201, default=None, packed=True)
    key_meters = Map[PublicKey, U32 | None](id=0x2202, default=None)
    meters_of = Map[tuple[U32, U32], bool](id=0x2203, default=False)
    services = Map[tuple[U16, U32, TimeS], Service | None](id=0x2204, default=None)
    gateways = Map[Address, Gateway | None](id=0x2205, default=None)
    compliances = Map[U32, Compliance](id=0x2206, default=UNLICENSED)

    def __init__(self, host: Host, registrars: Registrars, directory: Directory) -> None:
        """Keep what knows registrars and participants."""
        super().__init__(host)
        self._registrars = registrars
        self._directory = directory

    @genesis
    def set_up(
        self,
        meters: Annotated[tuple[GenesisMeter, ...], Items(GENESIS_METERS_MAX)],
        gateways: Annotated[tuple[GenesisGateway, ...], Items(GENESIS_GATEWAYS_MAX)],
    ) -> None:
        """Register meters, whose keys were checked outside the chain, and gateways."""
        try:
            for one in meters:
                self._register(one.meter, one.installation, one.public_key, one.compliance)
            for gateway in gateways:
                self._add_gateway(gateway.account, gateway.name, gateway.zone)
        except Reject as reject:
            msg = f"{type(reject).__name__} {reject.values}"
            raise ValueError(msg) from reject

    # ── For metering and settlement ──

    def meter(self, number: int) -> Meter:
        """Return a meter, or raise `UnknownMeter`."""
        meter = self.meters[number]
        if meter is None:
            raise words.UnknownMeter(meter=number)
        return meter

    def require_gateway(self, account: bytes) -> Gateway:
        """Return the gateway that an account is; refuses an unregistered or suspended one."""
        gateway = self.gateways[account]
        if gateway is None:
            raise words.UnregisteredGateway(account=account)
        if gateway.suspended:
            raise words.GatewaySuspended(account=account)
        return gateway

    def in_service(
        self, zone: int, quarter_s: int, after: int, limit: int
    ) -> tuple[list[tuple[int, int]], int | None]:
        """Return the next (participant, settlement meter) of a zone's quarter above `after`.

        Looks at about `limit` participants; the second value is where to go on, None at the end.
        """
        found: list[tuple[int, int]] = []
        seen, last = 0, after
        for (_, participant, first_s), service in self.services.items(zone, start=after):
            assert service is not None, "a key has a service"
            if participant == after:
                continue
            if participant != last and seen == limit:
                return found, last
            seen += participant != last
            last = participant
            if first_s <= quarter_s <= service.last_quarter_s:
                found.append((participant, service.meter))
        return found, None

    # ── Calls ──

    @call
    def register_meter(self, ctx: Context, installation: Installation, key: DeviceKey) -> None:
        """Register a meter of a participant under the number and key that the device signed.

        Its standing is pending until a registrar sets its compliance.
        """
        self._registrars.require(ctx, Role.METERS)
        if installation.first_quarter_s < ctx.market_time_s:
            raise words.BadQuarter(quarter_s=installation.first_quarter_s, now_s=ctx.market_time_s)
        self._require_possession(ctx, key)
        self._register(key.meter, installation, key.public_key, UNLICENSED)

    @call
    def rotate_meter_key(self, ctx: Context, key: DeviceKey) -> None:
        """Let a meter sign with another key from now on; the old one is refused for good."""
        self._registrars.require(ctx, Role.METERS)
        meter = self.meter(key.meter)
        self._require_possession(ctx, key)
        self._take_key(key.meter, key.public_key)
        self.meters[key.meter] = replace(meter, public_key=key.public_key)
        self.emit(words.MeterKeyRotated(key.meter, key.public_key))

    @call
    def retire_meter(self, ctx: Context, meter: U32, last_quarter_s: TimeS) -> None:
        """End a meter's service with a quarter that is not over; this is final."""
        self._registrars.require(ctx, Role.METERS)
        one = self.meter(meter)
        if one.last_quarter_s != OPEN_END_S:
            raise words.MeterRetired(meter=meter, last_quarter_s=one.last_quarter_s)
        ended = last_quarter_s + QUARTER_S <= ctx.market_time_s
        if ended or last_quarter_s < one.first_quarter_s or floor_mod(last_quarter_s, QUARTER_S):
            raise words.BadQuarter(quarter_s=last_quarter_s, now_s=ctx.market_time_s)
        self.meters[meter] = replace(one, last_quarter_s=last_quarter_s)
        if one.role is MeterRole.SETTLEMENT:
            service = Service(meter, last_quarter_s)
            self.services[one.zone, one.participant, one.first_quarter_s] = service
        self.emit(words.MeterRetirementSet(meter, last_quarter_s))

    @call
    def set_meter_compliance(self, ctx: Context, meter: U32, compliance: Compliance) -> None:
        """Set a meter's standing and licence; readings of a suspended meter are refused."""
        self._registrars.require(ctx, Role.COMPLIANCE)
        suspended = compliance.standing is Standing.SUSPENDED
        self.meters[meter] = replace(self.meter(meter), suspended=suspended)
        self.compliances[meter] = compliance
        self.emit(words.MeterComplianceSet(meter, compliance))

    @call
    def register_gateway(
        self, ctx: Context, account: Address, name: Text32, zone: U16 | None
    ) -> None:
        """Let an account bring readings, of one zone, or of all if none is named."""
        self._registrars.require(ctx, Role.GATEWAYS)
        self._add_gateway(account, name, zone)

    @call
    def suspend_gateway(self, ctx: Context, account: Address) -> None:
        """Take no more readings from a gateway until it is reinstated."""
        self._set_suspended(ctx, account, suspended=True)

    @call
    def reinstate_gateway(self, ctx: Context, account: Address) -> None:
        """Take readings from a gateway again."""
        self._set_suspended(ctx, account, suspended=False)

    # ── Queries ──

    @query
    def meter_by_number(self, meter: U32) -> Meter | None:
        """A meter by its number, or null."""
        return self.meters[meter]

    @query
    def compliance_of(self, meter: U32) -> Compliance:
        """A meter's standing and licence; pending and empty if there is no such meter."""
        return self.compliances[meter]

    @query
    def meters_of_participant(
        self, participant: U32
    ) -> Annotated[tuple[U32, ...], Items(PARTICIPANT_METERS_MAX)]:
        """The numbers of a participant's meters, retired ones among them, ascending."""
        return tuple(meter for (_, meter), _ in self.meters_of.items(participant))

    @query
    def settlement_meter(self, participant: U32, quarter_s: TimeS) -> U32 | None:
        """The meter that settles a participant in a quarter, or null."""
        zone = self._directory.participant(participant).zone
        for (_, _, first_s), service in self.services.items(zone, participant):
            if service is not None and first_s <= quarter_s <= service.last_quarter_s:
                return service.meter
        return None

    @query
    def gateway_of(self, account: Address) -> Gateway | None:
        """The gateway that an account is, or null."""
        return self.gateways[account]

    # ── Invariants ──

    @invariant
    def every_key_serves_one_meter(self) -> bool:
        """Every meter's key is safe and noted as that meter's alone."""
        return all(
            one is not None
            and self.key_meters[one.public_key] == number
            and is_registrable_key(one.public_key)
            for number, one in self.meters.items()
        )

    @invariant
    def standings_say_who_is_suspended(self) -> bool:
        """A meter is suspended if and only if its standing says so."""
        meters = {number: one.suspended for number, one in self.meters.items() if one is not None}
        standings = {number: one.standing for number, one in self.compliances.items()}
        return standings.keys() <= meters.keys() and all(
            suspended is (standings.get(number) is Standing.SUSPENDED)
            for number, suspended in meters.items()
        )

    @invariant
    def meters_belong_to_participants(self) -> bool:
        """Meters stand in their participant's zone and list, 64 at most."""
        listed = sorted(
            (one.participant, number) for number, one in self.meters.items() if one is not None
        )
        owners = [participant for participant, _ in listed]
        return (
            listed == [key for key, _ in self.meters_of.items()]
            and all(owners.count(one) <= PARTICIPANT_METERS_MAX for one in dict.fromkeys(owners))
            and all(
                one is not None and one.zone == self._directory.participant(one.participant).zone
                for _, one in self.meters.items()
            )
        )

    @invariant
    def settlement_meters_follow_each_other(self) -> bool:
        """The services are those of settlement meters; a participant's never overlap."""
        expected = {
            (one.zone, one.participant, one.first_quarter_s): Service(number, one.last_quarter_s)
            for number, one in self.meters.items()
            if one is not None and one.role is MeterRole.SETTLEMENT
        }
        last: tuple[int, int] = (0, 0)
        for (zone, participant, first_s), service in self.services.items():
            if service is None or self._directory.zone(zone).retailer == participant:
                return False
            if last[0] == participant and first_s <= last[1]:
                return False
            last = (participant, service.last_quarter_s)
        return expected == dict(self.services.items())

    # ── Below ──

    def _require_possession(self, ctx: Context, key: DeviceKey) -> None:
        if not ctx.verified(key):
            raise words.NoPossession(meter=key.meter, public_key=key.public_key)

    def _register(
        self, number: int, installation: Installation, public_key: bytes, compliance: Compliance
    ) -> None:
        participant = installation.participant
        one, first_s = self._directory.participant(participant), installation.first_quarter_s
        if self.meters[number] is not None:
            raise words.MeterExists(meter=number)
        if len(self.meters_of_participant(participant)) >= PARTICIPANT_METERS_MAX:
            raise words.TooManyMeters(participant=participant, limit=PARTICIPANT_METERS_MAX)
        if floor_mod(first_s, QUARTER_S) != 0:
            raise words.BadQuarter(quarter_s=first_s)
        if installation.role is MeterRole.SETTLEMENT:
            self._begin_service(one.zone, participant, first_s, number)
        self._take_key(number, public_key)
        self.meters[number] = Meter(
            participant=participant,
            zone=one.zone,
            role=installation.role,
            public_key=public_key,
            capacity_w=installation.capacity_w,
            first_quarter_s=first_s,
            last_quarter_s=OPEN_END_S,
            import_register_wh=installation.import_register_wh,
            export_register_wh=installation.export_register_wh,
            suspended=compliance.standing is Standing.SUSPENDED,
        )
        self.compliances[number] = compliance
        self.meters_of[participant, number] = True
        self.emit(words.MeterRegistered(number, one.zone, installation, public_key))

    def _begin_service(self, zone: int, participant: int, first_s: int, meter: int) -> None:
        if self._directory.zone(zone).retailer == participant:
            raise words.RetailerUnmetered(zone=zone, participant=participant)
        for _, service in self.services.items(zone, participant):
            if service is not None and service.last_quarter_s >= first_s:
                raise words.ServiceOverlaps(
                    meter=service.meter, last_quarter_s=service.last_quarter_s
                )
        self.services[zone, participant, first_s] = Service(meter, OPEN_END_S)

    def _take_key(self, meter: int, public_key: bytes) -> None:
        if not is_registrable_key(public_key):
            raise words.BadDeviceKey(meter=meter, public_key=public_key)
        if self.key_meters[public_key] is not None:
            raise words.KeyTaken(meter=meter, public_key=public_key)
        self.key_meters[public_key] = meter

    def _add_gateway(self, account: bytes, name: str, zone: int | None) -> None:
        if self.gateways[account] is not None:
            raise words.GatewayExists(account=account)
        if zone is not None:
            self._directory.zone(zone)
        self.gateways[account] = Gateway(name, zone, suspended=False)
        self.emit(words.GatewayRegistered(account, name, zone))

    def _set_suspended(self, ctx: Context, account: bytes, *, suspended: bool) -> None:
        self._registrars.require(ctx, Role.GATEWAYS)
        gateway = self.gateways[account]
        if gateway is None:
            raise words.UnregisteredGateway(account=account)
        self.gateways[account] = replace(gateway, suspended=suspended)
        self.emit(words.GatewaySuspensionSet(account, suspended))
