"""Standing hedges through the whole bot: decided, gated, filled, journaled, and decided again from the journal."""

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.commands import sectorbot


@pytest.fixture(scope="module")
def hedged(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A working directory in which a daemon has traded two cycles of a book that waits delta-neutral, on a basket."""
    folder = tmp_path_factory.mktemp("hedged")
    done = sectorbot(
        "run",
        "--environment",
        "sim",
        "--mode",
        "trade",
        "--cycles",
        "2",
        "--set",
        "cadence.cycle_seconds=0.5",
        "--set",
        "playbook.allocation.neutral_futures=delta-neutral",
        "--set",
        "playbook.hedging.instrument=basket",
        "--set",
        "playbook.regime.override=neutral",
        "--json",
        cwd=folder,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


def read(folder: Path, *arguments: str) -> Any:
    done = sectorbot(*arguments, "--journal", "var/sim-trade/journal.db", "--json", cwd=folder)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.slow
def test_the_hedges_are_filled_and_cover_no_more_than_their_sectors(hedged: Path) -> None:
    found = read(hedged, "orders")
    orders = [order for order in found if order["purpose"] != "exit"]
    assert len(orders) >= 4
    assert {(order["purpose"], order["side"], order["state"]) for order in orders} == {("hedge", "sell", "filled")}
    told = read(hedged, "positions")
    spot = {row["sleeve"]: Decimal(row["value_quote"]) for row in told["sleeves"]}
    for sector in ("defi", "infra"):
        shorts = [row for row in told["positions"] if row["covers"] == sector]
        total = sum(abs(Decimal(row["notional_quote"])) for row in shorts)
        assert 0 < total <= spot[f"{sector}.spot"]
        assert all(row["side"] == "short" for row in shorts)


def test_what_was_decided_is_decided_again_from_the_journal(hedged: Path) -> None:
    assert [read(hedged, "replay", str(number))["is_identical"] for number in (1, 2)] == [True, True]
