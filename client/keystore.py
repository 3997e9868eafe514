"""The keystore: one encrypted file a key.

The 32-byte Ed25519 seed is sealed by XSalsa20-Poly1305 (libsodium's secretbox) under a key that
Argon2id (RFC 9106) makes of the passphrase. The file is JSON; address and public key are readable
without the passphrase, the seed never is.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from nacl import pwhash
from nacl.exceptions import CryptoError
from nacl.secret import SecretBox
from nacl.utils import random as random_bytes

from chain.bech32 import encode_address
from chain.crypto import SEED_BYTES, public_key_of
from client.files import write_whole
from contracts.kernel import address_of

FORMAT: Final = "gridtokenx key 1"
NAME_PATTERN: Final = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}")
FILE_BYTES_MAX: Final = 16_384
# Argon2id's "moderate" of libsodium takes 0.7 s and 256 MiB; a file may ask for no more than that.
OPSLIMIT: Final = pwhash.argon2id.OPSLIMIT_INTERACTIVE
MEMLIMIT: Final = pwhash.argon2id.MEMLIMIT_INTERACTIVE
OPSLIMIT_MAX: Final = pwhash.argon2id.OPSLIMIT_MODERATE
MEMLIMIT_MAX: Final = pwhash.argon2id.MEMLIMIT_MODERATE


class KeystoreError(Exception):
    """A key cannot be stored or opened; says why and what to do."""


@dataclass(frozen=True, slots=True)
class KeyInfo:
    """What anybody may know of a stored key."""

    name: str
    public_key: bytes

    @property
    def account(self) -> bytes:
        """Return the account that the key answers for by itself."""
        return address_of(self.public_key)


class Keystore:
    """Keys in a folder, one file each."""

    def __init__(self, folder: Path) -> None:
        """Use this folder; it is made when the first key is stored."""
        self.folder = folder

    def new(self, name: str, passphrase: str) -> KeyInfo:
        """Make a key from the system's randomness and store it."""
        return self.add(name, random_bytes(SEED_BYTES), passphrase)

    def add(self, name: str, seed: bytes, passphrase: str) -> KeyInfo:
        """Store a given seed under a new name; raises `KeystoreError`."""
        path = self._path(name)
        if path.exists():
            msg = f"there is a key called {name!r} already; choose another name"
            raise KeystoreError(msg)
        if len(seed) != SEED_BYTES:
            msg = f"a seed has {SEED_BYTES} bytes, this one {len(seed)}"
            raise KeystoreError(msg)
        if not passphrase:
            msg = "the passphrase is empty"
            raise KeystoreError(msg)
        salt = random_bytes(pwhash.argon2id.SALTBYTES)
        box = SecretBox(_stretch(passphrase, salt, OPSLIMIT, MEMLIMIT))
        public_key = public_key_of(seed)
        content = {
            "format": FORMAT,
            "name": name,
            "address": encode_address(address_of(public_key)),
            "public_key": public_key.hex(),
            "argon2id": {"salt": salt.hex(), "opslimit": OPSLIMIT, "memlimit": MEMLIMIT},
            "secretbox": bytes(box.encrypt(seed)).hex(),
        }
        write_whole(path, json.dumps(content, indent=1).encode() + b"\n")
        return KeyInfo(name, public_key)

    def list(self) -> Iterator[KeyInfo]:
        """Yield what is known of every stored key, by name."""
        for path in sorted(self.folder.glob("*.json")):
            yield self.info(path.stem)

    def info(self, name: str) -> KeyInfo:
        """Return what anybody may know of a key; raises `KeystoreError`."""
        content = self._read(name)
        try:
            return KeyInfo(name, bytes.fromhex(content["public_key"]))
        except (KeyError, TypeError, ValueError) as error:
            raise self._damaged(name) from error

    def open(self, name: str, passphrase: str) -> bytes:
        """Return the seed of a key; raises `KeystoreError`."""
        content = self._read(name)
        try:
            stretch = content["argon2id"]
            salt = bytes.fromhex(stretch["salt"])
            opslimit, memlimit = int(stretch["opslimit"]), int(stretch["memlimit"])
            sealed = bytes.fromhex(content["secretbox"])
            public_key = bytes.fromhex(content["public_key"])
        except (KeyError, TypeError, ValueError) as error:
            raise self._damaged(name) from error
        if opslimit > OPSLIMIT_MAX or memlimit > MEMLIMIT_MAX:
            msg = f"key {name!r} asks for more Argon2id work than this program allows"
            raise KeystoreError(msg)
        try:
            seed = SecretBox(_stretch(passphrase, salt, opslimit, memlimit)).decrypt(sealed)
        except (CryptoError, ValueError) as error:
            msg = f"the passphrase does not open key {name!r}"
            raise KeystoreError(msg) from error
        if public_key_of(seed) != public_key:
            raise self._damaged(name)
        return seed

    def _path(self, name: str) -> Path:
        if not NAME_PATTERN.fullmatch(name):
            msg = f"{name!r} is no key name: use a-z, 0-9, '.', '_' and '-', 63 characters at most"
            raise KeystoreError(msg)
        return self.folder / f"{name}.json"

    def _read(self, name: str) -> dict[str, Any]:
        path = self._path(name)
        try:
            if path.stat().st_size > FILE_BYTES_MAX:
                raise self._damaged(name)
            content = json.loads(path.read_bytes())
        except FileNotFoundError as error:
            known = ", ".join(path.stem for path in sorted(self.folder.glob("*.json"))) or "none"
            msg = f"there is no key called {name!r} in {self.folder}; known: {known}"
            raise KeystoreError(msg) from error
        except (OSError, ValueError) as error:
            raise self._damaged(name) from error
        if not isinstance(content, dict) or content.get("format") != FORMAT:
            raise self._damaged(name)
        return content

    def _damaged(self, name: str) -> KeystoreError:
        return KeystoreError(f"{self._path(name)} is damaged; restore it from a backup")


def _stretch(passphrase: str, salt: bytes, opslimit: int, memlimit: int) -> bytes:
    key: bytes = pwhash.argon2id.kdf(
        SecretBox.KEY_SIZE, passphrase.encode(), salt, opslimit=opslimit, memlimit=memlimit
    )
    return key
