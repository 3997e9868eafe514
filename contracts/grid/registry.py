"""The registry: zones, participants with their accounts and affiliates, and whether they may trade.

A participant joins a zone for good; its number is the next free one. Its accounts answer for its
debts, so an account joins by its own call `accept_account`, after an invitation: that works for
every key record, and cannot be replayed as a signature handed to the registrar could. An account
joins one participant, for good, and is never a zone's grid account.

Each zone is made with its retailer, who answers for the exchange with the grid above. Roles are
kept by `contracts/grid/registrars.py`, meters by `contracts/grid/devices.py`. (MARKET §2, §14.)
"""

from dataclasses import replace
from typing import Annotated, Final, Protocol

from contracts.grid import registry_audit as audit
from contracts.grid import registry_words as words
from contracts.grid.model import (
    ACCOUNTS_MAX,
    AFFILIATES_MAX,
    UNLICENSED,
    ZONES_MAX,
    Compliance,
    GenesisParticipant,
    GenesisZone,
    Participant,
    ParticipantTerms,
    Role,
    Standing,
    Trader,
    Zone,
    ZoneTerms,
    quarter_wh,
)
from contracts.kernel import (
    Cell,
    Context,
    Contract,
    Items,
    Map,
    Range,
    Reject,
    call,
    genesis,
    invariant,
    query,
)
from contracts.kernel.host import Host
from contracts.kernel.types import U16, U32, Address

GENESIS_PARTICIPANTS_MAX: Final = 100_000
PAGE_MAX: Final = 1_000

# In one value each, because every order and every settlement asks for them.
AccountList = Annotated[tuple[Address, ...], Items(ACCOUNTS_MAX)]
AffiliateList = Annotated[tuple[U32, ...], Items(AFFILIATES_MAX)]
PageSize = Annotated[int, Range(1, PAGE_MAX)]


class Registrars(Protocol):
    """What the registry needs of the registrars."""

    def require(self, ctx: Context, role: Role) -> None:
        """Refuse a caller without this role."""


