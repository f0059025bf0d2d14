"""Profit and loss as books: every fill, payment and adjustment since the first valuation, added up by source. Pure.

Spot is kept at average cost, perps at average entry. What the account held when the books began is taken over at its
price of that moment, perps at their entry. A perp position belongs to the order that opened it until it is flat; a sale
of spot belongs to the campaign of its order, and what is not sold to none.
"""

from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from bot.domain.instrument import Side
from bot.domain.money import ONE, ZERO
from bot.domain.order import Fill, Purpose
from bot.domain.symbol import base_of, is_perp, quote_of
from bot.domain.turn.valuation import Valuation
from bot.execution.books.ledger import WALLET
from bot.ports import DEPOSIT, FLOWS, PERP_FLOWS, WITHDRAWAL, Payment
from bot.report.profit.parts import HEDGE, OUTSIDE, SPOT_END, ProfitParts, Source, Standing, is_hedge

OTHER, FUNDING = "other", "funding"
ADJUSTED, RESTARTED, TRANSFER, PAID_OUTSIDE, MOVED_OUTSIDE, WITHOUT_PRICE = (
    "booked without a record of the venue",
    "paper account begun anew",
    "transfer",
    "fees paid from assets outside of equity",
    "tokens outside the sectors, without a record",
    "holdings whose market has ended",
)
PERP_SLEEVES = {
    Purpose.HEDGE: HEDGE,
    Purpose.TACTICAL: "tactical",
    Purpose.TACTICAL_SHORT: "speculative short",
    Purpose.SCALP: "scalp",
}


@dataclass(frozen=True, slots=True)
class OrderOf:
    """The order that a fill is of: its purpose, campaign (0: none), sector (empty: not known) and the price at which it
    was decided (None: not known)."""

    purpose: Purpose
    campaign: int
    sector: str = ""
    decided: Decimal | None = None


def slippage_of(fill: Fill, value: Decimal, decided: Decimal | None) -> Decimal:
    """What an execution of this quote value cost more (+) or less (−) than at the price at which it was decided."""
    if decided is None:
        return ZERO
    return (value - decided * value / fill.price) * fill.side.sign


@dataclass(slots=True)
class _Spot:
    size: Decimal = ZERO
    cost: Decimal = ZERO

    def take(self, size: Decimal) -> Decimal:
        """Take units out; what they had cost."""
        part = self.cost if size >= self.size else self.cost * size / self.size
        self.size, self.cost = self.size - size, self.cost - part
        return part


@dataclass(slots=True)
class _Perp:
    size: Decimal
    entry: Decimal
    source: Source
    contract_size: Decimal = ONE


