"""What the devices contract says: its refusals and its events."""

from contracts.grid.model import Compliance, Installation
from contracts.kernel import Event, Reject
from contracts.kernel.types import U16, U32, Address, PublicKey, Text32, TimeS


class UnknownMeter(Reject):
    """There is no meter of this number.

    A registrar registers meters with `devices.register_meter`.
    """

    code = 1


class MeterExists(Reject):
    """A meter of this number is registered.

    Choose a free number; the device signs it with its key.
    """

    code = 2


class BadDeviceKey(Reject):
    """The public key is not a safe Ed25519 key.

    It must be a canonical point of the prime-order group: make the key pair anew.
    """

    code = 3


class KeyTaken(Reject):
    """The key is, or once was, the key of a meter.

    A key serves one meter once: make a new key pair.
    """

    code = 4


class NoPossession(Reject):
    """The signature does not show that the device holds this key.

    The device signs [1, meter, public key] in the domain of key possession of this chain.
    """

    code = 5


class BadQuarter(Reject):
    """The quarter is not a multiple of 900 s, or too early.

    A meter begins with a quarter that has not begun, and ends with one that has not ended.
    """

    code = 6


class ServiceOverlaps(Reject):
    """The participant has a settlement meter that is not retired before this one begins.

    Retire it with `devices.retire_meter`; the new one begins with a later quarter.
    """

    code = 7


class RetailerUnmetered(Reject):
    """A zone's retailer has no settlement meter: its exchange is that of all others together.

    Register the meter of a household or another participant.
    """

    code = 8


class TooManyMeters(Reject):
    """The participant has as many meters, retired ones among them, as one may have.

    Register another participant for the further ones.
    """

    code = 9


class MeterRetired(Reject):
    """The meter is retired for good.

    Register a new one with `devices.register_meter`.
    """

    code = 10


class UnregisteredGateway(Reject):
    """The account is not a registered gateway.

    A registrar registers gateways with `devices.register_gateway`.
    """

    code = 11


class GatewaySuspended(Reject):
    """The gateway is suspended.

    Send the readings through another gateway until a registrar reinstates it.
    """

    code = 12


class GatewayExists(Reject):
    """The account is a registered gateway already.

    `devices.suspend_gateway` and `devices.reinstate_gateway` change it.
    """

    code = 13


class MeterRegistered(Event):
    """A meter measures from its first quarter on."""

    meter: U32
    zone: U16
    installation: Installation
    public_key: PublicKey


class MeterKeyRotated(Event):
    """A meter signs with another key from now on."""

    meter: U32
    public_key: PublicKey


class MeterRetirementSet(Event):
    """A meter is read and settled for the last time in this quarter."""

    meter: U32
    last_quarter_s: TimeS


class MeterComplianceSet(Event):
    """A meter has this standing from now on."""

    meter: U32
    compliance: Compliance


class GatewayRegistered(Event, owners=("account",)):
    """An account may bring readings from now on."""

    account: Address
    name: Text32
    zone: U16 | None


class GatewaySuspensionSet(Event, owners=("account",)):
    """A gateway may no longer bring readings, or again."""

    account: Address
    suspended: bool
