"""Audits of metering: signatures, registers, gaps and statements are judged by the auditor."""

from contracts.grid.metering_words import RegisterMismatch
from contracts.grid.reading import Quality
from tests.client.audit.audited import AuditedGrid
from tests.support.grid import REGISTRAR
from tests.support.metering import ALICE, BOB
from tests.support.people import key_of


def read(world: AuditedGrid, count: int) -> None:
    """Let two meters measure so many quarters, and send all readings in time."""
    for number in range(count):
        for meter in (ALICE, BOB):
            world.measure(meter, (10 * meter + number, number))
        world.to_quarter(number + 1)
        world.accepted(*(world.reading(meter, number) for meter in (ALICE, BOB)))


def test_honest_readings_have_no_difference() -> None:
    world = AuditedGrid()
    read(world, 5)
    report = world.audit()
    assert report.differences == ()
    assert report.counts.readings == report.counts.reading_signatures == 10
    assert report.totals["energy_wh"]["metered_import"] == sum(
        10 * meter + number for meter in (ALICE, BOB) for number in range(5)
    )
    assert report.totals["energy_wh"]["metered_export"] == 2 * sum(range(5))


def test_repetitions_versions_late_readings_and_refusals_are_followed() -> None:
    world = AuditedGrid()
    world.measure(ALICE, (10, 0), (20, 5), (30, 0), (40, 0))
    world.to_quarter(4)
    world.accepted(world.reading(ALICE, 0), world.reading(ALICE, 3))
    world.accepted(world.reading(ALICE, 0))
    misfit = world.reading(ALICE, 1, import_register_wh=5_000)
    assert world.submit(misfit) == [RegisterMismatch.receipt_code()]
    world.accepted(world.reading(ALICE, 2), world.reading(ALICE, 1))
    world.accepted(world.reading(ALICE, 3, version=2, sequence=9, quality=Quality.ESTIMATED))
    world.measure(ALICE, (50, 0))
    world.to_quarter(5)
    world.accepted(world.reading(ALICE, 4, sequence=10))
    report = world.audit()
    assert report.differences == ()
    assert report.counts.readings == 7


def test_a_reading_by_a_new_key_is_judged_by_that_key() -> None:
    world = AuditedGrid()
    read(world, 1)
    key = world.device_key(ALICE, "another")
    world.call(REGISTRAR, "devices", "rotate_meter_key", key.to_wire())
    world.measure(ALICE, (11, 0))
    world.to_quarter(2)
    world.accepted(world.reading(ALICE, 1, key="another"))
    assert world.differences() == ()
    assert world.read.devices.meter(ALICE).public_key == key_of("another")
