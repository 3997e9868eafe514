"""How a command ends when it cannot do what was asked: exit code, what happened, what to do.

`Failure` is the one exception that the command line shows to people; everything that is expected to
go wrong is turned into one at the place that knows what helps. Anything else is a bug.
"""

import enum
from collections.abc import Mapping
from typing import Any


class ExitCode(enum.IntEnum):
    """What a command's exit status means to a script."""

    OK = 0
    BUG = 1
    """Something happened that should not; please report it."""
    USAGE = 2
    """The command line is wrong."""
    CONFIG = 3
    """Settings, genesis or folders cannot be used."""
    IN_USE = 4
    """Another process holds the folder or the port."""
    STORAGE = 5
    """The database is damaged, or a write failed."""
    SIGNER = 6
    """The validator must not sign."""
    KEY = 7
    """A key cannot be stored or opened."""
    UNREACHABLE = 8
    """The node does not answer."""
    REFUSED = 9
    """The node or a contract refuses what was asked."""
    NOT_FINAL = 10
    """The transaction was not in a block in time; it may still become final."""
    DIFFERENCES = 11
    """An audit or a proof found that something is not what it claims to be."""
    INTERRUPTED = 130
    """Stopped by Ctrl-C."""


class Failure(Exception):
    """A command cannot do what was asked."""

    def __init__(
        self,
        code: ExitCode,
        what: str,
        help_: str | None = None,
        *,
        name: str | None = None,
        values: Mapping[str, Any] | None = None,
    ) -> None:
        """Say what happened and what to do; `name` and `values` are for programs."""
        super().__init__(what)
        self.code = code
        self.what = what
        self.help = help_
        self.name = name or code.name.title().replace("_", "")
        self.values = dict(values or {})

    def to_json(self) -> dict[str, Any]:
        """Return what `--json` prints in place of an answer."""
        return {
            "error": {
                "name": self.name,
                "message": self.what,
                "help": self.help,
                "values": self.values,
                "exit_code": int(self.code),
            }
        }
