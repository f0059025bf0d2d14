"""Every command of every page is run: here, or by the test or the gate that a table names.

A page is read from its top as a reader does it, in a folder with what a checkout has. Where it asks a running bot, one
is there. Nothing leaves the machine: the environment is `sim` unless the command names one that needs no network.
"""

import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml

from bot.cli.main import app
from bot.runtime.exit_codes import ExitCode
from tests.commands import ROOT, environment, sectorbot
from tests.site.pages import blocks, commands, inline_commands, pages
from tests.site.write import QUICK_START, bot_outputs, masked

# What is not run here: a pattern, and the place that runs it with the words that stand there.
ELSEWHERE: tuple[tuple[str, str, str], ...] = (
    (r"make (demo|test-all|lint|types|docs)", ".ci/run", "make {1}"),
    (r"make (simulate|soak) .*", ".ci/run", "make {1}"),
    (r"make (test)", "tests/test_suite.py", "{1}"),
    (r"make data", "tests/cli/test_places.py", "data: venv-dev"),
    (r"cd .*", ".ci/run", "git clone"),
    (r"git clone .*", ".ci/run", "git clone"),
    (r"(\.venv/bin/)?python -m tests\.model --traces", "tests/model", "traces"),
    (r"(\.venv/bin/)?python -m tests\.sim .*", ".ci/run", "make simulate"),
    (r"sectorbot backtest .*", "tests/lab/test_command.py", '"backtest"'),
    (r"sectorbot report compare .*", "tests/lab/test_compare.py", '"compare"'),
    (r"sectorbot data check .*", "tests/lab/test_command.py", '"check"'),
    (r"sectorbot data download .*", "tests/lab/test_download.py", "await download("),
    (r"sectorbot sweep .*", "tests/lab/test_sweep.py", '"sweep"'),
    (r"sectorbot exchange .*", "tests/runtime/test_served_exchange.py", '"exchange"'),
    (r"(old|new)/bin/sectorbot .*", "tests/runtime/test_rehearsal.py", r"^(old|new|\.venv)/bin/"),
    (r"sectorbot run (--once|--set playbook).*", "tests/runtime/test_rehearsal.py", "sectorbot run --once"),
    (r"sectorbot (resume|journal backup) .*rehearsal.*", "tests/runtime/test_rehearsal.py", '"backup.md"'),
    (r"(rm|cp) .*exchange-trade/.*", "tests/runtime/test_rehearsal.py", '{{"rm", "cp"}}'),
    (r"sectorbot run .*venue\.exchange.*", "tests/runtime/test_attached_exchange.py", "venue.exchange="),
    (r"sectorbot (plan|run) --set venue\.id=bybit", "tests/venues/bybit/test_dry_run.py", "run"),
    (r"sectorbot notify test", "tests/operate/notify/test_settings.py", '"notify", "test"'),
    (r"sectorbot dashboard( .*)?", "tests/operate/dashboard/test_beside.py", "dashboard"),
    (r"curl .*/api/v1/.*", "tests/operate/dashboard/test_api.py", "/status"),
    (r"docker compose .*", "tests/test_deployment.py", "compose"),
    (r"(kubectl|kustomize) .*", "tests/test_deployment.py", "kubernetes"),
    (
        r"(python3 -m venv /opt|/opt/sectorbot|install -d|cp deploy/systemd|systemctl) ?.*",
        "tests/test_deployment.py",
        "systemd",
    ),
    (r"(printf .*|sudo chown .*)deploy/secrets/.*", "tests/test_deployment.py", "secrets"),
    (
        r"(git archive|pip install .*mutmut|cat >> pyproject|mutmut|pip install --require-hashes) ?.*",
        "docs/mutation.md",
        "does not run it",
    ),
)
SHELL = {"cp", "chmod", "umask", "mkdir", "printf"}
READING = (
    "status",
    "positions",
    "pnl",
    "orders",
    "history",
    "why",
    "signals",
    "journal",
    "healthcheck",
    "halt",
    "resume",
)
SIM_SPEED = ("--set", "cadence.cycle_seconds=2", "--set", "dashboard.enabled=false")
START_SECONDS = 60.0
GOOD = {0, ExitCode.KILLED}


