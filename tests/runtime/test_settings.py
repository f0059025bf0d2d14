"""Settings: every source is read, nothing is ignored, and each refusal says where, what, why and what to do."""

from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import pytest

from bot.domain.states import KillLevel
from bot.runtime.redaction import Redactor
from bot.runtime.settings.layers import SettingsProblem, find_state_directory, index_lines, merge, origin, read_value
from bot.runtime.settings.model import ACKNOWLEDGEMENT, Sources, load_settings, redacted
from bot.runtime.settings.reference import flatten, warnings

pytestmark = pytest.mark.usefixtures("workplace")
Write = Callable[[str], Path]


@pytest.fixture
def write(workplace: Path) -> Write:
    def put(text: str) -> Path:
        path = workplace / "mine.toml"
        path.write_text(text)
        return path

    return put


def problem_of(*assignments: str, files: tuple[Path, ...] = ()) -> str:
    with pytest.raises(SettingsProblem) as caught:
        load_settings(files, assignments)
    return str(caught.value)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[risk]\n\ngros_max = 1", "mine.toml:3 risk.gros_max = 1: unknown key; did you mean 'gross_max'?"),
        ("colour = 3", "mine.toml:1 colour = 3: unknown key; known are advanced, cadence, calendar"),
        ('[cadence]\ncycle_seconds = "soon"', "mine.toml:2 cadence.cycle_seconds = 'soon': Input should be a valid"),
        ("[risk]\ngross_max = 12", "mine.toml:2 risk.gross_max = 12: Input should be less than or equal to 10 (spot"),
        ("risk = 5", "mine.toml:1 risk = 5: Input should be a valid"),
        ('kill_switch = "stop"', "mine.toml:1 kill_switch = 'stop': Input should be 'off', 'pause'"),
        ("[playbook.allocation.neutral]\n'defi.spot' = 0.9", "playbook.allocation.neutral: the shares add up to 1.6"),
        (
            "[risk]\nposition_leverage_max = 7",
            "mine.toml:2 risk.position_leverage_max: risk.position_leverage_max = 7 is above 5, what is advised: set",
        ),
        (
            "[playbook.rotation]\nmax_sell_fraction = 0.25",
            "mine.toml:2 playbook.rotation.max_sell_fraction: playbook.rotation.max_sell_fraction = 0.25 is above 0.20",
        ),
        ("[playbook.rotation]\nshfit = 0.2", "mine.toml:2 playbook.rotation.shfit = 0.2: unknown key; did you mean"),
        (
            "[playbook]\nhedge_leverge = 2",
            "mine.toml:2 playbook.hedge_leverge = 2: unknown key; did you mean 'hedging.leverage'?",
        ),
        (
            "[playbook.allocation]\nrisk_on = 'defy'",
            "mine.toml:2 playbook.allocation.risk_on: there is no sector 'defy'; the sectors are",
        ),
        ("[universe.tokens]\nUNI = { defi = 0.7, infra = 0.7 }", "mine.toml:2 universe.tokens.UNI: its sector weights"),
        ("[universe.tokens]\nXYZ = { defy = 1 }", "mine.toml:2 universe.tokens.XYZ: there is no sector 'defy'"),
        ("[universe.sectors.infra]\nhedge = ['XYZ']", "mine.toml:2 universe.sectors.infra.hedge: XYZ is not a token"),
        ("[universe.sectors.infra]\nhegde = ['ETH']", "did you mean 'hedge'?"),
        ("[playbook.regime.evidence.breakuot]\ntrend = 1", "mine.toml:1 playbook.regime.evidence.breakuot"),
        (
            "[universe.renames]\nUNJ = [{ was = 'U', at = 2024-01-01 }]",
            "mine.toml:2 universe.renames.UNJ: UNJ is not a",
        ),
        (
            "[universe.renames]\nUNI = [{ was = 'UNJ', at = 2024-01-01, ratio = 0 }]",
            "universe.renames.UNI.0.ratio = 0: Input should be greater than 0 (new tokens that the exchange pays",
        ),
        ("[universe.listed]\nUNI = 2024-02-30", "mine.toml"),
        ("[universe.listed]\nUNJ = 2024-02-20", "mine.toml:2 universe.listed.UNJ: UNJ is not a token of the list"),
        (
            "[[playbook.exits.targets]]\nmove = 9\npart = 0.1",
            "playbook.exits.targets.0.move = 9: Input should be less than",
        ),
        ("state_directory = '~/bot'", "mine.toml:1 state_directory: ~/bot begins with ~, which no home directory"),
        (
            "[journal]\npath = '~/j.db'",
            "mine.toml:2 journal.path: ~/j.db begins with ~, which no home directory replaces",
        ),
        ("= 3", "mine.toml:1: is not valid TOML"),
        ("[risk]\ngross_max = '20 %'", "Input should be a valid decimal, without %: 0.2 (spot +"),
        ("[cadence]\ncycle_seconds = '2.5%'", "unable to parse string as a number, without %: 0.025 (from one"),
        ("[venue]\napi_key = 'abcdef'", "venue.api_key and venue.api_secret belong together"),
    ],
)
def test_a_problem_names_file_line_key_value_and_reason(write: Write, text: str, words: str) -> None:
    assert words in problem_of(files=(write(text),))


