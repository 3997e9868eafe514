"""The chain of a replay: the genesis in the repository is the one that the data makes."""

import pytest

from chain.genesis import Genesis
from client.devnet_keys import OFFICE_NAMES, Identity, is_name
from client.replay import setup
from client.replay.driver import ReplayError
from client.replay.run import made_for
from client.replay.setup import (
    GENERATION_METERS,
    VALIDATORS,
    VALIDATORS_MAX,
    WEEK_FOLDER,
    make_genesis,
    members_of,
    visitors,
)
from client.replay.week import load_week
from tests.tidy.project import ROOT

WEEK = load_week(WEEK_FOLDER)


def test_the_genesis_of_the_devnet_is_made_from_the_data() -> None:
    text = (ROOT / "genesis.json").read_text()
    made = make_genesis(WEEK, VALIDATORS)
    assert text == made.to_json(), "make it: python -m client.replay.setup"
    assert Genesis.from_json(text).chain_id == made.chain_id


def test_ninety_three_households_and_eleven_generators_have_meters() -> None:
    genesis = make_genesis(WEEK)
    meters = genesis.sections["devices"]["meters"]
    assert isinstance(meters, list)
    numbers = [one[1] for one in meters if isinstance(one, list)]
    assert len([n for n in numbers if isinstance(n, int) and n < GENERATION_METERS]) == 93
    assert len(numbers) == 104
    assert len(visitors()) == 10


def test_everybody_of_the_devnet_is_called_as_a_command_line_may_call_them() -> None:
    offices = {one.name for one in vars(setup).values() if isinstance(one, Identity)}
    assert offices == set(OFFICE_NAMES)
    members = members_of(WEEK)
    meters = [name for one in members for name in (one.identity.name, one.meter.name)]
    assert all(map(is_name, (*offices, *meters, *(one.name for one in visitors()))))
    assert not any(map(is_name, ("acount 0", "account 00", "account", "driver ", "node 0")))


def test_a_connection_takes_thirty_kilowatts_and_what_the_battery_takes() -> None:
    for member in members_of(WEEK):
        battery = member.household.battery
        more_w = 0 if battery is None else battery.power_w
        solar_w = 4 * max(member.household.solar_wh or (0,))
        assert member.import_limit_w == 30_000 + more_w
        assert member.export_limit_w == solar_w + more_w


def test_another_span_of_the_data_is_another_chain() -> None:
    days = {make_genesis(WEEK.days(day, 1)).chain_id for day in range(7)}
    assert len(days | {make_genesis(WEEK).chain_id}) == 8


def test_the_span_and_the_validators_of_a_chain_are_found_by_its_id() -> None:
    day = WEEK.days(3, 1)
    for span, validators in ((WEEK, 1), (WEEK, VALIDATORS), (day, 7), (day, VALIDATORS_MAX)):
        genesis = make_genesis(span, validators)
        assert made_for(genesis.chain_id.hex(), WEEK) == (span, genesis)
    with pytest.raises(ReplayError, match="was not made for a replay of this data"):
        made_for(make_genesis(WEEK, VALIDATORS_MAX + 1).chain_id.hex(), WEEK)
