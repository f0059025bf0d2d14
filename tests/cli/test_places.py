"""README's testnet commands one after the other: a journal for each mode, keys before the network, plain errors."""

import subprocess
import sys
from pathlib import Path

import aiohttp
import pytest
from aiohttp.client_reqrep import ConnectionKey

from bot.journal.journal import Journal
from bot.ports import Unavailable
from bot.runtime import wiring
from bot.runtime.exit_codes import ExitCode
from bot.runtime.settings.layers import SettingsProblem
from bot.runtime.settings.model import load_settings
from bot.runtime.settings.places import WORLD, journals_in, world_of
from bot.runtime.settings.proxy_hint import unreachable
from bot.venues.ccxt.errors import describe
from tests.commands import ROOT, environment, sectorbot, sectorbot_process

RUN = ("run", "--environment", "sim", "--once", "--json")


@pytest.fixture(scope="module")
def two_modes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which a dry-run was followed by trade, as README has it."""
    folder = tmp_path_factory.mktemp("modes")
    for mode in ("dry-run", "trade"):
        done = sectorbot(*RUN, "--mode", mode, cwd=folder)
        assert done.returncode == 0, done.stderr
    return folder


def test_a_dry_run_is_followed_by_trade_in_the_same_folder(two_modes: Path) -> None:
    found = {path.parent.name: world_of(path) for path in journals_in(two_modes / "var")}
    worlds = {f"sim-{mode}": {"environment": "sim", "mode": mode, "venue": "binance"} for mode in ("dry-run", "trade")}
    assert found == worlds


@pytest.mark.parametrize(
    ("options", "shown"),
    [
        ((), "trade"),  # the newest, because nothing is configured
        (("-e", "sim", "--mode", "dry-run"), "dry-run"),
        (("-e", "sim", "--mode", "trade"), "trade"),
    ],
)
def test_status_reads_the_journal_that_is_asked_for_else_the_newest(
    two_modes: Path, options: tuple[str, ...], shown: str
) -> None:
    status = sectorbot("status", *options, cwd=two_modes)
    assert status.returncode == ExitCode.NOT_RUNNING
    assert status.stdout.splitlines()[0].split(maxsplit=1)[1].startswith(f"{shown} on binance, environment sim")


def test_a_mode_that_never_ran_is_not_answered_from_another_ones_journal(two_modes: Path) -> None:
    status = sectorbot("status", "-e", "mainnet", cwd=two_modes)
    assert (status.returncode, status.stdout) == (ExitCode.NOT_RUNNING, "")
    assert "var/mainnet-dry-run/journal.db: there is no journal" in status.stderr


def test_the_journal_of_an_older_version_goes_on_where_it_is(
    two_modes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "var").mkdir()
    source = two_modes / "var" / "sim-dry-run" / "journal.db"
    (tmp_path / "var" / "journal.db").write_bytes(source.read_bytes())
    monkeypatch.chdir(tmp_path)
    same, other = (load_settings((), (f"mode={mode}", "environment=sim")) for mode in ("dry-run", "trade"))
    assert same.journal_path == Path("var/journal.db")
    assert other.journal_path == Path("var/sim-trade/journal.db")


def test_a_directory_of_its_own_holds_its_journal_itself() -> None:
    assert load_settings((), ("state_directory=mine",)).journal_path == Path("mine/journal.db")


async def test_a_start_that_never_reached_the_venue_claims_no_journal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refuse(*_: object, **__: object) -> None:
        raise Unavailable("no answer")

    settings = load_settings((), (f"state_directory={tmp_path}", "environment=sim"))
    with monkeypatch.context() as patched:
        patched.setattr(wiring, "open_venue", refuse)
        with pytest.raises(Unavailable):
            await wiring.build(settings)
    assert world_of(settings.journal_path) is None
    app = await wiring.build(settings)
    await app.close()
    assert (world_of(settings.journal_path) or {})["mode"] == "dry-run"


async def test_a_journal_of_another_mode_names_the_option_that_helps(tmp_path: Path) -> None:
    state = tmp_path / "state"
    journal = await Journal.open(state / "journal.db", account="main", now_ms=lambda: 1)
    await journal.record_fact(WORLD, {"environment": "sim", "mode": "trade", "venue": "binance"})
    await journal.close()
    done = sectorbot_process(*RUN, "--mode", "dry-run", "--set", f"state_directory={state}", cwd=tmp_path)
    assert done.returncode == ExitCode.ERROR
    assert f"--set state_directory={state}-sim-dry-run-binance" in done.stderr


@pytest.mark.parametrize("command", [("run", "--once"), ("plan",), ("config", "check")])
def test_keys_are_asked_for_before_the_network(workplace: Path, command: tuple[str, ...]) -> None:
    done = sectorbot(*command, "--mode", "trade", cwd=workplace)
    assert done.returncode == ExitCode.CONFIGURATION
    assert "mode = trade needs venue.api_key and venue.api_secret: copy config/example.env to .env" in done.stderr
    assert list(workplace.iterdir()) == [], "nothing is claimed"


def test_an_error_of_the_network_names_host_reason_and_what_to_do() -> None:
    key = ConnectionKey("demo-api.binance.com", 443, True, True, None, None, None)
    error = Exception("GET https://demo-api.binance.com/api/v3/time?signature=secret")
    error.__cause__ = aiohttp.ClientConnectorDNSError(key, OSError(-2, "Name or service not known"))
    said = unreachable("binance", "testnet", describe(error), trust_env=False)
    assert said.startswith(
        "binance testnet cannot be read: no connection to demo-api.binance.com: its name is not found"
    )
    assert "check network, DNS and VPN, or try the embedded exchange: -e sim" in said
    error.__cause__ = aiohttp.ClientConnectorError(key, OSError(111, "Connection refused"))
    assert describe(error) == "no connection to demo-api.binance.com:443: Connection refused"


@pytest.mark.sweep(keep=3)
@pytest.mark.parametrize(
    "encoding", [{"PYTHONIOENCODING": "ascii"}, {"PYTHONIOENCODING": "latin-1"}, {"LC_ALL": "C", "PYTHONUTF8": "0"}]
)
@pytest.mark.parametrize("arguments", [("--help",), ("why",)])
def test_every_locale_prints(two_modes: Path, arguments: tuple[str, ...], encoding: dict[str, str]) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "bot", *arguments],
        cwd=two_modes,
        env=environment() | encoding,
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, b"")


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("[venue]\nid = binance", 'mine.toml:2: is not valid TOML: Invalid value; text needs quotes: id = "binance"'),
        ("mode: trade", 'mine.toml:1: is not valid TOML: .*TOML writes key = value: mode = "trade"'),
        ("advanced = True", "mine.toml:1: .*small letters: advanced = true"),
        ("risk.gross_max = 1,5", "mine.toml:1: .*point: risk.gross_max = 1.5"),
    ],
)
def test_the_usual_mistakes_of_toml_show_the_right_line(workplace: Path, content: str, problem: str) -> None:
    (workplace / "mine.toml").write_text(content)
    with pytest.raises(SettingsProblem, match=problem):
        load_settings((Path("mine.toml"),))


def test_a_venue_in_capitals_is_named_as_it_is_written() -> None:
    with pytest.raises(SettingsProblem, match="'Binance' is written in small letters: 'binance'"):
        load_settings((), ("venue.id=Binance",))


def test_no_page_or_hint_installs_from_an_index_that_does_not_have_it() -> None:
    pages = [ROOT / "README.md", *(ROOT / "docs").rglob("*.md"), *(ROOT / "bot").rglob("*.py")]
    assert not [str(page) for page in pages if "sectorbot[" in page.read_text(encoding="utf-8")]
    assert "\ndata: venv-dev" in (ROOT / "Makefile").read_text(encoding="utf-8")


def test_a_simulation_that_starts_anew_says_where_the_journal_of_the_last_one_is(two_modes: Path) -> None:
    done = sectorbot(*RUN, "--mode", "trade", cwd=two_modes)
    (former,) = (two_modes / "var" / "sim-trade").glob("*-journal.db")
    assert done.returncode == 0
    (line,) = [line for line in done.stderr.splitlines() if "journal_set_aside" in line]
    assert f"var/sim-trade/{former.name}" in line


def test_a_page_of_a_back_test_has_the_name_of_what_it_is(workplace: Path) -> None:
    options = ("--data", ".", "--from", "2022-01-01", "--to", "2022-02-01", "--out", "report.pdf")
    done = sectorbot("backtest", *options, cwd=workplace)
    assert (done.returncode, done.stderr) == (
        ExitCode.USAGE,
        "sectorbot: --out report.pdf: the page is HTML; name it report.html\n",
    )
