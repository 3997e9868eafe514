"""`gtx replay-wal`: go through a node's consensus again, from its journal."""

from collections import deque
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final

from cyclopts import Parameter

from chain.consensus.effects import Effect
from chain.consensus.inputs import Input, ProposalReceived, Signed, TimeoutFired, VoteReceived
from chain.consensus.journal import JournalError, Told, answer_hash, read_journal
from chain.votes import Step
from node.cli.common import DEFAULTS, Common
from node.cli.output import answer, facts, table
from node.failure import ExitCode, Failure

SHOWN: Final = 20
MS_PER_S: Final = 1_000


@dataclass(frozen=True, slots=True)
class Taken:
    """One input, gone through again."""

    number: int
    after_ms: int
    height: int
    round: int
    step: str
    told: str
    answered: tuple[str, ...]
    agrees: bool | None
    """None where the journal ends with this input."""

    def row(self) -> tuple[str, ...]:
        """Return it as a line of a table."""
        marks = {True: "", False: "DIFFERS", None: "no answer"}
        place = f"{self.height}/{self.round}/{self.step}"
        after = f"{self.after_ms / MS_PER_S:.3f}"
        return (str(self.number), after, place, self.told, " ".join(self.answered),
                marks[self.agrees])  # fmt: skip


def replay_wal(
    journal: Annotated[
        Path | None, Parameter(help="The journal; that of the home if left out.")
    ] = None,
    /,
    *,
    last: Annotated[int, Parameter(help="Show so many inputs, 0 for all.")] = SHOWN,
    common: Common = DEFAULTS,
) -> int:
    """Tell a fresh consensus machine what a node's was told, and compare what it does.

    A node writes its journal, data/consensus.journal, if node.journal is true in config.toml; that
    of the start before is kept as consensus.journal.1. The simulation writes the same files
    (`python -m tests.sim --seed N --journals DIR`). A node whose consensus did something strange or
    failed does so again here, input by input, without a network and without its keys.

    It ends with exit status 11 where the machine of this release does something else, and with 1
    where it fails as it did, or would have.

    For example:

    ```
    gtx replay-wal --home north
    gtx replay-wal consensus.journal.1 --last 0
    ```
    """
    path = journal or common.place().journal
    opening, told = _read(path)
    machine = opening.machine()
    shown: deque[Taken] = deque(maxlen=last or None)
    differing, failure = 0, None
    for number, one in enumerate(told, start=1):
        try:
            effects = machine.handle(one.input, one.now_ms)
        except Exception as error:  # noqa: BLE001 - to find what fails is what this is for
            failure = f"input {number}, {described(one.input)}: {type(error).__name__}: {error}"
            break
        rules = machine.rules
        agrees = None if one.answer_hash is None else answer_hash(effects) == one.answer_hash
        differing += agrees is False
        shown.append(
            Taken(
                number, one.now_ms - told[0].now_ms, rules.height, rules.round,
                Step(rules.step).name.lower(), described(one.input), named(effects), agrees,
            )
        )  # fmt: skip
    seat = "a full node" if opening.seat is None else f"validator {opening.seat.address.hex()}"
    form: dict[str, Any] = {
        "journal": str(path),
        "chain_id": opening.chain_id.hex(),
        "seat": None if opening.seat is None else opening.seat.address.hex(),
        "inputs": len(told),
        "differing": differing,
        "failure": failure,
        "height": None if failure and not shown else shown[-1].height,
        "shown": [dict(zip(HEADS, one.row(), strict=True)) for one in shown],
    }
    lines = [
        *table(HEADS, [one.row() for one in shown]),
        "",
        *facts([("of", seat), ("inputs", str(len(told))), ("differing", str(differing))]),
    ]
    if failure:
        lines += ["", f"the machine failed at {failure}"]
    answer(form, as_json=common.json, lines=lines)
    if failure:
        return ExitCode.BUG
    return ExitCode.DIFFERENCES if differing else ExitCode.OK


HEADS: Final = ("input", "s", "height/round/step", "told", "did", "")


def described(input_: Input) -> str:
    """Say what kind of input it is, and what matters of it."""
    name = type(input_).__name__
    match input_:
        case VoteReceived(_, vote):
            what = "nil" if vote.block_id is None else vote.block_id.hex()[:8]
            kind = Step(vote.step).name.lower()
            return f"{name} {kind} {what} of {vote.validator.hex()[:8]} r{vote.round}"
        case ProposalReceived(_, proposal):
            return f"{name} {proposal.block_id.hex()[:8]} r{proposal.round}"
        case TimeoutFired(timeout):
            return f"{name} {timeout.timer.name.lower()} r{timeout.round}"
        case Signed(statement):
            return f"{name} {Step(statement.step).name.lower()} r{statement.round}"
    return name


def named(effects: list[Effect]) -> tuple[str, ...]:
    """Return the kinds of effects, in their order."""
    return tuple(type(one).__name__ for one in effects)


def _read(path: Path) -> tuple[Any, list[Told]]:
    try:
        opening, told = read_journal(path.read_bytes())
    except FileNotFoundError as error:
        raise Failure(
            ExitCode.CONFIG,
            f"there is no {path}",
            "a node writes one if node.journal = true in its config.toml when it starts",
        ) from error
    except JournalError as error:
        raise Failure(
            ExitCode.STORAGE, f"{path} is no journal of this release: {error}", name="JournalError"
        ) from error
    if not told:
        raise Failure(
            ExitCode.STORAGE, f"{path} holds no input", "its node ended before it was told anything"
        )
    return opening, told
