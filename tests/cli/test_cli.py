"""The command line as a person and a script meet it: exit codes, one-line errors, JSON, and what is not loaded."""

import json
import os
import re
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules
from typing import Any

import pytest
from typer.testing import CliRunner, Result

import bot.cli
from bot.cli.main import FIRST, HELPERS, app
from bot.domain.states import KillLevel
from bot.journal.journal import JournalReader
from bot.runtime.exit_codes import ExitCode
from tests.commands import environment, sectorbot

COMMANDS = (
    "demo",
    "run",
    "plan",
    "status",
    "pnl",
    "positions",
    "orders",
    "history",
    "dashboard",
    "why",
    "signals",
    "replay",
    "report",
    "backtest",
    "halt",
    "resume",
    "config",
    "cost",
    "journal",
    "notify",
    "healthcheck",
    "exchange",
    "version",
    "sweep",
    "data",
)
Invoke = Callable[..., Result]


@pytest.fixture
def invoke(workplace: Path) -> Invoke:
    return lambda *arguments: CliRunner().invoke(app, list(arguments), env={"COLUMNS": "120", "NO_COLOR": "1"})


@pytest.mark.usefixtures("workplace")
def test_help_names_every_command_by_what_a_person_wants_to_do() -> None:
    shown = CliRunner().invoke(app, ["--help"], env={"COLUMNS": "80", "NO_COLOR": "1"}).output
    _, _, commands = shown.partition("Try:\n")
    assert sorted(re.findall(r"^  ([a-z]+)  ", commands, re.MULTILINE)) == sorted(COMMANDS)
    assert commands.startswith("  demo "), "what a newcomer runs comes first"
    assert re.findall(r"^([A-Z][a-z]+):$", commands, re.MULTILINE) == ["Run", "Look", "Stop", "Research", "Other"]
    assert "..." not in commands, "no help is cut off at 80 columns"
    _, _, others = commands.partition("Other:\n")
    assert re.findall(r"^  ([a-z]+)  ", others, re.MULTILINE) == ["version"], "a new command belongs to a group"


@pytest.mark.parametrize("group", ["config", "cost", "data", "journal", "notify", "report"])
@pytest.mark.usefixtures("workplace")
def test_no_help_of_a_group_is_cut_off_at_80_columns(group: str) -> None:
    shown = CliRunner().invoke(app, [group, "--help"], env={"COLUMNS": "80", "NO_COLOR": "1"}).output
    assert "..." not in shown.partition("Commands:\n")[2]
    assert "Commands:\n" in shown


def test_every_module_of_the_folder_adds_commands_or_is_named_as_a_helper() -> None:
    """A module is found by its `add_commands` or `app`; one with neither would be loaded at each start for nothing."""
    found = {module.name for module in iter_modules(bot.cli.__path__)} - set(HELPERS)
    modules = {name: import_module(f"bot.cli.{name}") for name in found}
    assert [
        name for name, module in modules.items() if not hasattr(module, "add_commands") | hasattr(module, "app")
    ] == []
    assert set(FIRST) <= found


@pytest.mark.parametrize(
    "command",
    [*([name] for name in COMMANDS), ["config", "check"], ["config", "show"], ["journal", "verify"]],
    ids=" ".join,
)
def test_every_command_has_help_and_json(invoke: Invoke, command: list[str]) -> None:
    result = invoke(*command, "--help")
    assert result.exit_code == ExitCode.OK
    assert command in (["config"], ["cost"], ["data"], ["journal"], ["notify"], ["report"]) or "--json" in result.output


@pytest.mark.parametrize(
    "arguments",
    [
        ["nonsense"],
        ["run", "--cycles", "0"],
        ["run", "--cycles", "x"],
        ["halt"],
        ["resume"],
        ["replay"],
        ["replay", "x"],
        ["status", "--nonsense"],
        ["halt", "--level", "softly", "--reason", "x"],
    ],
    ids=" ".join,
)
def test_a_command_line_that_is_not_understood_ends_with_2(invoke: Invoke, arguments: list[str]) -> None:
    assert invoke(*arguments).exit_code == ExitCode.USAGE


