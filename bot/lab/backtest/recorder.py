"""Notes what a run does: from the results of its turns and from the exchange, never from the bot's own memory."""

from bisect import bisect_right
from collections.abc import Mapping
from decimal import Decimal

from bot.domain.campaign import Campaign
from bot.domain.durations import HOUR_MS
from bot.domain.money import ZERO, plain
from bot.domain.order import Purpose
from bot.domain.states import OrderState
from bot.journal.reader import JournalReader
from bot.lab.backtest.attribution import Ending, PartLedger, attribute, attribute_tokens
from bot.lab.backtest.benchmarks import Benchmarks
from bot.lab.backtest.record import DailyRow, Month, Record, Rotation, StanceChange, day_of
from bot.lab.tear_sheet.by_stance import RunDays, by_stance
from bot.playbook.policy.membership import Sectors
from bot.report.funding import funding_by_intent, planned_rows
from bot.risk import Refused
from bot.runtime.cycle import CycleResult
from bot.runtime.watch.drawdown import DRAWDOWN_STOP, PEAK_ANEW
from bot.simex.engine.exchange import Exchange
from bot.simex.engine.market import Market
from bot.simex.engine.types import EventKind, ExchangeEvent, IncomeKind

EVERYTHING = 10_000_000


class BacktestRecorder:
    """Looks at every turn; `finish` when the run is over."""

    def __init__(
        self,
        record: Record,
        exchange: Exchange,
        market: Market,
        benchmarks: Benchmarks,
        account: str,
        sectors: Sectors,
        neutral: Mapping[str, Decimal],
    ) -> None:
        """`neutral` is the spot share of each sector in the neutral table."""
        self._record, self._exchange, self._market, self._benchmarks = record, exchange, market, benchmarks
        self._idle: list[int] = []
        self._account, self._sectors, self._neutral = account, sectors, neutral
        self._last: CycleResult | None = None
        self._known = frozenset(exchange.instruments)
        self._funding = ZERO
        self._income_ms = 0
        self._planned: set[tuple[int, int]] = set()
        exchange.listeners.append(self._hear)

    def _hear(self, event: ExchangeEvent) -> None:
        if event.kind is EventKind.LIQUIDATION:
            self._record.counts.liquidations += 1

    def count_abandoned(self) -> None:
        self._record.counts.abandoned += 1

    def record_turn(self, result: CycleResult) -> None:
        """One turn, cycle or guard."""
        counts = self._record.counts
        self._value_idle()
        self._last = result
        counts.mismatches += not result.truth.is_agreed
        for outcome in result.outcomes:
            counts.orders_rejected += outcome.state is OrderState.REJECTED
        for verdict in result.verdicts:
            if isinstance(verdict, Refused):
                reason = verdict.note.reason.value
                counts.refused[reason] = counts.refused.get(reason, 0) + 1
        if result.kind == "guard":
            counts.guards += 1
        else:
            counts.cycles += 1
            self._note_turn(result)
        self._note_rotation(result)

    def _note_turn(self, result: CycleResult) -> None:
        decision, turns = result.decision, self._record.turns
        seen = (decision.condition.value, decision.stance.value)
        if not turns or (turns[-1].condition, turns[-1].stance) != seen:
            turns.append(StanceChange(result.snapshot.at_ms, *seen, decision.confidence))

    def _note_rotation(self, result: CycleResult) -> None:
        campaign, rotations = result.decision.memory.campaign, self._record.rotations
        at_ms, equity = result.snapshot.at_ms, result.portfolio.equity
        if campaign is not None:
            known = rotations.get(campaign.number)
            if known is None:
                for older in rotations.values():
                    _end(older, "aborted", at_ms, equity)
                known = rotations[campaign.number] = Rotation(
                    campaign.number,
                    campaign.stance_from.value,
                    campaign.stance_to.value,
                    result.decision.condition.value,
                    campaign.started_ms,
                    equity,
                )
            known.tranches = sum(1 for tranche in campaign.tranches if tranche.started_ms)
            self._note_legs(campaign, result)
            if known.ended_ms is None:
                known.state = campaign.state.value
                if campaign.is_over:
                    _end(known, campaign.state.value, at_ms, equity)
        for outcome in result.outcomes:
            owner = rotations.get(outcome.intent.campaign)
            if owner is not None:
                owner.orders += len(outcome.client_ids)
                owner.traded_quote += outcome.filled_quote

    def _note_legs(self, campaign: Campaign, result: CycleResult) -> None:
        """What the perp legs of a tranche that begins are expected to earn or pay until their planned end."""
        for tranche in campaign.tranches:
            place = (campaign.number, tranche.index)
            if tranche.started_ms and tranche.legs and place not in self._planned:
                self._planned.add(place)
                rows = planned_rows(tranche, campaign, result.snapshot, result.funding_hours)
                self._record.legs += [{"at_ms": tranche.started_ms, **row} for row in rows]

    def keep_hour(self, at_ms: int) -> None:
        """Equity at one moment of the schedule; without a turn then, what was held at the market's prices."""
        if self._last is None:
            return
        if self._last.snapshot.at_ms >= at_ms or self._last.portfolio.account.positions:
            self._value_idle()
            self._record.hours.append((at_ms, float(self._last.portfolio.equity)))
        else:
            self._idle.append(at_ms)

    def _value_idle(self) -> None:
        """The moments since the last turn, all at once: nothing was traded in them."""
        times, self._idle = self._idle, []
        if self._last is None or not times:
            return
        account = self._last.portfolio.account
        values = [float(account.cash + account.perp_wallet)] * len(times)
        for asset, balance in account.balances.items():
            symbol = self._sectors.spot(asset)
            if asset == account.quote or symbol not in self._known:
                continue
            size = float(balance.total)
            series = self._market.candles(symbol, HOUR_MS, times[0], times[-1], EVERYTHING, "last", times[-1])
            opens = dict(zip(series.starts_ms, series.opens, strict=True))
            for index, at_ms in enumerate(times):
                price = opens.get(at_ms)
                values[index] += size * (self._market.at(symbol, at_ms).mid if price is None else price)
        self._record.hours += zip(times, values, strict=True)

    def keep_day(self, at_ms: int, benchmarks: Mapping[str, Decimal]) -> None:
        """The account as the last turn left it."""
        if self._last is None:
            return
        portfolio = self._last.portfolio
        sleeves: dict[str, Decimal] = {}
        for name, sleeve in portfolio.sectors.items():
            sleeves[f"{name}.spot"], sleeves[f"{name}.futures"] = sleeve.spot, sleeve.futures
        sleeves["cash"] = portfolio.account.cash
        notional = [position.size * position.mark_price for position in portfolio.account.positions.values()]
        rows = self._exchange.income(self._account, self._income_ms + 1, IncomeKind.FUNDING_FEE, EVERYTHING)
        self._funding += sum((row.amount for row in rows), ZERO)
        self._income_ms = rows[-1].at_ms if rows else self._income_ms
        self._record.moments.append(
            DailyRow(
                at_ms,
                portfolio.equity,
                sleeves,
                shorts=-sum((value for value in notional if value < 0), ZERO),
                longs=sum((value for value in notional if value > 0), ZERO),
                funding_quote=self._funding,
                benchmarks=benchmarks,
                held_back=tuple(note.reason.value for note in self._last.breakers),
            )
        )

    def finish(self, reader: JournalReader) -> None:
        """Where the money came from, by the exchange's own records; what each leg got in funding, by the journal's."""
        self._value_idle()
        facts = reversed(reader.load_facts(DRAWDOWN_STOP, limit=EVERYTHING))
        self._record.stops = [{"at_ms": fact.at_ms, **fact.payload} for fact in facts]
        self._record.counts.rebased += sum(1 for fact in self._record.stops if fact["state"] == PEAK_ANEW)
        fills, orders = reader.load_fills(EVERYTHING), reader.load_orders(EVERYTHING)
        # Stops that a close of a part has cut and put back are among them, and no outcome of their own.
        self._record.counts.orders = len(orders)
        actual = funding_by_intent(reader.load_payments(), fills, orders)
        for row in self._record.legs:
            row["actual_quote"] = plain(actual.get(row["id"], ZERO))
        exchange, account = self._exchange, self._account
        symbols = list(exchange.instruments)
        trades = [trade for symbol in symbols for trade in exchange.trades(account, symbol, limit=EVERYTHING)]
        trades.sort(key=lambda trade: (trade.at_ms, trade.symbol, trade.id))
        mids = [Decimal(str(self._market.at(trade.symbol, trade.at_ms).mid)) for trade in trades]
        prices = {s: exchange.quote(s).mid for s in symbols if exchange.is_open(s)}
        sizes = {position.symbol: position.size for position in exchange.positions(account)}
        sector_of = {self._sectors.spot(token): self._sectors.main(token) or "other" for token in self._sectors.tokens}
        incomes = exchange.income(account, limit=EVERYTHING)
        ending = Ending(sizes, prices)
        covers = {order.client_id: order.sector for order in orders if order.purpose is Purpose.HEDGE}
        self._record.parts = attribute(trades, mids, incomes, ending, sector_of, self._sectors.quote, covers)
        self._record.by_token = attribute_tokens(trades, mids, incomes, ending, self._sectors.quote)
        ledger = PartLedger(incomes, sector_of, self._sectors.quote, covers)
        days = self._days(prices)
        self._record.by_stance, self._record.hedged = by_stance(days, zip(trades, mids, strict=True), ledger)
        self._record.tallies = self._benchmarks.tallies
        for trade in trades:
            month = self._record.traded.setdefault(day_of(trade.at_ms)[:7], Month())
            month.traded_quote += trade.quote
            month.fees_quote += trade.fee if trade.fee_asset == self._sectors.quote else trade.fee * trade.price
            month.executions += 1

    def _days(self, ending: Mapping[str, Decimal]) -> RunDays:
        """The days as moments were kept; the last prices are those of the ending."""
        record, sectors, market = self._record, self._sectors, self._market
        times, begun = record.times_ms, [turn.at_ms for turn in record.turns]
        listed = {symbol: market.listed(symbol) for symbol in self._exchange.instruments}

        def prices_at(at_ms: int) -> Mapping[str, Decimal]:
            if at_ms == times[-1]:
                return ending
            trading = (
                symbol for symbol, (first, last) in listed.items() if first <= at_ms and (last is None or at_ms < last)
            )
            return {symbol: Decimal(str(market.at(symbol, at_ms).mid)) for symbol in trading}

        stances = [record.turns[max(0, bisect_right(begun, at) - 1)].stance if begun else "" for at in times]
        symbols = {name: tuple(map(sectors.spot, sectors.candidates(name))) for name in sectors.sectors}
        return RunDays(times, [moment.equity for moment in record.moments], stances, prices_at, symbols, self._neutral)


def _end(rotation: Rotation, state: str, at_ms: int, equity: Decimal) -> None:
    if rotation.ended_ms is None:
        rotation.state, rotation.ended_ms, rotation.equity_end = state, at_ms, equity
