"""State: accounts for people, single values and ranges with their proofs."""

from contracts.kernel.state import Reader
from node.api.errors import InvalidParams
from node.api.proofs import RangeAnswer, StateProof, proof_answer, range_answer
from node.api.reading import contracts_over
from node.api.service import Service
from node.api.types import (
    LIMIT_DEFAULT,
    AccountForm,
    AddressIn,
    AddressOut,
    Answer,
    CertificateForm,
    HeaderForm,
    Hex,
    KeyIn,
    KeyRecordForm,
    Limit,
    Number,
    Params,
    form,
    form_or_null,
)


class AddressParams(Params):
    """An account."""

    address: AddressIn


class AccountAnswer(Answer):
    """An account at a height; `keys` is null where it answers to the key of its address alone."""

    height: int
    address: AddressOut
    nonce: Number
    keys: KeyRecordForm | None
    credit: AccountForm
    nrg_unrg: Number


class KeyParams(Params):
    """A key of the state: the table's id (2 bytes), then the parts of the key."""

    key: KeyIn


class ValueAnswer(Answer):
    """A value of the state, null if there is none, and all that proves it.

    The proof leads to the header's `state_root`; the certificate makes the header final.
    """

    key: Hex
    value: Hex | None
    proof: StateProof
    header: HeaderForm
    certificate: CertificateForm | None


class RangeParams(Params):
    """Keys from `start` on and before `end`, at most `limit` of them."""

    start: KeyIn
    end: KeyIn
    limit: Limit = LIMIT_DEFAULT


class RangePage(Answer):
    """A page of a range and its proof; `cursor`, if not null, is the `start` of the next page."""

    start: Hex
    end: Hex
    cursor: Hex | None
    proof: RangeAnswer
    header: HeaderForm
    certificate: CertificateForm | None


def account_get(service: Service, params: AddressParams) -> AccountAnswer:
    """Return an account's nonce, keys and balances at the newest block."""
    with service.backend.published() as published:
        contracts = contracts_over(published)
        keys = contracts.accounts.keys(params.address)
        return AccountAnswer(
            height=published.tip.height,
            address=params.address,
            nonce=contracts.accounts.nonce(params.address),
            keys=form_or_null(keys),
            credit=form(contracts.credit.account(params.address)),
            nrg_unrg=contracts.nrg.balance(params.address),
        )


def state_get(service: Service, params: KeyParams) -> ValueAnswer:
    """Return the value of a state key, or its absence, with a proof."""
    with service.backend.published() as published:
        tip, state = published.tip, published.state
        proof = published.trie.prove(tip.version, params.key, lambda key: _held(state, key))
        return ValueAnswer(
            key=params.key,
            value=state.get(params.key),
            proof=proof_answer(proof),
            header=form(tip.header),
            certificate=form_or_null(tip.certificate),
        )


def state_range(service: Service, params: RangeParams) -> RangePage:
    """Return the items of a key range in order, with one compact proof of the page.

    A page ends at `limit` items or at the node's page size. Pages are of the newest block each;
    their headers say which.
    """
    if not params.start < params.end:
        raise InvalidParams("`start` is not before `end`.", path="start")
    limit = min(params.limit, service.limits.items_max)
    with service.backend.published() as published:
        tip, state = published.tip, published.state
        count = _fitting(state, params, limit, service.limits.page_bytes_max)
        proof = published.trie.prove_range(
            tip.version, params.start, params.end, count, lambda key: _held(state, key)
        )
        return RangePage(
            start=params.start,
            end=params.end,
            cursor=proof.cursor,
            proof=range_answer(proof),
            header=form(tip.header),
            certificate=form_or_null(tip.certificate),
        )


def _held(state: Reader, key: bytes) -> bytes:
    value = state.get(key)
    assert value is not None, f"the trie has the key {key.hex()}, the database has not"
    return value


def _fitting(state: Reader, params: RangeParams, limit: int, bytes_max: int) -> int:
    """Return how many items from the start fit a page by count and size; at least one."""
    count, size = 0, 0
    for key, value in state.scan(params.start, params.end):
        size += len(key) + len(value)
        if count == limit or (count and size > bytes_max):
            break
        count += 1
    return max(count, 1)
