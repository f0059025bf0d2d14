"""Profit and loss for `--json`, as tables, and in one line."""

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any

from rich.console import RenderableType
from rich.text import Text

from bot.domain.durations import DAY_MS
from bot.domain.money import ZERO, plain, share
from bot.report.format import Column, TextTable, coloured, money, percent, utc
from bot.report.profit.parts import Period, ProfitParts, StanceProfit
from bot.report.profit.periods import Profit

Row = dict[str, Any]
NAMES = {"start": "since start", "today": "today", "7 d": "7 d", "30 d": "30 d", "since": "as asked"}
NOTHING = "no profit and loss yet: the journal holds no valuation of the account; the next full cycle writes one"


def profit_document(profit: Profit) -> Row:
    """The periods by name, amounts as text with all of their digits."""
    return {
        "quote": profit.quote,
        "periods": {name: period_row(period) for name, period in profit.periods.items()},
    }


def period_row(period: Period) -> Row:
    """A period as a mapping."""
    return {
        "name": period.name,
        "begin_ms": period.begin_ms,
        "end_ms": period.end_ms,
        "equity_begin_quote": plain(period.equity_begin),
        "equity_end_quote": plain(period.equity_end),
        "change_quote": plain(period.change),
        **parts_row(period.total),
        "return": plain(share(period.total.net, period.equity_begin)),
        "flows_quote": {name: plain(amount) for name, amount in period.flows.items()},
        "unexplained_quote": plain(period.unexplained),
        "unpriced_fees": {asset: plain(fee) for asset, fee in period.unpriced_fees.items()},
        "by_sleeve": _rows(period.by_sleeve),
        "covered": _rows(period.covered),
        "by_campaign": _rows(period.by_campaign),
        "by_token": _rows(period.by_token),
        "by_stance": {name: stance_row(made) for name, made in period.by_stance.items()},
    }


def _rows(groups: Mapping[Any, ProfitParts]) -> dict[str, Row]:
    return {str(name): parts_row(parts) for name, parts in groups.items()}


def parts_row(parts: ProfitParts) -> Row:
    """The parts of a profit as a mapping."""
    return {
        "net_quote": plain(parts.net),
        "realised_quote": plain(parts.realised),
        "unrealised_quote": plain(parts.unrealised),
        "funding_quote": plain(parts.funding),
        "fees_quote": plain(parts.fees),
        "other_quote": plain(parts.other),
        "slippage_quote": plain(parts.slippage),
    }


def stance_row(made: StanceProfit) -> Row:
    """What was earned at a stance, as a mapping; costs are negative, as all that adds up to `net_quote`."""
    parts = {f"{name}_quote": plain(getattr(made, name)) for name in (*_STANCE_PARTS, "net", "covered")}
    return {"span_ms": made.span_ms, **parts}


def profit_line(periods: Mapping[str, Mapping[str, Any]], quote: str) -> str:
    """What was earned, in one line: `today −12.30 (−0.01 %), 7 d …, 30 d …, since start … USDT`."""
    if not periods:
        return "not known yet: the next full cycle values the account"
    shown = [name for name in ("today", "7 d", "30 d", "start") if name in periods and adds_information(name, periods)]
    return ", ".join(f"{NAMES[name]} {_earned(periods[name])}" for name in shown) + f" {quote}"


def earned_text(profit: Profit, name: str) -> str:
    """The profit of a period for a sentence; empty where it is not known."""
    period = profit.periods.get(name)
    if period is None:
        return ""
    total = period.total
    slippage = f" ({signed(-total.slippage)} of it slippage)" if total.slippage else ""
    parts = f"prices {signed(total.price)}{slippage}, funding {signed(total.funding)}, fees {signed(-total.fees)}"
    share_of = percent(share(total.net, period.equity_begin))
    return f"profit {signed(total.net)} {profit.quote} ({share_of}): {parts}; equity {money(period.equity_end)}"


def adds_information(name: str, periods: Mapping[str, Mapping[str, Any]]) -> bool:
    """Whether a span is shorter than the whole time: a bot of yesterday has no 30 days to show."""
    is_span = name not in ("start", "today", "since")
    return not is_span or bool(periods[name]["begin_ms"] > periods["start"]["begin_ms"])


def _earned(row: Mapping[str, Any]) -> str:
    return f"{signed(row['net_quote'])} ({percent(row['return'])})"


def signed(value: str | Decimal) -> str:
    """An amount with its sign, also where that is a plus; what rounds to nothing has none."""
    text = money(value)
    if text.removeprefix("-") == "0.00":
        return "0.00"
    return text if Decimal(value) <= 0 else f"+{text}"


def periods_table(rows: Iterable[Mapping[str, Any]], quote: str) -> RenderableType:
    """One row a period: its parts, their sum, what came in or went out besides."""
    columns = [
        Column("period"),
        Column("from", rank=3),
        Column("realised", True),
        Column("unrealised", True),
        Column("funding", True, rank=1),
        Column("fees", True, rank=1),
        Column("other", True, rank=5),
        Column("profit", True),
        Column("slippage", True, rank=7),
        Column("return", True, rank=6),
        Column("in or out", True, rank=4),
        Column("equity", True, rank=2),
    ]
    cells = [
        [
            NAMES.get(row["name"], row["name"]),
            utc(row["begin_ms"])[:16],
            *_amounts(row),
            signed(-Decimal(row["slippage_quote"])),
            percent(row["return"]),
            signed(sum(map(Decimal, row["flows_quote"].values()), ZERO)),
            money(row["equity_end_quote"]),
        ]
        for row in rows
    ]
    return TextTable(f"Profit and loss, {quote} (realised, unrealised: by prices, slippage included)", columns, cells)


