"""What to say about a command line that is wrong: what is, and what was probably meant."""

import difflib
from collections.abc import Iterable
from typing import Final

from cyclopts import (
    App,
    CoercionError,
    CycloptsError,
    MissingArgumentError,
    UnknownCommandError,
    UnknownOptionError,
    UnusedCliTokensError,
)

from node.cli.output import printable
from node.failure import ExitCode, Failure

_LISTED_MAX: Final = 12


def did_you_mean(word: str, known: Iterable[str]) -> str | None:
    """Return a question with the most similar known word, or None."""
    close = difflib.get_close_matches(word, list(known), n=1)
    return f"did you mean {close[0]}?" if close else None


def usage_failure(error: CycloptsError) -> Failure:
    """Say what is wrong with a command line."""
    command = " ".join(("gtx", *(error.command_chain or ())))
    see = f"see {command} --help"
    match error:
        case UnknownCommandError():
            word = (error.unused_tokens or ["?"])[0]
            known = _names(error.app)
            help_ = did_you_mean(word, known) or f"commands are {', '.join(known[:_LISTED_MAX])}"
            return _usage(f"{command} has no command {word!r}", help_)
        case UnknownOptionError():
            word = error.token.keyword or error.token.value
            known = [name for one in error.argument_collection for name in one.names]
            return _usage(f"{command} has no option {word}", did_you_mean(word, known) or see)
        case UnusedCliTokensError():
            words = " ".join(error.unused_tokens or ())
            return _usage(f"{command} does not take {words!r}", see)
        case MissingArgumentError() if error.argument is not None:
            missing = error.keyword or error.argument.name
            typed = [one for one in error.root_input_tokens or () if one.startswith("--")]
            close = difflib.get_close_matches(missing, typed, n=1)
            if close and close[0] not in error.argument.names:
                return _usage(f"{command} has no option {close[0]}", f"did you mean {missing}?")
            return _usage(f"{command} needs {missing}", see)
        case CoercionError():
            return _usage(str(error), see)
    return _usage(str(error), see)


def refuse_options(command: str, arguments: Iterable[str]) -> None:
    """Raise `Failure` for a word that can only be a misspelt option among free arguments."""
    for word in arguments:
        if word.startswith("--"):
            raise _usage(f"gtx {command} has no option {word}", f"see gtx {command} --help")


def _names(app: App | None) -> list[str]:
    if app is None:
        return []
    return sorted(name for name in app if not name.startswith("-"))


def _usage(what: str, help_: str) -> Failure:
    return Failure(ExitCode.USAGE, printable(what), printable(help_), name="Usage")
