"""Asking before something that cannot be taken back."""

import sys
from typing import Annotated, Final

from cyclopts import Parameter

from node.cli.output import printable
from node.failure import ExitCode, Failure

ANSWER: Final = "yes"

Yes = Annotated[
    bool, Parameter(negative="", help="Do not ask; for scripts that know what they do.")
]


def confirm(question: str, *, yes: bool) -> None:
    """Return if the person types `yes`, or said so beforehand; else raise `Failure`."""
    if yes:
        return
    if not sys.stdin.isatty():
        raise Failure(
            ExitCode.USAGE,
            f"this needs an answer: {question}",
            "run it on a terminal, or give --yes",
        )
    sys.stderr.write(f"{printable(question)}\nType {ANSWER} to go on: ")
    sys.stderr.flush()
    if sys.stdin.readline().strip() != ANSWER:
        raise Failure(ExitCode.USAGE, "not confirmed; nothing was changed")
