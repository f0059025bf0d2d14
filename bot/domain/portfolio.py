"""What the account owns, and how that divides into sectors, sleeves and the cash reserve (PLAYBOOK §1).

`Account` is venue truth; `Portfolio` is the account seen through sectors and prices.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal

from bot.domain.money import ZERO
from bot.domain.symbol import base_of, is_perp, settle_of

# The shocks that a book is judged by, as shares of a price (docs/playbook.md, "What a book risks").
FALL = Decimal("0.30")  # every token, spot and perp
SECTOR_FALL = Decimal("0.50")  # the tokens of one sector
WICK = Decimal("0.25")  # perps alone, up or down, spot stays
QUOTE_FALL = Decimal("0.10")  # the quote currency against everything else
DARK_FALL = Decimal("0.20")  # every token, at a venue that pays no gain of a short meanwhile


@dataclass(frozen=True, slots=True)
class Balance:
    """A spot-wallet asset."""

    asset: str
    free: Decimal
    used: Decimal = ZERO

    @property
    def total(self) -> Decimal:
        return self.free + self.used


@dataclass(frozen=True, slots=True)
class Position:
    """A perp position. `size` is signed contracts; `margin` the isolated wallet (0 when cross)."""

    symbol: str
    size: Decimal
    entry_price: Decimal
    mark_price: Decimal
    unrealised_pnl: Decimal
    margin: Decimal
    leverage: Decimal | None = None
    liquidation_price: Decimal | None = None
    is_isolated: bool = True

    @property
    def settles_in(self) -> str:
        """The currency of its profit and margin."""
        return settle_of(self.symbol)


@dataclass(frozen=True, slots=True)
class Account:
    """Truth from the venue. `perp_wallet` excludes unrealised PnL, includes locked margin; `perp_free` is free margin.

    `unreadable` says of holdings (`perp:<symbol>`, `spot:<asset>`, `wallet`, `perp:` for a position without a readable
    symbol) what could not be read; such a holding is not known to be zero. Where the venue has one unified wallet,
    `perp_wallet` and `perp_free` are 0 and `is_unified` is set. `unexplained`: by how much holdings (signed contracts
    of `perp:<symbol>`, base units of `spot:<asset>`) are above (+) or below what the journal explains.
    """

    at_ms: int
    quote: str
    balances: Mapping[str, Balance]
    perp_wallet: Decimal
    perp_free: Decimal
    positions: Mapping[str, Position]
    is_unified: bool = False
    unreadable: Mapping[str, str] = field(default_factory=dict)
    unexplained: Mapping[str, Decimal] = field(default_factory=dict)

    @property
    def cash(self) -> Decimal:
        """Spot-wallet quote balance, free and used."""
        balance = self.balances.get(self.quote)
        return balance.total if balance else ZERO

    @property
    def cash_free(self) -> Decimal:
        balance = self.balances.get(self.quote)
        return balance.free if balance else ZERO

    @property
    def perp_equity(self) -> Decimal:
        return self.perp_wallet + self.unrealised_pnl

    @property
    def unrealised_pnl(self) -> Decimal:
        """Of the positions that settle in the quote currency; profit in another one is not ours to count as quote."""
        return sum((p.unrealised_pnl for p in self.positions.values() if p.settles_in in ("", self.quote)), ZERO)

    def is_unread(self, position: Position) -> bool:
        """Whether the position is what the books say, because the venue's row of it could not be read."""
        return position.leverage is None and not self.unreadable.keys().isdisjoint({"perp:", f"perp:{position.symbol}"})


@dataclass(frozen=True, slots=True)
class Holding:
    """A token's spot holding, its part in a sector: `size` is all of it, `value` this sector's share in quote."""

    symbol: str
    sector: str
    size: Decimal
    price: Decimal
    value: Decimal


@dataclass(frozen=True, slots=True)
class Sleeves:
    """A sector's capital: spot value, futures capital (its label of the perp wallet), signed perp notional."""

    spot: Decimal = ZERO
    futures: Decimal = ZERO
    perp_notional: Decimal = ZERO
    margin_locked: Decimal = ZERO

    @property
    def net_exposure(self) -> Decimal:
        return self.spot + self.perp_notional


@dataclass(frozen=True, slots=True)
class Portfolio:
    """The account through sectors. Quote values. `unpriced` names holdings without a sound price, which count 0: equity
    is not known until they have one. `uncounted` names those that have none and count 0 for good: of no sector, or
    watched without a price for a day."""

    account: Account
    equity: Decimal
    reserve: Decimal
    book: Decimal
    sectors: Mapping[str, Sleeves]
    holdings: tuple[Holding, ...] = ()
    unpriced: tuple[str, ...] = ()
    uncounted: tuple[str, ...] = ()
    labels: Mapping[str, Decimal] = field(default_factory=dict)
    countable: frozenset[str] = frozenset()

    @property
    def unread(self) -> tuple[str, ...]:
        """Keys of `Account.unreadable` that equity may rest on: positions, cash, assets that are believed to be held,
        and those of `countable`: assets that count once they can be read, whether or not the books know them. A row of
        another asset leaves equity as it is."""
        counted, cash = self.account.balances.keys() | self.countable, ("spot:", f"spot:{self.account.quote}")
        return tuple(
            key
            for key in sorted(self.account.unreadable)
            if not key.startswith("spot:") or key in cash or key.removeprefix("spot:") in counted
        )

    @property
    def kept_for_margin(self) -> Decimal:
        """Free cash of a unified wallet that belongs to the futures sleeves: their capital without what positions have
        locked of it, which is not free. Zero where perps have a wallet of their own."""
        if not self.account.is_unified:
            return ZERO
        quote = self.account.quote
        locked = sum((p.margin for p in self.account.positions.values() if p.settles_in in ("", quote)), ZERO)
        return max(ZERO, sum(self.labels.values(), ZERO) - locked)

    def held(self, symbol: str) -> Decimal:
        """Size held now: base units of a spot symbol (its total), signed contracts of a perp."""
        position = self.account.positions.get(symbol)
        if position is not None:
            return position.size
        if is_perp(symbol):
            return ZERO
        balance = self.account.balances.get(base_of(symbol))
        return balance.total if balance else ZERO

    def hedge_room(self, sector: str, *, sold: Decimal = ZERO, beside_held: bool = False) -> Decimal:
        """Spot value of a sector that its hedges may cover, once `sold` of it is gone; never negative. With
        `beside_held` what its perps cover now is not counted again."""
        sleeves = self.sectors.get(sector)
        if sleeves is None:
            return ZERO
        held = min(ZERO, sleeves.perp_notional) if beside_held else ZERO
        return max(ZERO, sleeves.spot - sold + held)

    def free(self, symbol: str) -> Decimal:
        """Base units of a spot symbol that no order holds."""
        balance = self.account.balances.get(base_of(symbol))
        return balance.free if balance else ZERO
