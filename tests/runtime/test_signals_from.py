"""`venue.signals_from`: where it is allowed, what it makes, and a bot that trades at one market and reads another."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any, cast

import pytest

from bot.domain.market import Quote
from bot.domain.reason import Reason
from bot.feeds.signal_feed import SignalFeed
from bot.ports import OrderRequest, Venue
from bot.runtime.clock import SystemClock
from bot.runtime.replay import replay
from bot.runtime.settings.layers import SettingsProblem
from bot.runtime.settings.model import load_settings
from bot.runtime.wiring import make_signal_feed
from tests.stage import staged

SIGNALS = "venue.signals_from=mainnet"


@pytest.mark.parametrize("environment", ["sim", "mainnet"])
def test_only_a_test_network_reads_its_signals_elsewhere(environment: str) -> None:
    with pytest.raises(SettingsProblem, match="is for a test network"):
        load_settings((), (SIGNALS, f"environment={environment}"))


@pytest.mark.parametrize("more", [(), ("venue.spot_testnet=true",)])
async def test_the_other_market_is_the_real_one_without_keys_and_without_writes(
    more: Iterable[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SECTORBOT__VENUE__API_KEY", "key-of-the-test-network")
    monkeypatch.setenv("SECTORBOT__VENUE__API_SECRET", "secret-of-the-test-network")
    settings = load_settings((), (SIGNALS, "environment=testnet", "mode=trade", *more))
    assert settings.venue.api_key is not None
    feed = make_signal_feed(settings, SystemClock())
    assert feed is not None
    venue = cast(Any, feed._make())
    assert venue.environment == "mainnet"
    assert not venue._link.has_keys
    with pytest.raises(RuntimeError, match="read only"):
        await cast(Venue, venue).submit_order(cast(OrderRequest, Named()))
    assert make_signal_feed(load_settings((), ("environment=testnet",)), SystemClock()) is None


class Named:
    """An order as far as its refusal reads it."""

    client_id = "x"


class Dearer:
    """The venue of a bot at prices a twentieth higher."""

    def __init__(self, venue: Venue) -> None:
        self._venue = venue

    def __getattr__(self, name: str) -> Any:
        return getattr(self._venue, name)

    async def open(self) -> None:
        """It is open."""

    async def fetch_quotes(self, symbols: Sequence[str]) -> dict[str, Quote]:
        found = await self._venue.fetch_quotes(symbols)
        factor = Decimal("1.05")
        return {s: replace(quote, bid=quote.bid * factor, ask=quote.ask * factor) for s, quote in found.items()}


async def test_a_bot_reads_one_market_trades_at_the_other_and_decides_it_again_from_its_journal(tmp_path: Path) -> None:
    async with staged(tmp_path) as stage, stage.app() as app:
        observer = app.cycle.parts.observer
        other = cast(Venue, Dearer(app.venue))
        observer.signals = SignalFeed("mainnet", observer.wanted.symbols, lambda: other, app.clock.now_ms)
        result = await stage.turn(app)
        (note,) = [note for note in result.decision.notes if note.reason is Reason.SIGNALS_ELSEWHERE]
        assert "signals are read from mainnet" in note.words
        assert "-5%" in note.words
        assert result.snapshot.candles
        assert result.outcomes, "it trades"
        record = app.journal.reader.load_cycle(result.number)
        assert record is not None
        assert record.snapshot.signal_market == result.snapshot.signal_market
        assert replay(stage.settings, app.journal.reader, result.number).is_identical
