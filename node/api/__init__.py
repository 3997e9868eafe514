"""The RPC API of a node: JSON-RPC 2.0 over HTTP and WebSocket.

`make_app` makes the application over a `Backend`, `serve` serves it on hypercorn's protocols and
trio, `ApiLimits` names every limit. `table` lists the methods; `openrpc` and `reference` describe
them.
"""

from node.api.app import make_app
from node.api.limits import ApiLimits
from node.api.server import serve

__all__ = ["ApiLimits", "make_app", "serve"]
