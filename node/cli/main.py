"""One command line: runs it, and turns whatever goes wrong into a message and an exit status."""

import os
import sys
import traceback
from collections.abc import Sequence
from typing import Final

from cyclopts import CoercionError, CycloptsError

from chain.bech32 import AddressTextError
from chain.light import VerificationError
from chain.refusals import NotIncludableError
from client.groups import leaves
from client.keystore import KeystoreError
from client.reader import IncompleteReadError
from client.rpc import NodeUnreachableError, RpcError
from client.submit import NotFinalError
from contracts.kernel import BadValueError
from node.cli.app import HELP_FLAGS, app, load_listed
from node.cli.methods import misspelt_method
from node.cli.misspelt import usage_failure
from node.cli.output import fail
from node.explained import failure_of
from node.failure import ExitCode, Failure

_VALUED: Final = ("--rpc-url", "--home")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command line; returns its exit status."""
    tokens = list(sys.argv[1:] if arguments is None else arguments)
    as_json = "--json" in _before_literal(tokens)
    try:
        load_listed(tokens)
        result = app(
            _help_of_a_method(_common_options_last(tokens)),
            backend="trio",
            result_action="return_value",
            exit_on_error=False,
            print_error=False,
        )
    except KeyboardInterrupt:
        return fail(Failure(ExitCode.INTERRUPTED, "interrupted"), as_json=as_json)
    except BrokenPipeError:
        # Whoever read our output has seen enough. Python would complain again when it exits.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return int(ExitCode.OK)
    except (Exception, BaseExceptionGroup) as error:  # noqa: BLE001 - told to a person, as a bug if none knows it
        return fail(_failure(error), as_json=as_json)
    return int(ExitCode.OK) if result is None else int(result)


def _failure(error: Exception | BaseExceptionGroup[BaseException]) -> Failure:
    for one in leaves(error):
        if isinstance(one, KeyboardInterrupt):
            return Failure(ExitCode.INTERRUPTED, "interrupted")
        found = _known(one)
        if found is not None:
            return found
    traceback.print_exception(error)
    return Failure(
        ExitCode.BUG,
        f"this is a bug: {type(error).__name__}: {error}",
        "please report it with the lines above",
    )


def _known(error: BaseException) -> Failure | None:
    """Return what to tell a person, or None for what nobody expected."""
    name = type(error).__name__
    match error:
        case CoercionError() if error.token is not None and error.argument is not None:
            choices = error.argument.get_choices(force=True)
            return misspelt_method(error.token.value, choices) or usage_failure(error)
        case CycloptsError():
            return usage_failure(error)
        case RpcError():
            return Failure(
                ExitCode.REFUSED, str(error), error.hint or None, name=error.name,
                values=error.values,
            )  # fmt: skip
        case VerificationError():
            help_ = "ask another node; this one is wrong, or its chain has another genesis"
            return Failure(ExitCode.DIFFERENCES, str(error), help_, name=name)
        case IncompleteReadError():
            return Failure(ExitCode.REFUSED, str(error), "try again", name=name)
        case NodeUnreachableError():
            help_ = "start one with gtx run or gtx devnet, or say where it is with --rpc-url"
            return Failure(ExitCode.UNREACHABLE, str(error), help_, name=name)
        case NotFinalError():
            help_ = "it may still become final: gtx tx status ID"
            return Failure(ExitCode.NOT_FINAL, str(error), help_, name=name)
        case KeystoreError():
            what, _, help_ = str(error).partition("; ")
            return Failure(ExitCode.KEY, what, help_ or None, name=name)
        case AddressTextError():
            help_ = "an address begins with gtx1; gtx keys list prints those of your keys"
            return Failure(ExitCode.USAGE, str(error), help_, name=name)
        case BadValueError():
            return Failure(ExitCode.USAGE, str(error), name=name)
        case NotIncludableError():
            return Failure(ExitCode.REFUSED, str(error), name=name)
    return failure_of(error)


def _before_literal(tokens: list[str]) -> list[str]:
    return tokens[: tokens.index("--")] if "--" in tokens else tokens


def _help_of_a_method(tokens: list[str]) -> list[str]:
    """Let `gtx call credit.transfer --help` say what that method takes, not what `call` does."""
    if tokens[:1] not in (["call"], ["query"]) or "." not in "".join(tokens[1:2]):
        return tokens
    rest = _before_literal(tokens[2:])
    if not any(flag in rest for flag in HELP_FLAGS):
        return tokens
    return ["contracts", tokens[1], *(one for one in rest if one == "--json")]


def _common_options_last(tokens: list[str]) -> list[str]:
    """Move common options from before the command to its other options: both are natural."""
    rest = list(tokens)
    moved: list[str] = []
    while rest and rest[0].partition("=")[0] in ("--json", *_VALUED):
        takes_next = rest[0] in _VALUED and len(rest) > 1
        moved += [rest.pop(0), *([rest.pop(0)] if takes_next else [])]
    at = rest.index("--") if "--" in rest else len(rest)
    return rest[:at] + moved + rest[at:]
