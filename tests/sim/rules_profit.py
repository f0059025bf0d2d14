"""Profit and loss of the journal against the exchange's own statement and trades, at the end of a world."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from bot.domain.codec import decode
from bot.domain.instrument import Kind as MarketKind
from bot.domain.money import BPS, ZERO, decimal_context
from bot.domain.symbol import base_of, is_perp
from bot.domain.turn.valuation import VALUATION, PerpValue, SpotValue, Valuation
from bot.execution.books.unexplained import counted_trades
from bot.execution.reconcile import Truth
from bot.journal.facts import Fact
from bot.journal.reader import JournalReader
from bot.report.profit.ledger import OTHER
from bot.report.profit.parts import Period, ProfitParts, Source
from bot.report.profit.periods import load_profit, standings_at
from bot.simex.engine.types import IncomeKind, SimTrade
from tests.sim.hooks import Rule
from tests.sim.market import GIFT
from tests.sim.wire import ACCOUNT, engine_number
from tests.sim.world import Life, Seam, World

CENT = Decimal("0.01")
ALL = 1_000_000
LOST = Source(OTHER, 0, "USDT")  # cash that went without a record: a loss of the bot's, not of its trades


def true_valuation(world: World) -> Valuation:
    """The account at the exchange's own balances, positions and prices."""
    exchange, balances = world.exchange, world.exchange.balances(ACCOUNT)
    wallet = exchange.wallet(ACCOUNT)
    held_assets = {asset: held.total for asset, held in balances.items() if asset not in ("USDT", GIFT) and held.total}
    spot = {
        asset: SpotValue(size, exchange.quote(f"{asset}/USDT").mid)
        for asset, size in held_assets.items()
        if f"{asset}/USDT" in exchange.instruments
    }
    perps = {
        held.symbol: PerpValue(held.size, held.entry_price, held.mark, held.unrealised_pnl)
        for held in exchange.positions(ACCOUNT)
        if held.size
    }
    cash = balances["USDT"].total if "USDT" in balances else ZERO
    worth = sum((value.size * value.price for value in spot.values()), ZERO)
    equity = cash + wallet.balance + wallet.unrealised_pnl + worth
    unpriced = {asset: size for asset, size in held_assets.items() if asset not in spot}
    return Valuation(exchange.now_ms, "USDT", equity, cash, wallet.balance, spot, perps, unpriced=unpriced)


@dataclass(frozen=True)
class _Account:
    """What the rule compares: the exchange's trades since the first valuation, and that valuation and the last one.
    `prices` are all at which the journal has ever seen a token."""

    trades: list[SimTrade]
    first: Valuation
    now: Valuation
    prices: Mapping[str, list[Decimal]]


