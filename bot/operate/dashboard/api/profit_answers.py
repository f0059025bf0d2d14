"""What the API answers about profit and loss, as types."""

from typing import TypedDict

_Return = TypedDict("_Return", {"return": str | None})


class ProfitRow(TypedDict):
    """Profit by its parts; `net_quote` is their sum."""

    net_quote: str
    realised_quote: str
    unrealised_quote: str
    funding_quote: str
    fees_quote: str
    other_quote: str
    slippage_quote: str


class StanceProfitRow(TypedDict):
    """Profit while the book stood at one stance, by what made it; costs are negative. All but `covered_quote`, which is
    what the spot under the hedges did, add up to `net_quote`."""

    span_ms: int
    neutral_quote: str
    timing_quote: str
    selection_quote: str
    hedges_quote: str
    longs_quote: str
    other_quote: str
    funding_quote: str
    fees_quote: str
    slippage_quote: str
    net_quote: str
    covered_quote: str


class PeriodAnswer(ProfitRow, _Return):
    """Profit and loss from one moment to another."""

    name: str
    begin_ms: int
    end_ms: int
    equity_begin_quote: str
    equity_end_quote: str
    change_quote: str
    flows_quote: dict[str, str]
    unexplained_quote: str
    unpriced_fees: dict[str, str]
    by_sleeve: dict[str, ProfitRow]
    covered: dict[str, ProfitRow]
    by_campaign: dict[str, ProfitRow]
    by_token: dict[str, ProfitRow]
    by_stance: dict[str, StanceProfitRow]


class ProfitAnswer(TypedDict):
    """As `sectorbot pnl --json`; periods by name."""

    quote: str
    periods: dict[str, PeriodAnswer]
