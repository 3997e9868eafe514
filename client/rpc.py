"""A node's JSON-RPC over HTTP, as a client speaks it.

    async with Rpc("http://127.0.0.1:26680") as rpc:
        status = await rpc.call("chain_status")

Answers come as JSON: byte strings are hex, addresses bech32m, integers from 2⁵³ on decimal strings.
Nothing of an answer is checked here; `chain.light` checks what carries a proof.
"""

import json
from types import TracebackType
from typing import Any, Final, Self

import httpx
import trio

Json = Any

DEFAULT_URL: Final = "http://127.0.0.1:26680"
TIMEOUT_S: Final = 30.0
ANSWER_BYTES_MAX: Final = 64 * 2**20


class RpcError(Exception):
    """A node refused a request: `name` and `values` say why, `hint` what to do."""

    def __init__(self, error: Json) -> None:
        """Read the error object of an answer, whoever made it."""
        said = error if isinstance(error, dict) else {}
        data = said.get("data")
        told: dict[str, Json] = data if isinstance(data, dict) else {}
        self.message = str(said.get("message", "the node gave no reason"))
        self.name = str(told.get("name", "Unknown"))
        self.code: int | None = told.get("code")
        values = told.get("values")
        self.values: dict[str, Json] = values if isinstance(values, dict) else {}
        self.hint = str(told.get("hint") or "")
        super().__init__(self.message)

    def __str__(self) -> str:
        """Say what happened, with the values."""
        values = ", ".join(f"{name} {value}" for name, value in self.values.items())
        return f"{self.name}: {self.message}" + (f" ({values})" if values else "")


class NodeUnreachableError(Exception):
    """No node answers at this address."""

    def __init__(self, url: str, why: str) -> None:
        """Name the address and what happened."""
        super().__init__(f"no node answers at {url}: {why}")
        self.url = url


class Rpc:
    """One node's API; use it as an async context manager."""

    def __init__(self, url: str = DEFAULT_URL, *, timeout_s: float = TIMEOUT_S) -> None:
        """Speak to the node at `url`; every request ends within `timeout_s`."""
        self.url = url
        self._timeout_s = timeout_s
        # Its own time-outs count each read, and a node may send a byte at a time.
        self._http = httpx.AsyncClient(timeout=None, trust_env=False)  # noqa: S113 - see `call`
        self._requests = 0

    async def __aenter__(self) -> Self:
        """Open the connections."""
        await self._http.__aenter__()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close them."""
        await self._http.__aexit__(kind, error, trace)

    async def call(self, method: str, /, **params: Json) -> Json:
        """Return the result of a method; raises `RpcError` or `NodeUnreachableError`."""
        self._requests += 1
        body = {"jsonrpc": "2.0", "id": self._requests, "method": method, "params": params}
        try:
            with trio.fail_after(self._timeout_s):
                answer = _object(await self._post(json.dumps(body).encode()))
        except trio.TooSlowError as error:
            why = f"no whole answer to {method} within {self._timeout_s} s"
            raise NodeUnreachableError(self.url, why) from error
        except (httpx.HTTPError, ValueError) as error:
            raise NodeUnreachableError(self.url, str(error) or type(error).__name__) from error
        if "error" in answer:
            raise RpcError(answer["error"])
        if "result" not in answer:
            raise NodeUnreachableError(self.url, "its answer has neither result nor error")
        return answer["result"]

    async def _post(self, body: bytes) -> bytes:
        """Return the answer's body; raises `ValueError` beyond `ANSWER_BYTES_MAX`."""
        headers = {"content-type": "application/json"}
        received = bytearray()
        async with self._http.stream("POST", self.url, content=body, headers=headers) as response:
            async for chunk in response.aiter_bytes():
                received += chunk
                if len(received) > ANSWER_BYTES_MAX:
                    msg = f"its answer is larger than {ANSWER_BYTES_MAX} bytes"
                    raise ValueError(msg)
        return bytes(received)


def _object(body: bytes) -> dict[str, Json]:
    """Read an answer; raises `ValueError`."""
    try:
        answer = json.loads(body)
    except RecursionError as error:
        msg = "its answer is nested too deeply"
        raise ValueError(msg) from error
    if not isinstance(answer, dict):
        msg = "its answer is not a JSON-RPC object"
        raise ValueError(msg)  # noqa: TRY004 - one kind of failure for all that is no answer
    return answer
