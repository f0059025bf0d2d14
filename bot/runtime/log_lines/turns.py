"""What a turn has done, in one sentence, and each order that has executed, in one line."""

import difflib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal

from bot.domain.instrument import Instrument, Side
from bot.domain.money import ZERO, plain
from bot.domain.order import Fill, Order
from bot.domain.reason import Reason
from bot.domain.states import KillLevel
from bot.domain.symbol import base_of, is_perp, quote_of
from bot.journal.reader import JournalReader
from bot.playbook.policy.numbers import Sectors
from bot.risk import Refused
from bot.runtime.cycle import CycleResult
from bot.runtime.turn import CYCLE

_REPEATED = frozenset({Reason.NOTHING_TO_DO, Reason.POSITION_UNOWNED, Reason.LEVERAGE_DIFFERS, Reason.SIGNAL_MISSING})
_WAITING = (Reason.CONDITION_HELD, Reason.CAMPAIGN_STARTED, Reason.CONFIDENCE_LOW, Reason.DWELL)


def turn_text(result: CycleResult, kill_source: tuple[str, str] = ("", "")) -> str:
    """Condition, equity and what the turn did or waits for."""
    decision, portfolio = result.decision, result.portfolio
    if portfolio.unpriced:
        equity = f"equity not known: no price of {', '.join(portfolio.unpriced[:8])}"
    else:
        equity = f"equity {portfolio.equity:,.2f} {portfolio.account.quote}"
        opening = decision.memory.day_start_equity
        equity += f" ({portfolio.equity / opening - 1:+.2%} today)" if opening > 0 else ""
    head = f"{result.kind} {result.number}  {decision.condition.value}  {equity}"
    return f"{head}  {deed_of(result, kill_source)}"


def deed_of(result: CycleResult, kill_source: tuple[str, str] = ("", "")) -> str:
    """What a turn did, or what it waits for."""
    orders = sum(len(outcome.client_ids) for outcome in result.outcomes)
    refused = [verdict.note for verdict in result.verdicts if isinstance(verdict, Refused)]
    parts = []
    if result.kill is not KillLevel.OFF:
        by, why = kill_source
        parts.append(f"{result.kill.value} ({by}: {why})" if by else result.kill.value)
    if orders:
        filled = sum(outcome.filled_size > 0 for outcome in result.outcomes)
        parts.append(f"{_count(orders, 'order')} sent, {filled} of {_count(len(result.outcomes), 'intent')} executed")
    if refused:
        reasons = ", ".join(sorted({note.reason.value for note in refused}))
        parts.append(f"{len(refused)} refused ({reasons})")
    if not result.truth.is_agreed:
        parts.append("JOURNAL AND EXCHANGE DO NOT AGREE")
    if not orders and not refused:
        waits = next((note.words for note in result.decision.notes if note.reason in _WAITING), "")
        parts.append(f"nothing to do{': ' if waits else ''}{waits}")
    return "; ".join(parts)


def notes_of_turn(result: CycleResult) -> list[str]:
    """The notes; one that says that there is nothing to do only where nothing was sent."""
    notes = (*result.decision.notes, *result.truth.notes, *result.notes)
    return [
        f"{note.reason.value}: {note.words}"
        for note in notes
        if not (result.outcomes and note.reason is Reason.NOTHING_TO_DO)
    ]


def unlisted(sectors: Sectors, instruments: Mapping[str, Instrument], venue: str) -> list[str]:
    """A sentence for each token of the universe that the venue does not list, with what may be meant."""
    names, result = {base_of(symbol) for symbol in instruments}, []
    for token in sectors.tokens:
        symbol = sectors.spot(token)
        if symbol not in instruments:
            near = difflib.get_close_matches(token, names, n=1)
            result.append(
                f"{symbol} is not listed on {venue}: left out" + (f"; did you mean {near[0]}?" if near else "")
            )
    return result


def left_out(sectors: Sectors, instruments: Mapping[str, Instrument], venue: str) -> list[str]:
    """A sentence for each token of the universe that is not listed or not open to trading, or whose perp is not."""
    result = unlisted(sectors, instruments, venue)
    for token in sectors.tokens:
        for symbol, consequence in ((sectors.spot(token), "left out"), (sectors.perp(token), "not hedged")):
            one = instruments.get(symbol)
            if one is not None and not (one.active or one.is_former):
                result.append(f"{symbol} is listed on {one.venue}, but not open to orders: {consequence}")
    return result


def is_news(result: CycleResult) -> bool:
    """Whether a turn says more than the one before: a guard without news is for the level `debug` only."""
    notes = (*result.decision.notes, *result.truth.notes, *result.notes)
    return (
        result.kind == CYCLE
        or bool(result.outcomes or result.verdicts or result.decision.cancels)
        or not result.truth.is_agreed
        or any(note.reason not in _REPEATED for note in notes)
    )


@dataclass(frozen=True, slots=True)
class Executed:
    """What one order has executed since the last look."""

    order: Order
    size: Decimal
    quote: Decimal
    fees: Mapping[str, Decimal]

    @property
    def text(self) -> str:
        """Such as `sold 0.5 ETH at 2,999.7 (1,499.85 USDT, fee 1.5 USDT): reduce infra`."""
        order = self.order
        unit = order.symbol if is_perp(order.symbol) else base_of(order.symbol)
        price = self.quote / self.size if self.size else ZERO
        fees = ", ".join(f"{plain(round(fee, 8))} {asset}" for asset, fee in self.fees.items())
        verb = "sold" if order.side is Side.SELL else "bought"
        paid = f"{self.quote:,.2f} {quote_of(order.symbol)}" + (f", fee {fees}" if fees else "")
        what = f"{order.purpose.value} {order.sector}".strip()
        return f"{verb} {plain(self.size)} {unit} at {_price(price)} ({paid}): {what}"


@dataclass(slots=True)
class ExecutionLog:
    """Remembers which executions were reported. It begins with what the journal holds when it is made."""

    reader: JournalReader
    _seen: int = field(init=False)

    def __post_init__(self) -> None:
        self._seen = self.reader.count_events()

    def poll(self) -> Sequence[Executed]:
        """The orders of ours that have executed since the last look, in the order in which they did."""
        newest = self.reader.count_events()
        if newest == self._seen:
            return ()
        fills, self._seen = self.reader.load_fills_after(self._seen, 0), newest
        return self._by_order(fills)

    def _by_order(self, fills: Iterable[tuple[Fill, Decimal]]) -> Sequence[Executed]:
        result: dict[str, list[tuple[Fill, Decimal]]] = {}
        for fill, quote in fills:
            if fill.client_id is not None:
                result.setdefault(fill.client_id, []).append((fill, quote))
        executed = []
        for client_id, parts in result.items():
            order = self.reader.load_order(client_id)
            if order is not None:
                size, value = sum((f.size for f, _ in parts), ZERO), sum((q for _, q in parts), ZERO)
                executed.append(Executed(order, size, value, _fees([fill for fill, _ in parts])))
        return executed


def _price(price: Decimal) -> str:
    """Six significant digits or more, without zeros at the end: 2,999.7."""
    whole, _, rest = plain(round(price, max(2, 5 - price.adjusted()))).partition(".")
    return f"{int(whole):,}" + (f".{rest}" if rest.strip("0") else "")


def _count(number: int, name: str) -> str:
    return f"{number} {name}{'' if number == 1 else 's'}"


def _fees(fills: Sequence[Fill]) -> dict[str, Decimal]:
    fees: dict[str, Decimal] = {}
    for fill in fills:
        fees[fill.fee_asset] = fees.get(fill.fee_asset, ZERO) + fill.fee
    return fees
