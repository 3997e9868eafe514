"""The genesis of a new chain: who validates, who has what, and nothing else yet.

Zones, participants and meters may be registered by transactions afterwards; a market may not, and
is given with the genesis (`node.cli.sections`). Market time follows the headers.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from chain.genesis import Genesis
from client.genesis_rules import METERING, chain_parameters, nrg_section, settlement_rules
from contracts.governance.authorities import Authority, GenesisAuthority
from contracts.governance.parameters import Timing
from contracts.grid.model import ROLES_ALL, GenesisRegistrar
from contracts.kernel import Value
from contracts.kernel.clock import ClockMode
from contracts.money.credit import Allocation

VALIDITY_BLOCKS_MAX: Final = 10_000
SETTLEMENT: Final = settlement_rules(arrears_limit_uthb=0, grid_minimum_uthb=0)


@dataclass(frozen=True, slots=True)
class Founder:
    """The authority that a chain begins with."""

    name: str
    account: bytes
    consensus_key: bytes
    network_key: bytes


def new_genesis(
    name: str,
    founder: Founder,
    *,
    time_ms: int,
    funded: Sequence[tuple[bytes, int]],
    devnet: bool,
    timing: Timing,
    others: Sequence[Founder] = (),
) -> Genesis:
    """Return the genesis of a chain; `funded` are accounts with their µTHB.

    The founder is registrar and has the NRG; `others` validate beside it from the first block on.
    """
    seats = [
        GenesisAuthority(one.account, Authority(one.name, one.consensus_key, one.network_key))
        for one in (founder, *others)
    ]
    registrar = GenesisRegistrar(founder.account, ROLES_ALL)
    chain = chain_parameters(timing, validity_blocks_max=VALIDITY_BLOCKS_MAX)
    sections: dict[str, dict[str, Value]] = {
        "clock": {"mode": int(ClockMode.HEADER), "driver": None, "start_s": 0},
        "parameters": {"chain": chain.to_wire()},
        "authorities": {"authorities": [seat.to_wire() for seat in seats]},
        "credit": {"allocations": [Allocation(*one).to_wire() for one in funded]},
        "nrg": nrg_section(founder.account),
        "registrars": {"registrars": [registrar.to_wire()]},
        "registry": {"zones": [], "participants": []},
        "devices": {"meters": [], "gateways": []},
        "metering": {"rules": METERING.to_wire()},
        "statements": {"first_quarter_s": None},
        "markets": {"markets": []},
        "auction": {},
        "settlement": {"rules": SETTLEMENT.to_wire(), "first_quarter_s": None},
    }
    return Genesis(name, time_ms, devnet=devnet, sections=sections)
