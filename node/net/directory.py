"""The directory: who may talk to this node, and where they are.

Let in are the nodes of the authorities that the newest block's state names, and whom the operator
lists in the settings. The state knows keys and no addresses; those come from the settings.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Final

from libp2p.peer.id import ID
from multiaddr import Multiaddr

from node.api.reading import contracts_over
from node.backend import Published
from node.config import ConfigError
from p2p.identity import BadPeerIdError, parse_peer_id, peer_id_of

ADDRESS_CHARACTERS_MAX: Final = 256
HOSTS: Final = ("ip4", "ip6", "dns4", "dns6")
TCP: Final = "tcp"

Addresses = Mapping[ID, Sequence[Multiaddr]]


class Directory:
    """Who is let in, as of the newest block."""

    def __init__(
        self, me: ID, listed: Addresses, published: Callable[[], AbstractContextManager[Published]]
    ) -> None:
        """Take whom the operator lists, with their addresses; `me` is nobody to talk to."""
        self._me = me
        self._listed = listed
        self._published = published
        self._block_id = b""
        self._seated: tuple[ID, ...] = ()

    def wanted(self) -> Addresses:
        """Return whom to be connected to, each with the addresses that are known."""
        peers = dict.fromkeys((*self._authorities(), *self._listed))
        return {peer: self._listed.get(peer, ()) for peer in peers if peer != self._me}

    def admits(self, peer: ID) -> bool:
        """Say whether a peer is let in."""
        return peer in self._listed or peer in self._authorities()

    def _authorities(self) -> tuple[ID, ...]:
        with self._published() as published:
            if published.tip.block_id != self._block_id:
                self._block_id = published.tip.block_id
                seated = contracts_over(published).authorities.by_network_key()
                self._seated = tuple(peer_id_of(key) for key, _ in seated)
        return self._seated


def listed_peers(texts: Iterable[str]) -> dict[ID, list[Multiaddr]]:
    """Read addresses that end with a peer id; raises `ConfigError`.

    One without an address, `/p2p/12D3KooW…`, is let in and not dialled.
    """
    found: dict[ID, list[Multiaddr]] = {}
    for text in texts:
        address, separator, peer = text[:ADDRESS_CHARACTERS_MAX].rpartition("/p2p/")
        if not separator:
            msg = f"p2p.peers: {text!r} does not end with /p2p/ and a peer id"
            raise ConfigError(msg)
        try:
            addresses = found.setdefault(parse_peer_id(peer), [])
            if address:
                addresses.append(address_of(address))
        except BadPeerIdError as error:
            msg = f"p2p.peers: {error}"
            raise ConfigError(msg) from error
    return found


def address_of(text: str) -> Multiaddr:
    """Read an address to listen on or to dial; raises `ConfigError`."""
    try:
        address = Multiaddr(text)
        protocols = [one.name for one in address.protocols()]
    except ValueError as error:
        msg = f"p2p: {text!r} is no address: {error}"
        raise ConfigError(msg) from error
    if len(protocols) != len(("host", "port")) or protocols[0] not in HOSTS or protocols[1] != TCP:
        msg = f"p2p: {text!r} is no address of TCP, as /ip4/10.0.0.2/tcp/26780"
        raise ConfigError(msg)
    return address
