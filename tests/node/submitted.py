"""What is submitted in tests of the intake: transfers, readings, and forged ones."""

from collections.abc import Sequence
from dataclasses import replace
from functools import cache

from chain.crypto import SIGNATURE_BYTES, Domain, sign, signed_bytes
from chain.transaction import Call, Mode, Transaction, sign_transaction
from contracts.grid.reading import Quality, SignedReading
from contracts.kernel import Value
from tests.support.genesis import START_S
from tests.support.people import account_of, key_of, seed_of

CHAIN_ID = bytes(range(32))


@cache
def transfer(nonce: int, sender: str = "alice", *, chain_id: bytes = CHAIN_ID) -> bytes:
    """Return a signed transfer."""
    return signed(sender, nonce, Call("credit", "transfer", (account_of("bob"), 5, b"")), chain_id)


def readings(nonce: int, true: Sequence[bool]) -> bytes:
    """Return a call with a reading for each of `true`, signed by its device where that says so."""
    items: list[Value] = [reading(meter, true=one) for meter, one in enumerate(true)]
    return signed("alice", nonce, Call("metering", "submit_readings", (items,)))


def forged(raw: bytes) -> bytes:
    """Return a transaction whose last signature is another's; it decodes all the same."""
    return raw[:-SIGNATURE_BYTES] + sign(seed_of("mallory"), raw)


def signed(sender: str, nonce: int, call: Call, chain_id: bytes = CHAIN_ID) -> bytes:
    transaction = Transaction(
        chain_id, account_of(sender), nonce, 1_000, 4_000_000, Mode.ALL_OR_NOTHING, (call,)
    )
    return sign_transaction(transaction, [seed_of(sender)]).raw


def reading(meter: int, *, true: bool) -> list[Value]:
    unsigned = SignedReading(
        meter=meter,
        interval_s=START_S,
        import_wh=100,
        export_wh=0,
        import_register_wh=100,
        export_register_wh=0,
        quality=Quality.MEASURED,
        version=1,
        sequence=1,
        public_key=key_of(f"device {meter}"),
        signature=bytes(SIGNATURE_BYTES),
    )
    signer = f"device {meter}" if true else "mallory"
    message = signed_bytes(Domain.READING, CHAIN_ID, unsigned.payload())
    return replace(unsigned, signature=sign(seed_of(signer), message)).to_wire()
