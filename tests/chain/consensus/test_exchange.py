"""Status and what follows from it: everybody gets what it lacks, and little else."""

from chain.consensus import effects, inputs
from chain.consensus.effects import Broadcast, Effect, Message, SendDecision, SendTo
from chain.consensus.messages import Status
from chain.consensus.timing import RESEND_IDLE_MS, RESEND_JITTER_MS, RESEND_MS, Timer
from chain.votes import Certificate, Polka, Proposal, Step, Vote
from tests.chain.consensus.stage import HEIGHT, NOW_MS, PEER, Stage, block, only

PREVOTE, PRECOMMIT = Step.PREVOTE, Step.PRECOMMIT


def sent(made: list[Effect]) -> list[Message]:
    """Return what goes to the peer."""
    return [one.message for one in only(SendTo, made) if one.peer == PEER]


def ask(stage: Stage, status: Status, times: int = 1) -> list[Message]:
    """Tell the machine where the peer stands; return what it sends the last time."""
    made: list[Effect] = []
    for _ in range(times):
        made = stage.give(inputs.StatusReceived(PEER, status))
    return sent(made)


def busy() -> Stage:
    """A machine at step precommit of round 0 that holds a polka for block a."""
    stage = Stage()
    stage.propose(0, stage.a)
    stage.prevote(0, stage.a, 0, 1)
    return stage


# ── What the machine says of itself ──


def test_a_node_says_where_it_stands_when_it_starts() -> None:
    stage = Stage(due=False)
    assert stage.done[0] == Broadcast(stage.status())


def test_a_status_shows_round_step_and_what_is_held() -> None:
    stage = busy()
    assert stage.machine.status() == stage.status(
        step=PRECOMMIT, polka_round=0, has_proposal=True, prevotes=(0, 1, 3), precommits=(3,)
    )


def test_a_node_repeats_its_status_with_jitter_more_slowly_while_idle() -> None:
    def delays(stage: Stage) -> list[tuple[int, int]]:
        waits = only(effects.ScheduleTimeout, stage.done)
        repeats = [one for one in waits if one.timeout.timer is Timer.RESEND]
        return [(one.delay_ms, one.jitter_ms) for one in repeats]

    idle = Stage(due=False)
    idle.fire(Timer.RESEND)
    assert delays(idle) == [(RESEND_IDLE_MS, RESEND_JITTER_MS)] * 2
    at_work = Stage()
    at_work.fire(Timer.RESEND)
    assert delays(at_work)[1] == (RESEND_MS, RESEND_JITTER_MS)


def test_a_stuck_step_repeats_its_own_messages() -> None:
    stage = busy()
    first = [one.message for one in only(Broadcast, stage.fire(Timer.RESEND))]
    assert [type(one) for one in first] == [Status], "it may have moved since"
    second = [one.message for one in only(Broadcast, stage.fire(Timer.RESEND))]
    assert [type(one) for one in second] == [Status, Vote, Vote]
    assert second[1:] == [stage.vote(s, 0, stage.a.id, 3) for s in (PREVOTE, PRECOMMIT)]


def test_a_proposer_repeats_its_proposal() -> None:
    stage = Stage(me=0)
    stage.give(inputs.Proposed(HEIGHT, 0, stage.a))
    stage.fire(Timer.RESEND)
    again = [one.message for one in only(Broadcast, stage.fire(Timer.RESEND))]
    assert [type(one) for one in again] == [Status, Proposal, Vote]


def test_blocks_that_did_not_come_are_asked_for_again() -> None:
    stage = Stage()
    stage.known.clear()
    stage.give(inputs.ProposalReceived(PEER, stage.proposal(0, stage.a), NOW_MS))
    made = stage.fire(Timer.RESEND)
    assert only(effects.RequestBlock, made) == [effects.RequestBlock(HEIGHT, stage.a.id)]


# ── What a peer gets ──


def test_a_peer_that_lacks_nothing_gets_nothing() -> None:
    stage = busy()
    assert ask(stage, stage.machine.status(), times=3) == []
    idle = Stage(due=False)
    assert ask(idle, idle.status(), times=3) == []


def test_a_peer_on_its_way_gets_our_own_votes_only() -> None:
    stage = busy()
    behind = stage.status(step=PREVOTE, polka_round=0, has_proposal=True)
    assert ask(stage, behind) == [stage.vote(s, 0, stage.a.id, 3) for s in (PREVOTE, PRECOMMIT)]


