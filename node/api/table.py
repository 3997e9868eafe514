"""The table of methods: one row a function, read once; dispatch, OpenRPC and reference follow it.

A method's function says where it runs. A plain function reads the database, proves or computes, and
runs in a worker thread. An `async` one runs on the loop and only waits. One with a third argument
needs the WebSocket that its client is connected by.
"""

import enum
import inspect
import typing
from collections.abc import Callable
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final, TypeGuard, TypeVar

from node.api.methods import chain, contracts, events, network, node, state, transactions
from node.api.types import Answer, Params

_PARAMETERS_WITHOUT_SESSION: Final = 2


T = TypeVar("T")


class Where(enum.Enum):
    """Where a method's function runs."""

    THREAD = "thread"
    LOOP = "loop"
    SOCKET = "socket"


@dataclass(frozen=True, slots=True)
class Method:
    """One method of the API."""

    name: str
    params: type[Params]
    answer: type[Answer]
    where: Where
    doc: str
    function: Callable[..., Any]


def method_of(function: Callable[..., Any]) -> Method:
    """Read a method off its function; raises `TypeError` for one that does not say all."""
    hints = typing.get_type_hints(function)
    names = list(inspect.signature(function).parameters)
    params, answer = hints.get(names[1]), hints.get("return")
    if not (_is_model(params, Params) and _is_model(answer, Answer) and function.__doc__):
        msg = f"{function.__name__} needs a params model, an answer model and a docstring"
        raise TypeError(msg)
    where = Where.LOOP if inspect.iscoroutinefunction(function) else Where.THREAD
    if len(names) > _PARAMETERS_WITHOUT_SESSION:
        where = Where.SOCKET
    doc = inspect.cleandoc(function.__doc__)
    return Method(function.__name__, params, answer, where, doc, function)


def _is_model(annotation: object, base: type[T]) -> TypeGuard[type[T]]:
    return isinstance(annotation, type) and issubclass(annotation, base)


METHODS: Final = MappingProxyType(
    {
        function.__name__: method_of(function)
        for function in (
            chain.chain_status,
            chain.chain_block,
            chain.chain_header,
            chain.chain_validators,
            transactions.tx_submit,
            transactions.tx_submit_batch,
            transactions.tx_simulate,
            transactions.tx_status,
            transactions.tx_receipt,
            transactions.mempool_status,
            state.account_get,
            state.state_get,
            state.state_range,
            contracts.contract_query,
            contracts.contract_manifest,
            events.events_query,
            events.events_subscribe,
            events.events_unsubscribe,
            network.net_peers,
            network.consensus_state,
            node.node_health,
            node.rpc_discover,
        )
    }
)
