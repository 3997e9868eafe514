"""The network: other nodes, and where consensus stands among them."""

from dataclasses import asdict

from node.api.methods.chain import NoParams
from node.api.reading import contracts_over
from node.api.service import Service
from node.api.types import AddressOut, Answer
from node.backend import RoundState
from p2p.peer_id import peer_id_text


class PeerAnswer(Answer):
    """Another node; `name` is that of its authority, null for one that the operator lists.

    `height` is what it said last and proves nothing. `lies` counts what no honest node sends.
    """

    peer_id: str
    name: str | None
    is_up: bool
    height: int
    rtt_ms: int | None
    dials: int
    failures: int
    stale: int
    lies: int
    last_failure: str


class PeersAnswer(Answer):
    """The nodes that this one wants to be connected to, those that are first."""

    peers: list[PeerAnswer]


class VoterAnswer(Answer):
    """A validator in the round under way."""

    address: AddressOut
    name: str
    has_prevoted: bool
    has_precommitted: bool


class ConsensusAnswer(Answer):
    """The round under way; `waits_for` says in words what it needs to go on."""

    height: int
    round: int
    step: str
    proposer: AddressOut
    proposer_name: str
    quorum: int
    has_proposal: bool
    may_sign: bool
    validators: list[VoterAnswer]
    waits_for: str


async def net_peers(service: Service, _: NoParams) -> PeersAnswer:
    """List the nodes that this one is connected to, or wants to be."""
    with service.backend.published() as published:
        seated = contracts_over(published).authorities.by_network_key()
    names = {peer_id_text(key): name for key, name in seated}
    found = sorted(service.backend.peers(), key=lambda one: (not one.is_up, one.peer_id))
    return PeersAnswer(
        peers=[PeerAnswer(name=names.get(one.peer_id), **asdict(one)) for one in found]
    )


async def consensus_state(service: Service, _: NoParams) -> ConsensusAnswer:
    """Say where consensus stands: whose turn it is, who has voted, and what it waits for."""
    state = service.backend.round_state()
    with service.backend.published() as published:
        members = contracts_over(published).authorities.members
        # A member of the set under way may have lost its seat in the newest state.
        names = {
            address: seat.name if (seat := members[address]) is not None else ""
            for address, _, _ in state.votes
        }
    return ConsensusAnswer(
        height=state.height,
        round=state.round,
        step=state.step,
        proposer=state.proposer,
        proposer_name=names[state.proposer],
        quorum=state.quorum,
        has_proposal=state.has_proposal,
        may_sign=state.may_sign,
        validators=[
            VoterAnswer(address=one, name=names[one], has_prevoted=prevoted, has_precommitted=pre)
            for one, prevoted, pre in state.votes
        ],
        waits_for=_waits_for(state, names),
    )


def _waits_for(state: RoundState, names: dict[bytes, str]) -> str:
    if not state.is_due:
        return "a reason for a block: a transaction, due work, or the heartbeat"
    if state.step == "propose":
        what = "executing the proposal" if state.has_proposal else "the proposal"
        return f"{what} of {names[state.proposer]}"
    column = 1 if state.step == "prevote" else 2
    missing = [names[vote[0]] for vote in state.votes if not vote[column]]
    have = len(state.votes) - len(missing)
    if have >= state.quorum:
        return f"agreement among the {have} {state.step}s that are here, or the end of the round"
    return (
        f"{state.quorum - have} more {state.step}s of {state.quorum}, "
        f"from any of: {', '.join(missing)}"
    )
