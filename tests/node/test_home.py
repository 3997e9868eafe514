"""A node's folders: one process at a time, and a plain word where they cannot be used."""

import resource
from pathlib import Path

import pytest

from node.home import Home, HomeError


def test_the_lock_is_free_again_afterwards(tmp_path: Path) -> None:
    home = Home(tmp_path / "new")
    for _ in range(2):
        with home.locked(), pytest.raises(HomeError, match="another node"), home.locked():
            pass


def test_a_home_that_is_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with (
        pytest.raises(HomeError, match="Not a directory; check its permissions"),
        Home(tmp_path / "file").locked(),
    ):
        pass


def test_a_full_disk_is_named(tmp_path: Path) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, hard))
    try:
        with pytest.raises(HomeError, match="room"), Home(tmp_path / "home").locked():
            pass
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    with Home(tmp_path / "home").locked():
        pass
