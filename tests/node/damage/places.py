"""Homes of one validator, made once and copied for each case."""

import shutil
from pathlib import Path
from typing import Final

from contracts.governance.parameters import Timing
from node.chain_node import make_signer
from node.home import Home
from tests.node.damage.program import VALIDATOR
from tests.support.genesis import make_genesis, parameters
from tests.support.people import seed_of

BLOCK_INTERVAL_MS: Final = 5


def new_home(folder: Path) -> Home:
    """Make the home of a new validator: genesis and signer, no chain yet."""
    genesis = make_genesis(chain=parameters(timing=Timing(block_interval_min_ms=BLOCK_INTERVAL_MS)))
    home = Home(folder)
    folder.mkdir(parents=True)
    home.genesis.write_text(genesis.to_json())
    make_signer(home, genesis.chain_id, seed_of(VALIDATOR))
    return home


def copy_of(home: Home, folder: Path) -> Home:
    """Copy a home whose node does not run."""
    shutil.copytree(home.folder, folder)
    return Home(folder)
