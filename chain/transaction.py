"""Transactions: wire form, signing, and what can be known of one without any state.

`[[version, chain_id, sender, nonce, valid_until_height, fee_max_uthb, mode, calls, memo],
[[public key, signature], …]]`; the id is the SHA-256 of the full signed bytes. `prepare` decodes
the arguments of every call by the contracts' manifest once, for mempool and execution alike.
`to_fields` and `from_fields` carry what was checked in one process to another that trusts it.
(PROTOCOL §2.)
"""

import enum
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from types import MappingProxyType
from typing import Annotated, Any, Final

from chain.block import TRANSACTION_BYTES_MAX
from chain.crypto import (
    PUBLIC_KEY_BYTES,
    SIGNATURE_BYTES,
    Domain,
    public_key_of,
    sign,
    signed_bytes,
)
from chain.refusals import MalformedTransaction, WrongChain
from chain.verdicts import SignedMessage
from contracts.kernel import (
    BadValueError,
    Claim,
    CodecError,
    Lane,
    Method,
    Range,
    Reject,
    Value,
    codec,
    sha256,
)
from contracts.kernel.catalogue import Catalogue
from contracts.kernel.errors import BadArguments
from contracts.kernel.frozen import maker
from contracts.kernel.record import CLAIM_DOMAINS, check_of
from contracts.kernel.shape import shape_of
from contracts.kernel.types import (
    Address,
    Hash32,
    Height,
    Memo,
    PublicKey,
    Signature,
    Text32,
    Uint,
    Uthb,
)
from contracts.registry import CATALOGUE

TRANSACTION_VERSION: Final = 1
CALLS_MAX: Final = 512
SIGNATURES_MAX: Final = 16


class Mode(enum.IntEnum):
    """What a failing call means for the others."""

    ALL_OR_NOTHING = 0
    EACH_ALONE = 1


@dataclass(frozen=True, slots=True)
class Call:
    """One call: arguments are plain values; `owner` None means the sender."""

    contract: str
    method: str
    arguments: tuple[Value, ...]
    owner: bytes | None = None

    def to_wire(self) -> list[Value]:
        """Return `[contract, method, args, owner]`."""
        return [self.contract, self.method, list(self.arguments), self.owner]


@dataclass(frozen=True, slots=True)
class Transaction:
    """The signed part of a transaction."""

    chain_id: bytes
    sender: bytes
    nonce: int
    valid_until_height: int
    fee_max_uthb: int
    mode: Mode
    calls: tuple[Call, ...]
    memo: bytes = b""

    def to_wire(self) -> list[Value]:
        """Return the inner array."""
        calls: list[Value] = [call.to_wire() for call in self.calls]
        return [
            TRANSACTION_VERSION,
            self.chain_id,
            self.sender,
            self.nonce,
            self.valid_until_height,
            self.fee_max_uthb,
            int(self.mode),
            calls,
            self.memo,
        ]

    def message(self) -> bytes:
        """Return the bytes that signatures cover."""
        payload = codec.encode(self.to_wire())
        return signed_bytes(Domain.TRANSACTION, self.chain_id, payload)


@dataclass(frozen=True, slots=True)
class SignedTransaction:
    """A transaction with its signatures, as it travels."""

    transaction: Transaction
    signatures: tuple[tuple[bytes, bytes], ...]
    raw: bytes
    id: bytes
    signed: tuple[SignedMessage, ...] = field(repr=False)

    @property
    def keys(self) -> tuple[bytes, ...]:
        """Return the signing keys, ascending."""
        return tuple([key for key, _ in self.signatures])


@dataclass(frozen=True, slots=True)
class PreparedCall:
    """A call whose method and arguments are known, or the refusal that it will meet."""

    call: Call
    method: Method | None
    arguments: tuple[Any, ...]
    refusal: Reject | None


@dataclass(frozen=True, slots=True)
class PreparedTransaction:
    """A transaction with typed arguments, every signed claim in them, and where it waits."""

    signed: SignedTransaction
    calls: tuple[PreparedCall, ...]
    claim_count: int
    signed_messages: tuple[SignedMessage, ...]
    lane: Lane

    @property
    def id(self) -> bytes:
        """Return the transaction id."""
        return self.signed.id


_make_call: Final = maker(Call)
_make_transaction: Final = maker(Transaction)
_make_signed: Final = maker(SignedTransaction)
_make_prepared_call: Final = maker(PreparedCall)
_make_prepared: Final = maker(PreparedTransaction)

_CallFields = tuple[str, str, tuple[Value, ...], bytes | None]
CheckedFields = tuple[
    bytes,  # id
    bytes,  # sender
    int,  # nonce
    int,  # valid_until_height
    int,  # fee_max_uthb
    int,  # mode
    tuple[_CallFields, ...],
    bytes,  # memo
    tuple[tuple[bytes, bytes], ...],  # signatures
    bytes,  # the message that they cover
    tuple[tuple[bytes, bytes, bytes], ...],  # signed claims
]

