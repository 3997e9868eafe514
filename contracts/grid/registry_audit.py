"""What must hold between the tables of the registry, for its invariants."""

from collections.abc import Iterator

from contracts.grid.model import (
    ACCOUNTS_MAX,
    AFFILIATES_MAX,
    ZONES_MAX,
    Participant,
    Standing,
    Zone,
)
from contracts.kernel import Map

Participants = Map[int, Participant | None]


def zones_hold(
    zones: Map[int, Zone | None],
    grid_accounts: Map[bytes, int | None],
    participants: Participants,
    owners: Map[bytes, int],
) -> bool:
    """Say whether each zone has a retailer of its own and an account that nobody trades from."""
    settling: dict[bytes, int | None] = {}
    for number, zone in zones.items():
        assert zone is not None, "a key has a zone"
        retailer = participants[zone.retailer]
        if retailer is None or retailer.zone != number or zone.grid_account in owners:
            return False
        settling[zone.grid_account] = number
    count = len(list(zones.items()))
    return count == len(settling) <= ZONES_MAX and settling == dict(grid_accounts.items())


def members_hold(
    participants: Participants,
    zones: Map[int, Zone | None],
    members_of: Map[tuple[int, int], bool],
    member_counts: Map[int, int],
) -> bool:
    """Say whether the zones list and count exactly their participants."""
    members = [(one.zone, number) for number, one in _all(participants)]
    counts = {number: len(list(members_of.items(number))) for number, _ in zones.items()}
    return sorted(members) == [key for key, _ in members_of.items()] and counts == dict(
        member_counts.items()
    )


def accounts_hold(
    owners: Map[bytes, int],
    account_list: Map[int, tuple[bytes, ...]],
    invitations: Map[tuple[int, bytes], bool],
) -> bool:
    """Say whether an account is listed once, under its owner, of whom it is one of 16 at most."""
    listed: dict[bytes, int] = {}
    counts: dict[int, int] = {}
    for participant, accounts in account_list.items():
        counts[participant] = len(accounts)
        for account in accounts:
            if account in listed:
                return False
            listed[account] = participant
    for participant in [key[0] for key, _ in invitations.items()]:
        counts[participant] = counts.get(participant, 0) + 1
    return listed == dict(owners.items()) and max(counts.values(), default=0) <= ACCOUNTS_MAX


def groups_hold(participants: Participants, affiliates_of: Map[int, tuple[int, ...]]) -> bool:
    """Say whether heads are their own, all others of a group are listed, and groups bounded."""
    groups = {number: one.group for number, one in _all(participants)}
    under = [(head, number) for number, head in groups.items() if head != number]
    heads = [head for head, _ in under]
    return (
        sorted(under) == sorted((head, one) for head, some in affiliates_of.items() for one in some)
        and all(groups.get(head) == head for head in heads)
        and all(heads.count(head) < AFFILIATES_MAX for head in heads)
    )


def suspensions_hold(participants: Participants, suspensions: Map[tuple[int, int], bool]) -> bool:
    """Say whether exactly the suspended participants are listed."""
    suspended = [
        (one.zone, number)
        for number, one in _all(participants)
        if one.compliance.standing is Standing.SUSPENDED
    ]
    return sorted(suspended) == [key for key, _ in suspensions.items()]


def _all(participants: Participants) -> Iterator[tuple[int, Participant]]:
    for number, participant in participants.items():
        assert participant is not None, "a key has a participant"
        yield number, participant
