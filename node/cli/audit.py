"""`gtx audit`: recompute a chain's balances and watt-hours from its blocks alone."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from client.audit import Progress as AuditProgress
from client.audit import RpcSource, SourceError, render
from client.audit import audit as run_audit
from client.rpc import Rpc
from node.cli.common import DEFAULTS, Common
from node.cli.output import answer
from node.failure import ExitCode, Failure
from node.loading import read_genesis


async def audit(
    *,
    genesis: Annotated[
        Path | None, Parameter(help="The chain's genesis; that of the home if left out.")
    ] = None,
    common: Common = DEFAULTS,
) -> int:
    """Recompute every balance and watt-hour of a chain from its genesis and blocks.

    The node is not trusted: certificates, roots, signatures of transactions and meters are checked,
    all blocks are executed again, and a second set of books is kept from transactions and events by
    a program that shares no code with the contracts. The genesis, that of the home or of
    `--genesis`, should come from elsewhere than the node. The exit status is 11 if anything
    differs.

    For example:

    ```
    gtx audit
    gtx audit --genesis genesis.json --rpc-url http://127.0.0.1:26680 --json
    ```
    """
    chosen = read_genesis(genesis or common.place().genesis)
    console = Console(stderr=True, quiet=common.json)
    columns = (
        TextColumn("blocks"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[said]}"),
    )
    with Progress(*columns, console=console) as shown:
        task = shown.add_task("audit", total=None, said="")

        def progress(now: AuditProgress) -> None:
            said = f"{now.differences} differences"
            shown.update(task, completed=now.height, total=now.tip_height, said=said)

        try:
            async with Rpc(common.url()) as rpc:
                report = await run_audit(RpcSource(chosen, rpc), progress)
        except SourceError as error:
            raise Failure(ExitCode.REFUSED, str(error), name="SourceError") from error
    if common.json:
        answer(report.to_json(), as_json=True)
    else:
        Console(highlight=False).print(render(report))
    return ExitCode.OK if report.is_clean else ExitCode.DIFFERENCES
