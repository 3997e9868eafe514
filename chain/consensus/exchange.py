"""Who lacks what: a node's status, and the answer to a peer's.

Messages get lost, so every node says now and then where it stands, and each peer sends what the
status shows to be missing. A peer that moves gets only what its sender alone is sure to have: its
own messages, a polka, a certificate. A peer whose status has not changed since its last one is
stuck, and gets every vote it lacks. (PROTOCOL §5.)
"""

from collections.abc import Iterator

from chain.consensus.effects import Broadcast, Effect, Message, SendDecision, SendTo
from chain.consensus.messages import Status
from chain.consensus.rules import Rules
from chain.votes import Step, bitmap_positions
from contracts.kernel.rounding import ceil_div

_VOTES = (Step.PREVOTE, Step.PRECOMMIT)


def status_of(rules: Rules) -> Status:
    """Return where a node stands and what it holds of its round."""
    round_, votes = rules.round, rules.votes
    return Status(
        rules.height,
        round_,
        rules.step,
        votes.polka_round,
        round_ in rules.proposals,
        votes.bitmap(round_, Step.PREVOTE),
        votes.bitmap(round_, Step.PRECOMMIT),
    )


def is_well_formed(status: Status, rules: Rules) -> bool:
    """Say whether a status of our height has bitmaps of our validator set."""
    size = rules.validators.size
    return all(
        len(bitmap) == ceil_div(size, 8) and not any(i >= size for i in bitmap_positions(bitmap))
        for bitmap in (status.prevotes, status.precommits)
    )


def answer(rules: Rules, peer: bytes, theirs: Status, *, stuck: bool) -> list[Effect]:
    """Return what to send a peer that stands there; nothing if it lacks nothing of ours."""
    if theirs.height > rules.height:
        # It will see what we lack.
        return [SendTo(peer, status_of(rules))]
    if theirs.height < rules.height:
        certificate = rules.parent.certificate()
        if certificate is not None and certificate.height == theirs.height:
            return [SendTo(peer, certificate)]
        return [SendDecision(peer, theirs.height)]
    if rules.votes.certified is not None:
        round_ = rules.votes.certified.round
        return [SendTo(peer, rules.votes.certificate(rules.chain_id, round_))]
    if theirs.round > rules.round:
        return []
    return [SendTo(peer, message) for message in _missing(rules, theirs, stuck=stuck)]


def repeat(rules: Rules, *, stuck: bool) -> list[Effect]:
    """Return what to tell everybody now and then: our status, and while stuck our own messages."""
    own = _own(rules) if stuck else []
    return [Broadcast(message) for message in (status_of(rules), *own)]


def _missing(rules: Rules, theirs: Status, *, stuck: bool) -> Iterator[Message]:
    """Yield what a peer at our height, and not above our round, lacks."""
    polka_round = rules.votes.polka_round
    if polka_round >= theirs.round and polka_round > theirs.polka_round:
        yield rules.votes.polka(rules.chain_id, polka_round)
    timed = rules.proposals.get(theirs.round)
    if timed is not None and theirs.step is Step.PROPOSE and not theirs.has_proposal:
        yield timed.proposal
    address = rules.voice.address
    mine = None if address is None else rules.validators.index_of[address]
    for step, bitmap in zip(_VOTES, (theirs.prevotes, theirs.precommits), strict=True):
        present = bitmap_positions(bitmap)
        own = rules.voice.spoken.get((theirs.round, step))
        if own is not None and mine not in present:
            yield own
        if stuck:
            votes = rules.votes.lacking(theirs.round, step, present)
            yield from (vote for vote in votes if vote.validator != address)
    if theirs.round < rules.round:
        yield from _own(rules)


def _own(rules: Rules) -> list[Message]:
    """Return our own messages of the present round."""
    own = (rules.voice.spoken.get((rules.round, step)) for step in Step)
    messages: list[Message] = [one for one in own if one is not None]
    return messages
