"""The validator's consensus key on disk: a file that only its owner may read.

A validator signs without a person beside it, so its key cannot wait for a passphrase. The key can
do nothing but propose and vote; the authority's account, which holds funds and can replace the
consensus key, is a key of the keystore.

The file lies beside the last-signed files, outside the data folder, and is made together with the
signer's log and last-signed file: only such a triple may sign at once. (PROTOCOL §5.)
"""

import json
import stat
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from chain.bech32 import AddressTextError, decode_address, encode_address
from chain.crypto import SEED_BYTES, public_key_of
from client.files import write_whole
from node.failure import ExitCode, Failure
from node.home import Home

FORMAT: Final = "gridtokenx validator 1"
FILE_BYTES_MAX: Final = 4_096


@dataclass(frozen=True, slots=True)
class ValidatorKey:
    """Which authority this node signs for, and the secret seed of its consensus key."""

    account: bytes
    seed: bytes = field(repr=False)

    @property
    def public_key(self) -> bytes:
        """Return the consensus key as the chain knows it."""
        return public_key_of(self.seed)

    @staticmethod
    def path(home: Home) -> Path:
        """Return where a home keeps it."""
        return home.folder / "signer" / "validator.json"

    def save(self, home: Home) -> None:
        """Write the file, readable by its owner only; raises `Failure` if there is one."""
        path = self.path(home)
        if path.exists():
            raise Failure(
                ExitCode.CONFIG,
                f"{path} exists: this home has a validator key already",
                "use another folder with --home",
            )
        content = {
            "format": FORMAT,
            "account": encode_address(self.account),
            "public_key": self.public_key.hex(),
            "seed": self.seed.hex(),
        }
        write_whole(path, json.dumps(content, indent=1).encode() + b"\n")

    @classmethod
    def load(cls, home: Home) -> "ValidatorKey":
        """Read the file; raises `Failure` if it is missing, damaged, or readable by others."""
        path = cls.path(home)
        try:
            if stat.S_IMODE(path.stat().st_mode) & (stat.S_IRWXG | stat.S_IRWXO):
                raise Failure(
                    ExitCode.CONFIG,
                    f"{path} holds a secret, but others may read it",
                    f"chmod 600 {path}",
                )
            with path.open("rb") as file:
                content = file.read(FILE_BYTES_MAX)
        except FileNotFoundError as error:
            raise Failure(
                ExitCode.CONFIG, f"there is no {path}", "make a home with: gtx init"
            ) from error
        except OSError as error:
            raise Failure(ExitCode.CONFIG, f"cannot read {path}: {error.strerror}") from error
        return cls._read(path, content)

    @classmethod
    def _read(cls, path: Path, content: bytes) -> "ValidatorKey":
        try:
            fields: dict[str, Any] = json.loads(content)
            seed = bytes.fromhex(fields["seed"])
            account = decode_address(fields["account"])
            fits = (
                fields["format"] == FORMAT
                and len(seed) == SEED_BYTES
                and public_key_of(seed).hex() == fields["public_key"]
            )
        except (KeyError, TypeError, ValueError, AddressTextError):
            # Not chained: a decoder's message can repeat what it read.
            fits, seed, account = False, b"", b""
        if not fits:
            raise Failure(ExitCode.CONFIG, f"{path} is damaged", "restore it from a backup")
        return cls(account, seed)
