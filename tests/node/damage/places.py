"""Homes of one validator, made once and copied for each case, and damage to their files."""

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Final

from contracts.governance.parameters import Timing
from node.chain_node import make_signer
from node.home import Home
from tests.node.damage.program import VALIDATOR
from tests.support.genesis import make_genesis, parameters
from tests.support.people import seed_of

BLOCK_INTERVAL_MS: Final = 5
# Part of what a disk loses at once; larger than a record of LevelDB's log.
ZEROED_BYTES: Final = 4_096


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


@dataclass(frozen=True, slots=True)
class Damage:
    """What happens to one file: `place` is its size from then on, or where it is changed."""

    kind: str
    place: int

    def do(self, path: Path) -> None:
        """Damage a file."""
        data = bytearray(path.read_bytes())
        match self.kind:
            case "delete":
                path.unlink()
                return
            case "cut":
                del data[self.place :]
            case "flip":
                data[self.place >> 3] ^= 1 << (self.place & 7)
            case "zero":
                end = min(self.place + ZEROED_BYTES, len(data))
                data[self.place : end] = bytes(end - self.place)
        path.write_bytes(data)


def damages(size_bytes: int, rng: Random, each: int) -> Iterator[Damage]:
    """Draw damage to a file: lost, emptied, and `each` of cuts, flipped bits and zeroed parts."""
    yield Damage("delete", 0)
    yield Damage("cut", 0)
    for _ in range(each if size_bytes else 0):
        yield Damage("cut", rng.randrange(size_bytes))
        yield Damage("flip", rng.randrange(8 * size_bytes))
        yield Damage("zero", rng.randrange(size_bytes))
