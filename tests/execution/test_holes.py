"""Holes the protocol had: each was found by the model in `tests/model` or on the way to it, and is played here against
the real code."""

import socket
import sqlite3
from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

from bot.domain.order import Order, TimeInForce
from bot.domain.states import KillLevel, OrderState
from bot.execution.placement import _request
from bot.journal.journal import Journal
from bot.ports import OrderReport, OrderRequest, Rejection, ReportState, VenueRejected
from bot.runtime.kill.switch import FlagFile, KillSwitch
from tests.execution.scripted_venue import START_MS, ScriptedVenue
from tests.execution.worlds import SYMBOLS, World, approve, make_order, open_world


def load(world: World, client_id: str) -> Order:
    order = world.journal.reader.load_order(client_id)
    assert order is not None
    return order


async def test_a_confirmed_cancel_waits_for_a_report_that_is_not_older_than_it(tmp_path: Path) -> None:
    """The cancel is confirmed, the order executed in part before, and the query still shows it untouched."""

    class Stale(ScriptedVenue):
        is_stale = True

        async def fetch_order(self, symbol: str, client_id: str, *, is_trigger: bool = False) -> OrderReport | None:
            report = await super().fetch_order(symbol, client_id, is_trigger=is_trigger)
            if report is not None and self.is_stale:
                return replace(report, state=ReportState.OPEN, filled_size=Decimal(0), filled_quote=Decimal(0))
            return report

    venue = Stale()
    venue.submits.append("rest")
    world = await open_world(tmp_path / "j.db", venue)
    (outcome,) = await world.executor.act([approve(time_in_force=TimeInForce.GTC)])
    order = load(world, outcome.client_ids[0])
    venue.fill_resting(venue.orders[0], Decimal(3))
    await world.executor.cancel([order])
    after = load(world, order.client_id)
    assert after.state is not OrderState.CANCELED or after.filled_size == 3, (after.state, after.filled_size)
    venue.is_stale = False
    await world.reconciler.settle(SYMBOLS)
    after = load(world, order.client_id)
    assert (after.state, after.filled_size) == (OrderState.CANCELED, Decimal(3))
    await world.journal.close()


async def test_an_answer_counts_as_absence_only_when_it_was_asked_for_after_the_quiet_period(tmp_path: Path) -> None:
    """First look before the end of the quiet period, its answer after it; the second look meets an empty replica."""

    class Slow(ScriptedVenue):
        looks = 0

        async def fetch_order_history(self, symbol: str, since_ms: int) -> tuple[OrderReport, ...]:
            self.looks += 1
            if self.looks == 2:
                return ()  # a replica that has nothing
            return await super().fetch_order_history(symbol, since_ms)

        async def fetch_order(self, symbol: str, client_id: str, *, is_trigger: bool = False) -> OrderReport | None:
            return None

        async def fetch_open_orders(self, symbols: Sequence[str]) -> tuple[OrderReport, ...]:
            found = await super().fetch_open_orders(symbols) if self.looks < 2 else ()
            if self.looks == 1:
                self.advance(1_000)  # the answer of the first look takes a second
            return found

    venue = Slow()
    venue.lag_ms = 7_900
    venue.quiet_period_ms = 8_000
    world = await open_world(tmp_path / "j.db", venue)
    order = make_order()
    await world.journal.record_submitting(order)
    venue.submits.append("rest")
    await venue.submit_order(_request(order))
    venue.advance(7_500)
    await world.reconciler.settle(SYMBOLS)
    after = load(world, order.client_id)
    assert after.state is not OrderState.REJECTED, after
    await world.journal.close()


async def test_a_wall_clock_put_forward_does_not_end_the_quiet_period(tmp_path: Path) -> None:
    class Stepped(ScriptedVenue):
        step_ms = 0

        def now_ms(self) -> int:
            return self.clock_ms + self.step_ms + self.clock_skew_ms

        async def fetch_clock_skew(self) -> int:
            self.clock_skew_ms = -self.step_ms
            return self.clock_skew_ms

    venue = Stepped()
    venue.submits.append("late:4000")
    world = await open_world(tmp_path / "j.db", venue)
    await world.executor.act([approve(time_in_force=TimeInForce.GTC)])
    venue.step_ms = 10_000  # the host's clock was behind and is put right
    await world.reconciler.settle(SYMBOLS)
    venue.advance(5_000)  # now the request arrives, within its window
    assert venue.orders
    (posted,) = venue.posts
    assert load(world, posted.client_id).state.is_live
    await world.journal.close()


async def test_a_refusal_for_the_window_may_be_about_a_second_copy(tmp_path: Path) -> None:
    class Doubled(ScriptedVenue):
        async def submit_order(self, request: OrderRequest) -> OrderReport:
            self.posts.append(request)
            self._accept(request, "rest")  # the first copy; a proxy sends another, and we hear of that
            self.advance(6_000)
            raise VenueRejected("-1021", "outside of the recvWindow", Rejection.CLOCK)

    venue = Doubled()
    world = await open_world(tmp_path / "j.db", venue)
    await world.executor.act([approve(time_in_force=TimeInForce.GTC)])
    assert len(venue.posts) == 1, f"{len(venue.posts)} orders for one intent"
    await world.journal.close()


async def test_a_level_asked_for_by_signal_survives_the_process(tmp_path: Path) -> None:
    journal = await Journal.open(tmp_path / "j.db", account="main", now_ms=lambda: START_MS, threaded=False)

    def make() -> KillSwitch:
        return KillSwitch(
            FlagFile(tmp_path),
            configured=lambda: KillLevel.OFF,
            latched=lambda: journal.reader.load_latch().level,
            latch=lambda level, by, reason: journal.record_latch(level, by=by, reason=reason),
        )

    first = make()
    first.level()
    first.engage(KillLevel.CANCEL, "SIGUSR1")
    first.poll()  # the watching thread has looked once more, the loop hung, the process was killed
    assert make().level() is KillLevel.CANCEL
    await journal.close()


async def test_a_daemon_that_was_overtaken_does_not_release_its_successors_lease(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "j.db"
    now = [START_MS]
    monkeypatch.setattr(socket, "gethostname", lambda: "a")
    first = await Journal.open(path, account="main", now_ms=lambda: now[0], threaded=False)
    first._lock_file.release()  # another machine: the lock file does not reach it
    now[0] += 61_000  # silent for longer than a lease
    monkeypatch.setattr(socket, "gethostname", lambda: "b")
    second = await Journal.open(path, account="main", now_ms=lambda: now[0], threaded=False)
    monkeypatch.setattr(socket, "gethostname", lambda: "a")
    await first.close()
    connection = sqlite3.connect(path)
    row = connection.execute("select host, is_released from lease").fetchone()
    connection.close()
    assert row == ("b", 0), row
    await second.close()
