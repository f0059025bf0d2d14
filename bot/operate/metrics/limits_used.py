"""The share of each limit that is used: 1 is the limit. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from bot.domain.market import Snapshot
from bot.domain.money import ZERO
from bot.domain.order import Order
from bot.domain.portfolio import Portfolio
from bot.risk import Limits
from bot.risk.projection import Exposure, pending_of, project, widest


@dataclass(frozen=True, slots=True)
class JournalCounts:
    """What the journal counts."""

    turnover_quote: Decimal = ZERO
    orders_today: int = 0
    orders_last_minute: int = 0
    fees_quote: Decimal = ZERO
    rejections: int = 0
    doubt_age_ms: int = 0
    daily_loss: Decimal = ZERO
    drawdown: Decimal = ZERO
    latency_ms: int = 0


def limits_used(
    snapshot: Snapshot, portfolio: Portfolio, working: tuple[Order, ...], limits: Limits, counts: JournalCounts
) -> Mapping[str, float]:
    """By the name of the limit. Working orders and those in doubt count at full size, as the gate counts them."""
    exposure = project(snapshot, portfolio, pending_of(working, snapshot, portfolio))
    equity, account = portfolio.equity, portfolio.account
    wallet = equity if account.is_unified else account.perp_equity
    shares = {
        **_of_exposure(exposure, equity, limits),
        "margin_use_max": _share(exposure.margin, wallet * limits.margin_use_max),
        "futures_budget": _share(exposure.margin, portfolio.book * limits.futures_budget),
        "turnover_max": _share(counts.turnover_quote, portfolio.book * limits.turnover_max),
        "fees_max_day": _share(counts.fees_quote, equity * limits.fees_max_day),
        "orders_per_day_max": _share(Decimal(counts.orders_today), Decimal(limits.orders_per_day_max)),
        "orders_per_minute_max": _share(Decimal(counts.orders_last_minute), Decimal(limits.orders_per_minute_max)),
        "rejections_max": _share(Decimal(counts.rejections), Decimal(limits.rejections_max)),
        "daily_loss_max": _share(counts.daily_loss, limits.daily_loss_max),
        "drawdown_max": _share(counts.drawdown, limits.drawdown_max),
        "latency_max_ms": _share(Decimal(counts.latency_ms), Decimal(limits.latency_max_ms)),
        "doubt_age_max_ms": _share(Decimal(counts.doubt_age_ms), Decimal(limits.doubt_age_max_ms)),
    }
    return {name: float(share) for name, share in shares.items()}


def _of_exposure(exposure: Exposure, equity: Decimal, limits: Limits) -> Mapping[str, Decimal]:
    assets = max(map(widest, exposure.assets.values()), default=ZERO)
    sectors = max(map(widest, exposure.sectors.values()), default=ZERO)
    return {
        "gross_max": _share(exposure.gross, equity * limits.gross_max),
        "net_max": _share(widest(exposure.net), equity * limits.net_max),
        "asset_max": _share(assets, equity * limits.asset_max),
        "sector_max": _share(sectors, equity * limits.sector_max),
        "account_leverage_max": _share(exposure.perp_gross, equity * limits.account_leverage_max),
        "funding_cost_max_day": _share(exposure.funding_cost_day, equity * limits.funding_cost_max_day),
    }


def _share(value: Decimal, limit: Decimal) -> Decimal:
    """0 where there is no limit to use up, such as of an empty wallet."""
    return max(ZERO, value / limit) if limit > ZERO else ZERO
