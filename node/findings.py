"""What the machine reports: told to the operator, or the end of the node."""

import structlog

from chain.consensus.effects import Diverged, Finding
from chain.votes import Certificate

log = structlog.get_logger(__name__)


class DivergedError(Exception):
    """A quorum decided what this node's execution refuses: it must stop."""


def report(finding: Finding) -> None:
    """Log what the machine found; raises `DivergedError` for what must end the node."""
    if isinstance(finding, Diverged):
        raise diverged(finding.certificate, "its execution refused it")
    log.warning("consensus_finding", kind=type(finding).__name__, finding=finding)


def diverged(certificate: Certificate, why: str) -> DivergedError:
    """Return what ends a node that cannot follow what a quorum decided."""
    return DivergedError(
        f"validators made block {certificate.block_id.hex()} at height {certificate.height} final, "
        f"but it breaks a rule here ({why}): this node's software or database is wrong; do not "
        "restart it before it is understood"
    )