# Fails here, when the node starts, if a domain of claims has no tag.
_DOMAIN_OF_CLAIM: Final = MappingProxyType({name: Domain[name] for name in CLAIM_DOMAINS})
_Fields = tuple[tuple[str, Callable[[Any], Any]], ...]


def _fields(**annotations: Any) -> _Fields:  # noqa: ANN401 - whatever has a shape
    """Return what checks each field."""
    shapes = ((name, shape_of(annotation)) for name, annotation in annotations.items())
    return tuple((name, check_of(shape, shape.from_wire)) for name, shape in shapes)


_HEAD: Final = _fields(
    version=Annotated[int, Range(TRANSACTION_VERSION, TRANSACTION_VERSION)],
    chain_id=Hash32,
    sender=Address,
    nonce=Uint,
    valid_until_height=Height,
    fee_max_uthb=Uthb,
    mode=Mode,
)
_MEMO: Final = _fields(memo=Memo)
_CALL: Final = _fields(contract=Text32, method=Text32, owner=Address | None)
_SIGNED_BY: Final = _fields(key=PublicKey, bytes=Signature)
# An array of up to 23 items begins with one byte; a pair is that, a key and a signature.
_PAIR_BYTES: Final = 1 + 2 + PUBLIC_KEY_BYTES + 2 + SIGNATURE_BYTES


def sign_transaction(transaction: Transaction, seeds: Sequence[bytes]) -> SignedTransaction:
    """Sign with the keys of these seeds, put in ascending order of their public keys."""
    message = transaction.message()
    signatures = sorted((public_key_of(seed), sign(seed, message)) for seed in seeds)
    raw = codec.encode([transaction.to_wire(), [list(pair) for pair in signatures]])
    return decode_transaction(raw, transaction.chain_id)


def decode_transaction(raw: bytes, chain_id: bytes) -> SignedTransaction:
    """Decode bytes from outside; verifies no signature.

    Raises `MalformedTransaction` or `WrongChain`.
    """
    if len(raw) > TRANSACTION_BYTES_MAX:
        raise MalformedTransaction(why=f"{len(raw)} bytes, at most {TRANSACTION_BYTES_MAX}")
    try:
        outer = codec.decode(raw, size_max=TRANSACTION_BYTES_MAX)
        inner, signatures = _array(outer, 2, "transaction")
        transaction = _transaction(_array(inner, len(_HEAD) + 2, "transaction body"))
        pairs = _signatures(signatures)
    except (CodecError, BadValueError) as error:
        raise MalformedTransaction(why=str(error)) from error
    if transaction.chain_id != chain_id:
        raise WrongChain(expected=chain_id, got=transaction.chain_id)
    # The one form of the whole is that of its parts side by side.
    message = signed_bytes(Domain.TRANSACTION, chain_id, raw[1 : -1 - len(pairs) * _PAIR_BYTES])
    signed = tuple(SignedMessage(key, message, signature) for key, signature in pairs)
    return _make_signed(transaction, pairs, raw, sha256(raw), signed)


def prepare(signed: SignedTransaction, catalogue: Catalogue = CATALOGUE) -> PreparedTransaction:
    """Type the arguments of every call and collect the signed claims inside them."""
    calls = tuple(_prepare_call(call, catalogue) for call in signed.transaction.calls)
    claims: tuple[SignedMessage, ...] = ()
    if any(call.method is not None and call.method.has_claims for call in calls):
        claims = tuple(_claims_in(calls, signed.transaction.chain_id))
    messages = signed.signed + claims
    return _make_prepared(signed, calls, len(claims), messages, _lane_of(calls))


def to_fields(prepared: PreparedTransaction) -> CheckedFields:
    """Return all that was found out from a transaction's bytes as builtins, quick to pickle."""
    signed = prepared.signed
    transaction = signed.transaction
    return (
        signed.id,
        transaction.sender,
        transaction.nonce,
        transaction.valid_until_height,
        transaction.fee_max_uthb,
        int(transaction.mode),
        tuple([(c.contract, c.method, c.arguments, c.owner) for c in transaction.calls]),
        transaction.memo,
        signed.signatures,
        signed.signed[0].message,
        tuple([(*claim,) for claim in prepared.signed_messages[len(signed.signed) :]]),
    )


def from_fields(
    raw: bytes, chain_id: bytes, fields: CheckedFields, catalogue: Catalogue = CATALOGUE
) -> PreparedTransaction:
    """Return `prepare(decode_transaction(raw, chain_id))` from the fields of just that.

    Checks nothing, neither form nor id nor claims: the fields come from `to_fields` in a process
    that is as trusted as this one, for the same bytes, chain and catalogue.
    """
    id_, sender, nonce, valid_until, fee_max, mode, calls, memo, pairs, message, claims = fields
    transaction = _make_transaction(
        chain_id, sender, nonce, valid_until, fee_max, Mode(mode),
        tuple([_make_call(*call) for call in calls]), memo,
    )  # fmt: skip
    signed = tuple([SignedMessage(key, message, signature) for key, signature in pairs])
    typed = tuple([_prepare_call(call, catalogue) for call in transaction.calls])
    return _make_prepared(
        _make_signed(transaction, pairs, raw, id_, signed),
        typed,
        len(claims),
        signed + tuple([SignedMessage(*claim) for claim in claims]),
        _lane_of(typed),
    )