@pytest.mark.parametrize(
    "arguments",
    [
        ["run"],
        ["plan"],
        ["status"],
        ["positions"],
        ["orders"],
        ["why"],
        ["signals"],
        ["replay", "1"],
        ["config", "check"],
        ["config", "show"],
        ["resume", "--reason", "x"],
    ],
    ids=" ".join,
)
@pytest.mark.parametrize("place", ["before", "after"])
def test_a_broken_configuration_ends_with_78_and_one_line_each(
    invoke: Invoke, arguments: list[str], place: str
) -> None:
    broken = ["--set", "risk.gros_max=1"]
    result = invoke(*(broken + arguments if place == "before" else arguments + broken))
    assert result.exit_code == ExitCode.CONFIGURATION
    assert "--set risk.gros_max = '1': unknown key; did you mean 'gross_max'?" in result.stderr
    assert "Traceback" not in result.output


def test_options_after_the_command_are_stronger(invoke: Invoke, workplace: Path) -> None:
    (workplace / "a.toml").write_text("[risk]\ngross_max = 1.1\nnet_max = 1.1")
    (workplace / "b.toml").write_text("[risk]\nnet_max = 1.2")
    result = invoke("-c", "a.toml", "--mode", "trade", "config", "show", "-c", "b.toml", "-s", "mode=dry-run", "--json")
    shown = json.loads(result.stdout)
    assert (shown["risk"]["gross_max"], shown["risk"]["net_max"], shown["mode"]) == ("1.1", "1.2", "dry-run")


