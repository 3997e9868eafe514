"""The registry: zones, participants, their accounts, groups and standing; who may change what."""

from dataclasses import replace

import pytest

from contracts.grid.model import (
    ACCOUNTS_MAX,
    AFFILIATES_MAX,
    Compliance,
    Role,
    Standing,
)
from contracts.grid.registrars import OwnRoles
from contracts.grid.registry_words import (
    AccountTaken,
    BadAffiliation,
    BadBaseLoad,
    LicenceExpired,
    NotCompliant,
    NotInvited,
    Suspended,
    TooManyAccounts,
    TooManyAffiliates,
    UnknownParticipant,
    UnknownZone,
    ZoneExists,
)
from contracts.kernel import NotPermitted, Reject, Value
from contracts.kernel.types import QUARTER_S
from tests.support.grid import (
    GRID,
    LICENSED,
    REGISTRAR,
    RETAILER,
    RETAILER_NUMBER,
    TERMS,
    ZONE,
    ZONE_TERMS,
)
from tests.support.market import MARKET, MarketWorld, household
from tests.support.people import account_of
from tests.support.world import World

ALICE, BOB, CAROL, DAVE = range(2, 6)
NOBODY = 4_000_000
SOUTH = replace(ZONE_TERMS, name="south", grid_account=account_of("south grid"))


@pytest.fixture
def world() -> World:
    return World()


def registers(world: World, method: str, *arguments: Value) -> Value:
    return world.call(REGISTRAR, "registry", method, *arguments)


def refused(world: World, reject: type[Reject], method: str, *arguments: Value) -> None:
    world.refused(reject, REGISTRAR, "registry", method, *arguments)


# Zones


def test_a_zone_is_made_with_its_retailer_who_joins_by_its_own_call(world: World) -> None:
    number = registers(
        world, "add_zone", 2, SOUTH.to_wire(), account_of("alice's other"), TERMS.to_wire()
    )
    assert isinstance(number, int)
    zone = world.read.grid.zone_of(2)
    assert zone is not None
    assert zone.retailer == number == DAVE + 1
    assert world.read.grid.members(2, 0, 10) == (number,)
    assert world.read.grid.accounts(number) == ()
    world.check_invariants()


def test_a_zone_exists_once_and_settles_by_an_account_of_its_own(world: World) -> None:
    def add(zone: int, terms: Value) -> tuple[Value, ...]:
        return zone, terms, account_of("erin"), TERMS.to_wire()

    refused(world, ZoneExists, "add_zone", *add(ZONE, SOUTH.to_wire()))
    for taken in (GRID, "alice"):
        terms = replace(SOUTH, grid_account=account_of(taken))
        refused(world, AccountTaken, "add_zone", *add(2, terms.to_wire()))
    registers(world, "add_zone", *add(2, SOUTH.to_wire()))
    refused(world, ZoneExists, "add_zone", *add(2, SOUTH.to_wire()))


def test_an_unknown_zone_and_an_unknown_participant_are_refused(world: World) -> None:
    erin = account_of("erin")
    refused(world, UnknownZone, "register_participant", 2, erin, TERMS.to_wire())
    refused(world, UnknownZone, "set_operators", 2, erin, erin)
    for method, argument in (
        ("invite_account", erin),
        ("set_terms", TERMS.to_wire()),
        ("set_affiliate", ALICE),
        ("set_compliance", LICENSED.to_wire()),
    ):
        refused(world, UnknownParticipant, method, NOBODY, argument)
    refused(world, UnknownParticipant, "suspend", 0)
    refused(world, UnknownParticipant, "set_affiliate", ALICE, NOBODY)


def test_other_operators_leave_the_rest_of_a_zone(world: World) -> None:
    before = world.read.grid.zone(ZONE)
    registers(world, "set_operators", ZONE, account_of("dave"), account_of("carol"))
    assert world.read.grid.zone(ZONE) == replace(
        before, metering_operator=account_of("dave"), market_operator=account_of("carol")
    )
    world.check_invariants()


# Participants and accounts


def test_a_participant_is_registered_pending_and_its_account_joins(world: World) -> None:
    number = registers(world, "register_participant", ZONE, account_of("erin"), TERMS.to_wire())
    assert number == DAVE + 1
    assert world.read.grid.invited(number) == (account_of("erin"),)
    assert world.read.grid.participant_of(account_of("erin")) is None
    world.call(REGISTRAR, "credit", "transfer", account_of("erin"), 10_000_000, b"")
    world.call("erin", "registry", "accept_account", number)
    assert world.read.grid.participant_of(account_of("erin")) == number
    assert world.read.grid.participant(number).compliance.standing is Standing.PENDING
    world.check_invariants()


