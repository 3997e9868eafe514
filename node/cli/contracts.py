"""`gtx call`, `gtx query` and `gtx contracts`: the contracts' methods as verbs."""

from dataclasses import dataclass
from typing import Annotated, Any, Final

from cyclopts import Parameter

from chain.bech32 import decode_address, encode_address
from chain.json_form import to_json
from chain.transaction import Call, SignedTransaction
from client.rpc import Rpc
from client.submit import submit, wait_final
from client.wallet import FEE_MAX_UTHB, VALID_BLOCKS, Wallet
from contracts.kernel import Kind
from contracts.kernel.manifest import manifest_hash, manifest_of
from contracts.registry import CATALOGUE
from node.cli.common import DEFAULTS, Common
from node.cli.methods import arguments_of, find, names_of, usage
from node.cli.misspelt import refuse_options
from node.cli.output import answer, pretty, warn
from node.cli.receipts import receipt_failure, receipt_lines
from node.cli.secrets import KeyName, PassphraseFile, seed_of
from node.failure import ExitCode

TIMEOUT_S: Final = 60.0
CALLS: Final = names_of(Kind.CALL)
QUERIES: Final = names_of(Kind.QUERY)

CallName = Annotated[str, Parameter(choices=CALLS, show_choices=False, help="CONTRACT.METHOD")]
QueryName = Annotated[str, Parameter(choices=QUERIES, show_choices=False, help="CONTRACT.METHOD")]


Written = Annotated[
    str,
    Parameter(
        allow_leading_hyphen=True,
        help="Arguments in order, or NAME=VALUE; records and lists as JSON, or @FILE.",
    ),
]


Timeout = Annotated[float, Parameter(name="--timeout", help="Seconds to wait for the block.")]


@Parameter(name="*")
@dataclass(frozen=True, slots=True)
class Delivery:
    """What becomes of a transaction that is signed."""

    dry_run: Annotated[
        bool, Parameter(negative="", help="Say what would happen; send nothing.")
    ] = False
    sign_only: Annotated[
        bool, Parameter(negative="", help="Print the signed transaction for gtx tx send.")
    ] = False
    no_wait: Annotated[
        bool, Parameter(negative="", help="Do not wait until the transaction is final.")
    ] = False
    timeout_s: Timeout = TIMEOUT_S


DELIVERY: Final = Delivery()


@Parameter(name="*")
@dataclass(frozen=True, slots=True)
class Terms:
    """How a transaction is made."""

    account: Annotated[
        str | None, Parameter(help="The sending account, if it is not the key's own.")
    ] = None
    owner: Annotated[
        str | None, Parameter(help="Act for this account, which gave the sender a mandate.")
    ] = None
    nonce: Annotated[int | None, Parameter(help="The nonce, if not the account's next.")] = None
    fee_max: Annotated[int, Parameter(help="The most to pay as fee, in µTHB.")] = FEE_MAX_UTHB
    valid_blocks: Annotated[int, Parameter(help="Blocks after which it is void.")] = VALID_BLOCKS
    memo: Annotated[str, Parameter(help="A note that everybody can read.")] = ""


TERMS: Final = Terms()


async def call(
    method: CallName,
    /,
    *arguments: Written,
    key: KeyName,
    delivery: Delivery = DELIVERY,
    terms: Terms = TERMS,
    passphrase_file: PassphraseFile = None,
    common: Common = DEFAULTS,
) -> int:
    """Call a contract's method: sign a transaction, send it, wait until it is final.

    `gtx contracts` lists the methods, and `gtx contracts CONTRACT.METHOD`, or `--help` after a
    method, says what it takes. The exit status is 9 if the contract refuses the call.

    For example:

    ```
    gtx call credit.transfer gtx1… 5_000_000 --key alice
    gtx call credit.transfer recipient=gtx1… amount_uthb=5_000_000 memo=0a --key alice --dry-run
    gtx call orders.submit_orders @orders.json --key alice --json
    gtx call nrg.transfer gtx1… 1 --key devnet/account-0
    ```
    """
    contract, found = find(method, Kind.CALL)
    refuse_options("call", arguments)
    values = arguments_of(contract, found, arguments)
    owner = None if terms.owner is None else decode_address(terms.owner)
    seed = seed_of(common.place(), key, passphrase_file)
    async with Rpc(common.url()) as rpc:
        signed = await _sign(rpc, Call(contract, found.name, values, owner), seed, terms)
        if delivery.sign_only:
            form = {"id": signed.id.hex(), "transaction": signed.raw.hex()}
            answer(form, as_json=common.json, lines=[signed.raw.hex()])
            return ExitCode.OK
        if delivery.dry_run:
            outcome = await rpc.call("tx_simulate", transaction=signed.raw.hex())
            return _show(outcome, common, simulated=True)
        await submit(rpc, signed)
        if delivery.no_wait:
            answer({"id": signed.id.hex()}, as_json=common.json, lines=[signed.id.hex()])
            return ExitCode.OK
        return _show(await wait_final(rpc, signed.id, timeout_s=delivery.timeout_s), common)


