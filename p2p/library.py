"""What this floor overrides or calls inside py-libp2p, looked at when it starts.

A release that renames one of these would leave a guard unused, silently: better not to start.
"""

import inspect
from importlib.metadata import version
from types import MappingProxyType
from typing import Final

from libp2p.network.swarm import Swarm
from libp2p.pubsub.gossipsub import GossipSub
from libp2p.pubsub.mcache import CacheEntry, MessageCache
from libp2p.pubsub.rpc_queue import RpcQueue

# Parameters in their order, without the first.
METHODS: Final = MappingProxyType(
    {
        (Swarm, "_do_handle_inbound_connection"): "read_write_closer maddr failure_event",
        (CacheEntry, "__init__"): "mid topics",
        (MessageCache, "__init__"): "window_size history_size",
        (MessageCache, "put"): "msg",
        (MessageCache, "shift"): "",
        (MessageCache, "window"): "topic",
        (RpcQueue, "__init__"): "max_size max_message_size",
        (RpcQueue, "pop"): "",
        (RpcQueue, "push"): "rpc priority",
        (GossipSub, "_check_iwant_rate_limit"): "peer_id",
        (GossipSub, "_emit_control_msgs"): "peers_to_graft peers_to_prune peers_to_gossip",
        (GossipSub, "_get_peers_to_send"): "topic_ids msg_forwarder origin msg_id",
        (GossipSub, "add_peer"): "peer_id protocol_id",
        (GossipSub, "attach"): "pubsub",
        (GossipSub, "emit_control_message"): "control_msg to_peer",
        (GossipSub, "gossip_heartbeat"): "",
        (GossipSub, "handle_graft"): "graft_msg sender_peer_id",
        (GossipSub, "handle_ihave"): "ihave_msg sender_peer_id",
        (GossipSub, "handle_iwant"): "iwant_msg sender_peer_id",
        (GossipSub, "handle_prune"): "prune_msg sender_peer_id",
        (GossipSub, "handle_rpc"): "rpc sender_peer_id",
        (GossipSub, "heartbeat"): "",
        (GossipSub, "join"): "topic",
        (GossipSub, "on_peer_subscribed"): "peer_id topic",
        (GossipSub, "pack_control_msgs"): "ihave_msgs graft_msgs prune_msgs idontwant_msgs",
        (GossipSub, "remove_peer"): "peer_id",
        (GossipSub, "select_from_minus"): "pool minus",
        (GossipSub, "send_recent_messages"): "peer_id topic",
        (GossipSub, "send_rpc"): "peer_id rpc priority",
    }
)
ATTRIBUTES: Final = MappingProxyType(
    {
        GossipSub: ("back_off", "mcache", "mesh", "peer_protocol", "pubsub", "scorer"),
        MessageCache: ("history", "msgs"),
    }
)


class LibraryError(Exception):
    """The installed libp2p is another one than this floor is made for; says in what."""


def check_library() -> None:
    """Look for everything that is relied on; raises `LibraryError`."""
    for (owner, name), expected in METHODS.items():
        method = getattr(owner, name, None)
        found = None if method is None else " ".join(list(inspect.signature(method).parameters)[1:])
        if found != expected:
            what = "is gone" if found is None else f"takes ({found}), not ({expected})"
            raise _error(owner, name, what)
    for owner, names in ATTRIBUTES.items():
        for name in names:
            if name not in owner.__annotations__:
                raise _error(owner, name, "is gone")


def _error(owner: type, name: str, what: str) -> LibraryError:
    return LibraryError(
        f"libp2p {version('libp2p')}: {owner.__name__}.{name} {what}; "
        "install the release that pyproject.toml names"
    )
