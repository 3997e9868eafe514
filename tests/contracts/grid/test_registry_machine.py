"""Random work of registrars beside a plain model: who may do what, who belongs where."""

from dataclasses import dataclass, field

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import initialize, invariant, rule

from chain.transaction import Call
from contracts.grid.device_words import (
    BadQuarter,
    GatewayExists,
    KeyTaken,
    MeterExists,
    MeterRetired,
    RetailerUnmetered,
    ServiceOverlaps,
    UnknownMeter,
    UnregisteredGateway,
)
from contracts.grid.model import OPEN_END_S, Compliance, MeterRole, Role, Standing
from contracts.grid.registrars import OwnRoles
from contracts.grid.registry_words import (
    AccountTaken,
    BadAffiliation,
    NotInvited,
    UnknownParticipant,
    UnknownZone,
)
from contracts.kernel import NotPermitted, Reject, Value
from tests.support.genesis import DRIVER, PEOPLE
from tests.support.grid import (
    GATEWAY,
    GRID,
    OFFICES,
    REGISTRAR,
    RETAILER,
    RETAILER_NUMBER,
    TERMS,
    ZONE,
    installation,
    meter_name,
)
from tests.support.machine import ContractMachine
from tests.support.metering import GridWorld, quarter
from tests.support.people import account_of

STRANGERS = ("market operator", "metering operator", DRIVER)
ACCOUNTS = st.sampled_from([*PEOPLE, *STRANGERS, GRID])
PARTICIPANTS = st.integers(1, 8)
METERS = st.integers(2, 11)
KEYS = st.sampled_from([*map(meter_name, range(2, 12)), "spare key"])
STANDINGS = st.sampled_from(Standing)
QUARTERS = st.integers(0, 6)
ROLES = st.sampled_from([0, 63, *map(int, Role), 63 - Role.METERS])


@dataclass
class ModelMeter:
    """A meter, its quarters by number; None is open."""

    participant: int
    key: str
    role: MeterRole
    first: int
    last: int | None = None
    suspended: bool = False


@dataclass
class Model:
    """What registrars did, in names and numbers."""

    owners: dict[str, int]
    meters: dict[int, ModelMeter]
    used_keys: set[str]
    groups: dict[int, int]
    roles: dict[str, int]
    suspended: set[int] = field(default_factory=set)
    invited: set[tuple[int, str]] = field(default_factory=set)
    gateways: dict[str, bool] = field(default_factory=dict)

    def alone(self, participant: int) -> bool:
        """Say whether nobody stands under a participant."""
        return not any(head == participant != one for one, head in self.groups.items())


def genesis_model() -> Model:
    """Return what the genesis of the tests says: the retailer is 1, the people follow."""
    numbers = {name: number for number, name in enumerate((RETAILER, *PEOPLE), RETAILER_NUMBER)}
    meters = {
        numbers[name]: ModelMeter(numbers[name], meter_name(numbers[name]), MeterRole.SETTLEMENT, 0)
        for name in PEOPLE
    }
    return Model(
        owners=numbers,
        meters=meters,
        used_keys={one.key for one in meters.values()},
        groups={number: number for number in numbers.values()},
        roles={REGISTRAR: 63},
        gateways={GATEWAY: False},
    )


