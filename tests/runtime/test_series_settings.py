"""The table `[series]`: what is refused, what is warned of, and a bot that decides with it and decides it again."""

from pathlib import Path

import pytest

from bot.domain.market import Missing
from bot.domain.reason import Reason
from bot.runtime.replay import replay
from bot.runtime.settings.layers import SettingsProblem
from bot.runtime.settings.model import load_settings
from bot.runtime.settings.reference import warnings
from tests.stage import SIM_START, staged

DEV = ("series.dev.source=dev.csv", "series.dev.sector=infra")


@pytest.mark.parametrize(
    ("assignments", "problem"),
    [
        (("series.dev.sector=infra",), r"series\.dev\.source: .*required"),
        ((*DEV, "series.dev.sector=metaverse"), r"series\.dev\.sector = 'metaverse': is none of defi, infra, market"),
        (("series.usage.source=a", "series.usage.sector=infra"), r"there is a signal of that name already"),
        ((*DEV, "series.dev.measure=median"), r"series\.dev\.measure = .*growth"),
        ((*DEV, "series.dev.sign=2"), r"series\.dev\.sign"),
        ((*DEV, "series.dev.colum=x"), r"series\.dev\.colum.*column"),
        ((*DEV, "series.dev.source=ftp://example.org/x"), r"only files and http or https addresses"),
        ((*DEV, "series.dev.source=https://me:secret@example.org/x"), r"would stand in the journal"),
        ((*DEV, "series.dev.source=https://example.org:99999/x"), r"series\.dev\.source"),
        ((*DEV, "series.dev.age_max_days=0"), r"series\.dev\.age_max_days"),
    ],
)
def test_a_wrong_key_is_one_problem_with_its_place(assignments: tuple[str, ...], problem: str) -> None:
    with pytest.raises(SettingsProblem, match=problem) as error:
        load_settings((), assignments)
    assert len(error.value.problems) == 1


def test_a_file_that_cannot_be_read_is_a_warning_and_no_obstacle(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    settings = load_settings((), DEV)
    (found,) = [line for line in warnings(settings) if line.startswith("series.dev")]
    assert found == (
        "series.dev: dev.csv: cannot be read (No such file or directory); check path and rights; without it the "
        "signal is missing"
    )
    (tmp_path / "dev.csv").write_text("date,value\n2026-01-01,5\nsoon,6\n2026-01-03,7\n")
    (found,) = [line for line in warnings(settings) if line.startswith("series.dev")]
    assert "line 3: time = 'soon' is no time" in found


def test_the_digest_names_what_series_decide() -> None:
    plain, own = load_settings((), ()), load_settings((), DEV)
    assert plain.digest != own.digest
    assert own.policy.series["dev"].sector == "infra"
    assert own.playbook.series == {}


async def test_a_bot_reads_its_series_goes_on_without_one_and_decides_it_again_from_its_journal(
    tmp_path: Path,
) -> None:
    file = tmp_path / "dev.csv"
    year, day = SIM_START.year, SIM_START.date()
    rows = "".join(f"{year - 1}-{month:02}-01,{100 + month}\n" for month in range(1, 13))
    file.write_text(f"date,value\n{rows}{day.replace(day=1) if day.day > 2 else f'{year - 1}-12-28'},150\n")
    changes = (f"series.dev.source={file}", "series.dev.sector=infra", "series.dev.age_max_days=365")
    bad = (f"series.bad.source={tmp_path}/absent.csv", "series.bad.sector=market")
    address = ("series.far.source=https://example.org/x", "series.far.sector=market")
    async with staged(tmp_path, *changes, *bad, *address) as stage, stage.app() as app:
        result = await stage.turn(app)
        assert "dev" in {signal.name for signal in result.decision.signals}
        why = f"series.bad: {tmp_path}/absent.csv: cannot be read (No such file or directory); check path and rights"
        assert Missing("macro bad", why) in result.snapshot.missing
        notes = {n.subject: n.words for n in result.decision.notes if n.reason is Reason.SIGNAL_MISSING}
        assert notes["bad"] == f"bad: {why}"
        assert "far" not in notes, "an address is not asked for in sim"
        assert result.outcomes, "it trades"
        record = app.journal.reader.load_cycle(result.number)
        assert record is not None
        assert record.snapshot.macro["dev"].values[-1] == 150
        file.unlink()
        assert replay(stage.settings, app.journal.reader, result.number).is_identical


@pytest.mark.parametrize(
    "text", ["date,value\n9999-12-31,5\n", '[{"date":"2026-01-01","value":1e99999999999999999999}]', "[" * 100_000]
)
def test_whatever_stands_in_a_file_is_a_warning(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "dev.csv").write_text(text)
    (found,) = [line for line in warnings(load_settings((), DEV)) if line.startswith("series.dev")]
    assert found.endswith("without it the signal is missing")