def test_a_stuck_peer_gets_every_vote_it_lacks() -> None:
    stage = busy()
    stuck = stage.status(step=PREVOTE, polka_round=0, has_proposal=True, prevotes=(0, 2))
    votes = ask(stage, stuck, times=2)
    own = [stage.vote(s, 0, stage.a.id, 3) for s in (PREVOTE, PRECOMMIT)]
    assert votes == [own[0], stage.vote(PREVOTE, 0, stage.a.id, 1), own[1]]


def test_a_peer_without_the_polka_gets_it_as_a_whole() -> None:
    stage = busy()
    lacking = stage.status(step=PREVOTE, prevotes=(0, 1, 2, 3), precommits=(3,))
    (polka,) = ask(stage, lacking)
    assert isinstance(polka, Polka)
    assert polka == stage.polka(0, stage.a.id, (0, 1, 3))


def test_a_peer_without_the_proposal_gets_it_while_it_waits_for_one() -> None:
    stage = busy()
    held = (0, 1, 2, 3)
    waiting = stage.status(polka_round=0, prevotes=held, precommits=held)
    assert ask(stage, waiting) == [stage.proposal(0, stage.a)]
    late = stage.status(step=PREVOTE, polka_round=0, prevotes=held, precommits=held)
    assert ask(stage, late) == []


def test_a_re_proposal_is_sent_with_its_polka() -> None:
    stage = Stage()
    stage.next_round()
    stage.propose(1, stage.a, valid_round=0)
    (proposal,) = [one for one in ask(stage, stage.status(round_=1)) if isinstance(one, Proposal)]
    assert proposal.polka == stage.polka(0, stage.a.id)


def test_a_peer_in_an_earlier_round_gets_what_takes_it_further() -> None:
    stage = Stage()
    stage.next_round()
    stage.fire(Timer.PROPOSE)
    behind = stage.status(step=PREVOTE, has_proposal=True, prevotes=(3,), precommits=(3,))
    assert ask(stage, behind) == [stage.vote(PREVOTE, 1, None, 3)], "one voice of f+1"
    votes = ask(stage, behind)
    assert [(v.step, v.round, v.validator) for v in votes if isinstance(v, Vote)] == [
        *((PREVOTE, 0, stage.address(i)) for i in (0, 1, 2)),
        *((PRECOMMIT, 0, stage.address(i)) for i in (0, 1, 2)),
        (PREVOTE, 1, stage.address(3)),
    ]


def test_own_votes_of_every_round_are_kept_for_those_behind() -> None:
    stage = Stage()
    for _ in range(100):
        stage.next_round()
    votes = ask(stage, stage.status(round_=1, step=PREVOTE))
    assert votes[:2] == [stage.vote(s, 1, None, 3) for s in (PREVOTE, PRECOMMIT)]


def test_a_peer_in_a_later_round_gets_nothing() -> None:
    stage = busy()
    assert ask(stage, stage.status(round_=7), times=2) == []


def test_a_peer_one_height_behind_gets_the_certificate() -> None:
    stage = Stage()
    (certificate,) = ask(stage, stage.status(height=HEIGHT - 1))
    assert certificate == stage.context().parent_certificate


def test_a_peer_far_behind_gets_its_decision_from_the_store() -> None:
    stage = Stage()
    made = stage.give(inputs.StatusReceived(PEER, stage.status(height=1)))
    assert made == [SendDecision(PEER, 1)]


def test_a_peer_ahead_gets_our_status_so_that_it_can_help() -> None:
    stage = busy()
    assert ask(stage, stage.status(height=HEIGHT + 1)) == [stage.machine.status()]


def test_who_knows_the_decision_sends_nothing_less() -> None:
    stage = Stage()
    stage.known.clear()
    stage.precommit(0, stage.a, 0, 1, 2)
    (certificate,) = ask(stage, stage.status(round_=9))
    assert isinstance(certificate, Certificate)
    assert certificate.block_id == stage.a.id


def test_who_sent_messages_of_the_next_height_is_told_when_we_come() -> None:
    stage = Stage()
    stage.precommit(0, stage.a, 0, 1, 2)
    early = stage.vote(PREVOTE, 0, None, 0, HEIGHT + 1)
    for _ in range(3):
        stage.give(inputs.VoteReceived(PEER, early))
    made = stage.give(inputs.Committed(stage.context(HEIGHT + 1, stage.a.id)))
    assert sent(made) == [stage.machine.status()]
    later = stage.give(
        inputs.Committed(stage.context(HEIGHT + 2, block("next", stage.address(0)).id))
    )
    assert sent(later) == [], "it is said once"