async def query(
    method: QueryName,
    /,
    *arguments: Written,
    common: Common = DEFAULTS,
) -> None:
    """Ask a contract something; changes nothing and costs nothing.

    The node's answer is not proven: a light client proves what it reads.

    For example:

    ```
    gtx query parameters.in_force
    gtx query credit.account gtx1… --json
    ```
    """
    contract, found = find(method, Kind.QUERY)
    refuse_options("query", arguments)
    values = arguments_of(contract, found, arguments)
    given = {
        name: to_json(shape, value)
        for (name, shape), value in zip(found.arguments, values, strict=True)
    }
    async with Rpc(common.url()) as rpc:
        await warn_of_another_manifest(rpc)
        result = await rpc.call(
            "contract_query", contract=contract, method=found.name, arguments=given
        )
    answer(result, as_json=common.json, lines=pretty(result["value"]).splitlines())


def contracts(
    name: Annotated[str | None, Parameter(help="CONTRACT or CONTRACT.METHOD")] = None,
    /,
    *,
    common: Common = DEFAULTS,
) -> None:
    """List the contracts, a contract's methods, or what a method takes.

    For example:

    ```
    gtx contracts
    gtx contracts credit
    gtx contracts credit.transfer
    ```
    """
    if name is None:
        rows = [(spec.name, _first_line(spec.doc)) for spec in CATALOGUE.specs]
        lines = [f"{one:<12} {doc}" for one, doc in rows]
        form: Any = [{"name": one, "doc": doc} for one, doc in rows]
    else:
        form, lines = _methods(name)
    answer(form, as_json=common.json, lines=lines)


async def warn_of_another_manifest(rpc: Rpc) -> Any:  # noqa: ANN401 - the node's answer
    """Return the node's status; warn if its contracts are not those installed here."""
    status = await rpc.call("chain_status")
    if status["manifest_hash"] != manifest_hash(manifest_of(CATALOGUE.specs)).hex():
        warn("this node's contracts differ from those of this gtx: install the node's version")
    return status


async def _sign(rpc: Rpc, call: Call, seed: bytes, terms: Terms) -> SignedTransaction:
    status = await warn_of_another_manifest(rpc)
    chain_id = bytes.fromhex(status["chain_id"])
    wallet = Wallet.of(chain_id, seed)
    if terms.account is not None:
        wallet = Wallet(chain_id, decode_address(terms.account), (seed,))
    nonce = terms.nonce
    if nonce is None:
        state = await rpc.call("account_get", address=encode_address(wallet.account))
        nonce = int(state["nonce"])
    return wallet.sign(
        nonce,
        call,
        valid_until_height=status["height"] + terms.valid_blocks,
        fee_max_uthb=terms.fee_max,
        memo=terms.memo.encode(),
    )


def _show(outcome: Any, common: Common, *, simulated: bool = False) -> int:  # noqa: ANN401
    """Print a receipt; raises `Failure` if a call was refused."""
    failure = receipt_failure(outcome)
    answer(outcome, as_json=common.json, lines=receipt_lines(outcome, simulated=simulated))
    if failure is not None:
        raise failure
    return ExitCode.OK


def _methods(name: str) -> tuple[Any, list[str]]:
    contract, dot, _ = name.partition(".")
    if dot:
        kind = Kind.QUERY if name in QUERIES else Kind.CALL
        _, found = find(name, kind)
        shown = [(kind, found)]
    else:
        if contract not in CATALOGUE.by_name:
            find(name, Kind.CALL)
        of = CATALOGUE.by_name[contract]
        shown = [
            (kind, method)
            for kind in (Kind.CALL, Kind.QUERY)
            for method in of.of_kind(kind).values()
        ]
    lines = []
    for kind, method in shown:
        verb = "call" if kind is Kind.CALL else "query"
        lines += [f"gtx {verb} {usage(contract, method)}"]
        doc = method.doc.splitlines() if dot else [_first_line(method.doc)]
        lines += [f"    {line}".rstrip() for line in doc]
    if dot:
        verbs = dict.fromkeys("call" if kind is Kind.CALL else "query" for kind, _ in shown)
        lines += ["", f"options: {', '.join(f'gtx {verb} --help' for verb in verbs)}"]
    form = [
        {
            "name": f"{contract}.{method.name}",
            "kind": kind.name.lower(),
            "usage": usage(contract, method),
            "doc": method.doc,
        }
        for kind, method in shown
    ]
    return form, lines


def _first_line(doc: str) -> str:
    return doc.strip().partition("\n")[0]
