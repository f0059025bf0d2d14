"""Attribution of profit and cost to spot, short perps (hedges), long perps (tactical), speculative shorts and scalps.

Read from the exchange's own trades and statement, not from the bot's books. The parts add up to the change of equity.
What opened a position names it until it is flat: the client order id of a directional position names it, the sector of
a hedge's order the hedge, so that it stands beside the spot that it covers.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import reduce
from typing import Any

from bot.domain.instrument import Side
from bot.domain.money import ZERO
from bot.domain.order_ids import OrderKind, kind_of_order
from bot.domain.symbol import base_of, is_perp
from bot.simex.engine.types import Income, IncomeKind, SimTrade

SHORT, LONG = "hedges", "tactical"
SPECULATIVE, SCALP = "speculative short", "scalp"
_DIRECTIONAL_NAMES = {OrderKind.TACTICAL_SHORT: SPECULATIVE, OrderKind.SCALP: SCALP}


@dataclass(frozen=True, slots=True)
class Contribution:
    """One source of profit and loss, in quote. `price` is what prices did; `fees` and `slippage` are costs (positive),
    slippage already inside `price`; `funding` is positive when received."""

    price_quote: Decimal = ZERO
    fees_quote: Decimal = ZERO
    funding_quote: Decimal = ZERO
    slippage_quote: Decimal = ZERO
    traded_quote: Decimal = ZERO
    trades: int = 0

    @property
    def net_quote(self) -> Decimal:
        return self.price_quote - self.fees_quote + self.funding_quote

    def amounts(self) -> dict[str, Any]:
        """The fields by name."""
        return {name: getattr(self, name) for name in self.__slots__}

    def plus(self, **amounts: Decimal | int) -> "Contribution":
        """With amounts added, named like the fields."""
        found = self.amounts()
        for name, amount in amounts.items():
            found[name] += amount
        return Contribution(**found)


@dataclass(frozen=True, slots=True)
class Ending:
    """How things stood when the run ended: size held (signed for perps) and price by symbol."""

    sizes: Mapping[str, Decimal]
    prices: Mapping[str, Decimal]


def attribute(
    trades: Sequence[SimTrade],
    mids: Sequence[Decimal],
    incomes: Iterable[Income],
    ending: Ending,
    sector_of: Mapping[str, str],
    quote: str,
    covers: Mapping[str, str] | None = None,
) -> dict[str, Contribution]:
    """Parts by `spot SECTOR`, `hedges of SECTOR`, `tactical`, `speculative short` and `scalp`.

    Args:
        trades: every execution of the account, in time order; `mids` the middle of the market at each.
        incomes: the perp wallet's statement; only funding and clearances are read.
        sector_of: sector by spot symbol.
        covers: the sector that a hedge covers, by the client id of the order that opened it; without it `hedges`.
    """
    ledger = PartLedger(incomes, sector_of, quote, covers or {})
    for trade, mid in zip(trades, mids, strict=True):
        ledger.add(trade, mid)
    ledger.pay_until(None)
    return ledger.marked(ending.prices)


class PartLedger:
    """The parts as trades and payments come in, in the order of time."""

    def __init__(
        self, incomes: Iterable[Income], sector_of: Mapping[str, str], quote: str, covers: Mapping[str, str]
    ) -> None:
        self._parts: dict[str, Contribution] = {}
        self.held: dict[str, Decimal] = {}
        self._named: dict[str, str] = {}
        self._sector_of, self._quote, self._covers = sector_of, quote, covers
        paid = (row for row in incomes if row.kind in (IncomeKind.FUNDING_FEE, IncomeKind.INSURANCE_CLEAR))
        self._paid = sorted(paid, key=lambda row: (row.at_ms, row.id))
        self._row = 0

    def pay_until(self, at_ms: int | None) -> None:
        """Take in the payments up to a moment, all of them without one."""
        while self._row < len(self._paid) and (at_ms is None or self._paid[self._row].at_ms <= at_ms):
            _pay(self._parts, self.held, self._named, self._paid[self._row])
            self._row += 1

    def add(self, trade: SimTrade, mid: Decimal) -> None:
        """Take in the next trade, and the payments before it."""
        self.pay_until(trade.at_ms)
        if is_perp(trade.symbol):
            _trade_perp(self._parts, self.held, self._named, trade, mid, self._covers)
        else:
            _trade_spot(self._parts, self.held, trade, mid, self._spot(trade.symbol), self._quote)

    def marked(self, prices: Mapping[str, Decimal]) -> dict[str, Contribution]:
        """The parts with what is held at these prices; what has none counts nothing."""
        parts = dict(self._parts)
        for symbol, size in self.held.items():
            if size:
                name = self.name_of(symbol)
                value = size * prices.get(symbol, ZERO)
                parts[name] = parts.get(name, Contribution()).plus(price_quote=value)
        return parts

    def name_of(self, symbol: str) -> str:
        """The part that what is held of a symbol belongs to."""
        if not is_perp(symbol):
            return self._spot(symbol)
        return self._named.get(symbol) or _side(self.held.get(symbol, ZERO))

    def _spot(self, symbol: str) -> str:
        return f"spot {self._sector_of.get(symbol, 'other')}"


def covered(parts: Mapping[str, Contribution]) -> dict[str, Contribution]:
    """Spot with its hedges, by each sector that had one: a hedge is judged with what it covered."""
    prefix = f"{SHORT} of "
    sectors = sorted(name.removeprefix(prefix) for name in parts if name.startswith(prefix))
    return {name: parts[prefix + name].plus(**parts.get(f"spot {name}", Contribution()).amounts()) for name in sectors}


def attribute_tokens(
    trades: Sequence[SimTrade], mids: Sequence[Decimal], incomes: Iterable[Income], ending: Ending, quote: str
) -> dict[str, Contribution]:
    """The same by token, spot and perp together; the tokens add up to what the parts add up to."""
    rows: dict[str, list[tuple[SimTrade, Decimal]]] = {}
    for trade, mid in zip(trades, mids, strict=True):
        rows.setdefault(base_of(trade.symbol), []).append((trade, mid))
    paid: dict[str, list[Income]] = {}
    for row in incomes:
        paid.setdefault(base_of(row.symbol), []).append(row)
    found = {}
    for token in sorted({*rows, *paid}):
        own = rows.get(token, [])
        parts = attribute([t for t, _ in own], [mid for _, mid in own], paid.get(token, []), ending, {}, quote)
        if parts:
            found[token] = reduce(lambda whole, part: whole.plus(**part.amounts()), parts.values(), Contribution())
    return found


def _side(size: Decimal) -> str:
    return SHORT if size < 0 else LONG


def _directional_name(client_id: str) -> str:
    """The name of the directional position that an order opens, empty when it opens none."""
    kind = kind_of_order(client_id)
    return _DIRECTIONAL_NAMES.get(kind, "") if kind is not None else ""


def _pay(parts: dict[str, Contribution], held: Mapping[str, Decimal], named: Mapping[str, str], row: Income) -> None:
    name = named.get(row.symbol) or _side(held.get(row.symbol, ZERO))
    parts[name] = parts.get(name, Contribution()).plus(funding_quote=row.amount)


def _trade_perp(
    parts: dict[str, Contribution],
    held: dict[str, Decimal],
    named: dict[str, str],
    trade: SimTrade,
    mid: Decimal,
    covers: Mapping[str, str],
) -> None:
    """A trade through zero closes one side and opens the other."""
    sign = Decimal(trade.side.sign)
    before = held.get(trade.symbol, ZERO)
    closing = min(trade.size, abs(before)) if before * sign < 0 else ZERO
    closing_fee = trade.fee * closing / trade.size
    sides = ((before, closing, closing_fee), (sign, trade.size - closing, trade.fee - closing_fee))
    for number, (side, size, fee) in enumerate(sides):
        if number and size and closing == abs(before):
            sector = covers.get(trade.client_id)
            named[trade.symbol] = f"{SHORT} of {sector}" if sector else _directional_name(trade.client_id)
        if size:
            name = named.get(trade.symbol) or _side(side)
            parts[name] = parts.get(name, Contribution()).plus(
                price_quote=-sign * size * trade.price,
                fees_quote=fee,
                traded_quote=size * trade.price,
                trades=1,
                slippage_quote=sign * (trade.price - mid) * size,
            )
    held[trade.symbol] = before + sign * trade.size


def _trade_spot(
    parts: dict[str, Contribution], held: dict[str, Decimal], trade: SimTrade, mid: Decimal, name: str, quote: str
) -> None:
    """A fee in the token makes the purchase smaller; counted as a cost, it must not be counted twice."""
    sign = Decimal(trade.side.sign)
    in_token = trade.fee_asset != quote
    fee = trade.fee * trade.price if in_token else trade.fee
    kept = sign * trade.size - (trade.fee if in_token and trade.side is Side.BUY else ZERO)
    back = fee if in_token and trade.side is Side.BUY else ZERO
    parts[name] = parts.get(name, Contribution()).plus(
        price_quote=-sign * trade.size * trade.price + back,
        fees_quote=fee,
        slippage_quote=sign * (trade.price - mid) * trade.size,
        traded_quote=trade.size * trade.price,
        trades=1,
    )
    held[trade.symbol] = held.get(trade.symbol, ZERO) + kept