def test_every_problem_is_listed_at_once(write: Write) -> None:
    words = problem_of("mode=x", files=(write("[risk]\na = 1\nb = 2"),))
    assert "3 problems" in words
    assert all(part in words for part in ("risk.a", "risk.b", "--set mode = 'x'"))


def test_a_missing_file_is_an_error() -> None:
    assert "nowhere.toml: no such file" in problem_of(files=(Path("nowhere.toml"),))


def test_a_file_that_is_no_text_is_an_error(workplace: Path) -> None:
    (workplace / "mine.toml").write_bytes(b"\xff\xfe")
    assert "mine.toml: cannot be read: it is no UTF-8 text; save it as UTF-8" in problem_of(
        files=(workplace / "mine.toml",)
    )
    assert "cannot be read: Is a directory; give a file with --config" in problem_of(files=(workplace,))


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("SECTORBOT__RISKK__GROSS_MAX", "1", "environment SECTORBOT__RISKK__GROSS_MAX riskk"),
        ("SECTORBOT__RISK__GROS_MAX", "1", "did you mean 'gross_max'?"),
        ("SECTORBOT_KILL_SWITCH", "true", "two underscores"),
        ("SECTORBOT__UNIVERSE__TOKENS__UNI__DEFY", "1", "universe.tokens.UNI: there is no sector 'defy'"),
    ],
)
def test_a_variable_nobody_knows_is_an_error(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, words: str
) -> None:
    monkeypatch.setenv(name, value)
    assert words in problem_of()