class GridRegistry(Contract, name="registry", number=0x20, vocabulary=(words,)):
    """Zones, participants, their accounts, affiliates and compliance, and the registrars."""

    zones = Map[U16, Zone | None](id=0x2001, default=None)
    grid_accounts = Map[Address, U16 | None](id=0x2002, default=None)
    participants = Map[U32, Participant | None](id=0x2003, default=None)
    last_participant = Cell[U32](id=0x2004, default=0)
    owners = Map[Address, U32](id=0x2005, default=0)
    account_list = Map[U32, AccountList](id=0x2006, default=())
    invitations = Map[tuple[U32, Address], bool](id=0x2007, default=False)
    members_of = Map[tuple[U16, U32], bool](id=0x2008, default=False)
    member_counts = Map[U16, U32](id=0x2009, default=0)
    affiliates_of = Map[U32, AffiliateList](id=0x200A, default=())
    suspensions = Map[tuple[U16, U32], bool](id=0x200B, default=False)

    def __init__(self, host: Host, registrars: Registrars) -> None:
        """Keep what knows who may register."""
        super().__init__(host)
        self._registrars = registrars

    @genesis
    def set_up(
        self,
        zones: Annotated[tuple[GenesisZone, ...], Items(ZONES_MAX)],
        participants: Annotated[tuple[GenesisParticipant, ...], Items(GENESIS_PARTICIPANTS_MAX)],
    ) -> None:
        """Make the zones, then register the participants in their order, numbered from 1."""
        try:
            for zone in zones:
                self._add_zone(zone.number, zone.terms, zone.retailer)
            for one in participants:
                number = self._enrol(one.zone, one.terms, one.compliance)
                for account in one.accounts:
                    self._join(number, account)
                if one.head is not None:
                    self._affiliate(number, one.head)
        except Reject as reject:
            msg = f"{type(reject).__name__} {reject.values}"
            raise ValueError(msg) from reject
        if not self.zones_have_their_retailer():
            msg = "zones: a retailer is not a participant of its zone"
            raise ValueError(msg)

    # ── For other contracts ──

    def zone(self, number: int) -> Zone:
        """Return a zone, or raise `UnknownZone`."""
        zone = self.zones[number]
        if zone is None:
            raise words.UnknownZone(zone=number)
        return zone

    def next_zone(self, after: int | None) -> int | None:
        """Return the number of the first zone, or of the next above `after`; None at the end."""
        numbers = (number for number, _ in self.zones.items(start=after))
        return next((number for number in numbers if number != after), None)

    def participant(self, number: int) -> Participant:
        """Return a participant, or raise `UnknownParticipant`."""
        participant = self.participants[number]
        if participant is None:
            raise words.UnknownParticipant(participant=number)
        return participant

    def trader(self, participant: int) -> Trader:
        """Return what trading needs of a participant."""
        return Trader.of(self.participant(participant))

    def require_may_trade(self, participant: int, now_s: int) -> Trader:
        """Return a trader; raises `Suspended`, `NotCompliant` or `LicenceExpired` if it is none."""
        one = self.participant(participant)
        compliance = one.compliance
        if compliance.standing is Standing.SUSPENDED:
            raise words.Suspended(participant=participant)
        if compliance.standing is not Standing.COMPLIANT:
            raise words.NotCompliant(participant=participant, standing=compliance.standing.name)
        if now_s >= compliance.licence_expires_s:
            raise words.LicenceExpired(
                participant=participant, expired_s=compliance.licence_expires_s, now_s=now_s
            )
        return Trader.of(one)

    def suspended(self, zone: int) -> tuple[int, ...]:
        """Return the participants of a zone that are suspended, ascending."""
        return tuple(participant for (_, participant), _ in self.suspensions.items(zone))

    def member_count(self, zone: int) -> int:
        """Return how many participants are registered in a zone."""
        return self.member_counts[zone]

    # ── Calls: zones ──

    @call
    def add_zone(
        self,
        ctx: Context,
        zone: U16,
        terms: ZoneTerms,
        retailer_account: Address,
        retailer_terms: ParticipantTerms,
    ) -> U32:
        """Make a zone and register its retailer, whose number it returns.

        The retailer's account is invited and joins by `accept_account`, as any other.
        """
        self._registrars.require(ctx, Role.ZONES)
        self._add_zone(zone, terms, self.last_participant.get() + 1)
        retailer = self._enrol(zone, retailer_terms, UNLICENSED)
        self._invite(retailer, retailer_account)
        return retailer

    @call
    def set_operators(
        self, ctx: Context, zone: U16, metering_operator: Address, market_operator: Address
    ) -> None:
        """Give a zone other operators; its name, time zone, grid account and retailer stay."""
        self._registrars.require(ctx, Role.ZONES)
        self.zones[zone] = replace(
            self.zone(zone), metering_operator=metering_operator, market_operator=market_operator
        )
        self.emit(words.OperatorsSet(zone, metering_operator, market_operator))

    # ── Calls: participants and accounts ──

    @call
    def register_participant(
        self, ctx: Context, zone: U16, account: Address, terms: ParticipantTerms
    ) -> U32:
        """Register a participant and invite its first account; returns its number.

        Its standing is pending until a registrar sets its compliance.
        """
        self._registrars.require(ctx, Role.PARTICIPANTS)
        participant = self._enrol(zone, terms, UNLICENSED)
        self._invite(participant, account)
        return participant

    @call
    def invite_account(self, ctx: Context, participant: U32, account: Address) -> None:
        """Invite one more account to a participant; it joins by `accept_account`."""
        self._registrars.require(ctx, Role.PARTICIPANTS)
        self.participant(participant)
        self._invite(participant, account)

    @call
    def withdraw_invitation(self, ctx: Context, participant: U32, account: Address) -> None:
        """Take an invitation back that has not been accepted."""
        self._registrars.require(ctx, Role.PARTICIPANTS)
        self._require_invited(participant, account)
        del self.invitations[participant, account]
        self.emit(words.InvitationWithdrawn(participant, account))

    @call
    def accept_account(self, ctx: Context, participant: U32) -> None:
        """Join a participant with the caller's account, which then answers for its debts."""
        self._require_invited(participant, ctx.caller)
        del self.invitations[participant, ctx.caller]
        self._join(participant, ctx.caller)

    @call
    def set_terms(self, ctx: Context, participant: U32, terms: ParticipantTerms) -> None:
        """Set a participant's connection and how it may trade, for orders from now on."""
        self._registrars.require(ctx, Role.PARTICIPANTS)
        _check(terms)
        self.participants[participant] = replace(self.participant(participant), terms=terms)
        self.emit(words.TermsSet(participant, terms))

    @call
    def set_affiliate(self, ctx: Context, participant: U32, head: U32) -> None:
        """Put a participant into the group of `head`; under itself it stands alone."""
        self._registrars.require(ctx, Role.PARTICIPANTS)
        self._affiliate(participant, head)

    @call
    def set_compliance(self, ctx: Context, participant: U32, compliance: Compliance) -> None:
        """Set a participant's standing and licence; this also lifts a suspension."""
        self._registrars.require(ctx, Role.COMPLIANCE)
        self._set_compliance(participant, compliance)

    @call
    def suspend(self, ctx: Context, participant: U32) -> None:
        """Suspend a participant; its licence stays on record. `set_compliance` lifts it."""
        self._registrars.require(ctx, Role.COMPLIANCE)
        compliance = self.participant(participant).compliance
        self._set_compliance(participant, replace(compliance, standing=Standing.SUSPENDED))

    # ── Queries ──

    @query
    def zone_of(self, zone: U16) -> Zone | None:
        """A zone by its number, or null."""
        return self.zones[zone]

    @query
    def participant_by_number(self, participant: U32) -> Participant | None:
        """A participant by its number, or null."""
        return self.participants[participant]

    @query
    def participant_of(self, account: Address) -> U32 | None:
        """The participant that an account belongs to, or null."""
        return self.owners[account] or None

    @query
    def accounts(self, participant: U32) -> AccountList:
        """A participant's accounts in the order in which they joined."""
        return self.account_list[participant]

    @query
    def invited(self, participant: U32) -> AccountList:
        """The accounts that may join a participant, ascending."""
        return tuple(account for (_, account), _ in self.invitations.items(participant))

    @query
    def affiliates(self, group: U32) -> AffiliateList:
        """All participants of a group, ascending, its head among them."""
        return tuple(sorted((group, *self.affiliates_of[group])))

    @query
    def members(
        self, zone: U16, after: U32, limit: PageSize
    ) -> Annotated[tuple[U32, ...], Items(PAGE_MAX)]:
        """The next participants of a zone above `after`, ascending."""
        page = []
        for (_, participant), _ in self.members_of.items(zone, start=after):
            if participant != after:
                page.append(participant)
            if len(page) == limit:
                break
        return tuple(page)

    # ── Invariants ──

    @invariant
    def zones_have_their_retailer(self) -> bool:
        """A zone's retailer is a participant of it, and nobody trades from its grid account."""
        return audit.zones_hold(self.zones, self.grid_accounts, self.participants, self.owners)

    @invariant
    def participants_are_members(self) -> bool:
        """Participants are numbered without a gap, and each is a member of its zone alone."""
        numbers = [number for number, _ in self.participants.items()]
        return numbers == list(range(1, self.last_participant.get() + 1)) and audit.members_hold(
            self.participants, self.zones, self.members_of, self.member_counts
        )

    @invariant
    def accounts_belong_to_one_participant(self) -> bool:
        """The lists of accounts are those of the owners, 16 of each at most."""
        return audit.accounts_hold(self.owners, self.account_list, self.invitations)

    @invariant
    def groups_have_one_head(self) -> bool:
        """A head is its own, every other member of its group is listed, and groups are bounded."""
        return audit.groups_hold(self.participants, self.affiliates_of)

    @invariant
    def suspensions_are_listed(self) -> bool:
        """The suspended participants of the zones' lists are those whose standing says so."""
        return audit.suspensions_hold(self.participants, self.suspensions)

    # ── Below ──

    def _add_zone(self, number: int, terms: ZoneTerms, retailer: int) -> None:
        if self.zones[number] is not None or len(list(self.zones.items())) >= ZONES_MAX:
            raise words.ZoneExists(zone=number)
        self._require_free(terms.grid_account)
        self.grid_accounts[terms.grid_account] = number
        self.zones[number] = Zone.of(terms, retailer)
        self.emit(words.ZoneAdded(number, terms, retailer))

    def _enrol(self, zone: int, terms: ParticipantTerms, compliance: Compliance) -> int:
        self.zone(zone)
        _check(terms)
        number = self.last_participant.get() + 1
        self.last_participant.set(number)
        self.participants[number] = Participant(zone, number, terms, UNLICENSED)
        self.members_of[zone, number] = True
        self.member_counts[zone] += 1
        self.emit(words.ParticipantRegistered(number, zone, terms))
        self._set_compliance(number, compliance)
        return number

    def _invite(self, participant: int, account: bytes) -> None:
        self._require_free(account)
        waiting = self.invited(participant)
        count = len(self.accounts(participant)) + len(waiting)
        if account not in waiting and count >= ACCOUNTS_MAX:
            raise words.TooManyAccounts(participant=participant, limit=ACCOUNTS_MAX)
        self.invitations[participant, account] = True
        self.emit(words.AccountInvited(participant, account))

    def _join(self, participant: int, account: bytes) -> None:
        self._require_free(account)
        self.owners[account] = participant
        self.account_list[participant] = (*self.accounts(participant), account)
        self.emit(words.AccountJoined(participant, account))

    def _require_invited(self, participant: int, account: bytes) -> None:
        if not self.invitations[participant, account]:
            raise words.NotInvited(participant=participant, account=account)

    def _require_free(self, account: bytes) -> None:
        if account in self.owners or account in self.grid_accounts:
            raise words.AccountTaken(account=account)

    def _affiliate(self, participant: int, head: int) -> None:
        one, under_it = self.participant(participant), self.affiliates_of[participant]
        if head != participant:
            if under_it or self.participant(head).group != head:
                raise words.BadAffiliation(
                    participant=participant, head=head, affiliates=len(under_it)
                )
            if one.group != head and len(self.affiliates(head)) >= AFFILIATES_MAX:
                raise words.TooManyAffiliates(head=head, limit=AFFILIATES_MAX)
        others = self.affiliates_of[one.group]
        self.affiliates_of[one.group] = tuple(other for other in others if other != participant)
        if head != participant:
            self.affiliates_of[head] = (*self.affiliates_of[head], participant)
        self.participants[participant] = replace(one, group=head)
        self.emit(words.AffiliateSet(participant, head))

    def _set_compliance(self, participant: int, compliance: Compliance) -> None:
        one = self.participant(participant)
        self.participants[participant] = replace(one, compliance=compliance)
        self.suspensions[one.zone, participant] = compliance.standing is Standing.SUSPENDED
        self.emit(words.ComplianceSet(participant, compliance))


def _check(terms: ParticipantTerms) -> None:
    cap_wh = quarter_wh(terms.import_limit_w)
    if terms.base_load_wh > cap_wh:
        raise words.BadBaseLoad(base_load_wh=terms.base_load_wh, cap_wh=cap_wh)