def groups_table(title: str, groups: Mapping[str, Mapping[str, Any]], quote: str) -> RenderableType:
    """A period by sleeve, campaign or token, with the sum below."""
    columns = [
        Column(title),
        Column("realised", True),
        Column("unrealised", True),
        Column("funding", True, rank=1),
        Column("fees", True, rank=1),
        Column("other", True, rank=2),
        Column("profit", True),
        Column("slippage", True, rank=3),
    ]
    cells = [[name, *_amounts(row), signed(-Decimal(row["slippage_quote"]))] for name, row in groups.items()]
    if len(cells) > 1:
        total = {key: sum((Decimal(row[key]) for row in groups.values()), ZERO) for key in (*_KEYS, "slippage_quote")}
        cells.append(["total", *_amounts(total), signed(-total["slippage_quote"])])
    return TextTable(f"By {title}, {quote}", columns, cells)


_STANCE_PARTS = ("neutral", "timing", "selection", "hedges", "longs", "other", "funding", "fees", "slippage")


def stances_table(rows: Mapping[str, Mapping[str, Any]], quote: str) -> RenderableType:
    """A period by stance, with the sum below; what the spot under the hedges did is a part of the others."""
    names = (*_STANCE_PARTS, "net", "covered")
    ranks = {"covered": 7, "other": 5, "slippage": 4, "longs": 3, "funding": 3, "fees": 2, "selection": 1, "hedges": 1}
    columns = [Column("stance"), Column("days", True, rank=6)]
    columns += [
        Column({"covered": "spot under hedges"}.get(name, name), True, rank=ranks.get(name, 0)) for name in names
    ]
    sums = {key: sum((Decimal(row[key]) for row in rows.values()), ZERO) for key in (f"{name}_quote" for name in names)}
    total = {"total": {**sums, "span_ms": sum(row["span_ms"] for row in rows.values())}} if len(rows) > 1 else {}
    cells = [
        [name, f"{row['span_ms'] / DAY_MS:.1f}", *(signed(row[f"{part}_quote"]) for part in names)]
        for name, row in {**rows, **total}.items()
    ]
    return TextTable(f"By stance and by what made it, {quote}", columns, cells)


_KEYS = ("realised_quote", "unrealised_quote", "funding_quote", "fees_quote", "other_quote", "net_quote")


def _amounts(row: Mapping[str, Any]) -> list[str]:
    """Fees are shown as what they do to the profit."""
    return [signed(-Decimal(row[key]) if key == "fees_quote" else row[key]) for key in _KEYS]


def profit_parts(document: Mapping[str, Any], now_ms: int) -> Sequence[RenderableType]:
    """`pnl` for a person: every period, then the longest, or the one asked for, divided up."""
    quote, periods = document["quote"], document["periods"]
    if not periods:
        return [Text(NOTHING)]
    chosen = periods.get("since") or periods["start"]
    campaigns = {"none" if name == "0" else name: row for name, row in chosen["by_campaign"].items()}
    return [
        periods_table([row for name, row in periods.items() if adds_information(name, periods)], quote),
        Text(f"Where it came from since {utc(chosen['begin_ms'], now_ms)}:"),
        groups_table("sleeve", chosen["by_sleeve"], quote),
        groups_table("campaign", campaigns, quote),
        groups_table("token", chosen["by_token"], quote),
        stances_table(chosen["by_stance"], quote),
        coloured("\n".join(_remarks(chosen, quote))),
    ]


def _remarks(row: Mapping[str, Any], quote: str) -> list[str]:
    """How the profit and the change of equity hang together."""
    flows = "".join(f" {signed(amount)} {name.replace('_', ' ')}" for name, amount in row["flows_quote"].items())
    lines = [
        f"equity changed by {signed(row['change_quote'])} {quote}: {signed(row['net_quote'])} profit"
        f"{flows}, {signed(row['unexplained_quote'])} unexplained"
    ]
    unpriced = ", ".join(f"{fee} {asset}" for asset, fee in row["unpriced_fees"].items())
    lines += [_covered_line(name, row, quote) for name in row["covered"]]
    return [*lines, f"not in it, because nothing has their price: fees of {unpriced}"] if unpriced else lines


def _covered_line(name: str, row: Mapping[str, Any], quote: str) -> str:
    """A hedge is judged with the spot that it covered: its loss is the other's gain."""
    spot, hedge = (row["by_sleeve"].get(f"{name}.{part}", {}).get("net_quote", ZERO) for part in ("spot", "hedge"))
    both = signed(row["covered"][name]["net_quote"])
    return f"{name}: hedges {signed(hedge)}, the spot they covered {signed(spot)}, together {both} {quote}"
