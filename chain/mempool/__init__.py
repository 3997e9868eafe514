"""The mempool: transactions that wait for a block.

`pool` takes in, keeps and drops; `eviction` finds who leaves a full pool; `proposal` puts what
waits in the order of a block.
"""

from chain.mempool.accounts import AccountView, accounts_in
from chain.mempool.entry import LANE_PERCENT
from chain.mempool.pool import Departure, Mempool, MempoolLimits
from chain.mempool.proposal import Proposal
from chain.mempool.refusals import (
    AlreadyKnown,
    PoolFull,
    Replaced,
    SenderCapReached,
    UnderpricedReplacement,
)

__all__ = [
    "LANE_PERCENT",
    "AccountView",
    "AlreadyKnown",
    "Departure",
    "Mempool",
    "MempoolLimits",
    "PoolFull",
    "Proposal",
    "Replaced",
    "SenderCapReached",
    "UnderpricedReplacement",
    "accounts_in",
]
