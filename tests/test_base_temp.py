"""The folder in memory goes with its run; what a killed run left, the next one removes, and never one in use."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.base_temp import BaseTemp, has_room, remove_old
from tests.conftest import ROOT

TAKES_AND_DIES = """
import os, signal, sys
from pathlib import Path
from tests.base_temp import BaseTemp
taken = BaseTemp(Path(sys.argv[1]))
taken.base.mkdir()
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_folder_goes_with_its_run(tmp_path: Path) -> None:
    taken = BaseTemp(tmp_path)
    taken.base.mkdir()
    taken.release(keeps=False)
    assert list(tmp_path.iterdir()) == []


def test_the_folder_of_a_failed_run_stays_until_the_next_one(tmp_path: Path) -> None:
    failed = BaseTemp(tmp_path)
    failed.base.mkdir()
    failed.release(keeps=True)
    assert failed.base.is_dir()
    following = BaseTemp(tmp_path)
    assert list(tmp_path.iterdir()) == [following.folder]
    following.release(keeps=False)


def test_the_folder_of_a_run_that_goes_on_is_left_alone(tmp_path: Path) -> None:
    one, other = BaseTemp(tmp_path), BaseTemp(tmp_path)
    remove_old(tmp_path)
    assert one.folder.is_dir()
    assert other.folder.is_dir()
    one.release(keeps=False)
    other.release(keeps=False)


def test_what_a_killed_run_left_is_removed_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "sectorbot-of-somebody-else").mkdir()
    done = subprocess.run([sys.executable, "-c", TAKES_AND_DIES, str(tmp_path)], cwd=ROOT, timeout=60, check=False)
    assert done.returncode == -9
    assert len(list(tmp_path.iterdir())) == 2
    remove_old(tmp_path)
    assert [left.name for left in tmp_path.iterdir()] == ["sectorbot-of-somebody-else"]


def test_what_a_removed_run_wrote_afterwards_is_removed(tmp_path: Path) -> None:
    taken = BaseTemp(tmp_path)
    taken.release(keeps=False)
    (taken.base / "late").mkdir(parents=True)
    remove_old(tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("place", "needed_bytes"), [("absent", 1), ("file", 1), ("", 1 << 60)], ids=["absent", "no folder", "no room"]
)
def test_memory_that_is_no_place_for_files_is_not_taken(tmp_path: Path, place: str, needed_bytes: int) -> None:
    (tmp_path / "file").touch()
    assert not has_room(tmp_path / place, needed_bytes)
    assert has_room(tmp_path, 1)
