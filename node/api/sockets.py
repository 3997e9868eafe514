"""A WebSocket: requests one after the other, and its subscriptions beside them."""

from typing import Final

import structlog
import trio
from starlette.requests import HTTPConnection
from starlette.websockets import WebSocket, WebSocketDisconnect

from node.api.dispatch import Client, Dispatcher, failure_of_body
from node.api.errors import ApiError, TooLarge, incident
from node.api.service import Service
from node.api.subscriptions import Subscription

log = structlog.get_logger(__name__)

# Close codes of RFC 6455.
GOING_AWAY: Final = 1001
INTERNAL_ERROR: Final = 1011


class SocketSession:
    """One WebSocket's requests and subscriptions; ends when either side closes."""

    def __init__(
        self, service: Service, dispatcher: Dispatcher, socket: WebSocket, nursery: trio.Nursery
    ) -> None:
        """Serve an accepted WebSocket; `nursery` lives as long as it."""
        self._service = service
        self._dispatcher = dispatcher
        self._socket = socket
        self._nursery = nursery
        self._is_open = True
        self._waiting: list[Subscription] = []
        self._scopes: dict[int, trio.CancelScope] = {}

    async def run(self) -> None:
        """Answer messages until the client is gone."""
        client = Client(address_of(self._socket), self)
        while self._is_open:
            message = await self._socket.receive()
            if message["type"] == "websocket.disconnect":
                self._is_open = False
                return
            text = message.get("text")
            body = message.get("bytes", b"") if text is None else text.encode("utf-8", "replace")
            await self._answer(body, client)
            self._start_waiting()

    async def close(self, code: int, reason: str) -> None:
        """Close the WebSocket and end all it does."""
        if self._is_open:
            self._is_open = False
            await self._socket.close(code, reason)
        self._nursery.cancel_scope.cancel()

    async def close_with_the_node(self) -> None:
        """Close the WebSocket when the node stops."""
        await self._service.closing.wait()
        await self.close(GOING_AWAY, "the node stops")

    def check_room(self) -> None:
        """Raise `TooLarge` if this WebSocket has as many subscriptions as one may."""
        most = self._service.limits.connection_subscriptions_max
        if len(self._scopes) + len(self._waiting) >= most:
            raise TooLarge("This WebSocket has as many subscriptions as one may.", None, max=most)

    def start(self, subscription: Subscription) -> None:
        """Serve a subscription once the answer with its number has been sent."""
        self._waiting.append(subscription)

    def stop(self, number: int) -> bool:
        """End a subscription; says whether there was one."""
        scope = self._scopes.get(number)
        if scope is not None:
            scope.cancel()
        return scope is not None

    def forget(self) -> None:
        """Count out the subscriptions that never began."""
        for subscription in self._waiting:
            subscription.hub.closed()

    def _start_waiting(self) -> None:
        while self._waiting:
            subscription = self._waiting.pop()
            self._scopes[subscription.number] = trio.CancelScope()
            self._nursery.start_soon(self._serve, subscription)

    async def _serve(self, subscription: Subscription) -> None:
        scope = self._scopes[subscription.number]
        try:
            with scope:
                await subscription.serve(self._send)
        except WebSocketDisconnect:
            log.debug("subscriber_gone", subscription=subscription.number)
        except Exception as error:  # noqa: BLE001 - one subscription must not end the server
            incident(error, subscription=subscription.number)
            await self.close(INTERNAL_ERROR, "a subscription failed; see the node's log")
        finally:
            subscription.hub.closed()
            del self._scopes[subscription.number]

    async def _answer(self, body: bytes, client: Client) -> None:
        with self._service.held.account() as hold:
            try:
                self._service.charge(client.address, 1)
                hold(len(body))
                answer = await self._dispatcher.answer(body, client, hold)
            except ApiError as error:
                answer = failure_of_body(error)
            if answer is not None:
                await self._send(answer)

    async def _send(self, data: bytes) -> None:
        if self._is_open:
            await self._socket.send_text(data.decode("utf-8"))


def address_of(connection: HTTPConnection) -> str:
    """Return the client's address without its port."""
    return "" if connection.client is None else connection.client.host
