"""Readings: which are accepted, and every way in which one is refused, state unchanged."""

from dataclasses import replace

import pytest

from contracts.grid.device_words import GatewaySuspended, UnknownMeter, UnregisteredGateway
from contracts.grid.metering_words import (
    BadInterval,
    BadReadingSignature,
    Final,
    FutureReading,
    MeterSuspended,
    NotInService,
    OutsideGatewayZone,
    OverCapacity,
    ReadingConflict,
    RegisterMismatch,
    SequenceNotRising,
    VersionGap,
    WrongKey,
)
from contracts.grid.model import Compliance, MeterRole, Standing
from contracts.grid.reading import Quality
from contracts.kernel import Value
from contracts.kernel.types import QUARTER_S
from tests.support.genesis import START_S
from tests.support.grid import (
    CAPACITY_W,
    GATEWAY,
    LICENSED,
    REGISTRAR,
    RULES,
    TERMS,
    ZONE_TERMS,
    installation,
)
from tests.support.metering import ALICE, BOB, GridWorld, quarter
from tests.support.people import account_of

CAP_WH = CAPACITY_W * (1_000_000 + RULES.capacity_margin_ppm) // 4_000_000


@pytest.fixture
def world() -> GridWorld:
    """Return a world at the end of the third quarter; Alice's meter has measured five."""
    world = GridWorld()
    world.measure(ALICE, (100, 0), (120, 5), (0, 40), (7, 7), (1, 2))
    world.measure(BOB, (10, 0), (20, 0), (30, 0))
    world.to_quarter(3)
    return world


# What is accepted


def test_readings_in_order_are_recorded_with_their_registers(world: GridWorld) -> None:
    world.accepted(*(world.reading(ALICE, n) for n in range(3)), world.reading(BOB, 0))
    assert [world.energy(ALICE, n) for n in range(4)] == [
        (100, 0, Quality.MEASURED),
        (120, 5, Quality.MEASURED),
        (0, 40, Quality.MEASURED),
        None,
    ]
    newest = world.read.metering.newest(ALICE)
    assert newest is not None
    assert newest.last_s == quarter(2)
    assert (newest.import_register_wh, newest.export_register_wh) == (220, 45)
    assert newest.sequence == 3
    assert world.read.metering.gaps_of(ALICE) == ()
    world.check_invariants()


def test_each_item_is_judged_alone_and_has_its_code(world: GridWorld) -> None:
    good, late = world.reading(ALICE, 0), world.reading(ALICE, 1)
    bad = replace(world.reading(BOB, 0), signature=bytes(64))
    conflict = world.sign(replace(good, import_wh=99))
    codes = world.submit(good, bad, late, conflict)
    assert codes == [
        0,
        BadReadingSignature.receipt_code(),
        0,
        ReadingConflict.receipt_code(),
    ]
    assert world.energy(BOB, 0) is None
    assert world.energy(ALICE, 1) == (120, 5, Quality.MEASURED)


def test_the_same_reading_again_is_accepted_and_changes_nothing(world: GridWorld) -> None:
    reading = world.reading(ALICE, 0)
    world.accepted(reading, world.reading(ALICE, 1))
    before = world.read.metering.newest(ALICE)
    world.accepted(reading, reading)
    assert world.read.metering.newest(ALICE) == before
    world.to_quarter(3 + 8)
    before = world.read.metering.newest(ALICE)
    world.accepted(reading)
    assert world.read.metering.newest(ALICE) == before


def test_the_same_content_in_a_newer_message_is_the_same_reading(world: GridWorld) -> None:
    world.accepted(world.reading(ALICE, 0))
    world.accepted(world.reading(ALICE, 0, sequence=17))
    newest = world.read.metering.newest(ALICE)
    assert newest is not None
    assert newest.sequence == 1


def test_a_reading_is_taken_until_the_last_second_before_the_final_deadline() -> None:
    world = GridWorld()
    world.measure(ALICE, (1, 0), (2, 0))
    deadline_s = quarter(1) + RULES.final_s
    world.advance(deadline_s - 1)
    world.accepted(world.reading(ALICE, 0))
    world.advance(deadline_s)
    world.measure(BOB, (3, 0))
    world.refuses(Final, world.reading(BOB, 0))


def test_a_quarter_is_taken_as_soon_as_it_is_over() -> None:
    world = GridWorld()
    world.measure(ALICE, (1, 0))
    world.advance(quarter(1) - 1)
    world.refuses(FutureReading, world.reading(ALICE, 0))
    world.advance(quarter(1))
    world.accepted(world.reading(ALICE, 0))


def test_a_sub_meter_is_read_like_any_other_and_never_settled(world: GridWorld) -> None:
    number, first = 77, 4
    solar = installation(ALICE, MeterRole.GENERATION, quarter(first))
    key = world.device_key(number, f"meter {number}")
    world.call(REGISTRAR, "devices", "register_meter", solar.to_wire(), key.to_wire())
    world.measure(number, *[(0, 0)] * first, (0, 300), (1, 400))
    world.to_quarter(first + 2)
    world.accepted(world.reading(number, first))
    assert world.energy(number, first) == (0, 300, Quality.MEASURED)
    world.to_quarter(first + 2 + 10)
    assert world.energy(number, first + 1) is None
    assert world.energy(ALICE, first + 1) == (TERMS.base_load_wh, 0, Quality.SUBSTITUTED)


