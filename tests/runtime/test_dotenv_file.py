"""Every line of `.env` is understood or refused with its place, and secrets that cannot be one are refused unseen."""

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from bot.domain.states import KillLevel
from bot.runtime.settings.dotenv_file import parse
from bot.runtime.settings.layers import SECRET_NAMES, SettingsProblem, find_state_directory
from bot.runtime.settings.model import load_settings
from bot.runtime.settings.secret_shape import problem_of
from tests.profiles import examples

K = "SECTORBOT__KILL_SWITCH"


@pytest.fixture(autouse=True)
def _own_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith("SECTORBOT") or name == "CREDENTIALS_DIRECTORY"]:
        monkeypatch.delenv(name)


READ = {
    "plain": f"{K}=pause\n".encode(),
    "no end of line": f"{K}=pause".encode(),
    "Windows": f"# x\r\n\r\n{K}=pause\r\n".encode(),
    "old Macintosh": f"# x\r{K}=pause\r".encode(),
    "byte order mark": f"\ufeff{K}=pause\n".encode(),
    "mark before a comment": f"\ufeff# settings\n{K}=pause\n".encode(),
    "lower case": f"{K.lower()}=pause\n".encode(),
    "double quotes": f'{K}="pause"\n'.encode(),
    "single quotes": f"{K}='pause'\n".encode(),
    "blanks": f"  {K} = pause  \n".encode(),
    "tabs": f"\t{K}\t=\tpause\t\n".encode(),
    "a blank that does not break": f"{K}=\u00a0pause\n".encode(),
    "comment behind": f"{K}=pause # stop\n".encode(),
    "exported": f"export {K}=pause\n".encode(),
    "others' lines": f"SECTORBOT_STATE=/srv\nAWS_REGION=eu # x\n{K}=pause\nTOKEN=${{HOME}}/x\n".encode(),
}
REFUSED = {
    "UTF-16": (f"{K}=pause\n".encode("utf-16"), ".env: is UTF-16; save it as UTF-8"),
    "Latin 1": (f"# a\n# f\u00fcr\n{K}=pause\n".encode("latin-1"), ".env:2: is not UTF-8"),
    "one underscore": (b"\n# x\nSECTORBOT_KILL_SWITCH=pause\n", ".env:3: SECTORBOT_KILL_SWITCH: unknown; names are"),
    "three underscores": (b"SECTORBOT___KILL_SWITCH=pause\n", ".env:1"),
    "colon": (f"{K}: pause\n".encode(), ".env:1"),
    "no equals": (f"{K} pause\n".encode(), ".env:1"),
    "only a name": (f"A=1\n{K}\n".encode(), f".env:2: {K}: has no ="),
    "set": (f"set {K}=pause\n".encode(), ".env:1"),
    "dash": (b"SECTORBOT__KILL-SWITCH=pause\n", ".env:1"),
    "another prefix": (b"SECTOR_BOT__KILL_SWITCH=pause\n", ".env:1: SECTOR_BOT__KILL_SWITCH: unknown"),
    "open quote": (f'{K}="pause\n'.encode(), ".env:1"),
    "a mark inside": (f"\u200b{K}=pause\n".encode(), r".env:1: \u200bSECTORBOT__KILL_SWITCH: is not a name"),
    "twice": (f"{K}=pause\n\n{K}=off\n".encode(), f".env:3: {K}: is given twice, first in line 1"),
    "unknown name": (b"SECTORBOT__RISK__GROS_MAX=1\n", "did you mean"),
    "a variable inside": (f"{K}=${{LEVEL}}\n".encode(), f".env:1: {K}: variables inside values are not replaced"),
    "no name": (b"=pause\n", ".env:1"),
}


@pytest.mark.parametrize("data", READ.values(), ids=READ)
def test_a_line_as_people_and_programs_write_it_is_read(data: bytes) -> None:
    Path(".env").write_bytes(data)
    assert load_settings().kill_switch is KillLevel("pause")


@pytest.mark.parametrize(("data", "words"), REFUSED.values(), ids=REFUSED)
def test_a_line_that_is_not_understood_is_refused_with_its_place(data: bytes, words: str) -> None:
    Path(".env").write_bytes(data)
    with pytest.raises(SettingsProblem) as caught:
        load_settings()
    assert words in str(caught.value)


