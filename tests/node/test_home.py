"""A node's folders: one process at a time, and a plain word where they cannot be used."""

import resource
import shutil
import subprocess
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


def test_git_takes_nothing_of_a_home(tmp_path: Path) -> None:
    git = shutil.which("git")
    assert git is not None, "the set-up needs it as well"
    subprocess.run([git, "init", "-q", str(tmp_path)], check=True)
    home = Home(tmp_path / "north")
    home.keep_out_of_git()
    home.keys.mkdir()
    (home.keys / "authority.key").write_text("sealed")
    seen = [git, "-C", str(tmp_path), "status", "--porcelain", "--untracked-files=all"]
    assert subprocess.run(seen, check=True, capture_output=True).stdout == b""
    (home.folder / ".gitignore").unlink()
    assert b"authority.key" in subprocess.run(seen, check=True, capture_output=True).stdout