def test_more_base_load_than_the_connection_takes_is_refused(world: World) -> None:
    at_most = TERMS.import_limit_w * QUARTER_S // 3_600
    terms = replace(TERMS, base_load_wh=at_most + 1).to_wire()
    refused(world, BadBaseLoad, "set_terms", ALICE, terms)
    refused(world, BadBaseLoad, "register_participant", ZONE, account_of("erin"), terms)
    registers(world, "set_terms", ALICE, replace(TERMS, base_load_wh=at_most).to_wire())


def test_an_account_joins_one_participant_alone_and_by_invitation(world: World) -> None:
    world.refused(NotInvited, GRID, "registry", "accept_account", ALICE)
    for taken in ("alice", "bob", GRID):
        refused(world, AccountTaken, "invite_account", ALICE, account_of(taken))
    driver = account_of("driver")
    registers(world, "invite_account", ALICE, driver)
    registers(world, "invite_account", BOB, driver)
    world.call("driver", "registry", "accept_account", ALICE)
    world.refused(AccountTaken, "driver", "registry", "accept_account", BOB)
    world.refused(NotInvited, "driver", "registry", "accept_account", ALICE)
    world.check_invariants()


def test_an_invitation_can_be_withdrawn_once(world: World) -> None:
    erin = account_of("erin")
    registers(world, "invite_account", ALICE, erin)
    registers(world, "withdraw_invitation", ALICE, erin)
    refused(world, NotInvited, "withdraw_invitation", ALICE, erin)


def test_a_participant_has_sixteen_accounts_and_invitations(world: World) -> None:
    for number in range(ACCOUNTS_MAX - 1):
        registers(world, "invite_account", ALICE, account_of(f"alice {number}"))
    refused(world, TooManyAccounts, "invite_account", ALICE, account_of("one more"))
    registers(world, "invite_account", ALICE, account_of("alice 0"))
    registers(world, "withdraw_invitation", ALICE, account_of("alice 0"))
    registers(world, "invite_account", ALICE, account_of("one more"))
    world.check_invariants()


# Groups


def test_a_group_has_one_head_that_stands_under_nobody(world: World) -> None:
    registers(world, "set_affiliate", BOB, ALICE)
    refused(world, BadAffiliation, "set_affiliate", CAROL, BOB)
    refused(world, BadAffiliation, "set_affiliate", ALICE, CAROL)
    assert world.read.grid.affiliates(ALICE) == (ALICE, BOB)
    registers(world, "set_affiliate", BOB, BOB)
    registers(world, "set_affiliate", CAROL, BOB)
    assert world.read.grid.affiliates(ALICE) == (ALICE,)
    assert world.read.grid.affiliates(BOB) == (BOB, CAROL)
    world.check_invariants()


def test_a_group_has_sixteen_members() -> None:
    names = [f"person {number}" for number in range(AFFILIATES_MAX + 1)]
    world = MarketWorld([household(name) for name in names])
    for number in range(2, AFFILIATES_MAX + 1):
        registers(world, "set_affiliate", number, 1)
    refused(world, TooManyAffiliates, "set_affiliate", AFFILIATES_MAX + 1, 1)
    registers(world, "set_affiliate", 2, 1)
    registers(world, "set_affiliate", 2, 2)
    registers(world, "set_affiliate", AFFILIATES_MAX + 1, 1)
    world.check_invariants()


# Who may trade


def standing(standing: Standing, expires_s: int = LICENSED.licence_expires_s) -> Value:
    return Compliance(standing, "licence", expires_s).to_wire()


@pytest.mark.parametrize(
    ("compliance", "reject"),
    [
        (standing(Standing.PENDING), NotCompliant),
        (standing(Standing.NON_COMPLIANT), NotCompliant),
        (standing(Standing.SUSPENDED), Suspended),
        (standing(Standing.COMPLIANT, 0), LicenceExpired),
    ],
)
def test_who_does_not_meet_the_conditions_may_not_order(
    compliance: Value, reject: type[Reject]
) -> None:
    world = MarketWorld()
    alice = world.participant("alice")
    registers(world, "set_compliance", alice, compliance)
    bid: tuple[Value, ...] = (MARKET, world.start_s(0), ZONE, 10, 4_000, False)
    world.refused(reject, "alice", "orders", "submit_bid", *bid)
    registers(world, "set_compliance", alice, LICENSED.to_wire())
    world.bid("alice", 10, 4_000)
    world.check_invariants()


