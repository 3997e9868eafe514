"""The node's key on the network: who it is to other nodes, and nothing else.

It is apart from the consensus key, so that a node can be moved, or its address be known, without a
word about who signs. A validator's is registered with its authority: others let it in by it.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from chain.crypto import SEED_BYTES, public_key_of
from node.home import Home
from node.secret_file import damaged, load_secret, save_secret
from p2p.peer_id import peer_id_text

FORMAT: Final = "gridtokenx network 1"


@dataclass(frozen=True, slots=True)
class NetworkKey:
    """The secret seed of a node's Ed25519 key."""

    seed: bytes = field(repr=False)

    @property
    def public_key(self) -> bytes:
        """Return the key that others know."""
        return public_key_of(self.seed)

    @property
    def peer_id(self) -> str:
        """Return what other nodes' settings call this node."""
        return peer_id_text(self.public_key)

    @staticmethod
    def path(home: Home) -> Path:
        """Return where a home keeps it."""
        return home.folder / "network.json"

    def save(self, home: Home) -> None:
        """Write the file, readable by its owner only; raises `Failure` if there is one."""
        content = {"format": FORMAT, "public_key": self.public_key.hex(), "seed": self.seed.hex()}
        save_secret(self.path(home), content, what="network key")

    @classmethod
    def load(cls, home: Home) -> "NetworkKey":
        """Read the file; raises `Failure` if it is missing, damaged, or readable by others."""
        path = cls.path(home)
        fields = load_secret(path)
        try:
            seed = bytes.fromhex(fields["seed"])
            fits = (
                fields["format"] == FORMAT
                and len(seed) == SEED_BYTES
                and public_key_of(seed).hex() == fields["public_key"]
            )
        except (KeyError, TypeError, ValueError):
            # Not chained: a decoder's message can repeat what it read.
            fits, seed = False, b""
        if not fits:
            raise damaged(path)
        return cls(seed)