def test_every_bad_line_is_named_and_no_value_is_shown() -> None:
    Path(".env").write_text("SECTORBOT__VENUE__API_SECRET hush\nhush\nSECTORBOT__VENUE__API_KEY: hush\n'hush\n")
    with pytest.raises(SettingsProblem) as caught:
        load_settings()
    assert len(caught.value.problems) == 4
    assert "hush" not in str(caught.value)


def test_a_directory_of_that_name_is_refused() -> None:
    Path(".env").mkdir()
    with pytest.raises(SettingsProblem, match=r"\.env: cannot be read"):
        load_settings()


def test_a_link_that_leads_nowhere_is_refused_and_not_passed_over() -> None:
    Path(".env").symlink_to("nowhere")
    with pytest.raises(SettingsProblem, match=r"\.env: cannot be read"):
        load_settings()


def test_the_state_directory_is_found_beside_a_bad_line() -> None:
    Path(".env").write_text("what is this\nSECTORBOT__STATE_DIRECTORY=elsewhere\n")
    assert find_state_directory() == Path("elsewhere")


@given(
    st.lists(
        st.one_of(
            st.sampled_from(
                ["", "# x", f"{K}=pause", "SECTORBOT_X=1", "A=1", "A = 'b'", 'A="b', "A", "A b", "=", " \t"]
            ),
            st.text(st.characters(codec="utf-8", exclude_characters="\r\n\"'\\"), max_size=20),
        ),
        max_size=8,
    ),
    st.sampled_from(["\n", "\r\n"]),
)
@example(["a", "b=1"], "\n")
@settings(max_examples=examples(300), suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_line_is_passed_over(lines: list[str], end: str) -> None:
    data = end.join(lines).encode()
    found, problems = parse(Path(".env"), data, secret_names=SECRET_NAMES)
    named = {place for _, _, place in found} | {problem.split(": ")[0] for problem in problems}
    text = data.decode("utf-8-sig").replace("\r\n", "\n")
    for number, line in enumerate(text.split("\n"), start=1):
        is_told = bool(line.strip()) and not line.strip().startswith("#")
        if is_told and '"' not in text and "'" not in text and line.split() and line.isprintable() and line.isascii():
            assert f".env:{number}" in named, (line, found, problems)


BAD_SECRETS = {
    "quotes": ('"abcd1234"', "has quotes"),
    "a blank": ("abcd 1234", "has blanks"),
    "two lines": ("abcd\n1234", "more than one line"),
    "mark": ("\ufeffabcd1234", "byte order mark"),
    "name": ("API_KEY=abcd1234", "begins with a name and ="),
    "export": ("export API_KEY=abcd1234", "begins with a name and ="),
    "letter of another script": ("\u0430bcd1234", "no printable ASCII"),
    "no width": ("abcd\u200b1234", "no printable ASCII"),
    "placeholder": ("your_api_key_here", "placeholder"),
    "brackets": ("<api-key>", "placeholder"),
    "variable": ("${API_KEY}", "placeholder"),
}


@pytest.mark.parametrize(("value", "words"), BAD_SECRETS.values(), ids=BAD_SECRETS)
def test_a_file_that_holds_no_secret_is_named_and_its_content_is_not(value: str, words: str) -> None:
    Path("secrets").mkdir()
    Path("secrets/venue__api_key").write_text(value, encoding="utf-8")
    Path("secrets/venue__api_secret").write_text("good1234")
    with pytest.raises(SettingsProblem) as caught:
        load_settings()
    assert "secrets/venue__api_key: venue.api_key" in str(caught.value)
    assert words in str(caught.value)
    assert value not in str(caught.value)


@pytest.mark.parametrize("source", [".env", "environment", "sectorbot.toml"])
def test_a_secret_is_looked_at_wherever_it_stands(monkeypatch: pytest.MonkeyPatch, source: str) -> None:
    if source == ".env":
        Path(".env").write_text("SECTORBOT__VENUE__API_KEY='ab cd'\n")
    elif source == "environment":
        monkeypatch.setenv("SECTORBOT__VENUE__API_KEY", "ab cd")
    else:
        Path("sectorbot.toml").write_text('venue.api_key = "ab cd"\n')
    with pytest.raises(SettingsProblem, match=r"venue\.api_key has blanks in it") as caught:
        load_settings()
    assert source in str(caught.value)
    assert "ab cd" not in str(caught.value)


@given(st.text("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.", min_size=20, max_size=64))
def test_what_exchanges_hand_out_is_taken(value: str) -> None:
    assert not problem_of("k7" + value)
    assert not problem_of("k7" + value + "==")
