"""`sectorbot sweep` as a person runs it: killed half-way, on a cluster, learning, and with bad input."""

import json
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from typer.testing import CliRunner

pytest.importorskip("pyarrow")

from bot.cli.main import app
from bot.lab.sweep.run import Sweep, SweepPlan
from bot.lab.sweep.search import GridSearch
from bot.lab.sweep.space import read_space
from bot.lab.sweep.store import Results
from bot.lab.sweep.trial import Trial, TrialResult
from bot.lab.sweep.walk_forward import folds_of
from tests.commands import environment, sectorbot_process
from tests.lab.markets import DAY, START_MS, wandering, write_history

SYMBOLS = ("BTC/USDT", "UNI/USDT", "ETH/USDT", "SOL/USDT", "AAVE/USDT")
GRID = ("--set-grid", "playbook.rotation.shift=[0.1, 0.3]")
PATIENCE_SECONDS = 60


@pytest.fixture(scope="module")
def candles(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sweep") / "candles"
    prices = {symbol: wandering(index, 40.0) for index, symbol in enumerate(SYMBOLS)}
    write_history(folder, prices, START_MS - 160 * DAY, 24 * 172)
    return folder


def command(candles: Path, *more: str) -> tuple[str, ...]:
    windows = ("--train-days", "4", "--test-days", "2")
    return (
        "sweep",
        "--data",
        str(candles),
        "--from",
        "2024-01-01",
        "--to",
        "2024-01-09",
        *windows,
        "--results",
        "results.db",
        "--guard-hours",
        "12",
        "--json",
        *more,
    )


def finished(folder: Path) -> list[tuple[str, float]]:
    path = folder / "results.db"
    if not path.exists():
        return []
    db = sqlite3.connect(path)
    try:
        return db.execute("SELECT key, seconds FROM trials ORDER BY key").fetchall()
    except sqlite3.OperationalError:
        return []
    finally:
        db.close()


def children_of(pid: int) -> list[int]:
    found = []
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = status.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[1]) == pid:
            found.append(int(status.parent.name))
    return found