def plain(command: str) -> str:
    """A command without its comment, and without the folder of the program."""
    return re.sub(r"\s{2,}#.*", "", command).strip().removeprefix(".venv/bin/")


def elsewhere(command: str) -> tuple[str, str] | None:
    for pattern, place, words in ELSEWHERE:
        if found := re.fullmatch(pattern, command):
            return place, words.format(command, *found.groups())
    return None


class Bot:
    """A daemon in a folder, as a reader leaves it running in another terminal."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.arguments = folder, tuple[str, ...]()
        self.process: subprocess.Popen[bytes] | None = None

    def start(self, *arguments: str) -> None:
        if self.process is not None and self.arguments == arguments:
            return
        self.stop()
        self.arguments = arguments
        command = [sys.executable, "-m", "bot", "run", *arguments, *SIM_SPEED]
        with (self.folder / "bot.log").open("wb") as log:
            self.process = subprocess.Popen(command, cwd=self.folder, env=environment(), stdout=log, stderr=log)
        deadline = time.monotonic() + START_SECONDS
        while not self.has_cycled():
            log = (self.folder / "bot.log").read_text()[-3000:]
            assert self.process.poll() is None, log
            assert time.monotonic() < deadline, log
            time.sleep(0.2)

    def has_cycled(self) -> bool:
        shown = sectorbot("status", cwd=self.folder)
        return shown.returncode in GOOD and "last cycle   never" not in shown.stdout

    def stop(self) -> None:
        if self.process is not None:
            self.process.send_signal(signal.SIGTERM)
            assert self.process.wait(60) == 0, (self.folder / "bot.log").read_text()
        self.process = None


@pytest.fixture(scope="module")
def shared_bot(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bot]:
    """A folder with what the commands of a page find in a checkout, and the bot that may run in it."""
    folder = tmp_path_factory.mktemp("checkout")
    for name in ("config", "deploy"):
        (folder / name).symlink_to(ROOT / name)
    made = Bot(folder)
    yield made
    made.stop()


@pytest.fixture
def bot(shared_bot: Bot) -> Iterator[Bot]:
    """The same for one page: what a page has written is gone afterwards, and the bot may stay."""
    yield shared_bot
    for name in ("sectorbot.toml", ".env", "copy.db", "before-upgrade.db", "fills.csv"):
        (shared_bot.folder / name).unlink(missing_ok=True)
    shutil.rmtree(shared_bot.folder / "secrets", ignore_errors=True)


def in_simulation(arguments: list[str]) -> list[str]:
    """The command, in environment sim where it would ask the venue."""
    asks = arguments[0] in {"plan", "run"} and not {"-e", "--environment"} & set(arguments)
    return [*arguments, "--environment", "sim"] if asks else arguments


def carry_out(command: str, bot: Bot) -> None:
    words = shlex.split(command)
    if words[0] in SHELL:
        subprocess.run(["bash", "-c", command], cwd=bot.folder, check=True, timeout=10)
        return
    assert words[0] == "sectorbot", f"{command}: add a row to ELSEWHERE that names the test which runs it"
    arguments = in_simulation(words[1:])
    if arguments[0] == "run":
        bot.start(*arguments[1:])
        return
    if arguments[0] in READING and "--help" not in arguments and bot.process is None:
        bot.start("-e", "sim")
    if "trade" in arguments and arguments[0] == "config":
        (bot.folder / ".env").write_text("SECTORBOT__VENUE__API_KEY=key\nSECTORBOT__VENUE__API_SECRET=secret\n")
    done = sectorbot(*arguments, cwd=bot.folder)
    assert done.returncode in GOOD, f"{command} ends with {done.returncode}: {done.stdout}{done.stderr}"
    assert done.stdout.strip(), f"{command} prints nothing"


def runs_here(page: Path) -> bool:
    return any(elsewhere(plain(command)) is None for block in blocks(page) for command in commands(block))


@pytest.mark.parametrize(
    "page",
    [
        pytest.param(
            page, marks=[] if page.stem == "quick-start" else [pytest.mark.slow], id=str(page.relative_to(ROOT))
        )
        for page in pages()
        if runs_here(page)
    ],
)
def test_the_commands_of_a_page_work_one_after_the_other(page: Path, bot: Bot) -> None:
    for block in blocks(page):
        if block.mark == "file":
            (bot.folder / block.name).write_text(block.text)
        for command in map(plain, commands(block)):
            if elsewhere(command) is None:
                carry_out(command, bot)


def test_what_is_run_elsewhere_is_run_there() -> None:
    found = {
        place for page in pages() for block in blocks(page) for c in commands(block) if (place := elsewhere(plain(c)))
    }
    assert len(found) > 8
    missing = []
    for place, words in sorted(found):
        path = ROOT / place
        texts = [path.read_text()] if path.is_file() else [one.read_text() for one in path.glob("*.py")]
        missing += [] if any(words in text for text in texts) else [f"{place} does not run {words!r}"]
    assert missing == []


def test_compose_commands_name_profiles_that_exist() -> None:
    services = yaml.safe_load((ROOT / "deploy" / "compose.yaml").read_text())["services"]
    profiles = {profile for service in services.values() for profile in service["profiles"]}
    named = [
        match for page in (ROOT / "docs").glob("*.md") for match in re.findall(r"--profile (\S+)", page.read_text())
    ]
    assert len(named) >= 4
    assert set(named) <= profiles


def known(command: Any, words: list[str]) -> str:
    """What of a command line the program does not know; empty when it knows all of it."""
    options: dict[str, Any] = {}
    while True:
        for parameter in command.params:
            if parameter.param_type_name == "option":
                options |= dict.fromkeys((*parameter.opts, *parameter.secondary_opts), parameter)
        below = getattr(command, "commands", None)
        while below and words and words[0].startswith("-"):
            if words[0] not in {*options, "-h", "--help"}:
                return words[0]
            option = options.get(words[0])
            words = words[1 if option is None or option.is_flag else 2 :]
        if not below or not words:
            break
        if words[0] not in below:
            return words[0]
        command, words = below[words[0]], words[1:]
    given = [word.partition("=")[0] for word in words if word.startswith("-") and word not in {"-h", "--help"}]
    return next((word for word in given if word not in options), "")


@pytest.fixture(scope="module")
def group() -> Any:
    """All commands with their options, as the parser knows them."""
    return typer.main.get_command(app)


@pytest.mark.parametrize(
    "page", [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))], ids=lambda page: page.name
)
def test_a_command_in_the_text_of_a_page_exists_with_its_options(page: Path, group: Any) -> None:
    for command in inline_commands(page):
        try:
            words = shlex.split(command)[1:]
        except ValueError:
            pytest.fail(f"{page.name}: {command}")
        assert known(group, words) in {"", "…"}, f"{page.name}: {command}"


@pytest.mark.parametrize(
    "command", ["sectorbot statsu", "sectorbot status --jsn", "sectorbot data chekc DIR", "sectorbot -q status"]
)
def test_a_command_that_does_not_exist_is_found(command: str, group: Any) -> None:
    assert known(group, shlex.split(command)[1:])


def test_the_quick_start_shows_what_its_commands_print(bot: Bot) -> None:
    bot.start("-e", "sim")
    shown = {block.name: block.text for block in blocks(QUICK_START) if block.mark == "output"}
    assert set(shown) == {"demo", "status", "halt"}, "tests/lab/test_demo_words.py compares the demo's"
    for name, text in bot_outputs(bot.folder).items():
        assert masked(text) == masked(shown[name]), "run: python -m tests.site.write"
