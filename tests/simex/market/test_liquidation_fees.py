"""A liquidation costs the same wherever perps trade: one table, used by each exchange that the bot makes."""

import ast
from decimal import Decimal
from pathlib import Path

import pytest

from bot.simex.market.catalogue import recorded_rules
from tests.conftest import ROOT

SPOT_ONLY = "bot/lab/backtest/benchmarks.py"


def rules_given() -> dict[str, list[bool]]:
    """Each module that makes an exchange, and whether it hands over rules."""
    found: dict[str, list[bool]] = {}
    for path in (ROOT / "bot").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Exchange":
                has_rules = any(keyword.arg == "rules" for keyword in node.keywords)
                found.setdefault(str(path.relative_to(ROOT)), []).append(has_rules)
    return found


def test_paper_back_test_and_both_ways_to_the_embedded_exchange_go_by_the_recorded_fees() -> None:
    found = rules_given()
    assert set(found) == {
        SPOT_ONLY,
        "bot/lab/backtest/run.py",
        "bot/runtime/simulator/embedded.py",
        "bot/runtime/simulator/serve.py",
        "bot/venues/paper/venue.py",
    }
    for module, given in found.items():
        assert all(given) is (module != SPOT_ONLY), module
        text = Path(ROOT / module).read_text(encoding="utf-8")
        assert module == SPOT_ONLY or "recorded_rules(" in text
        assert "recorded_liquidation_fees" not in text


@pytest.mark.parametrize(
    ("symbol", "fee"),
    [("BTC/USDT:USDT", "0.0125"), ("ATOM/USDT:USDT", "0.015"), ("UNI/USDT:USDT", "0.015")],
)
def test_the_fee_is_that_of_the_symbol(symbol: str, fee: str) -> None:
    assert recorded_rules([symbol, "BTC/USDT"]).liquidation_fee_of(symbol) == Decimal(fee)
