"""`gtx tx`, `gtx block` and `gtx account`: look at the chain, and send what is signed."""

import base64
import binascii
import re
import sys
from pathlib import Path
from typing import Annotated, Any, Final

from cyclopts import Parameter

from chain.bech32 import decode_address, encode_address
from chain.block import TRANSACTION_BYTES_MAX
from chain.json_form import from_json, to_json
from client.keystore import NAME_PATTERN, Keystore
from client.reader import Reader
from client.rpc import Rpc
from client.submit import wait_final
from contracts.kernel.shape import shape_of
from contracts.kernel.types import Address
from contracts.money.accounts import Accounts
from contracts.money.credit import Credit
from contracts.money.nrg import Nrg
from node.cli.common import DEFAULTS, Common
from node.cli.contracts import TIMEOUT_S, Timeout
from node.cli.misspelt import did_you_mean, refuse_options
from node.cli.output import answer, facts, pretty, table
from node.cli.receipts import receipt_failure, receipt_lines
from node.cli.secrets import DEVNET_PREFIX, devnet_identity
from node.failure import ExitCode, Failure
from node.loading import read_genesis

INPUT_BYTES_MAX: Final = 4 * TRANSACTION_BYTES_MAX

_HEX: Final = re.compile(r"([0-9a-fA-F]{2})+")
_ID: Final = re.compile(r"[0-9a-fA-F]{64}")
_ADDRESS: Final = shape_of(Address)


async def send(
    transaction: Annotated[
        str,
        Parameter(
            help="A signed transaction in hex or base64; @FILE, or - for stdin.",
            allow_leading_hyphen=True,
        ),
    ],
    /,
    *,
    no_wait: Annotated[
        bool, Parameter(negative="", help="Do not wait until the transaction is final.")
    ] = False,
    timeout_s: Timeout = TIMEOUT_S,
    common: Common = DEFAULTS,
) -> None:
    """Send a transaction that is signed already, and wait until it is final.

    `gtx call … --sign-only` makes one; the two may run on different machines.

    For example:

    ```
    gtx call nrg.transfer gtx1… 1 --key alice --sign-only > signed.hex
    gtx tx send @signed.hex
    gtx tx send - --no-wait < signed.hex
    ```
    """
    refuse_options("tx send", [transaction])
    raw = _raw(transaction)
    async with Rpc(common.url()) as rpc:
        submitted = await rpc.call("tx_submit", transaction=raw.hex())
        if no_wait:
            answer(submitted, as_json=common.json, lines=[submitted["id"]])
            return
        outcome = await wait_final(rpc, bytes.fromhex(submitted["id"]), timeout_s=timeout_s)
    answer(outcome, as_json=common.json, lines=receipt_lines(outcome))
    failure = receipt_failure(outcome)
    if failure is not None:
        raise failure


async def status(
    id_: Annotated[str, Parameter(name="ID", help="The transaction's id: 64 hex digits.")],
    /,
    *,
    common: Common = DEFAULTS,
) -> None:
    """Say whether a transaction waits, is final, or is unknown; shows the receipt if final.

    For example:

    ```
    gtx tx status 6f1d…
    gtx tx status 6f1d… --json
    ```
    """
    if not _ID.fullmatch(id_):
        raise Failure(ExitCode.USAGE, f"{id_!r} is no id", "an id is 64 hex digits", name="Usage")
    async with Rpc(common.url()) as rpc:
        found: dict[str, Any] = await rpc.call("tx_status", id=id_)
        lines = facts([(name, value) for name, value in found.items() if value is not None])
        if found["status"] == "final":
            receipt = await rpc.call("tx_receipt", id=id_)
            found = found | {"receipt": receipt}
            lines = [f"status       {found['status']}", *receipt_lines(receipt)]
    answer(found, as_json=common.json, lines=lines)


async def block(
    height: Annotated[int | None, Parameter(help="The block's height; the newest if left out.")] = (
        None
    ),
    /,
    *,
    full: Annotated[
        bool, Parameter(negative="", help="Show transactions, receipts and events decoded.")
    ] = False,
    common: Common = DEFAULTS,
) -> None:
    """Show a block: its header, who signed it, and its transactions.

    For example:

    ```
    gtx block
    gtx block 42 --full
    gtx block 42 --json
    ```
    """
    async with Rpc(common.url()) as rpc:
        detail = "full" if full else "ids"
        found = await rpc.call("chain_block", height=height, detail=detail)
    header = found["header"]
    lines = facts(
        [
            ("height", found["height"]),
            ("id", found["block_id"]),
            ("time", f"{header['time_ms']} ms"),
            ("proposer", header["proposer"]),
            ("state root", header["state_root"]),
            ("transactions", found["receipt_count"] - 1 if found["receipt_count"] else 0),
        ]
    )
    items = [one for one in found["items"] if one["id"] is not None and one["receipt_index"]]
    if full:
        lines += pretty(found["items"]).splitlines()
    elif items:
        lines += table(("index", "id"), [(one["receipt_index"] - 1, one["id"]) for one in items])
    if found["next"] is not None:
        lines.append("… and more; gtx block --json and the method chain_block give the next page")
    answer(found, as_json=common.json, lines=lines)