def _claims_in(calls: tuple[PreparedCall, ...], chain_id: bytes) -> Iterator[SignedMessage]:
    for call in calls:
        if call.method is not None and call.method.has_claims and call.refusal is None:
            for (_, shape), value in zip(call.method.arguments, call.arguments, strict=True):
                for claim in shape.claims(value):
                    yield claim_message(chain_id, claim)


def _prepare_call(call: Call, catalogue: Catalogue) -> PreparedCall:
    try:
        method = catalogue.call(call.contract, call.method)
    except Reject as refusal:
        return PreparedCall(call, None, (), refusal.with_traceback(None))
    if len(call.arguments) != len(method.arguments):
        names = ", ".join(name for name, _ in method.arguments)
        why = f"{len(call.arguments)} arguments instead of ({names})"
        return PreparedCall(call, method, (), BadArguments(why=why))
    typed = []
    for (name, shape), value in zip(method.arguments, call.arguments, strict=True):
        try:
            typed.append(shape.from_wire(value))
        except BadValueError as error:
            return PreparedCall(call, method, (), BadArguments(why=str(error.under(name))))
    return _make_prepared_call(call, method, tuple(typed), None)


def _lane_of(calls: tuple[PreparedCall, ...]) -> Lane:
    """Return the lane that all calls share, or OTHER where they differ or are not known."""
    lanes = [Lane.OTHER if call.method is None else call.method.lane for call in calls]
    first = lanes[0]
    if len(lanes) == 1:
        return Lane.OTHER if first is None else first
    return first if first is not None and all(lane is first for lane in lanes) else Lane.OTHER


def claim_message(chain_id: bytes, claim: Claim) -> SignedMessage:
    """Return the triple that a signed claim stands for."""
    message = signed_bytes(_DOMAIN_OF_CLAIM[claim.domain], chain_id, claim.payload())
    return SignedMessage(claim.public_key, message, claim.signature)


def _transaction(fields: Sequence[Value]) -> Transaction:
    _, chain_id, sender, nonce, valid_until, fee_max, mode = _typed(_HEAD, fields[: len(_HEAD)])
    calls, memo = fields[len(_HEAD) :]
    if type(calls) is not list or not 1 <= len(calls) <= CALLS_MAX:
        msg = f"a transaction has 1 to {CALLS_MAX} calls"
        raise BadValueError(msg, "calls")
    made: list[Call] = []
    try:
        for item in calls:
            made.append(_call(_array(item, 4, "call")))  # noqa: PERF401 - their count is the place of a fault
    except BadValueError as error:
        raise error.under(f"calls[{len(made)}]") from None
    (memo,) = _typed(_MEMO, (memo,))
    return _make_transaction(chain_id, sender, nonce, valid_until, fee_max, mode, tuple(made), memo)


def _call(fields: Sequence[Value]) -> Call:
    contract, method, arguments, owner = fields
    if type(arguments) is not list:
        msg = "arguments are an array"
        raise BadValueError(msg, "args")
    contract, method, owner = _typed(_CALL, (contract, method, owner))
    return _make_call(contract, method, tuple(arguments), owner)


def _signatures(value: Value) -> tuple[tuple[bytes, bytes], ...]:
    if type(value) is not list or not 1 <= len(value) <= SIGNATURES_MAX:
        msg = f"a transaction has 1 to {SIGNATURES_MAX} signatures"
        raise BadValueError(msg, "signatures")
    pairs: list[tuple[bytes, bytes]] = []
    try:
        for item in value:
            key, signature = _typed(_SIGNED_BY, _array(item, 2, "signature"))
            pairs.append((key, signature))
    except BadValueError as error:
        raise error.under(f"signatures[{len(pairs)}]") from None
    if len(pairs) > 1 and any(a[0] >= b[0] for a, b in pairwise(pairs)):
        msg = "public keys are not strictly ascending"
        raise BadValueError(msg, "signatures")
    return tuple(pairs)


def _typed(fields: _Fields, values: Sequence[Value]) -> list[Any]:
    """Check values by their shapes; a fault carries the name of its field."""
    try:
        return [check(value) for (_, check), value in zip(fields, values, strict=True)]
    except BadValueError:
        # The fast way does not know its place; the slow one finds it again.
        for (name, check), value in zip(fields, values, strict=True):
            try:
                check(value)
            except BadValueError as error:
                raise error.under(name) from None
        raise


def _array(value: Value, length: int, what: str) -> Sequence[Value]:
    if type(value) is not list or len(value) != length:
        msg = f"a {what} is an array of {length}"
        raise BadValueError(msg)
    return value