def test_stronger_sources_win_key_by_key(workplace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (workplace / "sectorbot.toml").write_text(
        "[risk]\ngross_max = 1.1\nnet_max = 1.1\nasset_max = 0.3\nturnover_max = 2"
    )
    (workplace / ".env").write_text(
        '# comment\nexport SECTORBOT__RISK__NET_MAX="1.2" # why\nSECTORBOT__RISK__ASSET_MAX=0.31'
    )
    monkeypatch.setenv("SECTORBOT__RISK__ASSET_MAX", "0.32")
    settings = load_settings((), ("risk.turnover_max=3",))
    risk = settings.risk
    assert (risk.gross_max, risk.net_max, risk.asset_max) == (Decimal("1.1"), Decimal("1.2"), Decimal("0.32"))
    assert risk.turnover_max == 3
    assert risk.sector_max == Decimal("0.90")


def test_files_named_on_the_command_line_replace_the_users_file(workplace: Path, write: Write) -> None:
    (workplace / "sectorbot.toml").write_text("[risk]\ngross_max = 1.1")
    assert load_settings((write("mode = 'trade'"),)).risk.gross_max == Decimal("1.75")


def test_the_origin_of_a_value_is_its_strongest_source(workplace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (workplace / "sectorbot.toml").write_text("[risk]\n# higher\ngross_max = 1.8")
    monkeypatch.setenv("SECTORBOT__VENUE__ACCOUNT", "7")
    sources = Sources((), ('playbook.allocation.neutral."defi.spot"=0.2',))
    places = {key: (value, place) for key, value, place in flatten(sources.load(), sources.read())}
    assert places["risk.gross_max"] == ('"1.8"', "sectorbot.toml:3")
    assert places["venue.account"] == ('"7"', "environment SECTORBOT__VENUE__ACCOUNT")
    assert places['playbook.allocation.neutral."defi.spot"'] == ('"0.2"', "--set")
    assert places["risk.net_max"][1].startswith("config/default.toml:")
    assert places["venue.api_key"] == ("null", "default")


@pytest.mark.parametrize("mode", ["dry-run", "trade"])
@pytest.mark.parametrize("environment", ["testnet", "mainnet"])
@pytest.mark.parametrize("words", ["", "yes", ACKNOWLEDGEMENT])
def test_real_orders_need_three_locks_opened(mode: str, environment: str, words: str) -> None:
    assignments = (f"mode={mode}", f"environment={environment}", f'mainnet_acknowledgement="{words}"')
    if (mode, environment) == ("trade", "mainnet") and words != ACKNOWLEDGEMENT:
        assert "mainnet_acknowledgement" in problem_of(*assignments)
    else:
        assert load_settings((), assignments).mode == mode


def test_nothing_that_is_not_asked_for_can_send_an_order() -> None:
    settings = load_settings()
    assert (settings.environment, settings.mode, settings.kill_switch) == ("testnet", "dry-run", KillLevel.OFF)


@pytest.mark.parametrize(
    ("word", "level"), [("true", "cancel"), ("false", "off"), ("pause", "pause"), ("flatten", "flatten")]
)
def test_the_kill_switch_is_a_level_or_a_plain_switch(write: Write, word: str, level: str) -> None:
    quoted = word if word in ("true", "false") else f'"{word}"'
    assert load_settings((write(f"kill_switch = {quoted}"),)).kill_switch is KillLevel(level)
    assert load_settings((), (f"kill_switch={word}",)).kill_switch is KillLevel(level)


def test_false_takes_an_entry_out_of_a_table_with_free_names(write: Write) -> None:
    path = write("[universe.tokens]\nCAKE = false\n[playbook.allocation.neutral]\n'infra.futures' = false")
    settings = load_settings((path,))
    assert "CAKE" not in settings.universe.tokens
    assert "infra.futures" not in settings.playbook.allocation.neutral
    assert (
        load_settings((), ("universe.tokens.CAKE=false", "playbook.hedging.is_on=false")).playbook.hedging.is_on
        is False
    )


def test_secrets_come_from_files_named_after_their_setting(workplace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (workplace / "credentials").mkdir()
    (workplace / "credentials" / "venue__api_key").write_text("0x1234\n")
    (workplace / "credentials" / "venue__api_secret").write_text("s3cr3t-s3cr3t\n")
    (workplace / "credentials" / "other").write_text("not ours")
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(workplace / "credentials"))
    settings = load_settings()
    assert settings.secret_values() == ("0x1234", "s3cr3t-s3cr3t")
    shown = repr(settings) + str(redacted(settings)) + str(flatten(settings, Sources().read())) + settings.digest
    assert "s3cr3t" not in shown
    assert "0x1234" not in shown


def test_a_secrets_directory_that_is_asked_for_must_exist(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "no such directory" in problem_of("secrets_directory=nowhere")
    monkeypatch.setenv("SECTORBOT__SECRETS_DIRECTORY", "nowhere")
    assert "no such directory" in problem_of()


@pytest.mark.parametrize("is_link", [True, False])
def test_what_stands_in_place_of_the_secrets_is_refused_and_not_passed_over(workplace: Path, is_link: bool) -> None:
    if is_link:
        (workplace / "secrets").symlink_to("nowhere")
    else:
        (workplace / "secrets").write_text("hunter2hunter2")
    words = problem_of()
    assert "secrets directory secrets: cannot be read: " in words
    assert "hunter2" not in words


def test_an_unknown_secret_file_is_refused_without_showing_what_is_in_it(workplace: Path) -> None:
    (workplace / "secrets").mkdir()
    (workplace / "secrets" / "venue__api_keyy").write_text("hunter2hunter2")
    words = problem_of()
    assert "secrets/venue__api_keyy venue.api_keyy = ********: unknown key; did you mean 'api_key'?" in words
    assert "hunter2" not in words


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("venue_api_key", "k" * 40, "is not read; with two underscores it is the secret venue__api_key"),
        ("venue__api_key", "\n", "is empty; write the bare key into it"),
        ("venue__api_key", None, "is no file, but a folder"),
    ],
)
def test_a_secret_that_is_there_and_gives_no_key_is_refused(
    workplace: Path, name: str, content: str | None, words: str
) -> None:
    file = workplace / "secrets" / name
    file.parent.mkdir()
    if content is None:
        file.mkdir()
    else:
        file.write_text(content)
    assert f"secrets/{name}: {words}" in problem_of()


def test_the_name_of_a_secret_file_has_no_case(workplace: Path) -> None:
    (workplace / "secrets").mkdir()
    for name in ("VENUE__API_KEY", "Venue__Api_Secret"):
        (workplace / "secrets" / name).write_text(name.lower().replace("_", "0"))
    assert load_settings().secret_values() == ("venue00api0key", "venue00api0secret")


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ('Kill_Switch = "pause"', "Kill_Switch = 'pause': unknown key; did you mean 'kill_switch'?"),
        ('MODE = "trade"', "MODE = 'trade': unknown key"),
        ("[Risk]\ngross_max = 0.5", "Risk"),
        ("[playbook.Regime]\noverride = 'downtrend'", "playbook.Regime"),
    ],
)
def test_a_name_in_other_letters_is_refused_and_not_ignored(workplace: Path, line: str, words: str) -> None:
    (workplace / "sectorbot.toml").write_text(line + "\n")
    assert words in problem_of()


