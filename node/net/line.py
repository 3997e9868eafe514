"""The line: consensus messages to every peer, and from every peer to the machine.

Each peer's messages are given to the machine one by one and in their order; while the machine is
busy, that peer waits, and nobody else for it.
"""

from collections.abc import Awaitable, Callable
from typing import assert_never

from libp2p.peer.id import ID

from chain.consensus.effects import Message
from chain.consensus.inputs import (
    ClaimAsked,
    ClaimReceived,
    Input,
    ProposalReceived,
    StatusReceived,
    TallyReceived,
    VoteReceived,
)
from chain.consensus.messages import ClaimRequest, Status, StatusClaim
from chain.votes import Certificate, Polka, Proposal, Vote
from contracts.kernel import Value
from node.net.protocols import CONSENSUS, CONSENSUS_FRAME_BYTES_MAX
from p2p.channel import Channel, Incoming
from p2p.frames import BadFrameError
from p2p.messages import BadMessageError, message_from_wire, message_to_wire
from p2p.network import Host

Give = Callable[[Input], Awaitable[None]]


class Line:
    """Consensus messages over one host; also the part of the engine's outbox that speaks."""

    def __init__(
        self,
        host: Host,
        greeting: Value,
        give: Give,
        stands_at: Callable[[ID, int], None],
        clock_ms: Callable[[], int],
    ) -> None:
        """Hand what peers say to `give`, and what it tells of their heights to `stands_at`."""
        self._give = give
        self._stands_at = stands_at
        self.channel = Channel(
            host, CONSENSUS, greeting, self._receive, clock_ms, CONSENSUS_FRAME_BYTES_MAX
        )

    def broadcast(self, message: Message) -> None:
        """Send to every peer."""
        self.channel.broadcast(message_to_wire(message))

    def send(self, peer: bytes, message: Message) -> None:
        """Send to one peer, if it is there: whoever comes back says again where it stands."""
        self.channel.send(ID(peer), message_to_wire(message))

    async def _receive(self, incoming: Incoming) -> None:
        try:
            message = message_from_wire(incoming.value)
        except BadMessageError as error:
            raise BadFrameError(str(error)) from error
        height = height_of(message)
        if height is not None:
            self._stands_at(incoming.peer, height)
        await self._give(input_of(incoming.peer.to_bytes(), message, incoming.arrival_ms))


def height_of(message: Message) -> int | None:
    """Return the height under way where this was said, if it tells: a hint, never a proof."""
    match message:
        case Certificate():
            return message.height + 1
        case Proposal() | Vote() | Polka() | Status():
            return message.height
    return None


def input_of(peer: bytes, message: Message, arrival_ms: int) -> Input:
    """Return what the machine is told when a peer's message arrives."""
    match message:
        case Proposal():
            return ProposalReceived(peer, message, arrival_ms)
        case Vote():
            return VoteReceived(peer, message)
        case Polka() | Certificate():
            return TallyReceived(peer, message)
        case Status():
            return StatusReceived(peer, message)
        case ClaimRequest():
            return ClaimAsked(peer, message.nonce)
        case StatusClaim():
            return ClaimReceived(peer, message)
        case _:
            assert_never(message)
