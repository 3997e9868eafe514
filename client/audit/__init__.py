"""The audit: a chain's balances and watt-hours recomputed from its genesis and blocks alone."""

from client.audit.beside import AuditBeside, audit_beside
from client.audit.render import render
from client.audit.report import AuditReport, Counts, Difference
from client.audit.run import Progress, audit
from client.audit.source import BlockSource, RpcSource, SourceError, StoreSource

__all__ = [
    "AuditBeside",
    "AuditReport",
    "BlockSource",
    "Counts",
    "Difference",
    "Progress",
    "RpcSource",
    "SourceError",
    "StoreSource",
    "audit",
    "audit_beside",
    "render",
]
