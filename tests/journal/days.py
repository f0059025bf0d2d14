"""Turns of a day as a bot of many instruments records them: prices move every turn, candles every hour, the rotation
when a leg is carried out."""

from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from random import Random

from bot.domain.campaign import Campaign, Condition, Leg, Memory, Phase, Stance, Tranche
from bot.domain.candles import CandleSeries
from bot.domain.durations import HOUR_MS, MINUTE_MS
from bot.domain.instrument import Instrument, Kind
from bot.domain.market import Quote, Snapshot, Tvl
from bot.domain.money import ONE, ZERO
from bot.domain.order import Purpose
from bot.domain.portfolio import Account, Balance
from bot.domain.reason import Note, Reason
from bot.domain.states import CampaignState, KillLevel, LegState, TrancheState
from bot.domain.turn.decision import Decision, Signal
from bot.domain.turn.inputs import TurnInputs
from bot.journal.record import CycleRecord
from tests.execution.scripted_venue import START_MS

TURN_MS = 5 * MINUTE_MS
TURNS_OF_DAY = 288
CENT = Decimal("0.01")


class Days:
    """A market of `tokens` tokens with `candles` hourly candles each, and a rotation of as many legs."""

    def __init__(self, tokens: int = 40, candles: int = 500) -> None:
        self.chance = Random(7)
        self.prices = {f"T{number:02}/USDT": 10.0 + number for number in range(tokens)}
        self.series = {symbol: self._history(symbol, price, candles) for symbol, price in self.prices.items()}
        self.instruments = {
            symbol: Instrument("binance", symbol, Kind.SPOT, symbol[:3], "USDT", CENT, CENT, CENT, Decimal(5))
            for symbol in self.prices
        }
        self.campaign = self._campaign()
        self.done = 0

    def records(self, first: int, count: int) -> Iterator[CycleRecord]:
        """The turns of these numbers, in order."""
        for number in range(first, first + count):
            yield self._record(number, START_MS + number * TURN_MS)

    def _history(self, symbol: str, price: float, count: int) -> CandleSeries:
        starts = tuple(START_MS - (count - at) * HOUR_MS for at in range(count))
        series = CandleSeries(symbol, HOUR_MS, (), (), (), (), (), ())
        for start in starts:
            series = self._longer(series, start, price, count)
        return series

    def _longer(self, series: CandleSeries, start_ms: int, price: float, count: int) -> CandleSeries:
        opened = round(price * (1 + self.chance.gauss(0, 0.01)), 4)
        row = (
            start_ms,
            opened,
            round(opened * 1.01, 4),
            round(opened * 0.99, 4),
            round(price, 4),
            round(self.chance.uniform(1e5, 1e6), 2),
        )
        old = (series.starts_ms, series.opens, series.highs, series.lows, series.closes, series.volumes_quote)
        columns = tuple((*column, value)[-count:] for column, value in zip(old, row, strict=True))
        return CandleSeries(series.symbol, HOUR_MS, *columns)  # type: ignore[arg-type]

    def _campaign(self) -> Campaign:
        legs = tuple(
            Leg(at, Purpose.INCREASE, "defi", symbol, ZERO, Decimal(at + 1), Decimal(10), Decimal(10 * (at + 1)))
            for at, symbol in enumerate(self.prices)
        )
        tranches = (Tranche(1, TrancheState.RUNNING, START_MS, legs), Tranche(2, TrancheState.WAITING, START_MS, legs))
        names = Stance.NEUTRAL, Stance.INTO_DEFI, "infra", "defi", CampaignState.RUNNING
        return Campaign(1, *names, START_MS, Decimal(100_000), Decimal("0.2"), {}, {}, tranches)

    def _record(self, number: int, at_ms: int) -> CycleRecord:
        for symbol in self.prices:
            self.prices[symbol] *= 1 + self.chance.gauss(0, 0.001)
        if number % 12 == 0:
            self.series = {
                symbol: self._longer(series, series.end_ms, self.prices[symbol], len(series))
                for symbol, series in self.series.items()
            }
        before = self.campaign
        if number % 24 == 0:
            self.campaign = self._with_a_leg_done()
        memory = Memory(campaign=before, campaigns=1)
        signals = tuple(
            Signal(f"signal{at}", self.chance.gauss(0, 1), self.chance.gauss(0, 1), "moves as the market does", 0)
            for at in range(13)
        )
        decision = Decision(
            at_ms,
            signals,
            Condition.BREAKOUT,
            Decimal("0.9"),
            {"defi": Phase.LEADING},
            Stance.INTO_DEFI,
            {"defi.spot": Decimal("0.5"), "cash": Decimal("0.5")},
            (),
            (),
            (Note(Reason.NOTHING_TO_DO, f"nothing to do until {at_ms}"),),
            replace(memory, campaign=self.campaign),
        )
        inputs = TurnInputs("cycle", KillLevel.OFF, False, self._seen(at_ms), self._account(at_ms), memory, ())
        return CycleRecord(number, inputs, decision, (), "abc")

    def _with_a_leg_done(self) -> Campaign:
        first, second = self.campaign.tranches
        legs = tuple(replace(leg, state=LegState.DONE) if leg.index == self.done else leg for leg in first.legs)
        self.done += 1
        return replace(self.campaign, tranches=(replace(first, legs=legs), second))

    def _seen(self, at_ms: int) -> Snapshot:
        prices = {symbol: Decimal(price).quantize(CENT) for symbol, price in self.prices.items()}
        quotes = {symbol: Quote(symbol, price, price + CENT, at_ms) for symbol, price in prices.items()}
        tvl = {"defi": Tvl("defi", tuple(range(200)), tuple(map(Decimal, range(200))))}
        return Snapshot(at_ms, self.instruments, quotes, self.series, tvl=tvl)

    def _account(self, at_ms: int) -> Account:
        balances = {symbol[:3]: Balance(symbol[:3], ONE, ZERO) for symbol in self.prices}
        return Account(at_ms, "USDT", balances, Decimal(1_000), Decimal(1_000), {})
