"""The golden case through everything: market, diagnosis, gate, journal, ccxt, exchange (PLAYBOOK §2).

The tolerance is the playbook's: less than one lot and the fees per leg.
"""

import json
from collections import defaultdict
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from bot.lab.demo import scenarios
from bot.lab.demo.run import DemoOptions, run_demo

FEE = Decimal("0.001")


def no_page(*_: object) -> AbstractContextManager[None]:
    return nullcontext()


def run(capsys: pytest.CaptureFixture[str], tmp_path: Path, **changes: Any) -> Mapping[str, Any]:
    with capture_logs():  # the command sends them to the error output
        assert run_demo(DemoOptions(as_json=True, directory=tmp_path, **{"max_seconds": 300} | changes), no_page) == 0
    return json.loads(capsys.readouterr().out)  # type: ignore[no-any-return]


def legs(document: Mapping[str, Any], tranche: int) -> dict[str, tuple[str, Decimal, Decimal]]:
    """Side, value and margin by purpose, skipped legs left out."""
    sides: dict[str, str] = {}
    values: dict[str, Decimal] = defaultdict(Decimal)
    margins: dict[str, Decimal] = defaultdict(Decimal)
    for leg in document["legs"]:
        if leg["tranche"] == tranche and leg["status"] != "skipped":
            assert leg["status"] == "done", leg
            sides[leg["purpose"]] = leg["side"]
            values[leg["purpose"]] += Decimal(leg["quote_value"])
            margins[leg["purpose"]] += Decimal(leg["margin"])
    return {purpose: (sides[purpose], values[purpose], margins[purpose]) for purpose in sides}


def is_near(value: Decimal, wanted: int, lots: Decimal) -> bool:
    return abs(value - wanted) <= lots + wanted * FEE