# Who may bring readings


def test_an_unregistered_gateway_is_refused(world: GridWorld) -> None:
    wire: list[Value] = [world.reading(ALICE, 0).to_wire()]
    world.refused(UnregisteredGateway, "alice", "metering", "submit_readings", wire)


def test_a_suspended_gateway_is_refused_until_it_is_reinstated(world: GridWorld) -> None:
    world.call(REGISTRAR, "devices", "suspend_gateway", account_of(GATEWAY))
    wire: list[Value] = [world.reading(ALICE, 0).to_wire()]
    world.refused(GatewaySuspended, GATEWAY, "metering", "submit_readings", wire)
    world.call(REGISTRAR, "devices", "reinstate_gateway", account_of(GATEWAY))
    world.accepted(world.reading(ALICE, 0))


def test_a_gateway_of_another_zone_is_refused(world: GridWorld) -> None:
    south = replace(ZONE_TERMS, name="south", grid_account=account_of("south grid"))
    world.call(
        REGISTRAR, "registry", "add_zone", 2, south.to_wire(), account_of("erin"), TERMS.to_wire()
    )
    world.call(REGISTRAR, "devices", "register_gateway", account_of("bob"), "south gateway", 2)
    world.refuses(OutsideGatewayZone, world.reading(ALICE, 0), gateway="bob")
    world.call(REGISTRAR, "devices", "register_gateway", account_of("carol"), "north gateway", 1)
    assert world.submit(world.reading(ALICE, 0), gateway="carol") == [0]


# Whose reading it is


def test_an_unknown_meter_is_refused(world: GridWorld) -> None:
    world.refuses(UnknownMeter, world.sign(replace(world.reading(ALICE, 0), meter=4_000_000_000)))


def test_a_key_that_is_not_the_meters_is_refused(world: GridWorld) -> None:
    world.refuses(
        WrongKey,
        world.reading(ALICE, 0, key=f"meter {BOB}"),
        world.reading(ALICE, 0, key="alice"),
    )


def test_a_signature_of_anything_else_is_refused(world: GridWorld) -> None:
    reading = world.reading(ALICE, 0)
    swapped = bytes((reading.signature[0] ^ 1,)) + reading.signature[1:]
    world.refuses(
        BadReadingSignature,
        replace(reading, signature=bytes(64)),
        replace(reading, signature=swapped),
        replace(reading, import_wh=101),
        replace(reading, sequence=2),
        replace(reading, quality=Quality.ESTIMATED),
        replace(world.reading(ALICE, 1), signature=reading.signature),
        replace(reading, signature=world.reading(BOB, 0).signature),
    )


def test_after_a_rotation_only_the_new_key_signs(world: GridWorld) -> None:
    world.accepted(world.reading(ALICE, 0))
    key = world.device_key(ALICE, "alice's new device key")
    world.call(REGISTRAR, "devices", "rotate_meter_key", key.to_wire())
    world.refuses(WrongKey, world.reading(ALICE, 1))
    world.accepted(world.reading(ALICE, 1, key="alice's new device key"))
    assert world.energy(ALICE, 1) == (120, 5, Quality.MEASURED)


def test_a_suspended_meter_does_not_count_until_it_is_lifted(world: GridWorld) -> None:
    suspended = Compliance(Standing.SUSPENDED, "licence", LICENSED.licence_expires_s)
    method = "set_meter_compliance"
    world.call(REGISTRAR, "devices", method, ALICE, suspended.to_wire())
    world.refuses(MeterSuspended, world.reading(ALICE, 0))
    world.call(REGISTRAR, "devices", method, ALICE, LICENSED.to_wire())
    world.accepted(world.reading(ALICE, 0))


# Which quarter


def test_an_interval_that_is_no_quarter_is_refused(world: GridWorld) -> None:
    reading = world.reading(ALICE, 0)
    world.refuses(
        BadInterval,
        *(
            world.sign(replace(reading, interval_s=START_S + shift))
            for shift in (-1, 1, 450, QUARTER_S - 1)
        ),
    )


def test_a_quarter_before_the_first_or_after_the_last_is_refused(world: GridWorld) -> None:
    before = world.sign(replace(world.reading(ALICE, 0), interval_s=START_S - QUARTER_S))
    world.refuses(NotInService, before)
    world.call(REGISTRAR, "devices", "retire_meter", ALICE, quarter(3))
    world.to_quarter(5)
    world.accepted(*(world.reading(ALICE, n) for n in range(4)))
    world.refuses(NotInService, world.reading(ALICE, 4))


def test_a_quarter_that_is_not_over_is_refused(world: GridWorld) -> None:
    world.refuses(FutureReading, world.reading(ALICE, 3), world.reading(ALICE, 4))


