"""A receipt for people, and the failure that it tells of."""

from collections.abc import Iterator
from typing import Any

from node.cli.output import facts, printable
from node.failure import ExitCode, Failure

Json = Any


def receipt_lines(outcome: Json, *, simulated: bool = False) -> Iterator[str]:
    """Yield what became of each call, what it cost and what it emitted."""
    receipt = outcome["receipt"]
    head: list[tuple[str, object]] = []
    if simulated:
        head.append(("dry run", f"on top of block {outcome['height']}; nothing was sent"))
    else:
        head += [("transaction", receipt["id"]), ("block", outcome["height"])]
    head += [("fee", f"{receipt['fee_uthb']} µTHB"), ("weight", receipt["weight"])]
    yield from facts(head)
    for result in receipt["results"]:
        said = f"{result['contract']}.{result['method']}: {result['outcome']}"
        if result["value"] is not None:
            said += f" → {result['value']}"
        yield printable(said)
    for event in outcome["events"]:
        fields = ", ".join(f"{name} {value}" for name, value in event["fields"].items())
        yield printable(f"  {event['contract']}.{event['event']}  {fields}")


def receipt_failure(outcome: Json) -> Failure | None:
    """Return the first call that did not do what it should, as a failure."""
    for result in outcome["receipt"]["results"]:
        if result["outcome"] == "ok":
            continue
        where = f"{result['contract']}.{result['method']}"
        refusal = result["refusal"]
        if refusal is None:
            said = result["outcome"].replace("_", " ")
            help_ = "raise --fee-max" if result["outcome"] == "out_of_weight" else None
            return Failure(ExitCode.REFUSED, f"{where}: {said}", help_, name=result["outcome"])
        values = ", ".join(f"{name} {value}" for name, value in refusal["values"].items())
        what = f"{where}: {refusal['name']}: {refusal['message']}"
        return Failure(
            ExitCode.REFUSED,
            f"{what} ({values})" if values else what,
            refusal["hint"] or None,
            name=refusal["name"],
            values=refusal["values"],
        )
    return None