@dataclass(slots=True)
class ProfitLedger:
    """The books from `begin` on. `sector_of` names the sector of a spot asset; `uncompared` are those that nobody
    compares with the account when the books begin, until `compare` says otherwise.

    Events come in the order of time; `stand` compares the books with the account and states the profit up to there.
    """

    begin: Valuation
    sector_of: Mapping[str, str] = field(default_factory=dict)
    uncompared: Set[str] = frozenset()
    _compared: set[str] = field(default_factory=set)  # since the last valuation
    _spot: dict[str, _Spot] = field(default_factory=dict)
    _perps: dict[str, _Perp] = field(default_factory=dict)
    _last_source: dict[str, Source] = field(default_factory=dict)
    _prices: dict[str, Decimal] = field(default_factory=dict)
    _parts: dict[Source, ProfitParts] = field(default_factory=dict)
    _flows: dict[str, Decimal] = field(default_factory=dict)
    _unpriced: dict[str, Decimal] = field(default_factory=dict)
    _cash: Decimal = ZERO
    _unvalued: dict[str, list[tuple[Decimal, str]]] = field(default_factory=dict)  # what came in before it had a price
    _unrealised: dict[str, Decimal] = field(default_factory=dict)  # of perps, at the last valuation

    def __post_init__(self) -> None:
        self._prices = {asset: value.price for asset, value in self.begin.spot.items()}
        self._match(self.begin)
        self._flows.clear()  # what was held is where the books begin

    def add_fill(self, fill: Fill, value: Decimal, order: OrderOf | None) -> None:
        """An execution with its quote value, and the order that it is of; None where the journal does not know it."""
        slippage = ZERO if order is None else slippage_of(fill, value, order.decided)
        if is_perp(fill.symbol):
            self._add_perp_fill(fill, value, order, slippage)
        else:
            self._add_spot_fill(fill, value, order, slippage)

    def add_payment(self, payment: Payment) -> None:
        """A deposit, a withdrawal, funding, or what else the venue books without an order."""
        quote = self.begin.quote
        if payment.kind in FLOWS:
            self._receive(f"spot:{payment.asset}", payment.amount, payment.kind)
        elif payment.kind in PERP_FLOWS:
            if payment.asset == quote:
                self._receive(WALLET, payment.amount, DEPOSIT if payment.amount > 0 else WITHDRAWAL)
        elif "transfer" in payment.kind.lower():
            if self.begin.is_unified and payment.asset == quote:  # else it moves between the account's own wallets
                self._receive(f"spot:{quote}", payment.amount, TRANSFER)
        elif payment.asset == quote:
            self._cash += payment.amount
            source = self._source_of_payment(payment.symbol)
            is_funding = payment.kind == FUNDING
            self._add(source, ProfitParts(funding=payment.amount) if is_funding else ProfitParts(other=payment.amount))

    def add_adjustment(self, payload: Mapping[str, Any]) -> None:
        """An adjustment of the books. Missing cash that nobody explained is a loss, everything else is no profit."""
        if "entry" in payload:
            self._restate(payload["key"].removeprefix("perp:"), Decimal(payload["amount"]), Decimal(payload["entry"]))
            return
        lost = Decimal(payload.get("lost", "0"))
        if lost:
            self._add(Source(OTHER, 0, self.begin.quote), ProfitParts(other=-lost))
            self._flow(ADJUSTED, lost)
        self._receive(payload["key"], Decimal(payload["amount"]), ADJUSTED)

    def compare(self, assets: Iterable[str]) -> None:
        """These assets are compared from now on. What differs at the next valuation has moved before, unrecorded."""
        self._compared.update(assets)

    def add_conversion(self, payload: Mapping[str, Any]) -> None:
        """The exchange turned one asset into another: the cost goes along."""
        was, becomes = payload["was"], payload["becomes"]
        held = self._spot.pop(was, _Spot())
        taken = min(held.size, Decimal(payload["taken"]))
        part = held.take(taken) if taken > 0 else ZERO
        if held.size > 0:
            self._spot[was] = held
        into = self._spot.setdefault(becomes, _Spot())
        into.size, into.cost = into.size + Decimal(payload["given"]), into.cost + part
        for size, name in self._unvalued.pop(was, ()):
            ratio = Decimal(payload["given"]) / Decimal(payload["taken"])
            self._unvalued.setdefault(becomes, []).append((size * ratio, name))
        if becomes in self._prices:
            self._set_price(becomes, self._prices[becomes])

    def restart(self, amounts: Mapping[str, Decimal], entries: Mapping[str, Decimal]) -> None:
        """The account begins anew with these holdings (keys of `bot.execution.books.ledger`): a paper account that was
        restarted. What it has forgotten, or has twice, is no profit."""
        keys = (WALLET, f"spot:{self.begin.quote}")
        cash = sum((amounts.get(key, ZERO) for key in keys), ZERO)
        self._flow(RESTARTED, cash - self._cash)
        self._cash = cash
        spot = {key.removeprefix("spot:"): size for key, size in amounts.items() if key.startswith("spot:")}
        for asset in dict.fromkeys((*self._spot, *spot)):
            if asset != self.begin.quote:
                missing = spot.get(asset, ZERO) - self._spot.get(asset, _Spot()).size
                self._receive(f"spot:{asset}", missing, RESTARTED)
        for symbol in dict.fromkeys((*self._perps, *entries)):
            held, size, entry = self._perps.get(symbol), amounts.get(f"perp:{symbol}", ZERO), entries.get(symbol, ZERO)
            if held is not None and (held.size, held.entry) != (size, entry):
                # What the position had earned by the last valuation stays; the new account does not have it.
                earned = self._unrealised.pop(symbol, ZERO)
                self._add(held.source, ProfitParts(realised=earned))
                self._flow(RESTARTED, -earned)
            self._set_perp(symbol, size, entry)

    def stand(self, at: Valuation) -> Standing:
        """The profit up to a valuation. Sizes that differ from the books' are taken as the account has them.

        The value of the difference stays unexplained; that of tokens outside the sectors, of those whose market has
        ended and of those that nobody has compared yet is a flow, because their moves are not compared. So is what a
        token was worth that has no price any more: at its last price, until it has one again.
        """
        for asset, priced in at.spot.items():
            self._set_price(asset, priced.price)
        self._match(at)
        parts = dict(self._parts)
        for asset, held in self._spot.items():
            source = self._spot_source(asset, 0)
            gain = held.size * self._prices.get(asset, ZERO) - held.cost
            parts[source] = parts.get(source, ProfitParts()) + ProfitParts(unrealised=gain)
        for symbol, value in at.perps.items():
            source = self._perps[symbol].source
            parts[source] = parts.get(source, ProfitParts()) + ProfitParts(unrealised=value.unrealised)
        self._unrealised = {symbol: value.unrealised for symbol, value in at.perps.items()}
        hedged: dict[str, Decimal] = {}
        for symbol, value in at.perps.items():
            held_perp = self._perps[symbol]
            sleeve = held_perp.source.sleeve
            if value.size < 0 and is_hedge(sleeve):
                sector = sleeve.removesuffix(HEDGE).removesuffix(".")
                notional = -value.size * value.mark * held_perp.contract_size
                hedged[sector] = hedged.get(sector, ZERO) + notional
        flows, lost = dict(self._flows), sum((self._value(asset, size) for asset, size in at.unpriced.items()), ZERO)
        if lost:
            flows[WITHOUT_PRICE] = flows.get(WITHOUT_PRICE, ZERO) - lost
        return Standing(at.at_ms, at.equity, parts, flows, dict(self._unpriced), hedged)

    def _match(self, at: Valuation) -> None:
        """Take the holdings as the account has them."""
        self._cash = at.cash + at.wallet
        sizes = {**at.unpriced, **{asset: value.size for asset, value in at.spot.items()}}
        for asset in dict.fromkeys((*self._spot, *sizes)):
            held = self._spot.setdefault(asset, _Spot())
            missing = sizes.get(asset, ZERO) - held.size
            self._take_in(asset, missing, WITHOUT_PRICE)
            if missing and (name := self._name_of_moved(asset, at)):
                self._flow(name, self._value(asset, missing))
            if not held.size and not held.cost:
                del self._spot[asset]
        for symbol in dict.fromkeys((*self._perps, *at.perps)):
            position, held_perp = at.perps.get(symbol), self._perps.get(symbol)
            size, entry = (position.size, position.entry) if position else (ZERO, ZERO)
            self._restate(symbol, size - (held_perp.size if held_perp else ZERO), entry)
        self.uncompared, self._compared = self.uncompared - self._compared, set()

    def _name_of_moved(self, asset: str, at: Valuation) -> str:
        """The flow of what has moved of an asset that is not compared; empty for one that is."""
        if asset in at.unpriced:
            return WITHOUT_PRICE
        if asset not in self.sector_of:
            return MOVED_OUTSIDE
        return ADJUSTED if asset in self.uncompared or asset in self._compared else ""

    def _restate(self, symbol: str, amount: Decimal, entry: Decimal) -> None:
        """A perp as the venue has it. Where it averages its entry otherwise, as it does for each side of a perp in
        hedge mode, the position has earned before what it has not earned any more."""
        held = self._perps.get(symbol)
        if held is not None and not amount and entry != held.entry:
            gain = (entry - held.entry) * held.size * held.contract_size
            self._add(held.source, ProfitParts(realised=gain))
        self._set_perp(symbol, amount + (held.size if held else ZERO), entry)

    def _set_perp(self, symbol: str, size: Decimal, entry: Decimal) -> None:
        held = self._perps.get(symbol)
        if not size:
            self._perps.pop(symbol, None)
        elif held is None or held.size * size < 0:
            self._open_perp(symbol, size, entry, None)
        else:
            held.size, held.entry = size, entry

    def _open_perp(self, symbol: str, size: Decimal, entry: Decimal, order: OrderOf | None) -> None:
        """A position by the order that opens it; one without an order by its side, as the playbook would hold it."""
        if order is None:
            sleeve = PERP_SLEEVES[Purpose.HEDGE if size < 0 else Purpose.TACTICAL]
        else:
            sleeve = PERP_SLEEVES.get(order.purpose, OTHER)
            # A hedge stands beside the spot that it covers.
            sleeve = f"{order.sector}.{sleeve}" if order.sector and order.purpose is Purpose.HEDGE else sleeve
        source = Source(sleeve, order.campaign if order else 0, base_of(symbol))
        self._perps[symbol] = _Perp(size, entry, source)
        self._last_source[symbol] = source

    def _add_perp_fill(self, fill: Fill, value: Decimal, order: OrderOf | None, slippage: Decimal) -> None:
        """A fill through zero closes one position and opens another; each bears its part of fee and slippage."""
        signed = fill.size * fill.side.sign
        held = self._perps.get(fill.symbol)
        closing = min(abs(held.size), fill.size) if held is not None and held.size * signed < 0 else ZERO
        fee = self._pay_fee(fill, is_counted=self.begin.is_unified or fill.fee_asset == self.begin.quote)
        contract_size = value / (fill.price * fill.size)
        if held is not None and closing:
            gain = (fill.price - held.entry) * closing * contract_size * (1 if held.size > 0 else -1)
            self._cash += gain
            part = closing / fill.size
            self._add(held.source, ProfitParts(realised=gain, fees=fee * part, slippage=slippage * part))
            held.size += closing * fill.side.sign
            if not held.size:
                del self._perps[fill.symbol]
        opening = fill.size - closing
        if not opening:
            return
        held = self._perps.get(fill.symbol)
        if held is None:
            self._open_perp(fill.symbol, opening * fill.side.sign, fill.price, order)
        else:
            held.entry = (held.entry * abs(held.size) + fill.price * opening) / (abs(held.size) + opening)
            held.size += opening * fill.side.sign
        part = opening / fill.size
        self._perps[fill.symbol].contract_size = contract_size
        self._add(self._perps[fill.symbol].source, ProfitParts(fees=fee * part, slippage=slippage * part))

    def _add_spot_fill(self, fill: Fill, value: Decimal, order: OrderOf | None, slippage: Decimal) -> None:
        """A fee in the token itself counts at the price of the fill."""
        base = base_of(fill.symbol)
        campaign = order.campaign if order else 0
        if quote_of(fill.symbol) == self.begin.quote and base not in self._prices:
            self._set_price(base, fill.price)
        held = self._spot.setdefault(base, _Spot())
        in_kind = fill.fee if fill.fee_asset == base else ZERO
        if quote_of(fill.symbol) == self.begin.quote:
            self._cash -= value * fill.side.sign
        gain = ZERO
        if fill.side is Side.BUY:
            held.size, held.cost = held.size + fill.size - in_kind, held.cost + value - in_kind * fill.price
        else:
            sold = min(fill.size + in_kind, max(ZERO, held.size))  # more than the books hold: that part has no cost
            gain = sold * fill.price - held.take(sold) if sold > 0 else ZERO
        fee = in_kind * fill.price if in_kind else self._pay_fee(fill, is_counted=True)
        self._add(self._spot_source(base, campaign), ProfitParts(realised=gain, fees=fee, slippage=slippage))

    def _pay_fee(self, fill: Fill, *, is_counted: bool) -> Decimal:
        """Take a fee from what it was paid in; its value in quote. `is_counted`: that is a part of equity."""
        asset = fill.fee_asset
        if asset == self.begin.quote:
            self._cash -= fill.fee
            return fill.fee
        price = self._prices.get(asset)
        if price is None:
            self._unpriced[asset] = self._unpriced.get(asset, ZERO) + fill.fee
            return ZERO
        value, held = fill.fee * price, self._spot.get(asset)
        if not is_counted or held is None or held.size <= max(ZERO, fill.fee):
            self._flow(PAID_OUTSIDE, value)
        else:
            self._add(self._spot_source(asset, 0), ProfitParts(realised=value - held.take(fill.fee)))
        return value

    def _receive(self, key: str, amount: Decimal, name: str) -> None:
        """A holding that grows, or shrinks, by what is no profit."""
        asset = key.removeprefix("spot:")
        if key == WALLET or asset == self.begin.quote:
            self._cash += amount
            self._flow(name, amount)
        elif key.startswith("spot:") and amount:
            self._take_in(asset, amount, name)
            self._flow(name, self._value(asset, amount))

    def _take_in(self, asset: str, size: Decimal, name: str) -> None:
        """Units that come in or go out at the price of now; where there is none yet, at the first one that is known."""
        held = self._spot.setdefault(asset, _Spot())
        held.size, held.cost = held.size + size, held.cost + self._value(asset, size)
        if size and asset not in self._prices:
            self._unvalued.setdefault(asset, []).append((size, name))

    def _set_price(self, asset: str, price: Decimal) -> None:
        self._prices[asset] = price
        for size, name in self._unvalued.pop(asset, ()):
            self._spot.setdefault(asset, _Spot()).cost += size * price
            self._flow(name, size * price)

    def _value(self, asset: str, size: Decimal) -> Decimal:
        return size * self._prices.get(asset, ZERO)

    def _flow(self, name: str, amount: Decimal) -> None:
        self._flows[name] = self._flows.get(name, ZERO) + amount

    def _add(self, source: Source, parts: ProfitParts) -> None:
        self._parts[source] = self._parts.get(source, ProfitParts()) + parts

    def _spot_source(self, asset: str, campaign: int) -> Source:
        sector = self.sector_of.get(asset)
        return Source(f"{sector}{SPOT_END}" if sector else OUTSIDE, campaign, asset)

    def _source_of_payment(self, symbol: str | None) -> Source:
        held = self._perps.get(symbol or "")
        if held is not None:
            return held.source
        last = self._last_source.get(symbol or "")
        return last or Source(OTHER, 0, base_of(symbol) if symbol else self.begin.quote)
