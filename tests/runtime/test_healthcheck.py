"""The health check: three answers, from a file, with nothing but the standard library."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import dotenv
import pytest

from bot.runtime.exit_codes import ExitCode
from bot.runtime.health.health_file import Health
from bot.runtime.health.healthcheck import check, find_running, is_alive, load_health, main
from tests.commands import environment

NOW = 1_000_000


def write(folder: Path, **fields: Any) -> None:
    content = {"pid": os.getpid(), "at_ms": NOW, "stale_after_ms": 900} | fields
    (folder / "health.json").write_text(json.dumps(content))


@pytest.fixture
def dead() -> int:
    """The number of a process that has ended."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def test_no_file_is_not_running(tmp_path: Path) -> None:
    assert check(tmp_path, NOW)[0] is ExitCode.NOT_RUNNING
    assert find_running(tmp_path) is None


def test_a_file_left_by_a_dead_process_is_not_running(tmp_path: Path, dead: int) -> None:
    write(tmp_path, pid=dead)
    assert check(tmp_path, NOW)[0] is ExitCode.NOT_RUNNING
    assert not is_alive(dead)
    assert find_running(tmp_path) is None


@pytest.mark.parametrize(
    ("age_ms", "code"), [(-5, ExitCode.OK), (0, ExitCode.OK), (900, ExitCode.OK), (901, ExitCode.ERROR)]
)
def test_a_living_process_is_stale_when_its_last_sign_is_too_old(tmp_path: Path, age_ms: int, code: ExitCode) -> None:
    write(tmp_path)
    assert check(tmp_path, NOW + age_ms)[0] is code


def test_what_the_daemon_writes_is_what_the_check_reads_and_names_the_part_that_is_late(tmp_path: Path) -> None:
    health = Health(tmp_path / "health.json", "trade", "sim")
    health.expect("cycle", 60)
    health.write(stale_after_ms=60_000)
    now_ms = time.time_ns() // 1_000_000
    assert check(tmp_path, now_ms)[0] is ExitCode.OK
    late = json.loads(health.path.read_text())
    late["parts"]["cycle"]["at_ms"] -= 61_000
    health.path.write_text(json.dumps(late))
    code, words = check(tmp_path, now_ms)
    assert code is ExitCode.ERROR
    assert "cycle" in words


@pytest.mark.parametrize(
    "content",
    [
        "",
        "{",
        "[]",
        "{}",
        '{"pid": "x", "at_ms": 1}',
        '{"pid": 1}',
        "null",
        '{"pid": 1e400, "at_ms": 1}',
        "[" * 100_000,
    ],
    ids=lambda content: content[:20],
)
def test_a_file_that_says_nothing_usable_is_not_running(tmp_path: Path, content: str) -> None:
    (tmp_path / "health.json").write_text(content)
    assert load_health(tmp_path) is None
    assert check(tmp_path, NOW)[0] is ExitCode.NOT_RUNNING


def test_the_command_finds_the_state_directory_of_the_configuration(
    workplace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (workplace / "there").mkdir()
    write(workplace / "there", at_ms=10**15)
    assert main([]) == ExitCode.NOT_RUNNING
    (workplace / "sectorbot.toml").write_text('state_directory = "there"\n[risk]\nnonsense = 1\n')
    assert main([]) == ExitCode.OK
    assert main(["--state", "elsewhere"]) == ExitCode.NOT_RUNNING
    assert main(["--set", "state_directory=elsewhere"]) == ExitCode.NOT_RUNNING
    capsys.readouterr()
    assert main(["--json"]) == ExitCode.OK
    assert json.loads(capsys.readouterr().out)["health"]["pid"] == os.getpid()


def test_beyond_the_standard_library_it_loads_the_parser_of_env_files_alone(tmp_path: Path) -> None:
    program = (
        "import sys; sys.argv[1:] = ['healthcheck']\n"
        "from bot.__main__ import main\n"
        "code = main()\n"
        "tops = {name.partition('.')[0] for name in sys.modules} - set(sys.stdlib_module_names)\n"
        "print(code, sorted(tops - {'__main__', '__mp_main__'}))\n"
    )
    paths = environment()
    paths["PYTHONPATH"] = os.pathsep.join((paths["PYTHONPATH"], str(Path(dotenv.__file__).parents[1])))
    done = subprocess.run(
        [sys.executable, "-S", "-c", program],
        cwd=tmp_path,
        env=paths,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.splitlines()[-1] == "3 ['bot', 'dotenv']"
