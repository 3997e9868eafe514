"""The directory: zones, participants, accounts and meters, as genesis and the events tell of them.

It holds what the accountant must know to judge money and energy: who answers for a zone, whose
account and meter is whose, which key signs, which limits and base load count, who belongs together.
"""

from dataclasses import dataclass, field
from typing import Final, TypeVar

from chain.genesis import Genesis
from contracts.grid import device_words, registry_words
from contracts.grid.model import (
    OPEN_END_S,
    GenesisMeter,
    GenesisParticipant,
    GenesisZone,
    Installation,
    MeterRole,
    ParticipantTerms,
    Standing,
    ZoneTerms,
)
from contracts.kernel import Event, Record

QUARTER_S: Final = 900

T = TypeVar("T", bound=Record)


@dataclass(slots=True)
class Zone:
    """A zone with those who serve it."""

    terms: ZoneTerms
    retailer: int
    market_operator: bytes
    metering_operator: bytes


@dataclass(slots=True)
class Participant:
    """A participant with its accounts in the order in which they joined."""

    zone: int
    group: int
    terms: ParticipantTerms
    suspended: bool = False
    accounts: list[bytes] = field(default_factory=list)


@dataclass(slots=True)
class Meter:
    """A meter with the key that signs now, and its quarters of service."""

    zone: int
    installation: Installation
    public_key: bytes
    last_quarter_s: int = OPEN_END_S

    def serves(self, quarter_s: int) -> bool:
        """Say whether the meter is in service in a quarter."""
        return self.installation.first_quarter_s <= quarter_s <= self.last_quarter_s


class Directory:
    """Who and what there is, at the present place of the walk."""

    def __init__(self, genesis: Genesis) -> None:
        """Read the sections of the registry and the devices."""
        self.zones: dict[int, Zone] = {}
        self.participants: dict[int, Participant] = {}
        self.participant_of: dict[bytes, int] = {}
        self.meters: dict[int, Meter] = {}
        self._settled_by: dict[int, list[tuple[int, int]]] = {}
        section = genesis.sections["registry"]
        for zone in _records(GenesisZone, section["zones"]):
            self._add_zone(zone.number, zone.terms, zone.retailer)
        for number, one in enumerate(_records(GenesisParticipant, section["participants"]), 1):
            group = number if one.head is None else one.head
            made = Participant(one.zone, group, one.terms)
            made.suspended = one.compliance.standing is Standing.SUSPENDED
            self.participants[number] = made
            for account in one.accounts:
                self._join(number, account)
        for meter in _records(GenesisMeter, genesis.sections["devices"]["meters"]):
            zone_number = self.participants[meter.installation.participant].zone
            self._add_meter(meter.meter, zone_number, meter.installation, meter.public_key)

    def settlement_meters(self, zone: int, quarter_s: int) -> list[tuple[int, int]]:
        """Return (participant, meter) of all settlement meters of a zone's quarter, ascending."""
        return [
            (participant, meter)
            for participant, meter in self._settled_by.get(zone, [])
            if self.meters[meter].serves(quarter_s)
        ]

    def suspended(self, participant: int) -> bool:
        """Say whether a participant is suspended."""
        return self.participants[participant].suspended

    def hear(self, event: Event) -> None:
        """Take note of an event of the registry or the devices; all others are no concern."""
        match event:
            case registry_words.ZoneAdded(zone=zone, terms=terms, retailer=retailer):
                self._add_zone(zone, terms, retailer)
            case registry_words.OperatorsSet():
                one = self.zones[event.zone]
                one.market_operator = event.market_operator
                one.metering_operator = event.metering_operator
            case registry_words.ParticipantRegistered(participant=number):
                self.participants[number] = Participant(event.zone, number, event.terms)
            case registry_words.AccountJoined():
                self._join(event.participant, event.account)
            case registry_words.TermsSet():
                self.participants[event.participant].terms = event.terms
            case registry_words.AffiliateSet():
                self.participants[event.participant].group = event.head
            case registry_words.ComplianceSet():
                standing = event.compliance.standing
                self.participants[event.participant].suspended = standing is Standing.SUSPENDED
            case device_words.MeterRegistered():
                self._add_meter(event.meter, event.zone, event.installation, event.public_key)
            case device_words.MeterKeyRotated():
                self.meters[event.meter].public_key = event.public_key
            case device_words.MeterRetirementSet():
                self.meters[event.meter].last_quarter_s = event.last_quarter_s

    def _add_zone(self, number: int, terms: ZoneTerms, retailer: int) -> None:
        operators = (terms.market_operator, terms.metering_operator)
        self.zones[number] = Zone(terms, retailer, *operators)

    def _join(self, participant: int, account: bytes) -> None:
        self.participants[participant].accounts.append(account)
        self.participant_of[account] = participant

    def _add_meter(
        self, number: int, zone: int, installation: Installation, public_key: bytes
    ) -> None:
        self.meters[number] = Meter(zone, installation, public_key)
        if installation.role is MeterRole.SETTLEMENT:
            services = self._settled_by.setdefault(zone, [])
            services.append((installation.participant, number))
            services.sort(
                key=lambda one: (one[0], self.meters[one[1]].installation.first_quarter_s)
            )


def _records(cls: type[T], values: object) -> list[T]:
    """Return the records of a section's list, whose shape the genesis has checked."""
    assert isinstance(values, list | tuple), "the genesis checked its sections"
    return [cls.from_wire(value) for value in values]
