"""A load generator: sends bodies that are ready beforehand, several at once, until all is final.

A process of its own. Each lane is a connection with one request under way; its answer must accept
every transaction. At the end it asks for the last transaction of each lane until that is final.
"""

import http.client
import json
import multiprocessing
import threading
import time
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

TIMEOUT_S: Final = 120.0
POLL_S: Final = 0.02
HEADERS: Final = {"content-type": "application/json"}


@dataclass(frozen=True, slots=True)
class Lane:
    """The bodies of one connection, and the id of the last transaction in them."""

    bodies: list[bytes]
    last_id: str


@dataclass(frozen=True, slots=True)
class Sent:
    """When the first body was sent, when all was answered, and when all was final; seconds."""

    began_s: float
    answered_s: float
    final_s: float


class RefusedError(Exception):
    """The node did not accept what it should."""


def body_of(transactions: list[bytes]) -> bytes:
    """Return the request that submits these."""
    return _request("tx_submit_batch", {"transactions": [one.hex() for one in transactions]})


def send(url: str, lanes: list[Lane]) -> Sent:
    """Send all from a new process; raises `RefusedError`."""
    context = multiprocessing.get_context("spawn")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_send, args=(url, lanes, sender))
    process.start()
    sender.close()
    while not receiver.poll(POLL_S) and process.is_alive():
        continue
    answer = receiver.recv() if receiver.poll() else "the load generator ended without an answer"
    process.join()
    if not isinstance(answer, Sent):
        raise RefusedError(answer)
    return answer


def _send(url: str, lanes: list[Lane], pipe: Any) -> None:  # noqa: ANN401 - a pipe of this context
    faults: list[str] = []
    answered: list[float] = []

    def run(lane: Lane) -> None:
        try:
            _send_lane(url, lane)
        except (OSError, http.client.HTTPException, RefusedError) as error:
            faults.append(f"{type(error).__name__}: {error}")
        answered.append(time.time())

    threads = [threading.Thread(target=run, args=(lane,)) for lane in lanes if lane.bodies]
    began_s = time.time()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if not faults:
        for lane in lanes:
            _wait_final(url, lane.last_id)
    pipe.send(faults[0] if faults else Sent(began_s, max(answered), time.time()))


def _send_lane(url: str, lane: Lane) -> None:
    connection = _connect(url)
    for body in lane.bodies:
        answer = _ask(connection, body)
        refused = [item["error"] for item in answer["items"] if item["error"] is not None]
        if refused:
            raise RefusedError(f"{len(refused)} of {len(answer['items'])}: {refused[0]}")
    connection.close()


def _wait_final(url: str, transaction_id: str) -> None:
    connection = _connect(url)
    body = _request("tx_status", {"id": transaction_id})
    while (status := _ask(connection, body)["status"]) != "final":
        if status == "unknown":
            raise RefusedError(f"the node has lost {transaction_id}")
        time.sleep(POLL_S)
    connection.close()


def _connect(url: str) -> http.client.HTTPConnection:
    return http.client.HTTPConnection(urlsplit(url).netloc, timeout=TIMEOUT_S)


def _ask(connection: http.client.HTTPConnection, body: bytes) -> Any:  # noqa: ANN401 - JSON
    connection.request("POST", "/", body, HEADERS)
    answer = json.loads(connection.getresponse().read())
    if "error" in answer:
        raise RefusedError(str(answer["error"]))
    return answer["result"]


def ask(url: str, method: str, **params: Any) -> Any:  # noqa: ANN401 - JSON
    """Return the result of one request; raises `RefusedError`."""
    connection = _connect(url)
    try:
        return _ask(connection, _request(method, params))
    finally:
        connection.close()


def _request(method: str, params: dict[str, Any]) -> bytes:
    return json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).encode()