async def account(
    who: Annotated[str, Parameter(help="An address, or the name of a key of the keystore.")],
    /,
    *,
    genesis: Annotated[
        Path | None,
        Parameter(help="Prove the answer from this genesis, and trust the node in nothing."),
    ] = None,
    common: Common = DEFAULTS,
) -> None:
    """Show an account: nonce, keys, credit and NRG.

    With `--genesis` all of it is proven in the state of one final block, which is the last line.
    The genesis should come from elsewhere than the node. The exit status is 11 if the node's
    answers do not follow from it.

    For example:

    ```
    gtx account gtx1…
    gtx account alice
    gtx account devnet/account-0 --json
    gtx account alice --genesis genesis.json
    ```
    """
    address = _address(who, common)
    chosen = None if genesis is None else read_genesis(genesis)
    async with Rpc(common.url()) as rpc:
        if chosen is None:
            found = await rpc.call("account_get", address=address)
        else:
            found = await _proven_account(Reader(rpc, chosen), address)
    credit = [(f"credit {name}", f"{value} µTHB") for name, value in _held(found["credit"])]
    keys = found["keys"]
    record = "its own" if keys is None else f"{keys['threshold']} of {len(keys['keys'])}"
    lines = facts(
        [
            ("address", found["address"]),
            ("nonce", found["nonce"]),
            ("keys", record),
            *credit,
            ("NRG", f"{found['nrg_unrg']} µNRG"),
            ("at height" if chosen is None else "proven in block", found["height"]),
        ]
    )
    answer(found, as_json=common.json, lines=lines)


async def _proven_account(reader: Reader, text: str) -> dict[str, Any]:
    """Return what `account_get` does, each part proven, all in one state."""
    address = from_json(_ADDRESS, text)
    assert isinstance(address, bytes), "the shape has checked it"
    found = await reader.get_each(
        address, Accounts.nonces, Accounts.key_records, Credit.accounts, Nrg.balances
    )
    nonce, keys, credit, nrg_unrg = found.value
    return {
        "height": found.header.height,
        "address": encode_address(address),
        "nonce": to_json(Accounts.nonces.value_shape, nonce),
        "keys": None if keys is None else to_json(keys.shape, keys.to_wire()),
        "credit": to_json(credit.shape, credit.to_wire()),
        "nrg_unrg": to_json(Nrg.balances.value_shape, nrg_unrg),
    }


def _held(credit: dict[str, Any]) -> list[tuple[str, Any]]:
    """Return free credit, and what is held for any purpose."""
    columns = [(n, v) for n, v in credit.items() if not n.startswith("history")]
    return [(n, v) for n, v in columns if n == "free" or int(v)]


def _address(who: str, common: Common) -> str:
    if who.startswith(DEVNET_PREFIX):
        return encode_address(devnet_identity(who).account)
    keystore = Keystore(common.place().keys)
    if NAME_PATTERN.fullmatch(who) and not who.startswith("gtx1") and not _HEX.fullmatch(who):
        names = [one.name for one in keystore.list()]
        if who not in names:
            help_ = did_you_mean(who, names) or "gtx keys list shows the keys"
            raise Failure(ExitCode.KEY, f"there is no key called {who!r}", help_)
        return encode_address(keystore.info(who).account)
    return who if _HEX.fullmatch(who) else encode_address(decode_address(who))


def _raw(text: str) -> bytes:
    """Return the bytes of a transaction in hex or base64, or in a file; raises `Failure`."""
    if text == "-":
        text = sys.stdin.read(INPUT_BYTES_MAX)
    elif text.startswith("@"):
        try:
            with Path(text[1:]).open() as file:
                text = file.read(INPUT_BYTES_MAX)
        except (OSError, UnicodeDecodeError) as error:
            raise Failure(ExitCode.USAGE, f"cannot read {text[1:]}: {error}") from error
    text = text.strip()
    if _HEX.fullmatch(text):
        return bytes.fromhex(text)
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        help_ = "make one with: gtx call … --sign-only"
        what = "that is no signed transaction in hex or base64"
        raise Failure(ExitCode.USAGE, what, help_, name="Usage") from error
