"""What the registry says: its refusals and its events."""

from contracts.grid.model import Compliance, ParticipantTerms, ZoneTerms
from contracts.kernel import Event, Reject
from contracts.kernel.types import U16, U32, Address


class UnknownZone(Reject):
    """There is no zone of this number.

    The query `registry.zone_of` shows a zone.
    """

    code = 1


class ZoneExists(Reject):
    """A zone of this number exists, or the chain has as many zones as it takes.

    Choose a free number; `registry.set_operators` changes who runs a zone.
    """

    code = 2


class UnknownParticipant(Reject):
    """There is no participant of this number.

    The query `registry.participant_of` finds the number of an account.
    """

    code = 3


class AccountTaken(Reject):
    """The account already belongs to a participant, or settles a zone.

    Use another account: one account trades for one participant, for good.
    """

    code = 4


class TooManyAccounts(Reject):
    """The participant has as many accounts and invitations as it may have.

    Withdraw an invitation that nobody will accept.
    """

    code = 5


class NotInvited(Reject):
    """The account is not invited to this participant.

    A registrar invites it with `registry.invite_account`.
    """

    code = 6


class BadBaseLoad(Reject):
    """The base load is more than the connection takes in a quarter.

    Lower base_load_wh to `cap_wh`, or raise the import limit.
    """

    code = 7


class BadAffiliation(Reject):
    """A group has one head, and its members have none under them.

    Name the head of the group itself; move the participant's own affiliates first.
    """

    code = 8


class TooManyAffiliates(Reject):
    """The group has as many affiliates as one may have.

    Take one out of it first.
    """

    code = 9


class NotCompliant(Reject):
    """The participant's standing does not allow trading.

    A registrar sets it with `registry.set_compliance` when the licence is in order.
    """

    code = 10


class Suspended(Reject):
    """The participant is suspended: it may not trade until a registrar lifts it.

    Open orders are refunded at their gates; what is cleared is settled as ever.
    """

    code = 11


class LicenceExpired(Reject):
    """The participant's licence has expired.

    A registrar records a new one with `registry.set_compliance`.
    """

    code = 12


class ZoneAdded(Event):
    """A zone with its retailer exists from now on."""

    zone: U16
    terms: ZoneTerms
    retailer: U32


class OperatorsSet(Event):
    """A zone has other operators from now on."""

    zone: U16
    metering_operator: Address
    market_operator: Address


class ParticipantRegistered(Event):
    """A participant exists from now on."""

    participant: U32
    zone: U16
    terms: ParticipantTerms


class AccountInvited(Event, owners=("account",)):
    """An account may join a participant by accepting."""

    participant: U32
    account: Address


class InvitationWithdrawn(Event, owners=("account",)):
    """An account may no longer join a participant."""

    participant: U32
    account: Address


class AccountJoined(Event, owners=("account",)):
    """An account trades for a participant from now on, and answers for its debts."""

    participant: U32
    account: Address


class TermsSet(Event):
    """A participant has other terms, for orders from now on."""

    participant: U32
    terms: ParticipantTerms


class AffiliateSet(Event):
    """A participant belongs to the group of this head from now on."""

    participant: U32
    head: U32


class ComplianceSet(Event):
    """A participant has this standing from now on."""

    participant: U32
    compliance: Compliance