class ProfitAddsUp(Rule):
    """The journal's profit is the exchange's own, whatever was killed, restarted and recorded late.

    In every world: what came in or went out without being profit is named, so that nothing stays unexplained beyond the
    tolerance of cash, and funding is that of the exchange's statement, less the settlements that the bot has not asked
    for yet. Where the journal has every trade, and every symbol of it is still listed, profit is that of the trades and
    the statement to the cent; a token that came in counts at a price at which the journal has seen it. The parts of the
    stances add up to it in every period.
    """

    def at_end(self, life: Life, truth: Truth) -> None:
        reader, exchange = life.app.journal.reader, self.world.exchange
        facts = reader.load_facts_by_step(VALUATION, 1 << 62)
        if not facts or not truth.is_agreed:
            return
        first, now = decode(Valuation, facts[0].payload), true_valuation(self.world)
        recorded = reader.load_fills(ALL)
        fills = {(fill.symbol, engine_number(fill.trade_id)) for fill in recorded}
        symbols = {symbol for symbol, _ in fills} | {f"{asset}/USDT" for asset in first.spot} | set(first.perps)
        trades = [
            trade
            for symbol in exchange.instruments
            for trade in exchange.trades(ACCOUNT, symbol, limit=ALL)
            if trade.at_ms > first.at_ms
        ]
        end_seq = reader.count_events() + 1
        with decimal_context():
            marks = [(facts[0].seq, first), (end_seq, now)]
            standings = standings_at(reader, life.app.cycle.parts.sectors, marks)
            period = standings[end_seq].since(standings[facts[0].seq], "start")
        prices: dict[str, list[Decimal]] = {asset: [value.price] for asset, value in now.spot.items()}
        for fact in reader.load_facts(VALUATION, ALL):
            for asset, value in decode(Valuation, fact.payload).spot.items():
                prices.setdefault(asset, []).append(value.price)
        for fill in recorded:
            prices.setdefault(base_of(fill.symbol), []).append(fill.price)
        account = _Account(trades, first, now, prices)
        unread = self._judge_funding(period, account)
        # Trades that an operator accepted before they were recorded are in no statement of the journal's.
        fills -= {(symbol, engine_number(number)) for symbol, number in counted_trades(reader, 0)}
        has_all = symbols <= set(exchange.instruments) and all((trade.symbol, trade.id) in fills for trade in trades)
        has_all = has_all and not self._is_one_side_accepted(reader)
        if has_all and not reader.load_facts("conversion", 1):  # nobody says at which price a token became another
            self._judge_net(period, account, unread)
        self._judge_stances(reader, life)
        unexplained = period.unexplained - unread
        if abs(unexplained) > CENT + self._unbooked_max(account):
            self.world.violate("profit adds up", f"{unexplained} of it is unexplained, flows {period.flows}")

    def _judge_stances(self, reader: JournalReader, life: Life) -> None:
        """What `pnl` says of each stance adds up to the profit of its period."""
        periods = load_profit(reader, life.app.cycle.parts.sectors, self.world.now_ms()).periods
        for name, period in periods.items():
            parts = sum((made.net for made in period.by_stance.values()), ZERO)
            if abs(parts - period.total.net) > CENT:
                words = f"{name}: the stances say {parts}, the profit is {period.total.net}"
                self.world.violate("profit by stance adds up", words)

    def _is_one_side_accepted(self, reader: JournalReader) -> bool:
        """Whether an operator may have accepted the larger side of a perp for the whole: an account shows no other, and
        the trades of both sides are booked besides."""
        accepted = (fact.payload for fact in reader.load_facts("adjustment", ALL))
        symbols = {a["key"].removeprefix("perp:") for a in accepted if "entry" in a and Decimal(a["amount"])}
        return bool(symbols & self.world.held_on_both_sides)

    def _judge_funding(self, period: Period, account: _Account) -> Decimal:
        """What the newest settlements paid that the journal lacks: the bot has not asked for them yet."""
        first, now = account.first, account.now
        rows = self.world.exchange.income(ACCOUNT, start_ms=first.at_ms + 1, limit=ALL)
        asked_every_ms = self.world.settings_now().execution.timing.payments_interval_ms
        settled = sorted((row.at_ms, row.amount) for row in rows if row.kind is IncomeKind.FUNDING_FEE)
        unread, ours = ZERO, period.total.funding
        missing = sum((amount for _, amount in settled), ZERO) - ours
        for at_ms, amount in reversed(settled):
            if abs(missing - unread) <= CENT or now.at_ms - at_ms > asked_every_ms:
                break
            unread += amount
        if abs(missing - unread) > CENT:
            self.world.violate("profit adds up", f"funding is {missing + ours}, the journal says {ours}")
        return unread

    def _judge_net(self, period: Period, account: _Account, unread: Decimal) -> None:
        first, now = account.first, account.now
        rows = self.world.exchange.income(ACCOUNT, start_ms=first.at_ms + 1, limit=ALL)
        booked = {IncomeKind.FUNDING_FEE, IncomeKind.INSURANCE_CLEAR}
        if self.world.seam is Seam.WIRE and not self.world.spoken_at(MarketKind.PERP).lists_liquidations:
            booked.remove(IncomeKind.INSURANCE_CLEAR)  # it shows as lost cash, which is left out below
        sizes, true = _by_trades(account.trades, first)
        true += sum((row.amount for row in rows if row.kind in booked), ZERO) - unread
        true += _unrealised(now) - _unrealised(first)
        true -= sum((value.size * value.price for value in first.spot.values()), ZERO)
        true += sum((value.size * value.price for value in now.spot.values()), ZERO)
        low = high = true - (period.total.net - period.parts.get(LOST, ProfitParts()).other)
        for asset in {**sizes, **now.spot}:
            held = now.spot[asset].size if asset in now.spot else ZERO
            least, most = worth_of(held - sizes.get(asset, ZERO), account.prices.get(asset, [ZERO]))
            low, high = low - most, high - least
        if low > CENT or high < -CENT:
            self.world.violate("profit adds up", f"it is {low} to {high} more than the journal says: {period.total}")

    def _unbooked_max(self, account: _Account) -> Decimal:
        """The difference of cash that the bot takes for agreed, in each of the two wallets: what comes or goes below it
        is booked nowhere."""
        first, now, trades = account.first, account.now, account.trades
        spot = sum((trade.quote for trade in trades if not is_perp(trade.symbol)), ZERO)
        perps = sum((trade.quote for trade in trades if is_perp(trade.symbol)), ZERO)
        scale = max(abs(first.cash), abs(now.cash), spot) + max(abs(first.wallet), abs(now.wallet), perps)
        return scale * self.world.settings_now().execution.timing.cash_tolerance_bps * BPS


def worth_of(came_in: Decimal, prices: list[Decimal]) -> tuple[Decimal, Decimal]:
    """The least and the most that the journal may count for what came in of a token, at a price that it has seen."""
    worth = [came_in * price for price in prices]
    return min(worth), max(worth)


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


class ValuationsAreOfSettledBooks(Rule):
    """No valuation stands where an order may have filled that the books do not know of."""

    def on_journal(self, event: Fact) -> None:
        if event.kind == VALUATION and (unknown := self.checkers.unknown_outcomes()):
            self.world.violate(
                "valuations are of settled books", f"event {event.seq}: {', '.join(unknown)} is in doubt"
            )


RULES = (ProfitAddsUp, ValuationsAreOfSettledBooks)
