"""Settings that change on disk while the bot runs: tighter at once, looser never, broken files change nothing."""

import os
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.domain.states import KillLevel
from bot.risk import Limits
from bot.risk.limits import TIGHTER, Tighter
from bot.runtime.kill.switch import FlagFile, KillSwitch
from bot.runtime.settings.model import load_settings
from bot.runtime.settings.watch import ConfigWatcher, apply, diff

FIRST = "[risk]\ngross_max = 1.5\nliquidation_distance_min = 0.2\n"


@dataclass
class Bench:
    file: Path
    watcher: ConfigWatcher
    alerts: list[tuple[str, Mapping[str, Any]]] = field(default_factory=list)

    def save(self, text: str) -> KillLevel:
        """Replace the file as a careful editor does, and look."""
        new = self.file.with_suffix(".new")
        new.write_text(text)
        new.replace(self.file)
        return self.watcher.poll()

    @property
    def events(self) -> list[str]:
        return [event for event, _ in self.alerts]


@pytest.fixture
def bench(workplace: Path) -> Bench:
    file = workplace / "mine.toml"
    file.write_text(FIRST)
    alerts: list[tuple[str, Mapping[str, Any]]] = []
    watcher = ConfigWatcher(load_settings((file,)), alert=lambda event, fields: alerts.append((event, fields)))
    return Bench(file, watcher, alerts)


def test_every_limit_has_a_direction() -> None:
    assert set(TIGHTER) == set(Limits.model_fields)
    upper = {name for name in TIGHTER if "_max" in name or name in ("futures_budget", "hedge_share_max")}
    assert {name for name, way in TIGHTER.items() if way is Tighter.LOWER} >= upper
    floors = {"liquidation_distance_min", "maintenance_rate", "cash_floor_quote", "drawdown_cooldown_days"}
    assert {name for name, way in TIGHTER.items() if way is Tighter.HIGHER} == floors


@given(data=st.data())
def test_what_is_applied_at_once_is_never_looser_in_any_limit(data: st.DataObject) -> None:
    settings = load_settings()
    values = {}
    for name in data.draw(st.sets(st.sampled_from(sorted(TIGHTER)), min_size=1)):
        value = getattr(settings.risk, name)
        factor = data.draw(st.sampled_from([Decimal("0.5"), Decimal("0.9"), Decimal("1.1"), Decimal(2)]))
        values[name] = type(value)(value * factor)
    new = settings.model_copy(update={"risk": settings.risk.model_copy(update=values)})
    changes = diff(settings, new)
    after = apply(settings, new, changes)
    for name, way in TIGHTER.items():
        before, then = getattr(settings.risk, name), getattr(after.risk, name)
        assert then <= before if way is Tighter.LOWER else then >= before
    changed = {f"risk.{name}" for name, value in values.items() if value != getattr(settings.risk, name)}
    assert {*changes.apply_now, *changes.needs_restart} == changed


def test_a_file_that_does_not_change_is_not_read_again(bench: Bench) -> None:
    before = bench.watcher.effective
    assert bench.watcher.poll() is KillLevel.OFF
    assert bench.watcher.effective is before
    assert bench.alerts == []


def test_a_tighter_limit_applies_at_once_whatever_its_direction(bench: Bench) -> None:
    bench.save("[risk]\ngross_max = 1.2\nliquidation_distance_min = 0.3\n")
    assert bench.watcher.effective.risk.gross_max == Decimal("1.2")
    assert bench.watcher.effective.risk.liquidation_distance_min == Decimal("0.3")
    assert bench.alerts == [
        ("config_applied", {"changes": {"risk.gross_max": "1.5 → 1.2", "risk.liquidation_distance_min": "0.2 → 0.3"}})
    ]


def test_a_looser_limit_waits_for_a_restart_and_is_told_once(bench: Bench) -> None:
    bench.save("[risk]\ngross_max = 1.7\nliquidation_distance_min = 0.1\n")
    assert bench.watcher.effective.risk.gross_max == Decimal("1.5")
    assert bench.watcher.effective.risk.liquidation_distance_min == Decimal("0.2")
    bench.save("# a comment\n[risk]\ngross_max = 1.7\nliquidation_distance_min = 0.1\n")
    assert bench.events == ["config_needs_restart"]


def test_a_limit_that_was_tightened_is_not_loosened_by_taking_the_change_back(bench: Bench) -> None:
    bench.save(FIRST.replace("1.5", "1.2"))
    bench.save(FIRST)
    assert bench.watcher.effective.risk.gross_max == Decimal("1.2")
    assert bench.events == ["config_applied", "config_needs_restart"]


def test_a_change_in_both_directions_takes_the_tighter_half(bench: Bench) -> None:
    bench.save('mode = "trade"\n[risk]\ngross_max = 1.2\nliquidation_distance_min = 0.1\n[playbook]\nshift = 0.1\n')
    effective = bench.watcher.effective
    assert (effective.mode, effective.risk.gross_max) == ("dry-run", Decimal("1.2"))
    assert effective.risk.liquidation_distance_min == Decimal("0.2")
    waiting = dict(bench.alerts)["config_needs_restart"]["changes"]
    assert set(waiting) == {"mode", "playbook.rotation.shift", "risk.liquidation_distance_min"}


