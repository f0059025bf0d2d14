"""`demo --json` prints one JSON document and nothing else, and `docs/demo-json.md` names all that is in it."""

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.commands import sectorbot

PAGE = Path(__file__).parents[2] / "docs" / "demo-json.md"


@pytest.fixture(scope="module")
def document(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    done = sectorbot("demo", "--json", cwd=tmp_path_factory.mktemp("demo"))
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@pytest.mark.slow
def test_every_key_of_the_document_is_explained(document: dict[str, Any]) -> None:
    page = PAGE.read_text(encoding="utf-8")
    rows = [document, document["orders"], *document["legs"], *document["sleeves"].values(), *document["executed"]]
    rows += [*document["positions"], *document["campaigns"], *document["funding_legs"]]
    rows += [row["expected"] for row in document["funding_legs"]]
    assert sorted({key for row in rows for key in row if f"`{key}`" not in page}) == []


def test_legs_and_sleeves_are_flat_and_their_amounts_are_text(document: dict[str, Any]) -> None:
    leg = document["legs"][0]
    assert set(leg) >= {
        "tranche",
        "purpose",
        "sector",
        "instrument",
        "side",
        "quote_value",
        "margin",
        "leverage",
        "status",
    }
    assert all(isinstance(leg[key], str) for key in ("quote_value", "margin"))
    assert {"defi.spot", "defi.futures", "infra.spot", "infra.futures"} <= set(document["sleeves"])
    assert all({"target", "actual"} <= set(sleeve) for sleeve in document["sleeves"].values())
    assert document["reconciled"] is True
    assert document["orders"]["in_doubt"] == 0
    assert document["orders"]["sent"] > 0


def test_every_leg_that_opened_a_perp_tells_its_expected_and_its_actual_funding(document: dict[str, Any]) -> None:
    opened = [leg for leg in document["legs"] if leg["purpose"] in ("hedge", "tactical")]
    rows = document["funding_legs"]
    assert [row["symbol"] for row in rows] == [leg["instrument"] for leg in opened]
    for row in rows:
        expected = row["expected"]
        assert row["cycle"] > 0
        per_hour = Decimal(expected["day_quote"]) / 24
        assert Decimal(expected["quote"]) == pytest.approx(per_hour * Decimal(expected["hours"]), abs=Decimal("0.01"))
    totals = document["funding_quote"]
    told = sum((Decimal(row["actual_quote"]) for row in rows), Decimal(0))
    assert told == sum((Decimal(total) for total in totals.values()), Decimal(0))
