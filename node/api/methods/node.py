"""The node itself, and this API."""

from collections.abc import Iterator
from itertools import islice
from typing import Final

from pydantic import ConfigDict

from node.api.methods.chain import NoParams
from node.api.methods.transactions import MempoolAnswer
from node.api.reading import contracts_over
from node.api.service import MS_PER_S, Service
from node.api.types import Answer, AnyObject, Number
from node.backend import Published

FAILED_SHOWN_MAX: Final = 20
HEARTBEATS_MISSED_MAX: Final = 3
POOL_FULL_PERCENT: Final = 90


class FailedUnitAnswer(Answer):
    """A unit of due work that failed; nothing it did remains, and it waits for governance."""

    id: Number
    contract: str
    unit: str
    height: int


class HealthAnswer(Answer):
    """What an operator looks at first; a node may tell more than this.

    `ok` is true if there are no `problems`, each of which says what to do. Of `failed_work` the
    oldest are shown.
    """

    model_config = ConfigDict(strict=True, extra="allow", frozen=True)

    ok: bool
    problems: list[str]
    height: int
    tip_time_ms: int
    tip_age_ms: int
    failed_work: list[FailedUnitAnswer]
    subscriptions: int
    bytes_held: int


class OpenRpcDocument(Answer):
    """An OpenRPC 1.3 document."""

    openrpc: str
    info: AnyObject
    methods: list[AnyObject]
    components: AnyObject


async def node_health(service: Service, _: NoParams) -> HealthAnswer:
    """Say whether the node is well, and if not, what is wrong and what to do."""
    told, pool = service.backend.health(), service.backend.mempool_status()
    with service.backend.published() as published:
        failed = _failed_work(published)
        heartbeat_ms = published.tip.parameters.timing.heartbeat_ms
    tip_age_ms = told["tip_age_ms"]
    assert isinstance(tip_age_ms, int), "a node tells how old its tip is"
    waiting = MempoolAnswer.model_validate(pool)
    problems = [*_of_tip(tip_age_ms, heartbeat_ms), *_of_work(failed), *_of_pool(waiting)]
    return HealthAnswer.model_validate(
        {
            **told,
            "ok": not problems,
            "problems": problems,
            "failed_work": failed,
            "subscriptions": service.hub.subscription_count,
            "bytes_held": service.held.held,
        }
    )


async def rpc_discover(service: Service, _: NoParams) -> OpenRpcDocument:
    """Describe this API as an OpenRPC document; also called `rpc.discover`."""
    return OpenRpcDocument.model_validate(service.document)


def _failed_work(published: Published) -> list[FailedUnitAnswer]:
    """Return the oldest failed units; a few keys are read."""
    failed = contracts_over(published).schedule.failed.items()
    return [
        FailedUnitAnswer(
            id=number, contract=one.work.contract, unit=one.work.unit, height=one.height
        )
        for number, one in islice(failed, FAILED_SHOWN_MAX)
        if one is not None
    ]


def _of_tip(age_ms: int, heartbeat_ms: int) -> Iterator[str]:
    if age_ms > HEARTBEATS_MISSED_MAX * heartbeat_ms:
        yield (
            f"No block for {age_ms // MS_PER_S} s, though one is due every "
            f"{heartbeat_ms // MS_PER_S} s at least: see that enough validators run and reach "
            "each other, and that the clocks are right."
        )


def _of_work(failed: list[FailedUnitAnswer]) -> Iterator[str]:
    if failed:
        first = failed[0]
        yield (
            f"Due work failed, first {first.contract}.{first.unit} at height {first.height}: the "
            "log says why (`unit_failed`); governance decides whether it runs again."
        )


def _of_pool(pool: MempoolAnswer) -> Iterator[str]:
    for what, held, most in (
        ("transactions", pool.transactions, pool.transactions_max),
        ("bytes", pool.bytes, pool.bytes_max),
    ):
        if held * 100 >= most * POOL_FULL_PERCENT:
            yield (
                f"The mempool holds {held} of {most} {what}: blocks take fewer than come in; "
                "the cheapest will be refused."
            )