def is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def until(condition: object) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < deadline, "it has not come to pass in time"
        time.sleep(0.02)


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs /proc to find the pool's processes")
def test_a_killed_sweep_goes_on_where_it_was_and_leaves_no_process_behind(candles: Path, tmp_path: Path) -> None:
    wanted = command(candles, *GRID, "--jobs", "1")
    process = subprocess.Popen(
        [sys.executable, "-m", "bot", *wanted], cwd=tmp_path, env=environment(), stdout=subprocess.DEVNULL
    )
    until(lambda: len(finished(tmp_path)) >= 2)
    pool = children_of(process.pid)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    kept = finished(tmp_path)
    assert pool
    until(lambda: not any(is_running(pid) for pid in pool))

    done = sectorbot_process(*wanted, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    # Four trainings, and in each of two tests the chosen one and the defaults.
    assert document["ran"] + len(kept) == len(finished(tmp_path)) == 8
    assert [row for row in finished(tmp_path) if row in kept] == kept
    assert document["out_of_sample"]["from"] == "2024-01-05"
    assert document["out_of_sample"]["to"] == "2024-01-09"
    assert {"tuned", "defaults", "excess_interval"} <= document["out_of_sample"].keys()
    scores = [fold["train_score"] for fold in document["folds"]]
    again = json.loads(sectorbot_process(*wanted, cwd=tmp_path).stdout)
    assert again["ran"] == 0
    assert [fold["train_score"] for fold in again["folds"]] == scores

    other = sectorbot_process(*command(candles, *GRID, "--seed", "2"), cwd=tmp_path)
    assert other.returncode == 1
    assert "results.db: holds another search, whose seed is 1 and not 2; name another file" in other.stderr


class CountingEngine:
    """Ends each trial at once, and keeps what it was asked to run."""

    def __init__(self) -> None:
        self.ran: list[str] = []

    def run(self, trials: Sequence[Trial]) -> Iterator[TrialResult]:
        for trial in trials:
            self.ran.append(f"{trial.settings.playbook.rotation.shift} {trial.start_ms // DAY}")
            yield TrialResult(trial.key, (100.0, 101.0, 103.0), "", 0.1)

    def close(self) -> None:
        """Nothing is held."""


def test_equal_numbers_are_one_trial_however_they_are_written(tmp_path: Path) -> None:
    space = read_space(["playbook.rotation.shift=[0.2, 0.200, 0.3]"], None)  # the default is written 0.20
    plan = SweepPlan(
        folder=tmp_path,
        start_ms=0,
        end_ms=6 * DAY,
        space=space,
        search="grid",
        trials=0,
        objective="growth",
        train_days=4,
        test_days=2,
    )
    engine, results = CountingEngine(), Results(tmp_path / "results.db", {"seed": 1})
    sweep = Sweep(plan, folds_of(0, 6 * DAY, train_days=4, test_days=2), results, engine, on_progress=lambda *_: None)
    try:
        document = sweep.run(lambda _: GridSearch(space))
    finally:
        results.close()
    assert engine.ran == ["0.2 0", "0.3 0", "0.2 4"]
    assert document["ran"] == 3
    assert document["folds"][0]["test_score"] == document["folds"][0]["defaults_test_score"]


@pytest.mark.slow
def test_a_second_sweep_on_one_results_file_is_told_who_works_on_it(candles: Path, tmp_path: Path) -> None:
    wanted = command(candles, *GRID, "--jobs", "1")
    process = subprocess.Popen(
        [sys.executable, "-m", "bot", *wanted], cwd=tmp_path, env=environment(), stdout=subprocess.DEVNULL
    )
    try:
        until(lambda: len(finished(tmp_path)) >= 1)
        process.send_signal(signal.SIGSTOP)  # so that it cannot end before the other has asked
        other = sectorbot_process(*wanted, cwd=tmp_path)
    finally:
        process.kill()
        process.wait()
    assert other.returncode == 1
    assert f"--results results.db: is in use by process {process.pid} on host" in other.stderr
    assert "wait for that sweep to end, or name another file" in other.stderr
    assert "Traceback" not in other.stderr


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[str]:
    """A scheduler and a worker, each a process of its own, over TCP on loopback."""
    pytest.importorskip("distributed", reason="distributed is not installed: run make data")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    address = f"tcp://127.0.0.1:{port}"
    here = {"cwd": tmp_path, "env": environment(), "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    quiet = ("--no-dashboard",)
    scheduler = subprocess.Popen(
        [sys.executable, "-m", "distributed.cli.dask_scheduler", "--host", "127.0.0.1", "--port", str(port), *quiet],
        **here,  # type: ignore[call-overload]
    )
    workers = [
        subprocess.Popen(
            [
                sys.executable,
                "-m",
                "distributed.cli.dask_worker",
                address,
                "--nthreads",
                "1",
                "--no-nanny",
                "--host",
                "127.0.0.1",
                "--name",
                name,
                *quiet,
            ],
            **here,  # type: ignore[call-overload]
        )
        for name in ("one", "two")
    ]
    yield address
    for process in (*workers, scheduler):
        process.kill()
        process.wait()


@pytest.mark.slow
def test_a_cluster_over_tcp_comes_to_what_processes_come_to(cluster: str, candles: Path, tmp_path: Path) -> None:
    far = sectorbot_process(
        *command(candles, *GRID, "--engine", "dask", "--scheduler", cluster, "--timeout", "60"), cwd=tmp_path
    )
    assert far.returncode == 0, far.stderr
    document = json.loads(far.stdout)
    assert document["ran"] == len(finished(tmp_path)) == 8
    assert [fold["failed"] for fold in document["folds"]] == [0, 0], far.stderr
    (tmp_path / "results.db").rename(tmp_path / "far.db")
    near = json.loads(sectorbot_process(*command(candles, *GRID, "--jobs", "1"), cwd=tmp_path).stdout)
    assert near["folds"] == document["folds"]
    assert near["out_of_sample"] == document["out_of_sample"]


@pytest.mark.slow
def test_optuna_asks_the_same_again_so_that_nothing_is_run_twice(candles: Path, tmp_path: Path) -> None:
    pytest.importorskip("optuna", reason="optuna is not installed: run make data")
    (tmp_path / "space.toml").write_text('[range]\n"playbook.rotation.shift" = {low = 0.1, high = 0.4}\n')
    wanted = (*command(candles, "--space", "space.toml", "--search", "optuna", "--jobs", "1", "--to", "2024-01-07"),)
    first = sectorbot_process(*wanted, "--trials", "2", cwd=tmp_path)
    assert first.returncode == 0, first.stderr
    assert json.loads(first.stdout)["ran"] == 4
    again = json.loads(sectorbot_process(*wanted, "--trials", "2", cwd=tmp_path).stdout)
    assert again["ran"] == 0
    assert again["folds"] == json.loads(first.stdout)["folds"]


@pytest.mark.parametrize(
    ("arguments", "words", "code"),
    [
        ((), "nothing to vary: give a setting and its values", 2),
        (("--set-grid", "playbook.shfit=[0.1]"), "unknown key; did you mean 'rotation.shift'?", 78),
        (
            ("--set-grid", "playbook.rotation.shift=[0.1, 7]"),
            "playbook.rotation.shift: the value 7 cannot be tried",
            78,
        ),
        (("--set-grid", "playbook.rotation.shift=0.1"), "--set-grid playbook.rotation.shift: 0.1 is no list", 2),
        (("--space", "none.toml"), "--space: none.toml there is no such file", 2),
        ((*GRID, "--train-days", "90"), "--train-days 90 and --test-days 2: one of each needs 92 days", 2),
        ((*GRID, "--to", "2025-01-09"), "--to 2025-01-09: candles in", 1),
        ((*GRID, "--engine", "dask"), "--engine dask: needs --scheduler tcp://HOST:PORT", 2),
        ((*GRID, "--results", "no/where.db"), "--results no/where.db: there is no directory no", 1),
        ((*GRID, "--results", "text.db"), "--results text.db: is no results file of a sweep", 1),
    ],
)
def test_bad_input_is_one_line_that_names_option_value_and_way_out(
    candles: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: tuple[str, ...],
    words: str,
    code: int,
) -> None:
    (tmp_path / "text.db").write_text("this is no database, however long it may be" * 40)
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(app, command(candles, *arguments))
    assert words in done.stderr
    assert done.exit_code == code
    assert json.loads(done.stdout)["exit_code"] == code


@pytest.mark.slow
def test_a_scheduler_that_is_not_there_ends_with_a_time_out(candles: Path, tmp_path: Path) -> None:
    pytest.importorskip("distributed", reason="distributed is not installed: run make data")
    with socket.socket() as silent:  # bound and not listening: nobody answers, and nobody else can take it
        silent.bind(("127.0.0.1", 0))
        address = f"tcp://127.0.0.1:{silent.getsockname()[1]}"
        done = sectorbot_process(
            *command(candles, *GRID, "--engine", "dask", "--scheduler", address, "--timeout", "1"), cwd=tmp_path
        )
    assert f"--scheduler {address}: no Dask scheduler answers there within 1 s" in done.stderr
    assert (done.returncode, len(done.stderr.splitlines())) == (5, 1)
