"""When the rule on leverage takes a position for one at cross margin, on turns that hold one position."""

from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import pytest

from bot.domain.portfolio import Account, Position
from bot.domain.states import KillLevel
from tests.sim.rules_guard import LeverageIsJudged

SYMBOL = "AVAX/USDT:USDT"
SIZE, PRICE, ZERO = Decimal(-15), Decimal("24.83"), Decimal(0)


def _turn(*, is_isolated: bool, leverage: Decimal | None, unreadable: dict[str, str]) -> Any:
    position = Position(SYMBOL, SIZE, PRICE, PRICE, ZERO, ZERO, leverage, None, is_isolated)
    account = Account(0, "USDT", {}, ZERO, ZERO, {SYMBOL: position}, unreadable=unreadable)
    memory = SimpleNamespace(exits=(), hedges={SYMBOL: SIZE})
    return SimpleNamespace(
        kill=KillLevel.OFF,
        decision=SimpleNamespace(memory=memory),
        portfolio=SimpleNamespace(account=account),
        breakers=(),
    )


@pytest.mark.parametrize(
    ("is_isolated", "leverage", "unreadable", "found"),
    [
        pytest.param(False, Decimal(2), {}, 1, id="cross margin"),
        pytest.param(False, None, {}, 1, id="cross margin, and the venue tells no leverage"),
        pytest.param(False, Decimal(2), {f"perp:{SYMBOL}": "unrealizePnl: []"}, 1, id="cross margin in an odd row"),
        pytest.param(False, None, {f"perp:{SYMBOL}": "size: []"}, 0, id="what the books say of an unread row"),
        pytest.param(True, Decimal(2), {}, 0, id="isolated"),
    ],
)
def test_a_row_that_nobody_could_read_says_no_margin_mode(
    is_isolated: bool, leverage: Decimal | None, unreadable: dict[str, str], found: int
) -> None:
    """Found: seed 2100344 at the wire of two venues, lives 12, heaviness 4."""
    violations: list[str] = []
    world: Any = SimpleNamespace(
        exchange=SimpleNamespace(
            instruments={SYMBOL: None},
            symbol_config=lambda account, symbol: SimpleNamespace(leverage=2, is_isolated=False),
        ),
        settings_now=lambda: SimpleNamespace(
            risk=SimpleNamespace(position_leverage_max=Decimal(3)),
            playbook=SimpleNamespace(hedging=SimpleNamespace(leverage=Decimal(2))),
        ),
        violate=lambda rule, words: violations.append(f"{rule}: {words}"),
    )
    checkers: Any = None
    rule = LeverageIsJudged(world, checkers)
    for _ in range(2):
        rule.after_turn(checkers, "guard", _turn(is_isolated=is_isolated, leverage=leverage, unreadable=unreadable))
    assert violations == ["leverage that was not set stops entries: AVAX/USDT:USDT: cross margin"] * found
