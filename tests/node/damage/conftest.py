"""Processes and chains that the tests of one run share."""

from collections.abc import Iterator

import pytest

from tests.node.damage.launcher import Launcher, launcher
from tests.node.damage.scenarios import Grown, grown


@pytest.fixture(scope="session")
def start() -> Iterator[Launcher]:
    """Start processes quickly."""
    with launcher() as started:
        yield started


@pytest.fixture(scope="session")
def base(start: Launcher, tmp_path_factory: pytest.TempPathFactory) -> Grown:
    """Return a chain of a few runs; tests work on copies."""
    return grown(start, tmp_path_factory.mktemp("base") / "home", 3)