class RegistryMachine(ContractMachine):
    """Registrars register, join, group, suspend, rotate and retire, rightly and wrongly."""

    contracts = ("registrars", "registry", "devices")
    world: GridWorld

    @initialize()
    def begin(self) -> None:
        self.world = GridWorld(at_work=False)
        self.model = genesis_model()
        self.now = 0

    def tell(
        self,
        refusal: type[Reject] | None,
        contract: str,
        method: str,
        *arguments: Value,
        sender: str = REGISTRAR,
    ) -> bool:
        """Make a call that must be refused so, or done if there is no refusal; says if it is."""
        if refusal is None:
            receipt = self.world.send(sender, Call(contract, method, arguments))
            assert receipt.results[0].code == 0, receipt.results[0]
        else:
            self.world.refused(refusal, sender, contract, method, *arguments)
        return refusal is None

    # ── Registrars ──

    @rule(account=ACCOUNTS, roles=ROLES, by=st.sampled_from([REGISTRAR, "alice", "bob"]))
    def set_roles(self, account: str, roles: int, by: str) -> None:
        refusal: type[Reject] | None = None
        if not self.model.roles.get(by, 0) & Role.REGISTRARS:
            refusal = NotPermitted
        elif account == by:
            refusal = OwnRoles
        if self.tell(refusal, "registrars", "set_roles", account_of(account), roles, sender=by):
            self.model.roles[account] = roles

    @rule(by=ACCOUNTS, participant=st.integers(1, 5))
    def suspend(self, by: str, participant: int) -> None:
        may = self.model.roles.get(by, 0) & Role.COMPLIANCE
        if self.tell(None if may else NotPermitted, "registry", "suspend", participant, sender=by):
            self.model.suspended.add(participant)

    # ── Participants ──

    @rule(zone=st.sampled_from([ZONE, ZONE, 2]), account=ACCOUNTS)
    def register_participant(self, zone: int, account: str) -> None:
        refusal: type[Reject] | None = None
        if zone != ZONE:
            refusal = UnknownZone
        elif account == GRID or account in self.model.owners:
            refusal = AccountTaken
        arguments = (zone, account_of(account), TERMS.to_wire())
        if self.tell(refusal, "registry", "register_participant", *arguments):
            number = len(self.model.groups) + 1
            self.model.groups[number] = number
            self.model.invited.add((number, account))

    @rule(participant=PARTICIPANTS, account=ACCOUNTS)
    def invite(self, participant: int, account: str) -> None:
        refusal: type[Reject] | None = None
        if participant not in self.model.groups:
            refusal = UnknownParticipant
        elif account == GRID or account in self.model.owners:
            refusal = AccountTaken
        if self.tell(refusal, "registry", "invite_account", participant, account_of(account)):
            self.model.invited.add((participant, account))

    @rule(participant=PARTICIPANTS, account=ACCOUNTS)
    def withdraw(self, participant: int, account: str) -> None:
        there = (participant, account) in self.model.invited
        arguments = (participant, account_of(account))
        refusal = None if there else NotInvited
        if self.tell(refusal, "registry", "withdraw_invitation", *arguments):
            self.model.invited.remove((participant, account))

    @rule(data=st.data(), participant=PARTICIPANTS, account=ACCOUNTS)
    def accept(self, data: st.DataObject, participant: int, account: str) -> None:
        if self.model.invited and participant % 2:
            participant, account = data.draw(st.sampled_from(sorted(self.model.invited)))
        refusal: type[Reject] | None = None
        if (participant, account) not in self.model.invited:
            refusal = NotInvited
        elif account in self.model.owners:
            refusal = AccountTaken
        if self.tell(refusal, "registry", "accept_account", participant, sender=account):
            self.model.invited.remove((participant, account))
            self.model.owners[account] = participant

    @rule(participant=PARTICIPANTS, head=PARTICIPANTS)
    def set_affiliate(self, participant: int, head: int) -> None:
        groups = self.model.groups
        refusal: type[Reject] | None = None
        if participant not in groups:
            refusal = UnknownParticipant
        elif participant != head:
            if not self.model.alone(participant):
                refusal = BadAffiliation
            elif head not in groups:
                refusal = UnknownParticipant
            elif groups[head] != head:
                refusal = BadAffiliation
        if self.tell(refusal, "registry", "set_affiliate", participant, head):
            groups[participant] = head

    @rule(participant=PARTICIPANTS, standing=STANDINGS)
    def set_compliance(self, participant: int, standing: Standing) -> None:
        known = participant in self.model.groups
        compliance = Compliance(standing, "licence", 4_000_000_000).to_wire()
        refusal = None if known else UnknownParticipant
        if self.tell(refusal, "registry", "set_compliance", participant, compliance):
            self.model.suspended.discard(participant)
            if standing is Standing.SUSPENDED:
                self.model.suspended.add(participant)

    # ── Devices ──

    @rule(
        number=METERS, participant=PARTICIPANTS, key=KEYS, role=st.sampled_from(MeterRole),
        first=QUARTERS,
    )  # fmt: skip
    def register_meter(
        self, number: int, participant: int, key: str, role: MeterRole, first: int
    ) -> None:
        refusal = self.meter_refusal(number, participant, key, role, first)
        one = installation(participant, role, quarter(first)).to_wire()
        claim = self.world.device_key(number, key).to_wire()
        if self.tell(refusal, "devices", "register_meter", one, claim):
            self.model.meters[number] = ModelMeter(participant, key, role, first)
            self.model.used_keys.add(key)

    def meter_refusal(
        self, number: int, participant: int, key: str, role: MeterRole, first: int
    ) -> type[Reject] | None:
        """Say why a meter would be refused, or None."""
        model = self.model
        if first < self.now:
            return BadQuarter
        if participant not in model.groups:
            return UnknownParticipant
        if number in model.meters:
            return MeterExists
        if role is MeterRole.SETTLEMENT:
            if participant == RETAILER_NUMBER:
                return RetailerUnmetered
            own = [
                one
                for one in model.meters.values()
                if one.participant == participant and one.role is MeterRole.SETTLEMENT
            ]
            if any(one.last is None or one.last >= first for one in own):
                return ServiceOverlaps
        return KeyTaken if key in model.used_keys else None

    @rule(number=METERS, key=KEYS)
    def rotate(self, number: int, key: str) -> None:
        refusal: type[Reject] | None = None
        if number not in self.model.meters:
            refusal = UnknownMeter
        elif key in self.model.used_keys:
            refusal = KeyTaken
        claim = self.world.device_key(number, key).to_wire()
        if self.tell(refusal, "devices", "rotate_meter_key", claim):
            self.model.meters[number].key = key
            self.model.used_keys.add(key)

    @rule(number=METERS, last=QUARTERS)
    def retire(self, number: int, last: int) -> None:
        one = self.model.meters.get(number)
        refusal: type[Reject] | None = None
        if one is None:
            refusal = UnknownMeter
        elif one.last is not None:
            refusal = MeterRetired
        elif last < max(self.now, one.first):
            refusal = BadQuarter
        if self.tell(refusal, "devices", "retire_meter", number, quarter(last)):
            assert one is not None
            one.last = last

    @rule(number=METERS, standing=STANDINGS)
    def set_meter_compliance(self, number: int, standing: Standing) -> None:
        compliance = Compliance(standing, "", 0).to_wire()
        refusal = None if number in self.model.meters else UnknownMeter
        if self.tell(refusal, "devices", "set_meter_compliance", number, compliance):
            self.model.meters[number].suspended = standing is Standing.SUSPENDED

    @rule(account=ACCOUNTS)
    def register_gateway(self, account: str) -> None:
        refusal = GatewayExists if account in self.model.gateways else None
        arguments = (account_of(account), account, ZONE)
        if self.tell(refusal, "devices", "register_gateway", *arguments):
            self.model.gateways[account] = False

    @rule(account=st.sampled_from([GATEWAY, "alice"]), suspended=st.booleans())
    def suspend_gateway(self, account: str, *, suspended: bool) -> None:
        method = "suspend_gateway" if suspended else "reinstate_gateway"
        refusal = None if account in self.model.gateways else UnregisteredGateway
        if self.tell(refusal, "devices", method, account_of(account)):
            self.model.gateways[account] = suspended

    @rule()
    def next_quarter(self) -> None:
        self.now += 1
        self.world.to_quarter(self.now)

    # ── What came of it ──

    @invariant()
    def the_registry_is_what_the_model_says(self) -> None:
        grid, model = self.world.read.grid, self.model
        for name in (*PEOPLE, *OFFICES, DRIVER):
            assert grid.participant_of(account_of(name)) == model.owners.get(name)
        for number, head in model.groups.items():
            one = grid.participant(number)
            assert one.group == head
            assert (one.compliance.standing is Standing.SUSPENDED) == (number in model.suspended)
            invited = sorted(account_of(name) for n, name in model.invited if n == number)
            assert list(grid.invited(number)) == invited
        assert list(grid.suspended(ZONE)) == sorted(model.suspended)
        assert grid.member_count(ZONE) == len(model.groups)

    @invariant()
    def the_devices_are_what_the_model_says(self) -> None:
        devices = self.world.contracts.devices
        for number, one in self.model.meters.items():
            meter = devices.meter(number)
            last_s = OPEN_END_S if one.last is None else quarter(one.last)
            assert (meter.participant, meter.suspended) == (one.participant, one.suspended)
            assert (meter.first_quarter_s, meter.last_quarter_s) == (quarter(one.first), last_s)
            assert meter.public_key == self.world.device_key(number, one.key).public_key
        for name, suspended in self.model.gateways.items():
            gateway = devices.gateway_of(account_of(name))
            assert gateway is not None
            assert gateway.suspended == suspended
        for quarter_number in range(self.now, self.now + 3):
            served = {
                one.participant: number
                for number, one in self.model.meters.items()
                if one.role is MeterRole.SETTLEMENT
                and one.first <= quarter_number
                and (one.last is None or quarter_number <= one.last)
            }
            found, _ = devices.in_service(ZONE, quarter(quarter_number), 0, 100)
            assert dict(found) == served


RegistryMachine.TestCase.settings = settings(max_examples=25, stateful_step_count=30)
TestRegistry = RegistryMachine.TestCase
