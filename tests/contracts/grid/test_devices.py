"""Meters and gateways: keys, services that follow each other, and every refusal."""

from dataclasses import replace
from hashlib import sha512

import pytest
from nacl.bindings import (
    crypto_core_ed25519_add,
    crypto_core_ed25519_scalar_add,
    crypto_core_ed25519_scalar_mul,
    crypto_core_ed25519_scalar_reduce,
    crypto_scalarmult_ed25519_base_noclamp,
)

from chain.crypto import Domain, signed_bytes, verify
from contracts.grid.device_words import (
    BadDeviceKey,
    BadQuarter,
    GatewayExists,
    KeyTaken,
    MeterExists,
    MeterRetired,
    NoPossession,
    RetailerUnmetered,
    ServiceOverlaps,
    TooManyMeters,
    UnknownMeter,
    UnregisteredGateway,
)
from contracts.grid.model import (
    PARTICIPANT_METERS_MAX,
    DeviceKey,
    Installation,
    MeterRole,
)
from contracts.grid.registry_words import UnknownParticipant, UnknownZone
from contracts.kernel import NotPermitted, Reject, Value
from tests.support.grid import GATEWAY, REGISTRAR, RETAILER_NUMBER, installation, meter_name
from tests.support.metering import ALICE, BOB, UNSIGNED, GridWorld, quarter
from tests.support.people import account_of, key_of

NEW = 77
SOLAR = installation(ALICE, MeterRole.GENERATION, quarter(8))


@pytest.fixture
def world() -> GridWorld:
    return GridWorld(at_work=False)


def registers(world: GridWorld, method: str, *arguments: Value) -> Value:
    return world.call(REGISTRAR, "devices", method, *arguments)


def refused(world: GridWorld, reject: type[Reject], method: str, *arguments: Value) -> None:
    world.refused(reject, REGISTRAR, "devices", method, *arguments)


def meter(
    world: GridWorld, one: Installation = SOLAR, number: int = NEW, key: str = ""
) -> tuple[Value, Value]:
    """Return what registers a meter, by the key of its name unless another is named."""
    return one.to_wire(), world.device_key(number, key or meter_name(number)).to_wire()


# Keys


def test_a_meter_is_registered_under_the_key_that_it_holds(world: GridWorld) -> None:
    registers(world, "register_meter", *meter(world))
    found = world.read.devices.meter(NEW)
    assert found.public_key == key_of(meter_name(NEW))
    assert world.read.devices.meters_of_participant(ALICE) == (ALICE, NEW)
    assert world.read.devices.settlement_meter(ALICE, quarter(9)) == ALICE
    world.check_invariants()


def test_a_number_and_a_key_are_taken_once(world: GridWorld) -> None:
    refused(world, MeterExists, "register_meter", *meter(world, number=BOB, key="fresh"))
    refused(world, KeyTaken, "register_meter", *meter(world, key=meter_name(BOB)))
    registers(world, "rotate_meter_key", world.device_key(BOB, "fresh").to_wire())
    for used in (meter_name(BOB), "fresh"):
        refused(world, KeyTaken, "register_meter", *meter(world, key=used))
        refused(world, KeyTaken, "rotate_meter_key", world.device_key(BOB, used).to_wire())
    refused(world, UnknownMeter, "rotate_meter_key", world.device_key(NEW, "other").to_wire())
    world.check_invariants()


def test_the_device_itself_must_say_that_it_holds_the_key(world: GridWorld) -> None:
    right = world.device_key(NEW, meter_name(NEW))
    wrong = (
        replace(right, signature=UNSIGNED),
        replace(right, public_key=key_of("other")),
        replace(right, meter=NEW + 1),
        replace(right, signature=world.device_key(NEW + 1, meter_name(NEW)).signature),
    )
    for key in wrong:
        refused(world, NoPossession, "register_meter", SOLAR.to_wire(), key.to_wire())
    key = replace(world.device_key(ALICE, "fresh"), signature=UNSIGNED)
    refused(world, NoPossession, "rotate_meter_key", key.to_wire())


def test_a_key_of_small_order_shows_nothing(world: GridWorld) -> None:
    """A signature under a point of small order fits any message."""
    small = bytes([1]) + bytes(31)
    claim = DeviceKey(NEW, small, small + bytes(32))
    refused(world, NoPossession, "register_meter", SOLAR.to_wire(), claim.to_wire())


def test_a_key_with_a_part_of_small_order_is_refused_though_it_signs(world: GridWorld) -> None:
    """The part doubles the keys under which some signatures are valid, so it is never let in."""
    claim = signed_by_mixed_key(world)
    refused(world, BadDeviceKey, "register_meter", SOLAR.to_wire(), claim.to_wire())
    other = signed_by_mixed_key(world, ALICE)
    refused(world, BadDeviceKey, "rotate_meter_key", other.to_wire())