@pytest.mark.parametrize("text", ["[risk]\ngross_max = 99\n", "[risk\n", "[risk]\ncolour = 1\n"])
def test_a_broken_file_keeps_what_was_in_force_and_alerts_once(bench: Bench, text: str) -> None:
    before = bench.watcher.effective
    bench.save(text)
    assert bench.alerts == []  # perhaps half-written: it is believed at the second look
    bench.watcher.poll()
    bench.watcher.poll()
    assert bench.watcher.effective is before
    assert bench.events == ["config_refused"]
    assert "mine.toml" in bench.alerts[0][1]["why"]


def test_a_file_caught_half_written_raises_no_alert(bench: Bench) -> None:
    bench.save("[risk]\ngross_ma")
    bench.save(FIRST.replace("1.5", "1.2"))
    assert bench.watcher.effective.risk.gross_max == Decimal("1.2")
    assert bench.events == ["config_applied"]


def test_a_file_that_vanishes_keeps_what_was_in_force(bench: Bench) -> None:
    bench.save('kill_switch = "pause"\n' + FIRST)
    bench.file.unlink()
    assert [bench.watcher.poll(), bench.watcher.poll()] == [KillLevel.PAUSE] * 2
    assert bench.events == ["config_applied", "config_refused"]


def test_a_pipe_in_place_of_a_file_keeps_the_switch_watching(bench: Bench, workplace: Path) -> None:
    """Password managers serve `.env` as a pipe, and whoever opens it waits for them. What other files say counts."""
    os.mkfifo(workplace / ".env")
    looks = [KillLevel.FLATTEN]

    def look() -> None:
        looks.append(bench.save('kill_switch = "pause"\n' + FIRST))
        looks.extend(bench.watcher.poll() for _ in range(3))

    thread = threading.Thread(target=look, daemon=True)
    thread.start()
    thread.join(timeout=5)
    assert looks[1:] == [KillLevel.PAUSE] * 4
    assert bench.events == ["config_refused"]
    assert ".env: is a pipe or a device, which is read at the start only; put a file there" in bench.alerts[0][1]["why"]


def test_the_null_device_in_place_of_a_file_keeps_no_change_back(bench: Bench, workplace: Path) -> None:
    (workplace / ".env").symlink_to(os.devnull)
    bench.save(FIRST.replace("1.5", "1.2"))
    assert bench.watcher.effective.risk.gross_max == Decimal("1.2")
    assert bench.events == ["config_applied"]


def test_the_kill_switch_is_read_at_once(bench: Bench) -> None:
    assert bench.save('kill_switch = "reduce-only"\n' + FIRST) is KillLevel.REDUCE_ONLY
    assert bench.save(FIRST) is KillLevel.OFF


@pytest.mark.parametrize(
    "line", ['kill_switch = "flatten"', "kill_switch='flatten'", "  kill_switch   = 'flatten' # now"]
)
@pytest.mark.parametrize("rest", ["[risk]\ncolour = 1\n", "[risk\n"])
def test_a_kill_switch_in_a_broken_file_is_thrown_all_the_same(bench: Bench, line: str, rest: str) -> None:
    assert bench.save(f"{line}\n{rest}") is KillLevel.FLATTEN
    bench.watcher.poll()
    assert bench.watcher.poll() is KillLevel.FLATTEN


@pytest.mark.parametrize("rest", ["[risk]\ncolour = 1\n", "[risk\n", "kill_switch = maybe\n"])
def test_a_broken_file_never_disarms(bench: Bench, rest: str) -> None:
    bench.save('kill_switch = "cancel"\n' + FIRST)
    assert bench.save(rest) is KillLevel.CANCEL
    assert bench.save('kill_switch = "off"\n' + rest) is KillLevel.CANCEL


def test_a_change_within_one_tick_of_the_clock_is_seen_by_size_or_inode(bench: Bench) -> None:
    before = bench.file.stat()
    new = bench.file.with_suffix(".new")
    new.write_text(FIRST.replace("1.5", "1.2"))
    os.utime(new, ns=(before.st_atime_ns, before.st_mtime_ns))
    new.replace(bench.file)
    bench.watcher.poll()
    assert bench.watcher.effective.risk.gross_max == Decimal("1.2")


def test_a_file_that_appears_counts(workplace: Path) -> None:
    watcher = ConfigWatcher(load_settings(), alert=lambda *_: None)
    (workplace / "sectorbot.toml").write_text("kill_switch = true")
    assert watcher.poll() is KillLevel.CANCEL
    (workplace / "sectorbot.toml").write_text("")
    (workplace / ".env").write_text("SECTORBOT__KILL_SWITCH=flatten")
    assert watcher.poll() is KillLevel.FLATTEN


def wait(condition: Callable[[], bool], seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.01)
    return condition()


def test_the_running_bot_takes_a_change_within_two_seconds(bench: Bench) -> None:
    async def latch(*_: object) -> None: ...

    switch = KillSwitch(
        FlagFile(bench.file.parent), configured=bench.watcher.poll, latched=lambda: KillLevel.OFF, latch=latch
    )
    switch.start()
    try:
        bench.file.write_text('kill_switch = "pause"\n[risk]\ngross_max = 1.1\n')
        assert wait(lambda: switch.level() is KillLevel.PAUSE, 2)
        assert wait(lambda: bench.watcher.effective.risk.gross_max == Decimal("1.1"), 2)
    finally:
        switch.stop()