def test_a_name_in_other_letters_is_refused_on_the_command_line() -> None:
    assert "unknown key; did you mean 'risk'?" in problem_of("RISK.gross_max=0.5")


@pytest.mark.parametrize("is_folder", [True, False])
def test_a_settings_file_that_is_no_file_is_refused_and_not_ignored(workplace: Path, is_folder: bool) -> None:
    file = workplace / "sectorbot.toml"
    if is_folder:
        file.mkdir()
    else:
        file.symlink_to("nowhere")
    assert "sectorbot.toml: " in problem_of()


def test_brackets_without_end_are_a_problem_of_the_file(workplace: Path) -> None:
    (workplace / "sectorbot.toml").write_text(f"a = {'[' * 3_000}{']' * 3_000}\n")
    assert "too many brackets" in problem_of()


def test_a_number_with_thousands_of_digits_is_a_problem_of_its_place(workplace: Path) -> None:
    file = workplace / "sectorbot.toml"
    file.write_text(f"[cadence]\ncycle_seconds = 1{'0' * 6_000}\n")
    assert "sectorbot.toml: has a number that cannot be read: Exceeds the limit" in problem_of()
    file.unlink()
    for value in (f"[1{'0' * 6_000}]", f"{'[' * 3_000}{']' * 3_000}"):
        assert "--set calendar = " in problem_of(f"calendar={value}")


@pytest.mark.parametrize("name", ["SECTOBOT__KILL_SWITCH", "SECTORBOTS__KILL_SWITCH", "Sector_bot__kill_switch"])
def test_a_prefix_with_a_letter_wrong_is_refused_and_not_ignored(
    workplace: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    (workplace / ".env").write_text(f"OTHER__TOOL=1\nSELECTOR__X=1\n{name}=pause\n")
    assert f".env:3: {name}: unknown" in problem_of()
    (workplace / ".env").unlink()
    monkeypatch.setenv(name, "pause")
    assert f"environment {name}: unknown" in problem_of()


def test_what_stands_under_a_foreign_name_in_the_venues_table_is_not_shown(workplace: Path) -> None:
    (workplace / "sectorbot.toml").write_text('[venue]\ncredential = "hunter2hunter2"\n')
    words = problem_of()
    assert "venue.credential = ********: unknown key" in words
    assert "hunter2" not in words


def test_a_key_that_looks_like_a_number_stays_text(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECTORBOT__VENUE__API_KEY", "0012345678")
    monkeypatch.setenv("SECTORBOT__VENUE__API_SECRET", "1e400")
    assert load_settings().secret_values() == ("0012345678", "1e400")


def test_the_example_of_an_env_file_gives_no_keys(workplace: Path) -> None:
    example = Path(__file__).parents[2] / "config" / "example.env"
    (workplace / ".env").write_text(example.read_text())
    assert load_settings().venue.api_key is None


@pytest.mark.parametrize("name", ["venue.api_key", "venue.api_secret"])
def test_a_secret_on_the_command_line_is_refused_without_repeating_it(name: str) -> None:
    words = Redactor(()).text(problem_of(f"{name}=hunter2hunter2"))
    assert f"--set {name} is refused: a secret must not stand on a command line" in words
    assert "hunter2" not in words


@pytest.mark.parametrize("assignment", ["risk.gross_max", "=3", "  =3", ""])
def test_an_assignment_needs_a_key_and_a_value(assignment: str) -> None:
    assert "give KEY=VALUE" in problem_of(assignment)


def test_two_assignments_that_exclude_each_other_are_refused() -> None:
    assert "risk was given a value of its own" in problem_of("risk=1", "risk.gross_max=1")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("7", "7"),
        ("0x7", "0x7"),
        ("true", "true"),
        ("[1, 2]", [1, 2]),
        ('"a b"', "a b"),
        ("{ a = 1.5 }", {"a": "1.5"}),
        ("[1,", "[1,"),
        ("a=b", "a=b"),
    ],
)
def test_values_of_variables_are_text_unless_they_are_lists_tables_or_quoted(text: str, value: object) -> None:
    assert read_value(text) == value


