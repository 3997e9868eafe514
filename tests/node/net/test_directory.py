"""The directory: whom the chain names and the operator lists, and no address that is none."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from multiaddr import Multiaddr

from node.backend import Published
from node.config import ConfigError
from node.net.directory import Directory, address_of, listed_peers
from p2p.identity import peer_id_of
from tests.support.chain import ChainNode
from tests.support.genesis import network_name, validator_names
from tests.support.people import key_of

SEATED = [peer_id_of(key_of(network_name(name))) for name in validator_names(4)]
FRIEND, STRANGER = peer_id_of(key_of("friend")), peer_id_of(key_of("stranger"))
ADDRESS = Multiaddr("/ip4/10.0.0.9/tcp/26780")


def test_authorities_and_listed_peers_are_let_in_and_nobody_else() -> None:
    node = ChainNode(4)

    @contextmanager
    def published() -> Iterator[Published]:
        yield Published(node.ledger.tip, node.store, node.ledger.trie)

    directory = Directory(SEATED[0], {FRIEND: [ADDRESS], SEATED[1]: [ADDRESS]}, published)
    assert directory.wanted() == {
        SEATED[1]: [ADDRESS], SEATED[2]: (), SEATED[3]: (), FRIEND: [ADDRESS],
    }  # fmt: skip
    assert all(directory.admits(peer) for peer in (*SEATED, FRIEND))
    assert not directory.admits(STRANGER)
    node.decide(node.transfer("alice", 0))
    assert directory.admits(SEATED[2])
    assert not directory.admits(STRANGER)


def test_listed_peers_are_read_with_all_their_addresses() -> None:
    texts = [f"/ip4/10.0.0.9/tcp/1/p2p/{FRIEND}", f"/dns4/a.example/tcp/2/p2p/{FRIEND}"]
    found = listed_peers(texts)
    assert found == {FRIEND: [Multiaddr("/ip4/10.0.0.9/tcp/1"), Multiaddr("/dns4/a.example/tcp/2")]}


def test_a_peer_that_only_dials_is_listed_without_an_address() -> None:
    assert listed_peers([f"/p2p/{FRIEND}"]) == {FRIEND: []}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("/ip4/10.0.0.9/tcp/1", "does not end with /p2p/"),
        (f"p2p/{FRIEND}", "does not end with /p2p/"),
        ("/p2p/nobody", "p2p.peers: "),
        ("/ip4/10.0.0.9/tcp/1/p2p/nobody", "p2p.peers: "),
        (f"/ip4/10.0.0.9/udp/1/p2p/{FRIEND}", "is no address of TCP"),
        (f"here/p2p/{FRIEND}", "is no address"),
    ],
)
def test_a_wrong_peer_is_refused_with_what_is_wrong(text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        listed_peers([text])


@pytest.mark.parametrize(
    "text", ["", "/tcp/1", "/ip4/1.2.3.4", "/ip4/1.2.3.4/tcp/1/ws", "/ip4/999.2.3.4/tcp/1", "x"]
)
def test_what_is_no_place_to_listen_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="is no address"):
        address_of(text)


def test_a_folder_is_no_address(tmp_path: Path) -> None:
    with pytest.raises(ConfigError):
        address_of(str(tmp_path))