def test_config_show_tells_origins_and_hides_secrets(invoke: Invoke, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECTORBOT__VENUE__API_KEY", "hunter2hunter2")
    monkeypatch.setenv("SECTORBOT__VENUE__API_SECRET", "hunter2hunter2")
    plain, with_origin = invoke("config", "show"), invoke("config", "show", "--origin")
    as_json = json.loads(invoke("config", "show", "--origin", "--json").stdout)
    assert re.search(r"^venue.api_key = .* environment SECTORBOT__VENUE__API_KEY$", with_origin.output, re.MULTILINE)
    assert re.search(r"^risk.gross_max = \"1.75\" +config/default.toml:\d+$", with_origin.output, re.MULTILINE)
    assert as_json["venue.api_secret"]["origin"] == "environment SECTORBOT__VENUE__API_SECRET"
    assert "hunter2" not in plain.output + with_origin.output + json.dumps(as_json)


def test_config_check_says_what_is_wrong_as_json_too(invoke: Invoke) -> None:
    good, bad = invoke("config", "check", "--json"), invoke("config", "check", "--json", "--set", "mode=x")
    assert json.loads(good.stdout)["usable"] is True
    assert (json.loads(bad.stdout)["usable"], bad.exit_code) == (False, ExitCode.CONFIGURATION)


def test_config_schema_knows_the_settings(invoke: Invoke) -> None:
    schema = json.loads(invoke("config", "schema").stdout)
    assert {"risk", "playbook", "kill_switch"} <= set(schema["properties"])


def test_version_is_told(invoke: Invoke) -> None:
    assert invoke("version").output.startswith("sectorbot 0.")
    assert json.loads(invoke("version", "--json").stdout)["ccxt"]
    for option in ("--version", "-V"):
        assert invoke(option).output == invoke("version").output


@pytest.mark.parametrize(
    "command", [["status"], ["positions"], ["orders"], ["why"], ["signals"], ["replay", "1"]], ids=" ".join
)
def test_without_a_journal_the_readers_say_so_in_one_line(invoke: Invoke, command: list[str]) -> None:
    result = invoke(*command)
    assert result.exit_code == ExitCode.NOT_RUNNING
    assert result.stderr.count("\n") == 1
    named = invoke(*command, "--journal", "nowhere.db", "--json")
    assert named.exit_code == ExitCode.ERROR
    assert json.loads(named.stdout)["error"].startswith("nowhere.db: there is no journal")


def test_a_journal_that_is_none_is_an_error_in_one_line(invoke: Invoke, workplace: Path) -> None:
    (workplace / "odd.db").write_text("this is no database, " * 100)
    result = invoke("status", "--journal", "odd.db")
    assert result.exit_code == ExitCode.ERROR
    assert "odd.db: is damaged" in result.stderr
    assert result.stderr.count("\n") == 1


@pytest.mark.parametrize("script", ["", "CREATE TABLE other (x)"])
def test_a_database_without_events_is_named_as_no_journal(invoke: Invoke, workplace: Path, script: str) -> None:
    """Empty, as a copy that was cut off, or of another program: nothing is wrong with the disk."""
    (workplace / "odd.db").touch()
    with closing(sqlite3.connect(workplace / "odd.db")) as database:
        database.executescript(script)
    result = invoke("status", "--journal", "odd.db")
    assert result.exit_code == ExitCode.ERROR
    remedy = "start the bot, which makes one, or name another with --journal"
    assert result.stderr == f"sectorbot: odd.db: is no journal: it has no events; {remedy}\n"


# Reading what a run has left


@pytest.mark.slow
def test_the_readers_tell_what_a_run_has_left(invoke: Invoke, finished_run: Path) -> None:
    def read(*arguments: str) -> Any:
        result = invoke(*arguments, "--journal", str(finished_run / "var" / "sim-dry-run" / "journal.db"), "--json")
        assert result.exit_code == ExitCode.OK
        return json.loads(result.stdout)

    status, positions = read("status"), read("positions")
    assert (status["last_cycle"], status["kill_switch"], status["environment"]) == (2, "off", "sim")
    assert status["last_cycle_age_ms"] < 60_000
    assert {row["sleeve"] for row in positions["sleeves"]} >= {"defi.spot", "infra.spot", "cash"}
    assert read("orders") == []
    assert read("why")["cycle"] == 2
    assert read("why", "1")["condition"]


@pytest.mark.parametrize("command", ["status", "positions", "orders", "why"])
def test_the_readers_print_for_people_without_colour(invoke: Invoke, finished_run: Path, command: str) -> None:
    result = invoke(command, "--journal", str(finished_run / "var" / "sim-dry-run" / "journal.db"))
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout
    assert "\x1b" not in result.stdout


def test_status_without_a_daemon_says_so(finished_run: Path) -> None:
    done = sectorbot("status", cwd=finished_run)
    assert done.returncode == ExitCode.NOT_RUNNING
    assert "NOT RUNNING" in done.stdout


@pytest.mark.parametrize("command", ["why", "replay"])
def test_a_cycle_nobody_recorded_is_named_with_the_last_one(invoke: Invoke, finished_run: Path, command: str) -> None:
    result = invoke(command, "99", "--journal", str(finished_run / "var" / "sim-dry-run" / "journal.db"))
    assert result.exit_code == ExitCode.ERROR
    assert "there is no cycle 99; the last one is 2" in result.stderr


def test_output_may_be_cut_off_by_its_reader(finished_run: Path) -> None:
    command = [sys.executable, "-m", "bot", "config", "schema"]
    with subprocess.Popen(
        command, cwd=finished_run, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == b""


# Halt and resume without a daemon


def test_halt_writes_the_flag_whatever_state_the_configuration_is_in(invoke: Invoke, workplace: Path) -> None:
    (workplace / "sectorbot.toml").write_text('state_directory = "there"\n[risk]\nnonsense = 1\n')
    assert invoke("halt", "--reason", "broken").exit_code == ExitCode.NOT_RUNNING, "no daemon obeys there"
    assert (workplace / "there" / "KILL").read_text().splitlines()[:2] == ["cancel", "broken"]
    (workplace / "sectorbot.toml").write_text("= no TOML at all")
    result = invoke("halt", "--level", "flatten", "--reason", "more so", "--by", "anna", "--state", "there", "--json")
    said = json.loads(result.stdout)
    assert result.exit_code == said["exit_code"] == ExitCode.NOT_RUNNING
    assert (said["confirmed"], said["by"], said["reason"]) == (False, "anna", "more so")
    assert str(workplace / "there") in said["error"]
    assert (workplace / "there" / "KILL").read_text() == "flatten\nmore so\nanna\n"


def test_a_flag_that_cannot_be_written_is_said_with_what_else_stops_the_bot(invoke: Invoke, workplace: Path) -> None:
    flag = workplace / "var" / "KILL"
    flag.mkdir(parents=True)
    result = invoke("halt", "--level", "flatten", "--reason", "panic")
    assert result.exit_code == ExitCode.ERROR
    assert "KILL is a folder, where a file is meant; remove it" in result.stderr
    assert "SIGUSR2 for flatten" in result.stderr
    assert "KILL is a folder" in invoke("resume", "--reason", "over").stderr


def test_resume_finds_the_state_directory_that_halt_was_given(invoke: Invoke, workplace: Path) -> None:
    invoke("halt", "--reason", "x", "--state", "there")
    assert (workplace / "there" / "KILL").exists()
    result = invoke("resume", "--reason", "over", "--state", "there")
    assert result.exit_code == ExitCode.OK, result.stderr
    assert not (workplace / "there" / "KILL").exists()


def test_a_state_directory_that_is_a_file_is_said(invoke: Invoke, workplace: Path) -> None:
    (workplace / "taken").write_text("")
    result = invoke("halt", "--state", "taken", "--reason", "panic")
    assert "taken is a file, where a folder is meant; remove it or name a folder" in result.stderr


def test_halt_and_resume_want_a_reason(invoke: Invoke) -> None:
    assert invoke("halt", "--reason", " ").exit_code == ExitCode.USAGE
    assert invoke("resume", "--reason", " ").exit_code == ExitCode.USAGE
    assert not Path("var").exists()


def test_resume_is_refused_while_the_configuration_says_halt(invoke: Invoke) -> None:
    invoke("halt", "--reason", "x")
    result = invoke("resume", "--reason", "x", "--set", "kill_switch=pause")
    assert result.exit_code == ExitCode.KILLED
    assert 'kill_switch = "pause"' in result.stderr
    assert (Path("var") / "KILL").exists()


@pytest.mark.slow
def test_resume_without_a_daemon_releases_the_latch_in_the_journal(tmp_path: Path) -> None:
    halted = sectorbot("halt", "--reason", "before the start", "--level", "pause", cwd=tmp_path)
    assert halted.returncode == ExitCode.NOT_RUNNING, "written for the daemon that starts next, and said so"
    assert sectorbot("run", "--environment", "sim", "--once", cwd=tmp_path).returncode == ExitCode.KILLED
    done = sectorbot("resume", "--reason", "all is well", "--rebase-peak", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert "it was pause" in done.stdout
    assert "drawdown is measured from the equity of the next turn on" in " ".join(done.stdout.split())
    reader = JournalReader(tmp_path / "var" / "sim-dry-run" / "journal.db")
    latch = reader.load_latch()
    assert [fact.payload["reason"] for fact in reader.load_facts("peak_rebased")] == ["all is well"]
    reader.close()
    assert (latch.level, latch.reason) == (KillLevel.OFF, "all is well")
    assert "@" in latch.by, "the user and the machine"


# A daemon that runs


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("daemon")
    (folder / "sectorbot.toml").write_text(
        'environment = "sim"\n[cadence]\ncycle_seconds = 20\nguard_seconds = 5\n[logs]\nformat = "json"\n'
    )
    with (folder / "log").open("w") as log:
        process = subprocess.Popen([sys.executable, "-m", "bot", "run"], cwd=folder, env=environment(), stderr=log)
        try:
            wait(lambda: sectorbot("healthcheck", cwd=folder).returncode == 0, 60)
            yield folder
        finally:
            process.send_signal(signal.SIGTERM)
            assert process.wait(timeout=60) == 0
    assert not (folder / "var" / "health.json").exists()


def wait(condition: Callable[[], bool], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it has not happened in time"
        time.sleep(0.1)


def test_halt_is_confirmed_by_the_daemon_and_resume_releases_it(daemon: Path) -> None:
    halted = sectorbot("halt", "--level", "reduce-only", "--reason", "a test", "--json", cwd=daemon)
    assert json.loads(halted.stdout)["confirmed"] is True
    status = sectorbot("status", "--json", cwd=daemon)
    assert status.returncode == ExitCode.KILLED
    row = json.loads(status.stdout)
    assert (row["kill_switch"], row["kill_reason"]) == ("reduce-only", "a test")
    assert "@" in row["kill_by"]
    assert row["kill_since_ms"] > 0
    said = [line for line in (daemon / "log").read_text().splitlines() if '"event":"kill_switch"' in line]
    assert json.loads(said[-1])["why"] == "a test"
    resumed = sectorbot("resume", "--reason", "it was a test", "--rebase-peak", cwd=daemon)
    assert (resumed.returncode, resumed.stderr) == (0, "")
    reader = JournalReader(daemon / "var" / "sim-dry-run" / "journal.db")
    assert [fact.payload["reason"] for fact in reader.load_facts("peak_rebased")] == ["it was a test"]
    reader.close()
    assert not (daemon / "var" / "KILL").exists()
    assert sectorbot("status", cwd=daemon).returncode == ExitCode.OK


def test_a_kill_switch_written_into_the_configuration_is_taken(daemon: Path) -> None:
    file = daemon / "sectorbot.toml"
    before = file.read_text()
    file.write_text("kill_switch = true\n" + before)
    try:
        wait(lambda: sectorbot("status", cwd=daemon).returncode == ExitCode.KILLED, 10)
        assert sectorbot("resume", "--reason", "too early", cwd=daemon).returncode == ExitCode.KILLED
    finally:
        file.write_text(before)
    assert sectorbot("resume", "--reason", "taken out", "--accept-mismatch", cwd=daemon).returncode == 0


def test_a_signal_is_taken_and_a_second_daemon_is_kept_out(daemon: Path) -> None:
    second = sectorbot("run", "--once", cwd=daemon)
    assert second.returncode == ExitCode.ERROR
    assert "is in use by process" in second.stderr
    assert "Traceback" not in second.stderr
    health = json.loads((daemon / "var" / "health.json").read_text())
    os.kill(health["pid"], signal.SIGUSR1)
    wait(lambda: json.loads((daemon / "var" / "health.json").read_text())["kill"] == "cancel", 10)
    assert sectorbot("resume", "--reason", "a test", cwd=daemon).returncode == 0


# What is not loaded


QUICK = (
    ["--help"],
    ["config", "check"],
    ["config", "show", "--origin"],
    ["status"],
    ["orders"],
    ["positions"],
    ["why"],
    ["replay", "1"],
    ["halt", "--reason", "x", "--state", "elsewhere"],
    ["healthcheck"],
)
# One process runs them all: what one has loaded is loaded for the following ones too, so the first that loads is named.
ONE_AFTER_ANOTHER = """
import contextlib, io, json, sys
from bot.__main__ import main
heavy = {"ccxt", "aiohttp", "asyncio_throttle", "pyarrow"}
for arguments in json.loads(sys.argv[1]):
    sys.argv[1:], code = arguments, 0
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        try:
            code = main()
        except SystemExit as end:
            code = end.code or 0
    print(json.dumps([" ".join(arguments), code, sorted(heavy & sys.modules.keys()), "bot" in sys.modules]))
"""


@pytest.fixture(scope="module")
def loaded(finished_run: Path) -> dict[str, Any]:
    """By command: its exit code, which of the heavy packages are loaded after it, and whether the bot is."""
    command = [sys.executable, "-c", ONE_AFTER_ANOTHER, json.dumps(QUICK)]
    done = subprocess.run(
        command, cwd=finished_run, env=environment(), capture_output=True, text=True, timeout=120, check=True
    )
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    return {name: rest for name, *rest in rows}


@pytest.mark.sweep(keep=2)
@pytest.mark.parametrize("arguments", QUICK, ids=" ".join)
def test_a_command_loads_neither_ccxt_nor_a_network(loaded: dict[str, Any], arguments: list[str]) -> None:
    code, heavy, has_bot = loaded[" ".join(arguments)]
    assert code in (ExitCode.OK, ExitCode.NOT_RUNNING)
    assert heavy == []
    assert has_bot


def test_an_option_that_commands_share_is_declared_once() -> None:
    sources = "".join(
        path.read_text(encoding="utf-8") for path in Path(bot.__file__).parent.joinpath("cli").glob("*.py")
    )
    for option in ("--config", "--set", "--environment", "--mode", "--journal", "--state"):
        assert sources.count(f'"{option}"') == 1, option


def test_an_option_before_the_command_gives_way_to_the_same_one_after_it(tmp_path: Path) -> None:
    for name, seconds in (("before", 11), ("after", 12)):
        (tmp_path / f"{name}.toml").write_text(f"[cadence]\nguard_seconds = {seconds}\n")
    files = [str(tmp_path / f"{name}.toml") for name in ("before", "after")]
    shown = CliRunner().invoke(app, ["-c", files[0], "-e", "sim", "config", "show", "-c", files[1], "-e", "testnet"])
    assert "cadence.guard_seconds = 12.0" in shown.stdout, shown.output
    assert 'environment = "testnet"' in shown.stdout


def test_settings_that_cannot_be_used_are_one_json_document() -> None:
    done = CliRunner().invoke(app, ["config", "check", "--set", "cadence.guard_seconds=0", "--json"])
    document = json.loads(done.stdout)
    assert (done.exit_code, document["usable"], document["exit_code"]) == (78, False, 78)
    assert len(document["problems"]) == 1
