"""Sending transactions, and waiting until they are final."""

from collections.abc import Sequence
from typing import Final

import trio

from chain.transaction import SignedTransaction
from client.rpc import Json, Rpc, RpcError

# Below the node's own limits on one request.
BATCH_TRANSACTIONS: Final = 200
BATCH_BYTES: Final = 2 * 2**20
POLL_S: Final = 0.05


class NotFinalError(Exception):
    """A transaction was not in a block in time; it may still come into one."""


async def submit(rpc: Rpc, *transactions: SignedTransaction) -> None:
    """Submit transactions in order, in batches; raises `RpcError` of the first that is refused.

    Those before it and the rest of its batch were submitted all the same.
    """
    for batch in _batches(transactions):
        answer = await rpc.call("tx_submit_batch", transactions=[one.raw.hex() for one in batch])
        for item in answer["items"]:
            if item["error"] is not None:
                raise RpcError(item["error"])


async def wait_final(
    rpc: Rpc, transaction_id: bytes, *, timeout_s: float = 30.0, poll_s: float = POLL_S
) -> Json:
    """Return the receipt of a transaction once a block has it; raises `NotFinalError`."""
    deadline = trio.current_time() + timeout_s
    while trio.current_time() < deadline:
        status = await rpc.call("tx_status", id=transaction_id.hex())
        if status["status"] == "final":
            return await rpc.call("tx_receipt", id=transaction_id.hex())
        if status["status"] == "unknown":
            msg = f"the node no longer knows transaction {transaction_id.hex()}"
            raise NotFinalError(msg)
        await trio.sleep(poll_s)
    msg = f"transaction {transaction_id.hex()} is not final after {timeout_s:g} s"
    raise NotFinalError(msg)


def _batches(transactions: Sequence[SignedTransaction]) -> list[list[SignedTransaction]]:
    batches: list[list[SignedTransaction]] = [[]]
    size = 0
    for one in transactions:
        if len(batches[-1]) == BATCH_TRANSACTIONS or (
            batches[-1] and size + len(one.raw) > BATCH_BYTES
        ):
            batches.append([])
            size = 0
        batches[-1].append(one)
        size += len(one.raw)
    return batches if transactions else []
