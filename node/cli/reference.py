"""The reference of the command line as a Markdown page, made from the tree of commands.

python -m node.cli.reference > docs/reference/cli.md
"""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from node.cli.app import app
from node.failure import ExitCode

CHECKOUT: Final = Path(__file__).resolve().parents[2]
_HEAD: Final = """\
# The command gtx

Made from the code by `python -m node.cli.reference`; do not edit it by hand.

An answer goes to stdout; log, notes and errors go to stderr. With `--json` an answer is one JSON
document on one line; an error is one too, `{"error": {"name", "message", "help", "values",
"exit_code"}}`. Options of every command may stand before it: `gtx --json block`. Secrets are never
taken from the command line: a passphrase comes from a terminal, `GTX_PASSPHRASE` or
`--passphrase-file`.

## Exit codes

| code | name | meaning |
|---|---|---|
"""
_MEANINGS: Final = {
    ExitCode.OK: "It is done.",
    ExitCode.BUG: "Something happened that should not; please report it.",
    ExitCode.USAGE: "The command line is wrong.",
    ExitCode.CONFIG: "Settings, genesis or folders cannot be used.",
    ExitCode.IN_USE: "Another process holds the folder or the port.",
    ExitCode.STORAGE: "The database is damaged, or a write failed.",
    ExitCode.SIGNER: "The validator must not sign.",
    ExitCode.KEY: "A key cannot be stored or opened.",
    ExitCode.UNREACHABLE: "The node does not answer.",
    ExitCode.REFUSED: "The node or a contract refuses what was asked.",
    ExitCode.NOT_FINAL: "The transaction was not in a block in time; it may still become final.",
    ExitCode.DIFFERENCES: "An audit or a proof found that something is not what it claims to be.",
    ExitCode.INTERRUPTED: "Stopped by Ctrl-C.",
}


def reference() -> str:
    """Return the page."""
    return "".join(_parts())


def _parts() -> Iterator[str]:
    yield _HEAD
    for code in ExitCode:
        yield f"| {int(code)} | {code.name} | {_MEANINGS[code]} |\n"
    yield "\n"
    pages = app.generate_docs(output_format="markdown", heading_level=1, max_heading_level=4)
    # Its own title is ours already, and a default in this checkout stands for one in any other.
    yield pages.partition("\n")[2].strip().replace(f"{CHECKOUT}/", "") + "\n"


if __name__ == "__main__":
    sys.stdout.write(reference())
