"""`journal export`: every row once, exact amounts, UTC times, the span asked for; and new events of `history`."""

import csv
import io
import json
import sys
from decimal import Decimal
from pathlib import Path

import pytest

from bot.domain.durations import DAY_MS, HOUR_MS
from bot.journal.journal import Journal
from bot.ports import Payment
from bot.report.history import history_rows
from bot.report.profit.export import as_csv, fills_table, iso, payments_table, profit_table
from bot.runtime.settings.model import load_settings
from tests.commands import sectorbot
from tests.report.test_profit import PERP, SECTORS, D, Side, fill, journaled


async def kept(folder: Path) -> Journal:
    journal = await journaled(folder, 3)
    await journal.record_payments([Payment("1", "funding", "USDT", D("1.50"), PERP, 8 * HOUR_MS)])
    odd = fill("UNI/USDT", Side.BUY, "0.00000010", "8.1", "0.00000001", "UNI", at_ms=9 * HOUR_MS, client_id=None)
    await journal.record_fills([odd])
    return journal


def rows_of(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


async def test_amounts_keep_every_digit_and_times_are_utc(tmp_path: Path) -> None:
    journal = await kept(tmp_path)
    (bought,) = rows_of(as_csv(fills_table(journal.reader, 0, DAY_MS)))
    (paid,) = rows_of(as_csv(payments_table(journal.reader, 0, DAY_MS)))
    await journal.close()
    assert (bought["time"], bought["size"], bought["fee"]) == ("1970-01-01T09:00:00.000Z", "0.0000001", "0.00000001")
    assert (bought["client_id"], bought["campaign"], Decimal(bought["value_quote"])) == ("", "", D("0.00000081"))
    assert (paid["kind"], paid["amount"], paid["symbol"]) == ("funding", "1.5", PERP)
    assert iso(1) == "1970-01-01T00:00:00.001Z"


async def test_a_span_takes_its_beginning_and_leaves_its_end(tmp_path: Path) -> None:
    journal = await kept(tmp_path)
    at_ms = 9 * HOUR_MS
    assert len(fills_table(journal.reader, at_ms, at_ms + 1).rows) == 1
    assert fills_table(journal.reader, at_ms + 1, DAY_MS).rows == ()
    assert fills_table(journal.reader, 0, at_ms).rows == ()
    await journal.close()


async def test_days_add_up_to_the_change_of_equity(tmp_path: Path) -> None:
    journal = await kept(tmp_path)
    table = profit_table(journal.reader, SECTORS, 0, 3 * DAY_MS)
    await journal.close()
    days = [
        dict(zip(table.columns, row, strict=True)) for row in table.rows if row[table.columns.index("token")] is None
    ]
    assert [day["equity_quote"] for day in days] == ["1004", "1008", "1011"]
    explained = sum(D(day["net_quote"] or "0") + D(day["unexplained_quote"] or "0") for day in days)
    assert explained == 11


def test_parquet_without_its_package_is_refused_in_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    done = sectorbot("journal", "export", "fills", "--out", "x.parquet", cwd=tmp_path)
    assert done.returncode != 0
    assert "needs the package pyarrow" in done.stderr
    assert "--out FILE.csv needs no package" in done.stderr
    assert sectorbot("journal", "export", "fills", "--out", "x.xlsx", cwd=tmp_path).returncode == 2
    assert list(tmp_path.iterdir()) == []


def test_parquet_holds_the_same_text(tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    from pyarrow import parquet

    from bot.report.profit.export import ExportTable
    from bot.report.profit.parquet import as_parquet

    table = ExportTable(("time", "fee"), (("1970", "0.10"), ("1971", None)))
    read = parquet.read_table(io.BytesIO(as_parquet(table))).to_pylist()
    assert read == [{"time": "1970", "fee": "0.10"}, {"time": "1971", "fee": None}]


async def test_changed_settings_and_ends_of_runs_are_history(tmp_path: Path) -> None:
    journal = await journaled(tmp_path, 1)
    settings = load_settings([], [])
    content = {"digest": "a", "playbook": settings.playbook.model_dump_json(), "risk": settings.risk.model_dump_json()}
    changed = json.loads(content["risk"]) | {"drawdown_max": "0.5"}
    await journal.record_fact("config", content)
    await journal.record_fact("config", content | {"digest": "b", "risk": json.dumps(changed)})
    await journal.record_fact("stopped", {"by": "SIGTERM", "cycle": 7})
    texts = [row["text"] for row in history_rows(journal.reader, 0)]
    await journal.close()
    assert sorted(texts) == ["configuration changed: risk.drawdown_max", "stopped after turn 7 by SIGTERM"]