def signed_by_mixed_key(world: GridWorld, number: int = NEW) -> DeviceKey:
    """Return a possession claim, valid for libsodium, under a key with a part of order 2.

    The part drops out of the verifier's equation whenever the challenge is even.
    """
    secret = bytes([5]) + bytes(31)
    order_2 = ((1 << 255) - 20).to_bytes(32, "little")
    key = crypto_core_ed25519_add(crypto_scalarmult_ed25519_base_noclamp(secret), order_2)
    claim = DeviceKey(number, key, UNSIGNED)
    message = signed_bytes(Domain.POSSESSION, world.genesis.chain_id, claim.payload())
    for tried in range(1, 100):
        nonce = tried.to_bytes(32, "little")
        point = crypto_scalarmult_ed25519_base_noclamp(nonce)
        challenge = crypto_core_ed25519_scalar_reduce(sha512(point + key + message).digest())
        if challenge[0] & 1 == 0:
            product = crypto_core_ed25519_scalar_mul(challenge, secret)
            signature = point + crypto_core_ed25519_scalar_add(nonce, product)
            assert verify(key, message, signature)
            return replace(claim, signature=signature)
    raise AssertionError("no challenge of a hundred is even")


# Quarters


def test_a_meter_begins_with_a_quarter_that_has_not_begun(world: GridWorld) -> None:
    world.advance(quarter(2) + 1)
    for first_s in (quarter(0), quarter(2), quarter(5) + 1, quarter(5) - 1):
        one = replace(SOLAR, first_quarter_s=first_s)
        refused(world, BadQuarter, "register_meter", *meter(world, one))
    registers(world, "register_meter", *meter(world, replace(SOLAR, first_quarter_s=quarter(3))))


def test_a_meter_ends_with_a_quarter_that_is_not_over(world: GridWorld) -> None:
    world.advance(quarter(3))
    for last_s in (quarter(2), quarter(5) + 1):
        refused(world, BadQuarter, "retire_meter", ALICE, last_s)
    refused(world, UnknownMeter, "retire_meter", NEW, quarter(5))
    registers(world, "register_meter", *meter(world))
    refused(world, BadQuarter, "retire_meter", NEW, quarter(7))
    registers(world, "retire_meter", ALICE, quarter(3))
    refused(world, MeterRetired, "retire_meter", ALICE, quarter(9))
    world.check_invariants()


def test_a_participant_has_one_settlement_meter_in_a_quarter(world: GridWorld) -> None:
    second = installation(ALICE, first_quarter_s=quarter(8))
    refused(world, ServiceOverlaps, "register_meter", *meter(world, second))
    registers(world, "retire_meter", ALICE, quarter(8))
    refused(world, ServiceOverlaps, "register_meter", *meter(world, second))
    later = replace(second, first_quarter_s=quarter(9))
    registers(world, "register_meter", *meter(world, later))
    devices = world.read.devices
    assert [devices.settlement_meter(ALICE, quarter(n)) for n in (8, 9)] == [ALICE, NEW]
    world.check_invariants()


def test_a_retailer_has_no_settlement_meter_and_may_have_others(world: GridWorld) -> None:
    one = installation(RETAILER_NUMBER, first_quarter_s=quarter(8))
    refused(world, RetailerUnmetered, "register_meter", *meter(world, one))
    registers(world, "register_meter", *meter(world, replace(one, role=MeterRole.STORAGE)))
    world.check_invariants()


def test_a_meter_belongs_to_a_participant(world: GridWorld) -> None:
    refused(
        world, UnknownParticipant, "register_meter", *meter(world, replace(SOLAR, participant=99))
    )


def test_a_participant_has_64_meters(world: GridWorld) -> None:
    for number in range(1_000, 1_000 + PARTICIPANT_METERS_MAX - 1):
        registers(world, "register_meter", *meter(world, number=number))
    refused(world, TooManyMeters, "register_meter", *meter(world))
    world.check_invariants()


def test_only_a_registrar_of_meters_registers_and_rotates(world: GridWorld) -> None:
    world.refused(NotPermitted, "alice", "devices", "register_meter", *meter(world))
    key = world.device_key(ALICE, "fresh").to_wire()
    world.refused(NotPermitted, "alice", "devices", "rotate_meter_key", key)


# Gateways


def test_a_gateway_is_registered_once_and_of_a_zone_that_exists(world: GridWorld) -> None:
    refused(world, GatewayExists, "register_gateway", account_of(GATEWAY), "again", None)
    refused(world, UnknownZone, "register_gateway", account_of("alice"), "south", 2)
    for method in ("suspend_gateway", "reinstate_gateway"):
        refused(world, UnregisteredGateway, method, account_of("alice"))
    registers(world, "register_gateway", account_of("alice"), "north", 1)
    found = world.read.devices.gateway_of(account_of("alice"))
    assert found is not None
    assert (found.zone, found.suspended) == (1, False)
