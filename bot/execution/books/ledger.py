"""What the account should hold: a journaled baseline plus every fill, payment and adjustment since. Pure.

Holdings have text keys: `spot:ARB` (base units, all of a spot asset), `perp:ARB/USDT:USDT` (signed contracts) and
`wallet` (balance of the perp wallet without unrealised PnL). A unified account has no `wallet`: it is `spot:<quote>`.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from types import MappingProxyType
from typing import Any

from bot.domain.money import BPS, ONE, ZERO, plain
from bot.domain.order import Fill
from bot.domain.portfolio import Account
from bot.domain.symbol import SymbolSuccession, base_of, is_perp, quote_of
from bot.ports import FLOWS, PERP_FLOWS, Payment

WALLET = "wallet"
_LAST_DIGIT = Decimal("0.00000001")
_PAID_MS = 60_000  # at most so long after its time funding is in the account
_ENTRY_TOLERANCE = Decimal("0.00001")  # share: venues round the average entry


@dataclass(frozen=True, slots=True)
class Baseline:
    """Holdings at a moment the account and the books agreed on.

    Payments and foreign fills up to `origin_ms` were in the account when the journal began; events up to `upto_seq` are
    counted in `amounts`, as is funding up to a minute before `agreed_ms`, whenever it is listed. `entries` are entry
    prices of the perp positions; `watched` the spot assets that are compared.
    """

    amounts: Mapping[str, Decimal]
    entries: Mapping[str, Decimal]
    origin_ms: int
    agreed_ms: int
    upto_seq: int
    watched: tuple[str, ...] = ()


Booked = tuple[Fill, Decimal] | Mapping[str, Any]
"""A fill with its quote value; or the payload of an adjustment that restates a perp position."""


@dataclass(frozen=True, slots=True)
class Books:
    """Expected holdings. `turnover` is how much of each has moved since the baseline; `contract_sizes` those of perps
    that were traded since."""

    amounts: dict[str, Decimal] = field(default_factory=dict)
    entries: dict[str, Decimal] = field(default_factory=dict)
    turnover: dict[str, Decimal] = field(default_factory=dict)
    contract_sizes: dict[str, Decimal] = field(default_factory=dict)

    def move(self, key: str, amount: Decimal) -> None:
        """Add `amount` to a holding."""
        self.amounts[key] = self.amounts.get(key, ZERO) + amount
        self.turnover[key] = self.turnover.get(key, ZERO) + abs(amount)


@dataclass(frozen=True, slots=True)
class Difference:
    """A holding on which books and account do not agree. `entry`: of a perp, its entry price in the account, 0 of one
    that it does not hold."""

    key: str
    expected: Decimal
    actual: Decimal
    entry: Decimal | None = None

    @property
    def amount(self) -> Decimal:
        """What an adjustment would have to add."""
        return self.actual - self.expected

    @property
    def numbers(self) -> Mapping[str, str]:
        return {"expected": str(self.expected), "actual": str(self.actual), "difference": str(self.amount)}


@dataclass(frozen=True, slots=True)
class Conversion:
    """`taken` of the asset `was` became `given` of `becomes`, by the exchange. Same names: a new unit of one asset."""

    was: str
    becomes: str
    taken: Decimal
    given: Decimal

    @property
    def payload(self) -> dict[str, str]:
        """As it is journaled."""
        return {
            "was": self.was,
            "becomes": self.becomes,
            "taken": str(self.taken),
            "given": str(self.given),
            "by": "bot",
            "reason": f"the exchange made {plain(self.given)} {self.becomes} of {plain(self.taken)} {self.was}",
        }


def conversion_moves(payload: Mapping[str, Any]) -> tuple[dict[str, str], ...]:
    """A journaled conversion as two adjustments."""
    return (
        {"key": f"spot:{payload['was']}", "amount": str(-Decimal(payload["taken"]))},
        {"key": f"spot:{payload['becomes']}", "amount": payload["given"]},
    )


def holdings(account: Account) -> dict[str, Decimal]:
    """The holdings of an account by key; zero ones are left out."""
    result = {f"spot:{asset}": balance.total for asset, balance in account.balances.items()}
    result |= {f"perp:{symbol}": position.size for symbol, position in account.positions.items()}
    if not account.is_unified:
        result[WALLET] = account.perp_wallet
    return {key: amount for key, amount in result.items() if amount != 0}


def symbols_of(key: str, symbols: Iterable[str]) -> tuple[str, ...]:
    """The instruments whose executions can move a holding."""
    if key.startswith("perp:"):
        return (key.removeprefix("perp:"),)
    if key == WALLET:
        return ()
    asset = key.removeprefix("spot:")
    return tuple(symbol for symbol in symbols if not is_perp(symbol) and base_of(symbol) == asset)


def expected_books(
    baseline: Baseline,
    fills: Iterable[Booked],
    payments: Iterable[Payment],
    adjustments: Iterable[Mapping[str, Any]],
    *,
    quote: str,
    is_unified: bool,
) -> Books:
    """The baseline and everything after it.

    `fills` come in the order of execution, each position that was restated among them; `adjustments` are payloads with
    key and amount.
    """
    books = Books(dict(baseline.amounts), dict(baseline.entries))
    cash = f"spot:{quote}" if is_unified else WALLET
    for booked in fills:
        if isinstance(booked, Mapping):
            _restate(books, booked, cash)
        elif is_perp(booked[0].symbol):
            _add_perp_fill(books, *booked, cash, quote)
        else:
            _add_spot_fill(books, *booked)
    for payment in payments:
        if payment.kind in FLOWS:
            if payment.at_ms > baseline.origin_ms:
                books.move(f"spot:{payment.asset}", payment.amount)
            continue
        if payment.kind in PERP_FLOWS:
            if payment.at_ms > baseline.origin_ms and payment.asset == quote:
                books.move(WALLET, payment.amount)
            continue
        if payment.at_ms > max(baseline.origin_ms, baseline.agreed_ms - _PAID_MS) and payment.asset == quote:
            books.move(cash, payment.amount)
            if "transfer" in payment.kind.lower() and not is_unified:
                books.move(f"spot:{quote}", -payment.amount)
    for adjustment in adjustments:
        books.move(adjustment["key"], Decimal(adjustment["amount"]))
    return books


def restated_entries(books: Books, account: Account) -> tuple[Difference, ...]:
    """Perps of which the account holds what the books say, at another entry price: what the two differ in was earned or
    lost before. So it is after others have traded both sides of a perp, which the books know as one."""
    return tuple(
        Difference(f"perp:{symbol}", held.size, held.size, held.entry_price)
        for symbol, held in sorted(account.positions.items())
        if held.size
        and books.amounts.get(f"perp:{symbol}") == held.size
        and f"perp:{symbol}" not in account.unreadable
        and abs(books.entries.get(symbol, ZERO) - held.entry_price) > held.entry_price * _ENTRY_TOLERANCE
    )


def conversions_in(
    found: Iterable[Difference], successions: Iterable[SymbolSuccession], size_bps: int
) -> tuple[Conversion, ...]:
    """Pairs of differences that are one conversion: what an asset lost came in as what it became, by the ratio.

    Rounding apart, and down to the last digit an exchange writes, it must fit; anything else stays unexplained.
    """
    spots = {d.key.removeprefix("spot:"): d for d in found if d.key.startswith("spot:")}
    created = []
    for rule in successions:
        old, new = spots.get(rule.was), spots.get(rule.becomes)
        if old is None or new is None:
            continue
        taken = old.expected if rule.was == rule.becomes else -old.amount
        given = new.actual if rule.was == rule.becomes else new.amount
        due = taken * rule.ratio
        if taken > 0 and abs(given - due) <= max(due * size_bps * BPS, _LAST_DIGIT * max(ONE, rule.ratio)):
            created.append(Conversion(rule.was, rule.becomes, taken, given))
    return tuple(created)


def awaited(difference: Difference, successions: Iterable[SymbolSuccession]) -> str:
    """What else a difference may be: half of a conversion, whose other half the account does not show yet."""
    asset = difference.key.removeprefix("spot:")
    for rule in successions:
        if rule.was == asset and difference.amount < 0:
            return f"; if the exchange is converting, {plain(-difference.amount * rule.ratio)} {rule.becomes} come"
        if rule.becomes == asset and difference.amount > 0:
            return f"; if the exchange is converting, {plain(difference.amount / rule.ratio)} {rule.was} go"
    return ""


def differences(
    books: Books,
    actual: Mapping[str, Decimal],
    *,
    watched: Sequence[str],
    quote: str,
    size_bps: int,
    cash_bps: int,
    entries: Mapping[str, Decimal] = MappingProxyType({}),
) -> tuple[Difference, ...]:
    """Holdings that differ by more than rounding, sorted by key.

    Perps are all compared, spot assets when `watched` names them. Sizes may differ by `size_bps` of what is held, cash
    by `cash_bps` of what is held or moved. `entries`: entry prices of the account's perps.
    """
    cash_keys = (f"spot:{quote}", WALLET)
    result = []
    for key in sorted({*books.amounts, *actual}):
        is_cash = key in cash_keys
        if not is_cash and key.startswith("spot:") and key.removeprefix("spot:") not in watched:
            continue
        want, have = books.amounts.get(key, ZERO), actual.get(key, ZERO)
        scale = max(abs(want), abs(have))
        if is_cash:
            tolerance = max(scale, books.turnover.get(key, ZERO)) * cash_bps * BPS
        else:
            tolerance = scale * size_bps * BPS
        if abs(want - have) > tolerance:
            entry = entries.get(key.removeprefix("perp:"), ZERO) if key.startswith("perp:") else None
            result.append(Difference(key, want, have, entry))
    return tuple(result)


def _restate(books: Books, payload: Mapping[str, Any], cash: str) -> None:
    """A position as the venue had it. Where only its entry is another one, the difference is in the cash."""
    symbol, amount, entry = payload["key"].removeprefix("perp:"), Decimal(payload["amount"]), Decimal(payload["entry"])
    if not amount:
        held = books.amounts.get(payload["key"], ZERO) * books.contract_sizes.get(symbol, ONE)
        books.move(cash, (entry - books.entries.get(symbol, entry)) * held)
    books.move(payload["key"], amount)
    books.entries[symbol] = entry


def _add_spot_fill(books: Books, fill: Fill, value: Decimal) -> None:
    base, quote = base_of(fill.symbol), quote_of(fill.symbol)
    books.move(f"spot:{base}", fill.size * fill.side.sign)
    books.move(f"spot:{quote}", -value * fill.side.sign)
    books.move(f"spot:{fill.fee_asset}", -fill.fee)


def _add_perp_fill(books: Books, fill: Fill, value: Decimal, cash: str, quote: str) -> None:
    """Average entry on the way in, realised profit on the way out."""
    key, signed = f"perp:{fill.symbol}", fill.size * fill.side.sign
    held, entry = books.amounts.get(key, ZERO), books.entries.get(fill.symbol, ZERO)
    closing = min(abs(held), fill.size) if held * signed < 0 else ZERO
    contract_size = books.contract_sizes[fill.symbol] = value / (fill.price * fill.size)
    if closing:
        direction = 1 if held > 0 else -1
        books.move(cash, (fill.price - entry) * closing * contract_size * direction)
    opening = fill.size - closing
    if opening:
        kept = abs(held) - closing
        books.entries[fill.symbol] = (entry * kept + fill.price * opening) / (kept + opening)
    books.move(key, signed)
    if fill.fee_asset == quote:
        books.move(cash, -fill.fee)