def test_lines_are_found_through_tables_quotes_and_dots() -> None:
    index = index_lines("a = 1\n\n[b.'c.d']\ne.f = 2\n'g h' = 3\n[[i]]\nj = 4\n")
    assert index == {
        ("a",): 1,
        ("b", "c.d"): 3,
        ("b", "c.d", "e", "f"): 4,
        ("b", "c.d", "g h"): 5,
        ("i",): 6,
        ("i", "j"): 7,
    }


def test_the_digest_names_what_decides_and_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    same = ("logs.level=debug", "state_directory=elsewhere", "kill_switch=pause")
    assert load_settings((), same).digest == load_settings().digest
    days = "start = 2026-01-03T00:00:00Z, end = 2026-01-25T00:00:00Z"
    hearing = f'{{ name = "hearing", kind = "regulatory", {days}, weight = "-1" }}'
    for changed in (
        "playbook.rotation.shift=0.19",
        "tvl.is_on=false",
        "macro.stablecoins=false",
        f"calendar=[{hearing}]",
    ):
        assert load_settings((), (changed,)).digest != load_settings().digest, changed
    monkeypatch.setenv("SECTORBOT__VENUE__API_KEY", "one-key")
    monkeypatch.setenv("SECTORBOT__VENUE__API_SECRET", "one-secret")
    first = load_settings().digest
    monkeypatch.setenv("SECTORBOT__VENUE__API_SECRET", "another-secret")
    assert load_settings().digest == first


def test_the_state_directory_is_found_while_the_configuration_is_broken(
    write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert find_state_directory() == Path("var")
    assert find_state_directory([write("state_directory = 'there'\n[risk]\nnonsense = 1")]) == Path("there")
    monkeypatch.setenv("SECTORBOT__STATE_DIRECTORY", "here")
    assert find_state_directory([write("= broken")]) == Path("here")
    assert find_state_directory([], ["state_directory=set", "nonsense"]) == Path("here")
    assert find_state_directory([], ["state_directory=set"]) == Path("set")


def test_settings_remember_where_they_came_from(write: Write) -> None:
    path = write("mode = 'trade'")
    settings = load_settings((path,), ("risk.gross_max=1",))
    assert settings.sources == Sources((path,), ("risk.gross_max=1",))
    assert settings.sources.load() == settings


def test_a_secret_in_a_file_that_others_may_read_is_warned_about(write: Write) -> None:
    path = write("[venue]\napi_key = 'abcdef'\napi_secret = 'abcdef'")
    path.chmod(0o644)
    assert f"{path}: holds a secret and others may read it" in warnings(load_settings((path,)))[0]
    path.chmod(0o600)
    assert warnings(load_settings((path,))) == []


def test_a_dotenv_file_with_keys_that_others_may_read_is_warned_about() -> None:
    path = Path(".env")
    path.write_text("SECTORBOT__VENUE__API_KEY=0123456789abcdef\nSECTORBOT__VENUE__API_SECRET=0123456789abcdef\n")
    path.chmod(0o644)
    assert any(".env: holds a secret and others may read it" in line for line in warnings(load_settings()))
    path.chmod(0o600)
    assert not any("others may read it" in line for line in warnings(load_settings()))


def test_merging_leaves_the_layers_as_they_are() -> None:
    layers = Sources((), ("risk.gross_max=1",)).read()
    before = repr(layers)
    merge(layers)["risk"]["gross_max"] = "9"
    assert repr(layers) == before
    found = origin(layers, ("risk", "gross_max"))
    assert found is not None
    assert found.name == "--set"