def test_a_final_quarter_is_refused(world: GridWorld) -> None:
    world.to_quarter(1 + 8)
    world.refuses(Final, world.reading(ALICE, 0))
    world.accepted(world.reading(ALICE, 1))


# What it says


def test_another_reading_of_the_same_version_is_a_conflict(world: GridWorld) -> None:
    reading = world.reading(ALICE, 0)
    world.accepted(reading)
    world.refuses(
        ReadingConflict,
        world.sign(replace(reading, import_wh=101)),
        world.sign(replace(reading, export_wh=1)),
        world.sign(replace(reading, import_register_wh=101)),
        world.sign(replace(reading, export_register_wh=1)),
        world.sign(replace(reading, quality=Quality.ESTIMATED)),
    )


def test_versions_count_up_from_one_without_a_gap(world: GridWorld) -> None:
    first = world.reading(ALICE, 0)
    world.refuses(VersionGap, world.reading(ALICE, 0, version=2))
    world.accepted(first)
    world.refuses(VersionGap, world.reading(ALICE, 0, version=3, sequence=9))
    world.accepted(world.sign(replace(first, version=2, sequence=9, import_wh=90)))
    assert world.energy(ALICE, 0) == (90, 0, Quality.MEASURED)
    world.refuses(VersionGap, first)


def test_a_later_version_needs_a_newer_sequence_than_all_messages_before(
    world: GridWorld,
) -> None:
    world.accepted(*(world.reading(ALICE, n) for n in range(3)))
    second = replace(world.reading(ALICE, 0), version=2, import_wh=90)
    world.refuses(
        SequenceNotRising,
        *(world.sign(replace(second, sequence=number)) for number in (0, 1, 2, 3)),
    )
    world.accepted(world.sign(replace(second, sequence=4)))
    third = replace(second, version=3, import_wh=91)
    world.refuses(SequenceNotRising, world.sign(replace(third, sequence=4)))
    world.accepted(world.sign(replace(third, sequence=5)))


def test_a_correction_under_way_does_not_hold_up_the_next_readings(world: GridWorld) -> None:
    world.accepted(*(world.reading(ALICE, n) for n in range(3)))
    second = replace(world.reading(ALICE, 0), version=2, import_wh=90, sequence=9)
    world.accepted(world.sign(second))
    world.to_quarter(4)
    world.accepted(world.reading(ALICE, 3, sequence=4))


def test_a_reading_in_order_needs_a_newer_sequence(world: GridWorld) -> None:
    world.accepted(world.reading(ALICE, 0, sequence=5))
    world.refuses(
        SequenceNotRising,
        world.reading(ALICE, 1, sequence=5),
        world.reading(ALICE, 2, sequence=4),
    )
    world.accepted(world.reading(ALICE, 1, sequence=6))


def test_more_than_can_flow_is_refused(world: GridWorld) -> None:
    world.measured.clear()
    world.measure(ALICE, (CAP_WH + 1, 0))
    world.measure(BOB, (CAP_WH - 9, 10))
    world.measure(BOB + 1, (CAP_WH - 10, 10))
    world.refuses(OverCapacity, world.reading(ALICE, 0), world.reading(BOB, 0))
    world.accepted(world.reading(BOB + 1, 0))


def test_registers_that_do_not_add_up_are_refused(world: GridWorld) -> None:
    world.accepted(world.reading(ALICE, 0))
    world.refuses(
        RegisterMismatch,
        world.reading(ALICE, 1, import_register_wh=219),
        world.reading(ALICE, 1, import_register_wh=221),
        world.reading(ALICE, 1, export_register_wh=4),
        world.reading(ALICE, 1, export_register_wh=6),
        world.reading(ALICE, 1, import_register_wh=0, export_register_wh=0),
        world.reading(ALICE, 1, import_register_wh=2**63 - 1),
    )
    world.accepted(world.reading(ALICE, 1))


def test_the_first_reading_continues_the_registers_of_the_installation() -> None:
    world = GridWorld()
    world.measure(ALICE, (100, 0))
    world.to_quarter(1)
    world.refuses(
        RegisterMismatch,
        world.reading(ALICE, 0, import_register_wh=101),
        world.reading(ALICE, 0, export_register_wh=1),
    )
    world.accepted(world.reading(ALICE, 0))


def test_a_correction_of_the_newest_quarter_moves_the_registers_on(world: GridWorld) -> None:
    world.accepted(world.reading(ALICE, 0))
    more = replace(
        world.reading(ALICE, 0), version=2, sequence=2, import_wh=110, import_register_wh=110
    )
    world.accepted(world.sign(more))
    world.refuses(RegisterMismatch, world.reading(ALICE, 1, sequence=3))
    world.accepted(world.reading(ALICE, 1, sequence=3, import_register_wh=230))


def test_a_correction_of_an_older_quarter_leaves_the_registers(world: GridWorld) -> None:
    world.accepted(world.reading(ALICE, 0), world.reading(ALICE, 1))
    less = replace(world.reading(ALICE, 0), version=2, sequence=3, import_wh=90)
    world.accepted(world.sign(less))
    world.accepted(world.reading(ALICE, 2, sequence=4))
    world.check_invariants()
