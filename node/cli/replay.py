"""`gtx replay`: trade a week of a real low-voltage grid through a node, report it, audit it."""

import json
import time
from pathlib import Path
from typing import Annotated, Final

from cyclopts import Parameter
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from chain.genesis import Genesis
from client.audit import Progress as AuditProgress
from client.audit import SourceError, render
from client.files import write_whole
from client.nodes import NODES_MAX, DisagreementError
from client.replay.driver import Progress as ReplayProgress
from client.replay.driver import ReplayError
from client.replay.report.facts import FactsError
from client.replay.report.files import files_of
from client.replay.report.shown import kwh, moment
from client.replay.report.terminal import print_report
from client.replay.resumed import ANEW
from client.replay.run import Outcome, made_for
from client.replay.run import replay as run_replay
from client.replay.setup import WEEK_FOLDER
from client.replay.week import Week, WeekDataError, load_week
from client.rpc import Rpc
from node.cli.common import DEFAULTS, Common
from node.cli.output import answer, note, warn
from node.failure import ExitCode, Failure

OUT_DEFAULT: Final = Path("replay-report")
PUBLIC_MODE: Final = 0o644
_EXPECTED: Final = (WeekDataError, ReplayError, FactsError, SourceError, DisagreementError)


async def replay(
    *,
    seed: Annotated[int, Parameter(help="Decides how the households trade.")] = 1,
    quarters: Annotated[
        int | None, Parameter(help="Only the first quarters of an hour; all if left out.")
    ] = None,
    out: Annotated[Path, Parameter(help="The folder for report and pictures.")] = OUT_DEFAULT,
    data: Annotated[Path, Parameter(help="The folder of the grid and its week.")] = WEEK_FOLDER,
    also: Annotated[
        list[str] | None,
        Parameter(help="A further node of the chain; participants are shared among all."),
    ] = None,
    common: Common = DEFAULTS,
) -> int:
    """Trade a week of 93 households and 11 generators through a node, then report and audit.

    The node's chain must have been made for it: `gtx devnet --replay` makes and runs one. A replay
    that was interrupted goes on where it stopped when it is started again with the same --seed and
    --quarters; one that has ended is reported again. It cannot be made longer: at its end the
    market clock has passed the quarters that follow.

    The report is printed and written to --out, with pictures; the audit recomputes every balance
    and watt-hour from the blocks. The exit status is 11 if it finds a difference.

    For example:

    ```
    gtx devnet --replay --exit-after-replay
    gtx replay --seed 2 --out second-run
    gtx replay --quarters 96 --json
    ```
    """
    if also is not None and len(also) >= NODES_MAX:
        what = f"{len(also)} further nodes: at most {NODES_MAX - 1} can be used"
        raise Failure(ExitCode.USAGE, what, None, name="Usage")
    started_s = time.monotonic()
    outcome, driven_s = await _run(
        [common.url(), *(also or [])], data, seed, quarters, quiet=common.json
    )
    files = files_of(outcome.facts, outcome.report)
    files["audit.json"] = (json.dumps(outcome.audit.to_json(), indent=1) + "\n").encode()
    out.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        write_whole(out / name, content, mode=PUBLIC_MODE)
    if common.json:
        paths = [str(out / name) for name in sorted(files)]
        answer(outcome.to_json() | {"files": paths, "driven_s": round(driven_s, 1)}, as_json=True)
    else:
        console = Console(highlight=False)
        print_report(console, outcome.facts, outcome.report, outcome.fingerprint)
        console.print(render(outcome.audit))
        if outcome.unexplained_uthb:
            warn(
                "accounts moved credit beside the replay, µTHB: "
                + ", ".join(f"{name} {more:+}" for name, more in outcome.unexplained_uthb.items())
            )
        agreed = outcome.agreed
        if also:
            note(
                f"all {len(also) + 1} nodes have block {agreed.height}, {agreed.block_id}, "
                f"with state root {agreed.state_root}"
            )
        took_s = time.monotonic() - started_s
        note(
            f"replayed in {driven_s:.0f} s, with report and audit {took_s:.0f} s; "
            f"pictures and pages are in {out}"
        )
    return ExitCode.OK if outcome.audit.is_clean else ExitCode.DIFFERENCES


def span_to_replay(chain_id: str, data: Path, quarters: int | None) -> tuple[Week, Genesis, int]:
    """Return the span that a chain was made for, its genesis, and how many quarters to replay.

    Nothing is sent or written before it is known that both are possible. Raises `Failure`.
    """
    try:
        week, genesis = made_for(chain_id, load_week(data))
    except _EXPECTED as error:
        raise _refused(error) from error
    count = week.quarters if quarters is None else quarters
    if not 1 <= count <= week.quarters:
        raise Failure(
            ExitCode.USAGE,
            f"--quarters {count}: it lies in 1 … {week.quarters}",
            f"leave it out for all {week.quarters} quarter-hours of this chain",
            name="Usage",
        )
    return week, genesis, count


async def _run(
    urls: list[str], data: Path, seed: int, quarters: int | None, *, quiet: bool
) -> tuple[Outcome, float]:
    """Run the replay with progress on stderr; returns its outcome and how long it drove."""
    began_s = time.monotonic()
    driven_s = 0.0
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[said]}"),
    )
    console = Console(stderr=True, quiet=quiet)
    try:
        async with Rpc(urls[0]) as rpc:
            chain_id = (await rpc.call("chain_status"))["chain_id"]
        week, genesis, count = span_to_replay(chain_id, data, quarters)
        with Progress(*columns, console=console) as shown:
            trading = shown.add_task("quarters", total=count, said="")
            auditing = shown.add_task("blocks audited", total=None, said="")

            def on_progress(now: ReplayProgress) -> None:
                nonlocal driven_s
                driven_s = time.monotonic() - began_s
                said = (
                    f"{moment(now.market_time_s)}  block {now.height}  "
                    f"{now.trades:,} trades  {kwh(now.energy_wh)} kWh"
                )
                shown.update(trading, completed=now.quarter, said=said)

            def on_audit(now: AuditProgress) -> None:
                said = f"{now.differences} differences"
                shown.update(auditing, completed=now.height, total=now.tip_height, said=said)

            outcome = await run_replay(
                urls, week, genesis,
                quarters=count, seed=seed, on_progress=on_progress, on_audit=on_audit,
            )  # fmt: skip
    except _EXPECTED as error:
        raise _refused(error) from error
    return outcome, driven_s


def _refused(error: Exception) -> Failure:
    what, _, help_ = str(error).partition("; ")
    if isinstance(error, FactsError):
        what = f"what the chain tells cannot be reported: {what}"
        help_ = help_ or f"if somebody else has changed the chain, {ANEW}"
    return Failure(ExitCode.REFUSED, what, help_ or None, name=type(error).__name__)
