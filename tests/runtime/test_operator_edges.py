"""The operator's way in while something is wrong: half a configuration, a stale file, an odd secret."""

import asyncio
import os
from pathlib import Path
from typing import Any

import pytest

from bot.atomic_file import write_atomically
from bot.domain.states import KillLevel
from bot.journal.journal import Journal
from bot.risk import Limits
from bot.risk.limits import TIGHTER
from bot.runtime.exit_codes import ExitCode
from bot.runtime.health.healthcheck import HEALTH_NAME
from bot.runtime.kill.flag_file import FlagFile
from bot.runtime.kill.resume import release
from bot.runtime.kill.resume_file import ResumeFile, ResumeRequest
from bot.runtime.settings.layers import SettingsProblem, find_state_directory, read_dotenv
from bot.runtime.settings.model import load_settings
from bot.runtime.settings.watch import ConfigWatcher


@pytest.fixture(autouse=True)
def _own_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("var").mkdir()
    for name in [name for name in os.environ if name.startswith("SECTORBOT") or name == "CREDENTIALS_DIRECTORY"]:
        monkeypatch.delenv(name)


@pytest.mark.parametrize(
    ("line", "value"),
    [
        ("ab#cd", "ab#cd"),
        ("#abcd", "#abcd"),
        ("abcd # mine", "abcd"),
        ("  abcd\t# mine", "abcd"),
        (" # nothing yet", ""),
        ('"ab # cd" # mine', "ab # cd"),
        ("'a\"b'", 'a"b'),
    ],
)
def test_a_secret_in_dotenv_keeps_every_character_that_is_not_a_comment(line: str, value: str) -> None:
    Path(".env").write_text(f"SECTORBOT__VENUE__API_SECRET={line}\n")
    content: Any = read_dotenv().content
    assert content["venue"]["api_secret"] == value


def test_an_empty_platform_directory_does_not_hide_the_secrets_of_the_checkout(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    Path("platform/kubernetes.io").mkdir(parents=True)
    Path("secrets").mkdir()
    for name in ("api_key", "api_secret"):
        Path("secrets", f"venue__{name}").write_text("abcd\n")
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", "platform")
    assert load_settings().secret_values() == ("abcd", "abcd")


@pytest.mark.parametrize("broken", ["kill_switch = flatten\n", "[risk\n", "bogus = 1\n", ""])
def test_the_state_directory_is_found_in_a_file_that_cannot_be_used(broken: str) -> None:
    Path("sectorbot.toml").write_text(f'state_directory = "elsewhere"\n{broken}')
    assert find_state_directory() == Path("elsewhere")


def test_an_empty_state_directory_means_the_same_to_halt_and_to_the_daemon() -> None:
    Path("sectorbot.toml").write_text('state_directory = ""\n')
    assert find_state_directory() == load_settings().state_directory


def test_a_second_halt_never_lowers_what_the_first_one_asked_for(tmp_path: Path) -> None:
    flag = FlagFile(tmp_path)
    flag.record(KillLevel.FLATTEN, "fire")
    assert flag.record(KillLevel.PAUSE, "smoke") is KillLevel.FLATTEN
    assert flag.load() is KillLevel.FLATTEN


@pytest.mark.parametrize(
    ("text", "level"),
    [
        ('kill_switch = "Cancel"', KillLevel.CANCEL),
        ("kill_switch = Flatten", KillLevel.FLATTEN),
        ('kill_switch = "stop"', KillLevel.CANCEL),
        ("kill_switch = 1", KillLevel.CANCEL),
        ("kill_switch = on", KillLevel.CANCEL),
        ('kill_switch = "pause"\nbogus = 1', KillLevel.PAUSE),
        ('kill_switch = "off"\nbogus = 1', KillLevel.OFF),
        ("bogus = 1", KillLevel.OFF),
        ("[risk", KillLevel.OFF),
    ],
)
def test_a_kill_switch_is_obeyed_in_a_file_that_is_refused(text: str, level: KillLevel) -> None:
    file = Path("sectorbot.toml")
    file.write_text('kill_switch = "off"\n')
    alerts: list[str] = []
    watcher = ConfigWatcher(load_settings(), alert=lambda event, _: alerts.append(event))
    file.write_text(text + "\n")
    watcher.poll()
    assert watcher.poll() is level
    assert alerts == ["config_refused"]
    assert watcher.effective.kill_switch is KillLevel.OFF


def test_half_a_word_is_not_taken_for_an_order_to_stop() -> None:
    file = Path("sectorbot.toml")
    file.write_text('kill_switch = "off"\n')
    watcher = ConfigWatcher(load_settings())
    file.write_text('kill_switch = "re')
    assert watcher.poll() is KillLevel.OFF
    file.write_text('kill_switch = "reduce-only"\n')
    assert watcher.poll() is KillLevel.REDUCE_ONLY


def test_every_limit_has_a_direction_in_which_it_is_tighter() -> None:
    assert set(TIGHTER) == set(Limits.model_fields)


def test_an_exchange_nobody_knows_is_a_configuration_problem() -> None:
    with pytest.raises(SettingsProblem, match=r"venue\.id: 'kraken' is not supported; the exchanges are .*binance"):
        load_settings(assignments=["venue.id=kraken"])


def _latched(settings: Any) -> Any:
    return Journal.open(settings.journal_path, account=settings.venue.account, now_ms=lambda: 1_000, keep_snapshots=10)


async def test_resume_works_when_a_dead_daemon_left_its_health_file_behind() -> None:
    settings = load_settings()
    journal = await _latched(settings)
    await journal.record_latch(KillLevel.CANCEL, by="test", reason="drill")
    await journal.close()
    write_atomically(Path("var", HEALTH_NAME), f'{{"pid": {os.getppid()}, "at_ms": 1}}')
    words, code = await _in_thread(settings)
    assert (code, words) == (ExitCode.OK, "the kill switch is off (it was cancel: drill)")


async def test_a_resume_that_nobody_answered_cannot_release_a_later_kill(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bot.runtime.kill.resume_file.CONFIRM_SECONDS", 0.3)
    settings = load_settings()
    journal = await _latched(settings)
    try:
        await journal.record_latch(KillLevel.CANCEL, by="test", reason="drill")
        words, code = await _in_thread(settings)
    finally:
        await journal.close()
    assert code is ExitCode.TIMEOUT, words
    assert ResumeFile(Path("var")).load() is None


async def _in_thread(settings: Any) -> tuple[str, ExitCode]:
    return await asyncio.to_thread(lambda: release(settings, ResumeRequest("over")))
