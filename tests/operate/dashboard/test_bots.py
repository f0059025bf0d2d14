"""Several bots on one dashboard: state directories of this machine and dashboards elsewhere, named in a file."""

import shutil
from pathlib import Path

import pytest
from aiohttp.test_utils import TestClient, TestServer

from bot.operate.dashboard.bots_file import read_bots
from bot.operate.dashboard.server import make_app
from bot.operate.dashboard.source import make_source
from bot.report.format import money
from bot.runtime.settings.layers import SettingsProblem
from tests.commands import ROOT
from tests.operate.dashboard.conftest import dashboard, settings_of
from tests.operate.dashboard.test_control import API_ACCOUNT, TOKEN

pytestmark = pytest.mark.usefixtures("workplace")


def written(folder: Path, text: str) -> Path:
    file = folder / "bots.toml"
    file.write_text(text)
    return file


async def test_bots_of_this_machine_and_of_another_are_on_one_page(state: Path, tmp_path: Path, rotation: Path) -> None:
    shutil.copytree(rotation, tmp_path / "second")
    (tmp_path / "token").write_text(f"{TOKEN}\n")
    distant = make_source(settings_of(state, API_ACCOUNT))
    async with TestServer(make_app([distant], distant.settings.dashboard)) as server:
        golden = ROOT / "config" / "golden.toml"
        file = written(
            tmp_path,
            f'[bots.alpha]\nstate = "state"\nconfig = "{golden}"\n[bots.beta]\nstate = "second"\n'
            f'[bots.gone]\nstate = "nowhere"\n[bots.far]\nurl = "{server.make_url("/")}"\ntoken_file = "token"\n'
            f'[bots.shut]\nurl = "{server.make_url("/")}"\n',
        )
        sources, remotes = read_bots(file)
        async with TestClient(TestServer(make_app(sources, sources[0].settings.dashboard, remotes))) as client:
            page = await (await client.get("/")).text()
            cards = {card["name"]: card for card in await (await client.get("/api/v1/bots")).json()}
            alpha = await client.get("/bots/alpha/")
            orders = await (await client.get("/bots/beta/orders")).text()
            status = await (await client.get("/api/v1/bots/alpha/status")).json()
            unknown = await client.get("/bots/nobody/")
    assert list(cards) == ["alpha", "beta", "gone", "far", "shut"]
    assert alpha.status == 200
    assert "/bots/beta/orders/" in orders
    assert unknown.status == 404
    for name in ("alpha", "far"):
        assert cards[name]["equity_quote"] == status["equity_quote"]
        assert cards[name]["problem"] == ""
    assert "there is no journal yet" in cards["gone"]["problem"]
    assert "401" in cards["shut"]["problem"]
    assert money(status["equity_quote"]) in page
    assert 'href="/bots/alpha/"' in page


async def test_a_single_bot_has_no_prefix(state: Path) -> None:
    async with dashboard(make_source(settings_of(state))) as client:
        assert (await client.get("/")).status == 200
        assert (await client.get("/bots/sectorbot/")).status == 404


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "it names no bot"),
        ("[bot.a]\nstate = 'x'", "unknown key bot"),
        ("[bots.a]", "give either state"),
        ("[bots.a]\nstate = 'x'\nurl = 'http://127.0.0.1/'", "give either state"),
        ("[bots.a]\nurl = 'ftp://127.0.0.1/'", "is no address"),
        ("[bots.a]\nurl = 'javascript:alert(1)'", "is no address"),
        ("[bots.a]\nstate = 'x'\ncolour = 'red'", "unknown key colour"),
        ("[bots.a]\nstate = 1", "write [bots.NAME]"),
        ("[bots.'a b']\nstate = 'x'", "use letters"),
        ("[bots.a]\nstate = 'x'\nconfig = 'absent.toml'", "no such file"),
    ],
)
def test_a_file_of_bots_that_cannot_be_used_says_why(text: str, words: str, tmp_path: Path) -> None:
    with pytest.raises(SettingsProblem) as raised:
        read_bots(written(tmp_path, text))
    assert words in str(raised.value)


def test_names_have_the_place_in_the_file(tmp_path: Path) -> None:
    file = written(tmp_path, "[bots.fine]\nstate = 'x'\n[bots.a]\nstate = 1\n")
    with pytest.raises(SettingsProblem) as raised:
        read_bots(file)
    assert f"{file}:3" in str(raised.value)
