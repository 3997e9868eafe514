"""Contracts: their manifest, and their queries on the newest state."""

from typing import Annotated, Any

from pydantic import AfterValidator, Field, WithJsonSchema

from chain.json_form import any_to_json, from_json, to_json
from contracts.kernel import BadValueError, Kind, Method, OutOfWeight
from contracts.kernel.errors import UnknownContract, UnknownMethod
from contracts.kernel.manifest import manifest_hash, manifest_of
from contracts.kernel.meter import Meter
from contracts.registry import CATALOGUE
from node.api.errors import CallRefused, InvalidParams, QueryTooHeavy, did_you_mean
from node.api.reading import contracts_over
from node.api.service import Service
from node.api.types import Answer, AnyJson, AnyObject, Hex, Json, Name, Number, Params


class ManifestParams(Params):
    """One contract, or all of them."""

    contract: Name | None = None


class ManifestAnswer(Answer):
    """What contracts say of themselves; `hash` is that of the whole manifest."""

    hash: Hex
    manifest: AnyObject


def _object_or_array(value: Json) -> Json:
    if not isinstance(value, dict | list):
        msg = "neither an object nor an array"
        raise ValueError(msg)  # noqa: TRY004 - the validator wants this type
    return value


Arguments = Annotated[
    Json,
    AfterValidator(_object_or_array),
    WithJsonSchema({"type": ["object", "array"], "description": "by name, or in order"}),
]


class QueryParams(Params):
    """A query of a contract with its arguments."""

    contract: Name
    method: Name
    arguments: Arguments = Field(default_factory=dict)


class QueryAnswer(Answer):
    """What a query returned at a height, and how much work it was."""

    height: int
    value: AnyJson
    weight: Number


def contract_manifest(_: Service, params: ManifestParams) -> ManifestAnswer:
    """Return calls, queries, events, refusals and tables of one contract or of all."""
    whole = manifest_of(CATALOGUE.specs)
    shown = dict(whole)
    if params.contract is not None:
        if params.contract not in CATALOGUE.by_name:
            raise _unknown_contract(params.contract)
        specs = (CATALOGUE.by_name[params.contract],)
        shown = manifest_of(specs)
    return ManifestAnswer(hash=manifest_hash(whole), manifest=any_to_json(shown))


def contract_query(service: Service, params: QueryParams) -> QueryAnswer:
    """Run a contract's query on the newest state, up to the node's weight limit for queries."""
    method = _query(params.contract, params.method)
    arguments = _arguments(method, params.arguments)
    with service.backend.published() as published:
        meter = Meter(published.tip.parameters.weights, service.limits.query_weight_max)
        contracts = contracts_over(published, meter)
        try:
            value = method.function(contracts.by_name[params.contract], *arguments)
            plain = None if method.result is None else method.result.to_wire(value)
        except OutOfWeight:
            raise QueryTooHeavy(weight_max=meter.limit) from None
        height = published.tip.height
    shown = None if method.result is None else to_json(method.result, plain)
    return QueryAnswer(height=height, value=shown, weight=meter.used)


def _query(contract: str, name: str) -> Method:
    spec = CATALOGUE.by_name.get(contract)
    if spec is None:
        raise _unknown_contract(contract)
    queries = spec.of_kind(Kind.QUERY)
    if name not in queries:
        advice = did_you_mean(name, queries)
        if (Kind.CALL, name) in spec.methods:
            advice = "It is a call, which changes the state: send it in a transaction."
        raise CallRefused.because(UnknownMethod(contract=contract, method=name), advice)
    return queries[name]


def _unknown_contract(name: str) -> CallRefused:
    return CallRefused.because(
        UnknownContract(contract=name), did_you_mean(name, CATALOGUE.by_name)
    )


def _arguments(method: Method, given: dict[str, Json] | list[Json]) -> list[Any]:
    """Type the arguments; raises `InvalidParams` with the path to the fault."""
    names = [name for name, _ in method.arguments]
    if isinstance(given, list):
        if len(given) != len(names):
            raise _bad(f"{len(given)} arguments instead of ({', '.join(names)})", "arguments")
        given = dict(zip(names, given, strict=True))
    unknown = [name for name in given if name not in names]
    missing = [name for name in names if name not in given]
    if unknown or missing:
        wrong = f"no argument {unknown[0]!r:.40}" if unknown else f"{missing[0]} is missing"
        raise _bad(f"{wrong}; they are ({', '.join(names)})", "arguments")
    typed = []
    for name, shape in method.arguments:
        try:
            typed.append(shape.from_wire(from_json(shape, given[name])))
        except BadValueError as error:
            raise _bad(error.reason, f"arguments.{error.under(name).path}") from error
    return typed


def _bad(problem: str, path: str) -> InvalidParams:
    return InvalidParams(f"{path}: {problem}.", path=path, problem=problem)
