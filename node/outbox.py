"""What leaves a node for others, as the engine sees it."""

from typing import Protocol

from chain.consensus.effects import Message


class Outbox(Protocol):
    """The network, as the engine sees it."""

    def broadcast(self, message: Message) -> None:
        """Send to every validator and peer."""

    def send(self, peer: bytes, message: Message) -> None:
        """Send to one peer."""

    def send_decision(self, peer: bytes, height: int) -> None:
        """Send a peer the certificate of a decided height."""

    def request_block(self, height: int, block_id: bytes) -> None:
        """Fetch a block; it comes back as an input."""


class Alone:
    """The network of a chain with one validator: there is nobody to talk to."""

    def broadcast(self, message: Message) -> None:
        """Reach everybody else, that is nobody."""

    def send(self, peer: bytes, message: Message) -> None:
        """Refuse: a message to a peer means that there is one."""
        raise AssertionError(f"no peer {peer.hex()} to send {type(message).__name__} to")

    def send_decision(self, peer: bytes, height: int) -> None:
        """Refuse: a message to a peer means that there is one."""
        raise AssertionError(f"no peer {peer.hex()} to send height {height} to")

    def request_block(self, height: int, block_id: bytes) -> None:
        """Refuse: the only validator has proposed every block itself."""
        raise AssertionError(f"block {block_id.hex()} at {height} is nobody's")
