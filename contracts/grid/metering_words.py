"""What metering says: its refusals and its events."""

import typing
from typing import Annotated

from contracts.kernel import Event, Items, Record, Reject, record
from contracts.kernel.types import U16, U32, NetWh, TimeS

METERS_PER_EVENT_MAX: typing.Final = 512


class OutsideGatewayZone(Reject):
    """The meter stands in another zone than the gateway serves.

    Send the reading through a gateway of its zone.
    """

    code = 1


class BadInterval(Reject):
    """A reading covers a quarter that begins at a multiple of 900 s.

    Times are in UTC; the device's clock or its time zone may be wrong.
    """

    code = 2


class NotInService(Reject):
    """The quarter lies before the meter's first or after its last.

    Leave it out; it belongs to another meter or to none.
    """

    code = 3


class MeterSuspended(Reject):
    """The meter is suspended.

    Its readings count again once a registrar has lifted the suspension.
    """

    code = 4


class WrongKey(Reject):
    """The reading is signed by a key that is not the meter's.

    After `devices.rotate_meter_key` the device signs with the new key, older quarters too.
    """

    code = 5


class BadReadingSignature(Reject):
    """The signature is not that of the reading under this key.

    The device signs all fields but the signature, in the domain of readings of this chain.
    """

    code = 6


class FutureReading(Reject):
    """The quarter is not over yet.

    Send the reading when market time has reached the quarter's end.
    """

    code = 7


class Final(Reject):
    """The quarter is final: its readings are fixed.

    The zone's metering operator may send the reading to `metering.correct_readings`.
    """

    code = 8


class ReadingConflict(Reject):
    """Another reading of this quarter and version is recorded.

    A correction has the next version and a newer sequence.
    """

    code = 9


class VersionGap(Reject):
    """The version is not the next one of this quarter.

    Send version `expected`.
    """

    code = 10


class OverCapacity(Reject):
    """The energy is more than can flow through the meter in a quarter.

    Check the unit: energy is in Wh of the quarter, not in W.
    """

    code = 11


class RegisterMismatch(Reject):
    """The registers do not fit the energy, or those of the readings before and after.

    In an unbroken row a register grows by exactly the quarter's energy; over missing quarters it
    grows by at least that, and by no more than can have flowed.
    """

    code = 12


class SequenceNotRising(Reject):
    """The device's sequence is not above `newest`.

    Each message has a higher sequence than all before; sign a correction anew.
    """

    code = 13


class NotFinal(Reject):
    """The quarter is not final yet, or not settled.

    Send the reading by `metering.submit_readings` before the deadline, or try again later.
    """

    code = 14


class CorrectionClosed(Reject):
    """The time for corrections of this quarter is over.

    Nothing more can be done on the chain: what stands is final.
    """

    code = 15


class ReadingsSubmitted(Event):
    """A gateway brought readings; the result of its call says which were accepted."""

    accepted: U16
    refused: U16


class ReadingCorrected(Event):
    """A final quarter of a meter has another reading; if it was settled, the rest follows."""

    meter: U32
    interval_s: TimeS
    old_import_wh: U32
    old_export_wh: U32
    old_substituted: bool
    new_import_wh: U32
    new_export_wh: U32


@record(version=1)
class Substitute(Record):
    """What counts as a meter's import for want of a reading; its export is 0."""

    meter: U32
    import_wh: U32


class ReadingsSubstituted(Event):
    """Quarters without a reading at the final deadline were substituted."""

    zone: U16
    interval_s: TimeS
    substitutes: Annotated[tuple[Substitute, ...], Items(METERS_PER_EVENT_MAX)]


class GapClosed(Event):
    """Registers after a gap are shared over its substitutes; the difference is to be settled."""

    meter: U32
    first_s: TimeS
    end_s: TimeS
    import_wh: NetWh
    export_wh: NetWh


class DayRetired(Event):
    """Readings of a day became totals, for so many meters."""

    day: U32
    meters: U16