def test_a_licence_holds_until_the_second_at_which_it_expires() -> None:
    world = MarketWorld()
    expires_s = world.start_s(0) - 600
    registers(world, "set_compliance", 2, standing(Standing.COMPLIANT, expires_s))
    bid: tuple[Value, ...] = (MARKET, world.start_s(0), ZONE, 10, 4_000, False)
    world.advance(expires_s - 1)
    world.bid("alice", 10, 4_000)
    world.advance(expires_s)
    world.refused(LicenceExpired, "alice", "orders", "submit_bid", *bid)


# Registrars


NEEDED: list[tuple[Role, str, str, tuple[Value, ...]]] = [
    (Role.ZONES, "registry", "add_zone",
     (2, SOUTH.to_wire(), account_of("erin"), TERMS.to_wire())),
    (Role.ZONES, "registry", "set_operators", (ZONE, bytes(20), bytes(20))),
    (Role.PARTICIPANTS, "registry", "register_participant",
     (ZONE, account_of("erin"), TERMS.to_wire())),
    (Role.PARTICIPANTS, "registry", "invite_account", (ALICE, account_of("erin"))),
    (Role.PARTICIPANTS, "registry", "set_terms", (ALICE, TERMS.to_wire())),
    (Role.PARTICIPANTS, "registry", "set_affiliate", (ALICE, BOB)),
    (Role.COMPLIANCE, "registry", "set_compliance", (ALICE, LICENSED.to_wire())),
    (Role.COMPLIANCE, "registry", "suspend", (ALICE,)),
    (Role.METERS, "devices", "retire_meter", (ALICE, 2 * 10**9 // 900 * 900)),
    (Role.COMPLIANCE, "devices", "set_meter_compliance", (ALICE, LICENSED.to_wire())),
    (Role.GATEWAYS, "devices", "register_gateway", (account_of("erin"), "erin", None)),
    (Role.GATEWAYS, "devices", "suspend_gateway", (account_of("gateway"),)),
    (Role.GATEWAYS, "devices", "reinstate_gateway", (account_of("gateway"),)),
    (Role.REGISTRARS, "registrars", "set_roles", (account_of("erin"), 1)),
]  # fmt: skip


@pytest.mark.parametrize("needed", NEEDED, ids=lambda one: f"{one[1]}.{one[2]}")
def test_a_call_needs_its_own_role_and_no_other(
    world: World, needed: tuple[Role, str, str, tuple[Value, ...]]
) -> None:
    role, contract, method, arguments = needed
    world.refused(NotPermitted, "alice", contract, method, *arguments)
    everything_else = int(~role & 63)
    world.call(REGISTRAR, "registrars", "set_roles", account_of("alice"), everything_else)
    result = world.refused(NotPermitted, "alice", contract, method, *arguments)
    assert result.value == {"caller": account_of("alice"), "role": role.name}
    world.call(REGISTRAR, "registrars", "set_roles", account_of("alice"), int(role))
    world.call("alice", contract, method, *arguments)
    world.check_invariants()


def test_nobody_changes_their_own_roles(world: World) -> None:
    own = account_of(REGISTRAR)
    for roles in (0, 63):
        world.refused(OwnRoles, REGISTRAR, "registrars", "set_roles", own, roles)
    world.call(REGISTRAR, "registrars", "set_roles", account_of("alice"), int(Role.REGISTRARS))
    world.call("alice", "registrars", "set_roles", own, 0)
    world.refused(NotPermitted, REGISTRAR, "registrars", "set_roles", own, 63)
    assert world.read.registrars.roles_of(own) == 0
    world.check_invariants()


def test_the_retailer_and_the_people_are_who_genesis_says(world: World) -> None:
    grid = world.read.grid
    assert grid.zone(ZONE).retailer == RETAILER_NUMBER
    assert grid.participant_of(account_of(RETAILER)) == RETAILER_NUMBER
    assert grid.member_count(ZONE) == DAVE
    assert grid.members(ZONE, ALICE, 2) == (BOB, CAROL)
