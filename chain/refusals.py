"""Why a transaction cannot be part of a block: the tree of refusals, with codes, values and hints.

NotIncludableError
├── MalformedTransaction   not the wire form
├── WrongChain             signed for another chain
├── BadSignature           a signature does not verify
├── WrongKeys              not exactly the keys that the account answers to
├── LowNonce, NonceGap     already used; too far ahead
├── ExpiredTransaction     valid_until_height is past, or too far ahead
├── FeeTooLow              fee_max does not cover the base fee and the intrinsic weight
├── TooHeavy               the intrinsic weight is beyond what a transaction may use
├── CannotPayFee           free credit is below fee_max
├── BlockFull              it would be valid, but not in this block any more
└── BrokenCall             a bug of ours; the proposer drops the transaction and reports it

None of these is an outcome: no fee is taken and nothing is in a block. A `Reject`
(`contracts/kernel/errors.py`) is an outcome, with a receipt and a fee. The docstrings are shown to
people: what happened, then what to do.
"""

from typing import ClassVar

from contracts.kernel.codec import Value


class NotIncludableError(Exception):
    """The transaction cannot be part of a block."""

    code: ClassVar[int]

    def __init__(self, **values: Value) -> None:
        """Keep the values that explain the refusal."""
        super().__init__(values)
        self.values = values

    def __str__(self) -> str:
        """Name the refusal and its values; bytes in hex."""
        parts = (f"{k}={v.hex() if isinstance(v, bytes) else v}" for k, v in self.values.items())
        return f"{type(self).__name__}({', '.join(parts)})"


class MalformedTransaction(NotIncludableError):
    """The bytes are not a transaction in deterministic CBOR.

    Encode `[[1, chain_id, sender, nonce, …], [[key, signature], …]]` as the documentation shows.
    """

    code = 1


class WrongChain(NotIncludableError):
    """The transaction was signed for another chain.

    Ask the node for its chain id (`chain_status`) and sign again.
    """

    code = 2


class BadSignature(NotIncludableError):
    """A signature does not verify.

    Sign `tag ‖ chain_id ‖ SHA-256(body)` with the key that stands beside the signature.
    """

    code = 3


class WrongKeys(NotIncludableError):
    """The signing keys are not exactly those that the account answers to.

    An account with a key record needs exactly its threshold of keys from the record; any other
    account needs the one key whose hash is its address.
    """

    code = 4


class LowNonce(NotIncludableError):
    """The nonce has been used already.

    Use the account's present nonce (`account_get`).
    """

    code = 5


class NonceGap(NotIncludableError):
    """The nonce is too far ahead of the account's.

    Send the transactions between first.
    """

    code = 6


class ExpiredTransaction(NotIncludableError):
    """`valid_until_height` is past, or further ahead than a transaction may be valid.

    Sign again with a height within the validity window after the chain's.
    """

    code = 7


class FeeTooLow(NotIncludableError):
    """`fee_max_uthb` does not cover the base fee and the transaction's intrinsic weight.

    Offer at least `need_uthb`, and more for what the calls will use (`tx_simulate`).
    """

    code = 8


class TooHeavy(NotIncludableError):
    """The transaction's bytes and signatures alone weigh more than a transaction may use.

    Split it.
    """

    code = 9


class CannotPayFee(NotIncludableError):
    """The sender's free credit is below `fee_max_uthb`.

    Offer less, or bring credit to the account first; what the fee does not need is not taken.
    """

    code = 10


class BlockFull(NotIncludableError):
    """The transaction does not fit into this block any more.

    Wait: it stays for the next one.
    """

    code = 11


class BrokenCall(NotIncludableError):
    """A call failed in a way that is a defect of the node's software.

    The transaction was not executed and no fee was taken. Please report it.
    """

    code = 12
