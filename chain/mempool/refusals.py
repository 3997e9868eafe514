"""Why the mempool does not keep a transaction that a block could hold; codes after those of blocks.

They continue the tree of `chain/refusals.py`.
"""

from chain.refusals import NotIncludableError


class AlreadyKnown(NotIncludableError):
    """The transaction is already waiting.

    `tx_status` tells when it is final.
    """

    code = 20


class UnderpricedReplacement(NotIncludableError):
    """Another transaction with this nonce waits, and this one does not offer 10 % more.

    Raise `fee_max_uthb` to at least `need_uthb`, or use the next nonce.
    """

    code = 21


class SenderCapReached(NotIncludableError):
    """The sender has as many transactions or bytes waiting as one may have.

    Wait for a block.
    """

    code = 22


class PoolFull(NotIncludableError):
    """The pool is full, and this transaction offers less than those that could leave.

    Wait, raise `fee_max_uthb`, or send the missing transactions before it first.
    """

    code = 23


class Replaced(NotIncludableError):
    """A transaction of the same sender and nonce with a higher `fee_max_uthb` took its place.

    Sign again with the account's next nonce if this one is still wanted.
    """

    code = 24
