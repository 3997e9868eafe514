"""A node's folders, and the lock that keeps a second process out of them.

```text
HOME/config.toml        settings
HOME/genesis.json       what the chain begins with
HOME/keys/              the keystore
HOME/data/chain/        LevelDB
HOME/data/consensus.log what this validator has signed
HOME/data/consensus.journal  what its consensus was told, if the settings ask for it
HOME/signer/            last-signed files, outside the data folder on purpose
HOME/node.lock          held while a node runs
```
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from chain.crypto import public_key_of
from client.files import write_whole
from node.signer import SignerPaths

IGNORE_MODE: Final = 0o644


class HomeError(Exception):
    """The folders cannot be used; says why and what to do."""


@dataclass(frozen=True, slots=True)
class Home:
    """Where one node keeps everything."""

    folder: Path

    @property
    def config(self) -> Path:
        """Return the settings' path."""
        return self.folder / "config.toml"

    @property
    def genesis(self) -> Path:
        """Return the genesis' path."""
        return self.folder / "genesis.json"

    @property
    def keys(self) -> Path:
        """Return the keystore's folder."""
        return self.folder / "keys"

    @property
    def data(self) -> Path:
        """Return the folder of everything that a resync can bring back, and the signer's log."""
        return self.folder / "data"

    @property
    def database(self) -> Path:
        """Return the database's folder."""
        return self.data / "chain"

    @property
    def journal(self) -> Path:
        """Return the path of the journal of consensus."""
        return self.data / "consensus.journal"

    def signer_paths(self, chain_id: bytes, consensus_seed: bytes) -> SignerPaths:
        """Return where the signer's log and last-signed file lie."""
        return SignerPaths.of(
            self.data, self.folder / "signer", chain_id, public_key_of(consensus_seed)
        )

    def keep_out_of_git(self) -> None:
        """Let no repository around the folder take its keys in."""
        write_whole(self.folder / ".gitignore", b"*\n", mode=IGNORE_MODE)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the node's lock; raises `HomeError` if another process does, or the disk refuses."""
        try:
            self.data.mkdir(parents=True, exist_ok=True)
            handle = os.open(self.folder / "node.lock", os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise self._unusable(error) from error
        try:
            self._lock(handle)
            yield
        finally:
            os.close(handle)

    def _lock(self, handle: int) -> None:
        """Lock the file, and write into it whose lock it is."""
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.truncate(handle, 0)
            os.pwrite(handle, b"%d\n" % os.getpid(), 0)
        except BlockingIOError as error:
            holder = os.read(handle, 20).decode(errors="replace").strip() or "unknown"
            msg = (
                f"another node (process {holder}) uses {self.folder}; "
                "stop it, or use another folder with --home"
            )
            raise HomeError(msg) from error
        except OSError as error:
            raise self._unusable(error) from error

    def _unusable(self, error: OSError) -> HomeError:
        return HomeError(
            f"cannot use {self.folder}: {error.strerror}; check its permissions and the disk's room"
        )
