"""Profit and loss of the journal against the exchange's own statement and trades, at the end of a world."""

from decimal import Decimal

from bot.domain.codec import decode
from bot.domain.money import BPS, ZERO, decimal_context
from bot.domain.symbol import base_of
from bot.domain.turn.valuation import VALUATION, PerpValue, SpotValue, Valuation
from bot.execution.reconcile import Truth
from bot.report.profit.ledger import OTHER
from bot.report.profit.parts import Period, ProfitParts, Source
from bot.report.profit.periods import standings_at
from bot.simex.engine.types import IncomeKind, SimTrade
from tests.sim.faults import Kind
from tests.sim.hooks import Rule
from tests.sim.wire import ACCOUNT, engine_number
from tests.sim.world import Life, World

CENT = Decimal("0.01")
ALL = 1_000_000
LOST = Source(OTHER, 0, "USDT")  # cash that went without a record: a loss of the bot's, not of its trades


def true_valuation(world: World) -> Valuation:
    """The account at the exchange's own balances, positions and prices."""
    exchange, balances = world.exchange, world.exchange.balances(ACCOUNT)
    wallet = exchange.wallet(ACCOUNT)
    spot = {
        asset: SpotValue(held.total, exchange.quote(f"{asset}/USDT").mid)
        for asset, held in balances.items()
        if asset != "USDT" and held.total and f"{asset}/USDT" in exchange.instruments
    }
    perps = {
        held.symbol: PerpValue(held.size, held.entry_price, held.mark, held.unrealised_pnl)
        for held in exchange.positions(ACCOUNT)
        if held.size
    }
    cash = balances["USDT"].total if "USDT" in balances else ZERO
    worth = sum((value.size * value.price for value in spot.values()), ZERO)
    equity = cash + wallet.balance + wallet.unrealised_pnl + worth
    return Valuation(exchange.now_ms, "USDT", equity, cash, wallet.balance, spot, perps)


class ProfitAddsUp(Rule):
    """The journal's profit is the exchange's own to the cent, whatever was killed, restarted and recorded late: prices
    and fees by its trades, funding by its statement. What came in or went out without being profit is named: nothing
    stays unexplained beyond the tolerance of cash, unless cash has vanished or tokens came in.

    Worlds in which the exchange has removed a symbol are left out: nothing says what a token without a market is worth.
    So are those whose owner held both sides of a perp: the journal knows the net one, the exchange each side.
    """

    def at_end(self, life: Life, truth: Truth) -> None:
        reader, exchange = life.app.journal.reader, self.world.exchange
        facts = reader.load_facts_by_step(VALUATION, 1 << 62)
        if not facts or not truth.is_agreed or self.world.plan.counts[Kind.HEDGE_MODE_HELD]:
            return
        first, now = decode(Valuation, facts[0].payload), true_valuation(self.world)
        fills = {(fill.symbol, engine_number(fill.trade_id)) for fill in reader.load_fills(ALL)}
        symbols = {symbol for symbol, _ in fills} | {f"{asset}/USDT" for asset in first.spot} | set(first.perps)
        if not symbols <= set(exchange.instruments):
            return
        trades = [
            trade
            for symbol in exchange.instruments
            for trade in exchange.trades(ACCOUNT, symbol, limit=ALL)
            if trade.at_ms > first.at_ms
        ]
        if any((trade.symbol, trade.id) not in fills for trade in trades):
            return  # of others, or by the exchange itself: accepted by the operator, not recorded
        end_seq = reader.count_events() + 1
        with decimal_context():
            marks = [(facts[0].seq, first), (end_seq, now)]
            standings = standings_at(reader, life.app.cycle.parts.sectors, marks)
            period = standings[end_seq].since(standings[facts[0].seq], "start")
        self._judge(period, trades, first, now)

    def _judge(self, period: Period, trades: list[SimTrade], first: Valuation, now: Valuation) -> None:
        rows = self.world.exchange.income(ACCOUNT, start_ms=first.at_ms + 1, limit=ALL)
        asked_every_ms = self.world.settings().execution.timing.payments_interval_ms
        if any(row.kind is IncomeKind.FUNDING_FEE and now.at_ms - row.at_ms <= asked_every_ms for row in rows):
            return  # the world ends before the bot has asked for this settlement
        paid = sum((row.amount for row in rows if row.kind is IncomeKind.FUNDING_FEE), ZERO)
        if abs(paid - period.total.funding) > CENT:
            self.world.violate("profit adds up", f"funding is {paid}, the journal says {period.total.funding}")
        cleared = sum((row.amount for row in rows if row.kind is IncomeKind.INSURANCE_CLEAR), ZERO)
        sizes, earned = _by_trades(trades, first)
        came_in = any(
            abs(sizes.get(asset, ZERO) - value.size) > value.size * CENT * CENT for asset, value in now.spot.items()
        )
        came_in |= any(size > 0 and asset not in now.spot for asset, size in sizes.items())
        true = earned + paid + cleared + _unrealised(now) - _unrealised(first)
        true += sum((size * now.spot[asset].price for asset, size in sizes.items() if asset in now.spot), ZERO)
        true -= sum((value.size * value.price for value in first.spot.values()), ZERO)
        ours = period.total.net - period.parts.get(LOST, ProfitParts()).other
        if not came_in and abs(true - ours) > CENT:
            self.world.violate("profit adds up", f"it is {true}, the journal says {ours}: {period.total}")
        has_vanished = self.world.plan.counts[Kind.CASH_VANISHES]
        # Tokens outside the sectors that come in are booked nowhere, so what they are worth stays unexplained.
        bound = CENT + self._unbooked_max(trades, first, now)
        if not has_vanished and not came_in and abs(period.unexplained) > bound:
            self.world.violate("profit adds up", f"{period.unexplained} of it is unexplained, flows {period.flows}")

    def _unbooked_max(self, trades: list[SimTrade], first: Valuation, now: Valuation) -> Decimal:
        """The difference of cash that the bot takes for agreed: what comes or goes below it is booked nowhere."""
        held = [abs(amount) for one in (first, now) for amount in (one.cash, one.wallet)]
        moved = sum((trade.quote for trade in trades), ZERO)
        return max(*held, moved) * self.world.settings().execution.timing.cash_tolerance_bps * BPS


def _by_trades(trades: list[SimTrade], first: Valuation) -> tuple[dict[str, Decimal], Decimal]:
    """Tokens held if nothing but these trades had moved them, and the cash that they brought."""
    sizes, cash = {asset: value.size for asset, value in first.spot.items()}, ZERO
    for trade in trades:
        if ":" in trade.symbol:
            cash += trade.realised_pnl
        else:
            base = base_of(trade.symbol)
            sizes[base] = sizes.get(base, ZERO) + trade.size * trade.side.sign
            cash -= trade.quote * trade.side.sign
        if trade.fee_asset == "USDT":
            cash -= trade.fee
        else:
            sizes[trade.fee_asset] = sizes.get(trade.fee_asset, ZERO) - trade.fee
    return sizes, cash


def _unrealised(valuation: Valuation) -> Decimal:
    return sum((value.unrealised for value in valuation.perps.values()), ZERO)


RULES = (ProfitAddsUp,)
