"""What spot older than the bot was paid for: a setting, a file, what fills make of it, and where it shows."""

import json
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from bot.cli.main import app
from bot.domain.instrument import Side
from bot.domain.market import Cost
from bot.domain.order import Fill
from bot.feeds.cost_basis import cost_basis
from bot.runtime.settings.cost_basis import CostBasis, CostFileError, opening_costs, read_cost_file
from bot.runtime.settings.model import load_settings

D = Decimal
Invoke = Callable[..., Result]
TOKENS = ("UNI", "AAVE")
UNI = "UNI/USDT"


@pytest.fixture
def invoke(workplace: Path) -> Invoke:
    return lambda *arguments: CliRunner().invoke(app, list(arguments), env={"COLUMNS": "120", "NO_COLOR": "1"})


def fill(side: Side, size: str, price: str, number: int) -> tuple[Fill, Decimal]:
    made = Fill("test", str(number), UNI, None, None, side, D(price), D(size), D(0), "USDT", False, number)
    return made, D(size) * D(price)


def test_fills_go_on_from_what_was_held_before() -> None:
    opening = opening_costs({"UNI": CostBasis(size=D(100), price=D(5))}, "USDT")
    assert cost_basis((), (), opening) == {UNI: Cost(UNI, D(100), D(500))}
    bought = [fill(Side.BUY, "100", "15", 1)]
    assert cost_basis(bought, (), opening)[UNI] == Cost(UNI, D(200), D(2000))
    assert cost_basis([*bought, fill(Side.SELL, "50", "20", 2)], (), opening)[UNI] == Cost(UNI, D(150), D(1500))
    assert opening[UNI].size == 100, "what was given is left as it is"


def test_purchases_of_a_file_are_averaged(tmp_path: Path) -> None:
    file = tmp_path / "costs.csv"
    file.write_text("\ufefftoken,size,price,note\nUNI,100,5,first\nUNI,100,15,\nAAVE,1.5,80,\n", encoding="utf-8")
    found = read_cost_file(file, dict.fromkeys(TOKENS))
    assert found == {"UNI": CostBasis(size=D(200), price=D(10)), "AAVE": CostBasis(size=D("1.5"), price=D(80))}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("token,price\nUNI,5\n", "line 1: no column size; the first line must read token,size,price"),
        ("token,size,price\n", "no line after the first"),
        ("", "no column token"),
        ("token,size,price\nUNI,1,5\nDOGE,1,1\n", "line 3: token = 'DOGE' is none of the list"),
        ("token,size,price\nUNI,many,5\n", "line 2: size = 'many' is not a number"),
        ("token,size,price\nUNI,1,-5\n", "line 2: price = '-5' must be above 0"),
        ("token,size,price\nUNI,1,NaN\n", "line 2: price = 'NaN' must be above 0"),
        ("token,size,price\nUNI,1\n", "line 2: price = None is not a number"),
    ],
)
def test_a_file_with_one_wrong_line_is_refused_whole(tmp_path: Path, text: str, words: str) -> None:
    file = tmp_path / "costs.csv"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(CostFileError) as caught:
        read_cost_file(file, dict.fromkeys(TOKENS))
    assert words in str(caught.value)
    assert str(file) in str(caught.value)


def test_the_setting_names_tokens(tmp_path: Path) -> None:
    settings = load_settings((), ('cost_basis.UNI={ size = "100", price = "5" }', f'state_directory="{tmp_path}"'))
    assert settings.cost_basis == {"UNI": CostBasis(size=D(100), price=D(5))}


def test_an_import_shows_in_positions_and_a_wrong_file_changes_nothing(
    invoke: Invoke, finished_run: Path, tmp_path: Path
) -> None:
    journal = str(finished_run / "var" / "sim-dry-run" / "journal.db")
    before = json.loads(invoke("positions", "--journal", journal, "--json").stdout)["holdings"]
    uni = next(row for row in before if row["symbol"] == UNI)
    file = tmp_path / "costs.csv"
    file.write_text("token,size,price\nUNI,1000000,5\n", encoding="utf-8")
    given = ("--set", f'journal.path="{journal}"', "--set", f'state_directory="{finished_run / "var"}"')
    wrong = tmp_path / "wrong.csv"
    wrong.write_text("token,size,price\nUNI,1,0\n", encoding="utf-8")
    assert invoke("cost", "import", str(wrong), *given).exit_code != 0
    assert json.loads(invoke("positions", "--journal", journal, "--json").stdout)["holdings"] == before
    done = invoke("cost", "import", str(file), *given)
    assert (done.exit_code, done.stderr) == (0, "")
    after = json.loads(invoke("positions", "--journal", journal, "--json").stdout)["holdings"]
    row = next(row for row in after if row["symbol"] == UNI)
    assert uni["cost_quote"] is None or D(uni["cost_quote"]) > D(row["cost_quote"])
    assert D(row["cost_quote"]) == pytest.approx(D(5), rel=D("0.1"))
    assert D(row["unrealised_quote"]) > 0
