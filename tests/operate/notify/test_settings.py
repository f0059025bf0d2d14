"""The settings of notices: bad values end with one clear line, and a URL is never printed."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from bot.cli.main import app
from bot.runtime.exit_codes import ExitCode
from bot.runtime.settings.model import SettingsProblem, load_settings
from tests.operate.hook import Hook, serving

PASSWORD = "file-password-77d1"  # these tests write it into files on purpose
SECRET = f"json://operator:{PASSWORD}@127.0.0.1:1/in"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('quiet_hours = "22-7"', "notify.quiet_hours: '22-7' is no span; one is \"22:00-07:00\""),
        ('quiet_hours = "07:00-07:00"', "is no span"),
        ('report_at = "25:00"', "notify.report_at: '25:00' is no time"),
        ('time_zone = "Berlin"', "notify.time_zone: 'Berlin' is unknown; one is Europe/Berlin"),
        ('time_zone = "../etc/passwd"', "is unknown"),
        ('muted = ["starts"]', "notify.muted.0 = 'starts'"),
        ('templates = { stop = "{by}" }', "notify.templates.stop: unknown {by}; known are bot, event, subject, text"),
        ('templates = { stop = "{text.__class__}" }', "notify.templates.stop: unknown {text.__class__}"),
        ('templates = { stop = "{text" }', "notify.templates.stop: expected '}'"),
        ('templates = { stops = "x" }', "notify.templates.stops"),
        ("hourly_max = 0", "notify.hourly_max = 0"),
        (f'urls = "{PASSWORD}"', "notify.urls: number 1 is no URL"),
        (f'urls = ["{SECRET}"]', "notify.urls = ********"),
        (f'url = "{SECRET}"', "unknown key; did you mean 'urls'?"),
    ],
)
def test_a_value_that_cannot_be_used_is_one_line(workplace: Path, text: str, expected: str) -> None:
    (workplace / "sectorbot.toml").write_text(f"[notify]\n{text}\n")
    with pytest.raises(SettingsProblem) as caught:
        load_settings()
    (problem,) = caught.value.problems
    assert expected in problem
    assert problem.startswith("sectorbot.toml:2 ")
    assert PASSWORD not in problem


def test_urls_come_from_a_secrets_file_one_a_line(workplace: Path) -> None:
    (workplace / "secrets").mkdir()
    (workplace / "secrets" / "notify__urls").write_text(f"{SECRET}\ntgram://12345:AAAA_bbbb-cccc/777\n")
    settings = load_settings()
    assert list(settings.notify.destinations) == ["json-1", "tgram-2"]
    hidden = settings.secret_values()
    assert {SECRET, PASSWORD, "AAAA_bbbb-cccc"} <= set(hidden)
    assert not {"127.0.0.1", "json", "in"} & set(hidden)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ('notify.report_at = "25:00"', "sectorbot.toml:1 notify.report_at: '25:00' is no time"),
        ('notify.time_zone = "Europe/Berln"', "sectorbot.toml:1 notify.time_zone: 'Europe/Berln' is unknown"),
        ('notify.templates.start = "{who}"', "sectorbot.toml:1 notify.templates.start: unknown {who}"),
    ],
)
def test_a_problem_names_its_key_once(workplace: Path, line: str, words: str) -> None:
    (workplace / "sectorbot.toml").write_text(line)
    result = CliRunner().invoke(app, ["config", "check"])
    assert result.exit_code == ExitCode.CONFIGURATION
    assert words in result.output


def test_half_of_a_pair_of_keys_is_refused_in_a_whole_sentence(workplace: Path) -> None:
    (workplace / ".env").write_text("SECTORBOT__VENUE__API_KEY=0123456789abcdef\n")
    result = CliRunner().invoke(app, ["config", "check"])
    assert result.exit_code == ExitCode.CONFIGURATION
    assert ".env:1 venue.api_key and venue.api_secret belong together; give both or neither" in result.output
    assert "0123456789abcdef" not in result.output


def test_a_url_on_the_command_line_is_refused(workplace: Path) -> None:
    result = CliRunner().invoke(app, ["config", "check", "--set", f"notify.urls={SECRET}"])
    assert result.exit_code == ExitCode.CONFIGURATION
    assert "a secret must not stand on a command line" in result.output
    assert PASSWORD not in result.output


@pytest.mark.parametrize(
    "arguments", [["config", "check"], ["config", "show", "--origin"], ["config", "show", "--json"]], ids=" ".join
)
def test_commands_name_the_destination_and_never_its_url(
    workplace: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str]
) -> None:
    monkeypatch.setenv("SECTORBOT__NOTIFY__URLS", SECRET)
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    assert PASSWORD not in result.output
    if arguments[1] == "check":
        assert "notices: to json-1, daily report 07:00 UTC\ntelegram: off\nmetrics: off\n" in result.output


@pytest.mark.parametrize("command", [["config", "check"], ["run", "-e", "sim", "--once"], ["notify", "test"]])
def test_a_url_that_apprise_does_not_know_is_a_problem_of_the_configuration(
    workplace: Path, monkeypatch: pytest.MonkeyPatch, command: list[str]
) -> None:
    monkeypatch.setenv("SECTORBOT__NOTIFY__URLS", f"nosuch://{PASSWORD}")
    result = CliRunner().invoke(app, command)
    assert result.exit_code == ExitCode.CONFIGURATION
    assert "notify.urls: nosuch-1: Apprise does not know this URL" in result.output
    assert PASSWORD not in result.output


@pytest.fixture
def hook() -> Iterator[Hook]:
    with serving() as made:
        yield made


def test_notify_test_says_what_arrived_and_what_did_not(
    workplace: Path, monkeypatch: pytest.MonkeyPatch, hook: Hook
) -> None:
    with serving() as broken:
        broken.status = 404
        monkeypatch.setenv("SECTORBOT__NOTIFY__URLS", f"{hook.url} {broken.url}")
        plain = CliRunner().invoke(app, ["notify", "test"])
        as_json = CliRunner().invoke(app, ["notify", "test", "--json"])
    assert (plain.exit_code, as_json.exit_code) == (1, 1)
    assert plain.output.splitlines() == ["json-1: sent", "json-2: NOT SENT: the service answered 404"]
    assert json.loads(as_json.output) == {"sent": ["json-1"], "failed": {"json-2": "the service answered 404"}}
    assert "a test notice" in hook.text


def test_notify_test_without_a_destination_says_where_to_put_one(workplace: Path) -> None:
    result = CliRunner().invoke(app, ["notify", "test"])
    assert result.exit_code == 1
    assert "notify.urls is not set" in result.output
