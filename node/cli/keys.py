"""`gtx keys`: the keystore in the home folder."""

import sys
import tempfile
from pathlib import Path
from typing import Annotated, Any, Final

from cyclopts import Parameter

from chain.bech32 import encode_address
from client.files import write_whole
from client.keystore import KeyInfo, Keystore
from node.cli.common import DEFAULTS, Common
from node.cli.confirm import Yes, confirm
from node.cli.misspelt import refuse_options
from node.cli.output import answer, facts, note, table
from node.cli.secrets import PassphraseFile, passphrase, read_seed
from node.failure import ExitCode, Failure

IMPORT_BYTES_MAX: Final = 16_384

Name = Annotated[str, Parameter(help="The key's name: a-z, 0-9, '.', '_' and '-'.")]


def new(
    name: Name, /, *, passphrase_file: PassphraseFile = None, common: Common = DEFAULTS
) -> None:
    """Make a key and store it, sealed by a passphrase.

    For example:

    ```
    gtx keys new alice
    gtx keys new alice --passphrase-file secret.txt --json
    ```
    """
    keystore = _unused(common, name)
    made = keystore.new(name, passphrase(passphrase_file, new=True, of=f"new key {name!r}"))
    _show(made, common)


def list_(*, common: Common = DEFAULTS) -> None:
    """List the keys with their addresses; needs no passphrase.

    For example:

    ```
    gtx keys list
    ```
    """
    found = [_form(one) for one in _keystore(common).list()]
    rows = [(one["name"], one["address"]) for one in found]
    lines = table(("name", "address"), rows) if rows else ["no keys; make one: gtx keys new NAME"]
    answer({"keys": found}, as_json=common.json, lines=lines)


def show(name: Name, /, *, common: Common = DEFAULTS) -> None:
    """Show a key's address and public key; needs no passphrase.

    For example:

    ```
    gtx keys show alice
    gtx keys show alice --json
    ```
    """
    _show(_keystore(common).info(name), common)


def import_(
    name: Name,
    file: Annotated[
        Path,
        Parameter(
            help="An exported key, or a seed as hex; - reads stdin.", allow_leading_hyphen=True
        ),
    ],
    /,
    *,
    passphrase_file: PassphraseFile = None,
    common: Common = DEFAULTS,
) -> None:
    """Store a key from a file: one of `gtx keys export`, or a seed of 64 hex digits.

    The passphrase is that of the exported file; for a bare seed it is a new one.

    For example:

    ```
    gtx keys import alice alice-backup.json
    gtx keys import bob - < seed.hex
    ```
    """
    refuse_options("keys import", [str(file)])
    keystore = _unused(common, name)
    content = _read(file)
    if content.lstrip().startswith(b"{"):
        word = passphrase(passphrase_file, of=f"the key in {file}")
        seed = _opened(content, word)
    else:
        seed = read_seed(content.decode(errors="replace"))
        word = passphrase(passphrase_file, new=True, of=f"key {name!r}")
    _show(keystore.add(name, seed, word), common)


def export(
    name: Name,
    file: Annotated[Path, Parameter(help="Where to write; it must not exist.")],
    /,
    *,
    bare_seed: Annotated[
        bool, Parameter(negative="", help="Write the seed itself, which no passphrase protects.")
    ] = False,
    yes: Yes = False,
    passphrase_file: PassphraseFile = None,
    common: Common = DEFAULTS,
) -> None:
    """Write a key to a file that only you may read, sealed by its passphrase.

    For example:

    ```
    gtx keys export alice alice-backup.json
    gtx keys export alice seed.hex --bare-seed
    ```
    """
    keystore = _keystore(common)
    info = keystore.info(name)
    if file.exists():
        raise Failure(ExitCode.KEY, f"{file} exists", "choose another file")
    if bare_seed:
        confirm(
            f"Whoever reads {file} will control {encode_address(info.account)}. Write it?", yes=yes
        )
        seed = keystore.open(name, passphrase(passphrase_file, of=f"key {name!r}"))
        write_whole(file, seed.hex().encode() + b"\n")
    else:
        write_whole(file, (keystore.folder / f"{name}.json").read_bytes())
    form = _form(info) | {"file": str(file), "sealed": not bare_seed}
    answer(form, as_json=common.json, lines=facts(list(form.items())))
    if bare_seed:
        note(f"delete {file} once it is where it belongs")


def _keystore(common: Common) -> Keystore:
    return Keystore(common.place().keys)


def _unused(common: Common, name: str) -> Keystore:
    """Return the keystore if the name is free, before anybody is asked for a passphrase."""
    keystore = _keystore(common)
    if any(one.name == name for one in keystore.list()):
        raise Failure(
            ExitCode.KEY, f"there is a key called {name!r} already", "choose another name"
        )
    return keystore


def _form(info: KeyInfo) -> dict[str, Any]:
    return {
        "name": info.name,
        "address": encode_address(info.account),
        "public_key": info.public_key.hex(),
    }


def _show(info: KeyInfo, common: Common) -> None:
    form = _form(info)
    answer(form, as_json=common.json, lines=facts(list(form.items())))


def _read(file: Path) -> bytes:
    try:
        if str(file) == "-":
            content = sys.stdin.buffer.read(IMPORT_BYTES_MAX + 1)
        else:
            with file.open("rb") as handle:
                content = handle.read(IMPORT_BYTES_MAX + 1)
    except OSError as error:
        raise Failure(ExitCode.KEY, f"cannot read {file}: {error.strerror}") from error
    if len(content) > IMPORT_BYTES_MAX:
        raise Failure(ExitCode.KEY, f"{file} is too large to be a key")
    return content


def _opened(content: bytes, word: str) -> bytes:
    """Return the seed in an exported file, which is a file of a keystore."""
    with tempfile.TemporaryDirectory() as folder:
        write_whole(Path(folder) / "exported.json", content)
        return Keystore(Path(folder)).open("exported", word)
