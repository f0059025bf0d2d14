"""A rename in real candles: MATIC became POL in September 2024, and a book that held it lost nothing by that."""

from pathlib import Path

import pytest

pytest.importorskip("pyarrow")

from bot.lab.backtest.command import BacktestRequest, run
from bot.runtime.exit_codes import CommandFailed
from tests.stage import DROPPED

FROM_MS, TO_MS = 1_725_321_600_000, 1_726_963_200_000  # 2024-09-03 → 2024-09-22
FEW = tuple(f"universe.tokens.{token}=false" for token in ("LDO", *DROPPED))
WHOLE = "universe.sectors.infra.weight_max=0.5"
EQUAL = "universe.sectors.infra.weighting=equal"  # by liquidity POL would be too small a part to be missed


@pytest.mark.slow
def test_matic_becomes_pol_without_a_hole_in_the_book(shared: Path) -> None:
    folder = shared / "data"
    rename = 'universe.renames.POL=[{ was = "MATIC", at = 2024-09-13 }]'
    changes = (*FEW, WHOLE, EQUAL, "universe.tokens.POL={ infra = 1 }", rename)
    document, _ = run(BacktestRequest(folder, FROM_MS, TO_MS, assignments=changes), on_progress=lambda _: None)
    found = document["tokens"]["POL/USDT"]
    assert "MATIC/USDT" not in document["tokens"]
    assert (found["from"] < "2024-09-01", found["to"] > "2024-09-20") == (True, True)
    assert document["reconciled"] is True
    assert document["counts"]["mismatches"] == 0
    forgotten = (*FEW, WHOLE, EQUAL, "universe.tokens.MATIC={ infra = 1 }")
    with pytest.raises(CommandFailed, match="candles end before --to 2024-09-22: MATIC/USDT on 2024-09-11"):
        run(BacktestRequest(folder, FROM_MS, TO_MS, assignments=forgotten), on_progress=lambda _: None)
    without, _ = run(
        BacktestRequest(folder, FROM_MS, TO_MS, assignments=forgotten, may_end=True), on_progress=lambda _: None
    )
    lost = float(document["equity_end_quote"]) - float(without["equity_end_quote"])
    assert lost > 0.05 * float(document["equity_end_quote"]), "a fifth of the spot would be worth nothing"
