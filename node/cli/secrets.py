"""Secrets on their way in: passphrases, seeds, and the keys that sign a transaction.

They come from a terminal without echo, an environment variable or a file; never from the command
line, where other users of the machine and the shell's history would see them.
"""

import getpass
import os
import sys
from pathlib import Path
from typing import Annotated, Final

from cyclopts import Parameter

from chain.crypto import SEED_BYTES
from client.devnet_keys import OFFICE_NAMES, Identity, is_name
from client.keystore import Keystore
from node.failure import ExitCode, Failure
from node.home import Home

PASSPHRASE_VARIABLE: Final = "GTX_PASSPHRASE"  # noqa: S105 - the name of a variable
DEVNET_PREFIX: Final = "devnet/"
SECRET_BYTES_MAX: Final = 4_096

PassphraseFile = Annotated[
    Path | None,
    Parameter(
        help=f"Read the passphrase from this file; else from {PASSPHRASE_VARIABLE}, else ask."
    ),
]
KeyName = Annotated[
    str, Parameter(name="--key", help="A key of the keystore, or devnet/NAME for a public one.")
]


def passphrase(file: Path | None, *, new: bool = False, of: str = "the key") -> str:
    """Return a passphrase; asks twice for a `new` one. Raises `Failure`."""
    if file is not None:
        return _first_line(file)
    given = os.environ.get(PASSPHRASE_VARIABLE)
    if given is not None:
        if not given:
            raise Failure(ExitCode.KEY, f"{PASSPHRASE_VARIABLE} is empty", "unset it to be asked")
        return given
    if not sys.stdin.isatty():
        raise Failure(
            ExitCode.KEY,
            f"the passphrase of {of} is needed, and there is no terminal to ask on",
            f"set {PASSPHRASE_VARIABLE}, or give --passphrase-file",
        )
    typed = getpass.getpass(f"Passphrase of {of}: ")
    if new and getpass.getpass("The same again: ") != typed:
        raise Failure(ExitCode.KEY, "the two passphrases differ", "try again")
    return typed


def seed_of(home: Home, name: str, passphrase_file: Path | None) -> bytes:
    """Return the seed of a key of the keystore or of the public devnet; raises `Failure`."""
    if name.startswith(DEVNET_PREFIX):
        return devnet_identity(name).seed
    keystore = Keystore(home.keys)
    keystore.info(name)
    return keystore.open(name, passphrase(passphrase_file, of=f"key {name!r}"))


def devnet_identity(name: str) -> Identity:
    """Return who `devnet/account-0` is: its name has spaces where this has hyphens.

    Raises `Failure` for a name that nobody of a devnet has.
    """
    spaced = name.removeprefix(DEVNET_PREFIX).replace("-", " ")
    if not is_name(spaced):
        offices = ", ".join(one.replace(" ", "-") for one in OFFICE_NAMES)
        raise Failure(
            ExitCode.KEY,
            f"nobody of a devnet is called {name!r}",
            f"names behind {DEVNET_PREFIX} are account-N, household-N, meter-N, validator-N, "
            f"{offices}",
        )
    return Identity(spaced)


def read_seed(text: str) -> bytes:
    """Return a seed written as hex digits; raises `Failure`, which does not repeat it."""
    try:
        seed = bytes.fromhex(text.strip())
    except ValueError:
        seed = b""
    if len(seed) != SEED_BYTES:
        raise Failure(
            ExitCode.KEY,
            "that is no seed",
            f"a seed is {2 * SEED_BYTES} hex digits, alone in its file",
        )
    return seed


def _first_line(file: Path) -> str:
    try:
        with file.open("rb") as handle:
            content = handle.read(SECRET_BYTES_MAX)
        line = content.decode().splitlines()[0] if content else ""
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise Failure(ExitCode.KEY, f"cannot read a passphrase from {file}: {why}") from None
    if not line:
        raise Failure(ExitCode.KEY, f"the first line of {file} is empty")
    return line
