"""Trades of others: the bot reads all of them, whether or not a holding differs."""

from bot.execution.books.agreed import BASELINE
from bot.execution.history_check import CHECKED
from bot.execution.reconcile import Truth
from tests.sim.hooks import Rule
from tests.sim.wire import ACCOUNT, engine_number
from tests.sim.world import Life

ALL = 1_000_000
CLOCK_MS = 120_000  # by which the machine's clock may be off


class EveryTradeOfOthersIsRead(Rule):
    """At the end every trade since the books began is in the journal, up to the last time that the account's past was
    read. Of a symbol that the exchange has removed nothing can be asked any more."""

    def at_end(self, life: Life, truth: Truth) -> None:
        reader, exchange = life.app.journal.reader, self.world.exchange
        baseline, checked = reader.load_facts(BASELINE, 1), reader.load_facts(CHECKED, 1)
        if not baseline or not checked:
            return
        since_ms, until_ms = baseline[0].payload["origin_ms"] + CLOCK_MS, checked[0].payload["at_ms"]
        written = {(fill.symbol, engine_number(fill.trade_id)) for fill in reader.load_fills(ALL)}
        for symbol in filter(exchange.is_listed, sorted(exchange.instruments)):
            for trade in exchange.trades(ACCOUNT, symbol, limit=ALL):
                if since_ms < trade.at_ms < until_ms and (symbol, trade.id) not in written:
                    words = f"{trade.side} {trade.size} {symbol} at {trade.at_ms}, number {trade.id}"
                    self.world.violate("every trade of others is read", words)


RULES = (EveryTradeOfOthersIsRead,)