@pytest.mark.parametrize(("scenario", "cash"), [("golden", 5000), ("golden-idle-margin", 0)])
def test_both_golden_cases_come_out_of_the_demo(
    scenario: str, cash: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    document = run(capsys, tmp_path, scenario=scenario)
    first, second = legs(document, 1), legs(document, 2)
    assert list(first) == ["hedge", "reduce", "increase", "tactical"]
    for purpose, side, value, margin in (
        ("hedge", "sell", 5_000, 1_000),
        ("reduce", "sell", 15_000, 0),
        ("increase", "buy", 18_000, 0),
        ("tactical", "buy", 20_000, 2_000),
    ):
        assert first[purpose][0] == side
        assert is_near(first[purpose][1], value, Decimal(20)), (purpose, first[purpose])
        assert is_near(first[purpose][2], margin, Decimal(4)), (purpose, first[purpose])
    assert second["reduce"][0] == "sell"
    assert is_near(second["reduce"][1], 5_000, Decimal(25))
    assert second["release"][0] == "buy"
    for sleeve, capital in (("defi.spot", 48_000), ("defi.futures", 7_000), ("infra.spot", 35_000), ("cash", cash)):
        assert abs(Decimal(document["sleeves"][sleeve]["actual"]) - capital) < 60, document["sleeves"][sleeve]
    assert abs(Decimal(document["sleeves"]["infra.futures"]["actual"]) - 10_000) < 60
    counts = document["orders"]
    assert document["reconciled"] is True
    assert counts["in_doubt"] == counts["rejected"] == 0
    stops = counts["working"] + counts["ended"]
    assert counts["sent"] == counts["filled"] + stops, "everything filled but the stops of the long and the hedge"
    assert Path(document["journal"]).is_file()


@pytest.mark.slow
def test_a_tranche_is_not_skipped_over_when_the_venues_clock_is_a_little_behind(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    prepare = scenarios.prepare

    async def prepare_behind(options: DemoOptions) -> scenarios.Stage:
        stage = await prepare(options)
        server, clock = stage.embedded.server, stage.embedded.clock
        monkeypatch.setattr(server, "_clock", lambda: clock.now_ms() - 20)
        return stage

    monkeypatch.setattr(scenarios, "prepare", prepare_behind)
    document = run(capsys, tmp_path)
    due_ms = document["campaigns"][0]["tranches"][1]["not_before_ms"]
    assert document["campaigns"][0]["state"] == "done"
    assert due_ms < document["at_ms"] < due_ms + 10 * 60_000, "the last tranche is begun when it is due"


@pytest.mark.slow
def test_the_default_cap_halves_the_long_and_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    kind, words, _ = scenarios.SCENARIOS["golden"]
    capped = {"golden": (kind, words, ("risk.position_leverage_max=5",))}
    monkeypatch.setattr(scenarios, "SCENARIOS", capped)
    with capture_logs():
        assert run_demo(DemoOptions(as_json=True, directory=tmp_path), no_page) == 0
    captured = capsys.readouterr()
    side, value, margin = legs(json.loads(captured.out), 1)["tactical"]
    assert side == "buy"
    assert is_near(value, 10_000, Decimal(10))
    assert is_near(margin, 2_000, Decimal(4))
    assert captured.err.count("leverage_cut: ") == 1, "said once, by the cycle that cuts"


@pytest.mark.slow
def test_risk_off_hedges_the_whole_shift_before_it_sells(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    document = run(capsys, tmp_path, scenario="risk-off")
    campaign = document["campaigns"][0]
    assert (campaign["from"], campaign["to"]) == ("neutral", "into_infra")
    assert campaign["tranches"][0]["legs"][0]["purpose"] == "hedge"
    assert document["executed"][0]["purpose"] == "hedge"
    assert document["reconciled"] is True
    assert all(position["side"] != "short" for position in document["positions"]), "hedges end with what they covered"


@pytest.mark.slow
def test_a_downtrend_reduces_both_sectors(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    document = run(capsys, tmp_path, scenario="downtrend")
    assert document["stance"] == "de_risk"
    sleeves = {name: Decimal(row["share"]) for name, row in document["sleeves"].items()}
    assert abs(sleeves["defi.spot"] - Decimal("0.15")) < Decimal("0.02")
    assert abs(sleeves["infra.spot"] - Decimal("0.35")) < Decimal("0.02")
    # As the title says: hedges while something waits to be sold, and none on what is kept.
    assert "hedges cover what waits to be sold and end with its sale" in scenarios.SCENARIOS["downtrend"][1]
    assert document["positions"] == []
    assert document["reconciled"] is True


@pytest.mark.slow
def test_recorded_candles_are_replayed_and_the_books_agree(
    shared: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("pyarrow")
    data = shared / "data"
    if not (data / "ohlcv_1h.parquet").is_file():
        pytest.skip("the recorded candles are absent")
    document = run(
        capsys,
        tmp_path,
        market=data,
        start=scenarios.day("2024-11-08"),
        end=scenarios.day("2024-11-16"),
        max_seconds=200.0,
    )
    assert document["reconciled"] is True
    assert document["orders"]["in_doubt"] == 0
    assert document["cycles"] >= 8


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"scenario": "moon"}, "unknown; choose one of golden"),
        ({"market": Path("nowhere")}, "needs --from DATE"),
        (
            {"market": Path("nowhere"), "start": scenarios.day("2024-01-02"), "end": scenarios.day("2024-01-01")},
            "is not after --from",
        ),
        (
            {"market": Path("nowhere"), "start": scenarios.day("2024-01-01"), "end": scenarios.day("2024-01-02")},
            "there is no ohlcv_1h.parquet",
        ),
    ],
)
def test_a_scenario_that_cannot_be_shown_says_why_in_one_line(
    changes: dict[str, Any], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_demo(DemoOptions(**changes), no_page) == 1
    assert words in " ".join(capsys.readouterr().out.split())


def test_a_demo_that_sends_no_order_says_that_it_has_compared_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "KILL").write_text("pause")
    with capture_logs():
        assert run_demo(DemoOptions(as_json=True, directory=tmp_path, max_seconds=0), no_page) == 1
        document = json.loads(capsys.readouterr().out)
        assert (document["reconciled"], document["orders"]["sent"], document["cycles"]) == (None, 0, 1)
        assert run_demo(DemoOptions(directory=tmp_path, max_seconds=0), no_page) == 1
    shown = capsys.readouterr().out
    assert "nothing was compared, because no order was sent" in shown
    assert "agree" not in shown


@pytest.mark.slow  # `test_backtest.py` has the hedge of a gain through the whole bot, `test_standing.py` its size
def test_a_doubled_holding_is_hedged_without_a_sale(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The article's case: what has doubled since it was bought, before the bot ever ran."""
    document = run(capsys, tmp_path, scenario="doubled")
    (hedge,) = document["positions"]
    assert (hedge["side"], hedge["role"], hedge["covers"]) == ("short", "hedge", "defi")
    spot = Decimal(document["sleeves"]["defi.spot"]["value_quote"])
    assert Decimal("0.75") * spot < Decimal(hedge["notional_quote"]) <= spot
    assert document["reconciled"] is True
