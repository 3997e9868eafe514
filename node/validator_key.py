"""The validator's consensus key on disk: a file that only its owner may read.

A validator signs without a person beside it, so its key cannot wait for a passphrase. The key can
do nothing but propose and vote; the authority's account, which holds funds and can replace the
consensus key, is a key of the keystore.

The file lies beside the last-signed files, outside the data folder, and is made together with the
signer's log and last-signed file: only such a triple may sign at once. (PROTOCOL §5.)
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from chain.bech32 import AddressTextError, decode_address, encode_address
from chain.crypto import SEED_BYTES, public_key_of
from node.home import Home
from node.secret_file import damaged, load_secret, save_secret

FORMAT: Final = "gridtokenx validator 1"


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
        content = {
            "format": FORMAT,
            "account": encode_address(self.account),
            "public_key": self.public_key.hex(),
            "seed": self.seed.hex(),
        }
        save_secret(self.path(home), content, what="validator key")

    @classmethod
    def load(cls, home: Home) -> "ValidatorKey":
        """Read the file; raises `Failure` if it is missing, damaged, or readable by others."""
        path = cls.path(home)
        fields = load_secret(path)
        try:
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
            raise damaged(path)
        return cls(account, seed)
