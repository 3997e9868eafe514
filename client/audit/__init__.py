"""The audit: a chain's balances and watt-hours recomputed from its genesis and blocks alone."""

from client.audit.render import render
from client.audit.report import AuditReport, Counts, Difference
from client.audit.run import Progress, audit
from client.audit.source import BlockSource, RpcSource, SourceError, StoreSource

__all__ = [
    "AuditReport",
    "BlockSource",
    "Counts",
    "Difference",
    "Progress",
    "RpcSource",
    "SourceError",
    "StoreSource",
    "audit",
    "render",
]
