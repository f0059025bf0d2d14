"""What others have executed on the account is booked, and a fact of the journal says whose it was."""

from bot.domain.order_ids import is_ours
from bot.execution.another_writer import CONFLICT, UNKNOWN_EXECUTED, UNKNOWN_RESTS
from bot.execution.books.agreed import BASELINE
from bot.execution.foreign import FACT
from bot.execution.reconcile import Truth
from tests.sim.hooks import Rule
from tests.sim.wire import ACCOUNT, engine_number
from tests.sim.world import Life

ALL = 1_000_000


class ExecutionsOfOthersAreTold(Rule):
    """At the end each trade of others since the books began that the journal has stands in a fact of its own."""

    def at_end(self, life: Life, truth: Truth) -> None:
        reader = life.app.journal.reader
        baselines = reader.load_facts(BASELINE, ALL)
        if not baselines:
            return
        origin_ms = baselines[0].payload["origin_ms"]
        first = next(fact for fact in reversed(baselines) if fact.payload["origin_ms"] == origin_ms)
        told = {fact.payload["key"] for fact in reader.load_facts(FACT, ALL)}
        kinds = (UNKNOWN_EXECUTED, UNKNOWN_RESTS, CONFLICT)
        told |= {fact.payload["client_id"] for kind in kinds for fact in reader.load_facts(kind, ALL)}
        for fill, _ in reader.load_fills_after(first.payload["upto_seq"], origin_ms):
            trade = self.checkers._trades.get((fill.symbol, engine_number(fill.trade_id)))
            if trade is None or is_ours(trade.client_id, ACCOUNT):
                continue
            if not told & {f"{fill.symbol} {fill.venue_order_id or fill.trade_id}", trade.client_id}:
                words = f"{trade.side} {trade.size} {trade.symbol} at {trade.at_ms}, order {trade.client_id}"
                self.world.violate("executions of others are told", words)


RULES = (ExecutionsOfOthersAreTold,)
