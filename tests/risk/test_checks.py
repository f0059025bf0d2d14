"""Each limit blocks just beyond and lets pass just inside; what only reduces passes every limit on entries."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any

import pytest

from bot.domain.brackets import Bracket
from bot.domain.campaign import Campaign, Leg, Memory, Stance, Tranche
from bot.domain.instrument import Side
from bot.domain.market import Funding, Quote
from bot.domain.order import Intent, OrderType, Purpose, TimeInForce
from bot.domain.portfolio import Balance, Portfolio, Position
from bot.domain.reason import Note, Reason
from bot.domain.states import CampaignState, KillLevel, OrderState, TrancheState
from bot.risk import CHECKS, Approved, Limits, Refused, TurnRisk, executed_key, gate, review
from bot.risk.case import OrderReview
from bot.risk.gate import Check
from tests.risk.worlds import (
    NOW,
    D,
    book,
    buy,
    context,
    exits,
    hedge,
    hedging,
    instrument,
    portfolio,
    position,
    price_of,
    quote,
    release,
    sell,
    snapshot,
    tactical,
    working,
)

BRACKETS = (
    Bracket(1, 20, D(0), D(1_000), D("0.02"), D(0)),
    Bracket(2, 2, D(1_000), D(50_000), D("0.10"), D(80)),
)
WIDE = Limits(
    order_notional_max_quote=D(1_000_000),
    order_share_max=D(1),
    gross_max=D(10),
    net_max=D(10),
    asset_max=D(5),
    sector_max=D(5),
    stress_loss_max=D(10),
    account_leverage_max=D(10),
    position_leverage_max=D(10),
    margin_use_max=D(1),
    futures_budget=D(1),
    liquidation_distance_min=D("0.01"),
    participation_max=D(1),
    turnover_max=D(100),
    funding_cost_max_day=D(1),
    slippage_max_bps=1000,
)


def wide(**changes: Any) -> Limits:
    return WIDE.model_copy(update=changes)


def with_quote(symbol: str, **changes: Any) -> TurnRisk:
    base = snapshot()
    return context(snapshot=replace(base, quotes={**base.quotes, symbol: replace(base.quotes[symbol], **changes)}))


def without(kind: str, symbol: str) -> TurnRisk:
    base = snapshot()
    return context(snapshot=replace(base, **{kind: {k: v for k, v in getattr(base, kind).items() if k != symbol}}))


def with_instrument(symbol: str, **changes: Any) -> TurnRisk:
    base = snapshot()
    return context(
        snapshot=replace(base, instruments={**base.instruments, symbol: replace(base.instruments[symbol], **changes)})
    )


def without_balance(asset: str) -> Portfolio:
    """An account that does not know the asset although it is listed."""
    seen = portfolio()
    balances = {name: balance for name, balance in seen.account.balances.items() if name != asset}
    return replace(seen, account=replace(seen.account, balances=balances))


def unread(key: str, *held: Position) -> TurnRisk:
    """One of two venues does not answer: `key` is all that is held there."""
    seen = portfolio(held)
    return context(portfolio=replace(seen, account=replace(seen.account, unreadable={key: "no route"})))


def with_funding(rate: str) -> TurnRisk:
    return context(snapshot=snapshot(funding={"UNI/USDT:USDT": Funding("UNI/USDT:USDT", D(rate), 8, NOW, NOW)}))


def fallen(share: str, *, peak: bool) -> TurnRisk:
    equity = D(105_000)
    before = equity / (1 - D(share))
    return context(memory=Memory(equity_peak=before if peak else equity, day_start_equity=equity if peak else before))


def priceless(count: int) -> TurnRisk:
    """A world in which the quotes of `count` of its eight instruments did not come."""
    base = snapshot()
    gone = [symbol for symbol in base.quotes if symbol != UNI][:count]
    return context(snapshot=replace(base, quotes={s: q for s, q in base.quotes.items() if s not in gone}))


def doubtful_since(sent_ms: int) -> TurnRisk:
    return context(working=(working(buy(id="old", symbol=AAVE), OrderState.IN_DOUBT, sent_ms=sent_ms),))


def in_campaign(left: Decimal) -> TurnRisk:
    leg = Leg(1, Purpose.INCREASE, "defi", "UNI/USDT", D(1500), 1500 + left, D(10), left * 10)
    campaign = Campaign(
        1,
        Stance.NEUTRAL,
        Stance.INTO_DEFI,
        "infra",
        "defi",
        CampaignState.RUNNING,
        NOW,
        D(100_000),
        D(20_000),
        tranches=(Tranche(1, TrancheState.RUNNING, NOW, (leg,)),),
    )
    return context(memory=Memory(campaign=campaign))


@dataclass(frozen=True)
class Row:
    """A pair of worlds around one limit. `limits` and contexts default to a world where everything passes."""

    reason: Reason
    refused: Intent
    passed: Intent
    refused_in: Callable[[], TurnRisk] = context
    passed_in: Callable[[], TurnRisk] = context
    limits: Limits = field(default=WIDE)


UNI, UNI_PERP, ETH, ETH_PERP = "UNI/USDT", "UNI/USDT:USDT", "ETH/USDT", "ETH/USDT:USDT"
AAVE, SYMBOLS = "AAVE/USDT", (UNI, UNI_PERP, ETH, ETH_PERP)
ONE_UNIT = D("0.001")

ROWS: dict[str, Row] = {
    "pause": Row(Reason.KILL_SWITCH, buy(), sell(), *[lambda: context(kill=KillLevel.PAUSE)] * 2),
    "reduce-only": Row(Reason.KILL_SWITCH, hedge(), sell(), *[lambda: context(kill=KillLevel.REDUCE_ONLY)] * 2),
    "cancel": Row(
        Reason.KILL_SWITCH, sell(), sell(purpose=Purpose.FLATTEN), *[lambda: context(kill=KillLevel.CANCEL)] * 2
    ),
    "flatten": Row(
        Reason.KILL_SWITCH,
        buy(purpose=Purpose.FLATTEN),
        sell(purpose=Purpose.FLATTEN),
        *[lambda: context(kill=KillLevel.FLATTEN)] * 2,
    ),
    "not reconciled": Row(Reason.NOT_RECONCILED, buy(), sell(), *[lambda: context(is_reconciled=False)] * 2),
    "perps unread": Row(
        Reason.OTHER_SIDE_UNREAD, sell(), release(), *[lambda: unread("perp:", position(ETH_PERP, D(-1)))] * 2
    ),
    "spot unread": Row(
        Reason.OTHER_SIDE_UNREAD, release(), sell(), *[lambda: unread("spot:", position(ETH_PERP, D(-1)))] * 2
    ),
    "perps unread by a flatten": Row(
        Reason.OTHER_SIDE_UNREAD,
        sell(purpose=Purpose.FLATTEN),
        sell(purpose=Purpose.FLATTEN),
        lambda: unread("perp:", position(ETH_PERP, D(-1))),
        lambda: unread("perp:", position(ETH_PERP, D(1))),
    ),
    "locked": Row(Reason.INSTRUMENT_LOCKED, buy(), buy(symbol=ETH), *[lambda: context(locked=(UNI,))] * 2),
    "in doubt": Row(
        Reason.INSTRUMENT_LOCKED,
        buy(),
        buy(),
        lambda: context(working=(working(buy(id="old"), OrderState.IN_DOUBT),)),
        lambda: context(working=(working(buy(id="old"), OrderState.REJECTED),)),
    ),
    "unvalued order": Row(
        Reason.INSTRUMENT_UNKNOWN,
        buy(),
        buy(),
        lambda: context(working=(working(buy(id="old"), symbol="XYZ/USDT"),)),
    ),
    "in flight": Row(
        Reason.INTENT_IN_FLIGHT,
        buy(),
        buy(),
        lambda: context(working=(working(buy()),)),
        lambda: context(working=(working(buy(), OrderState.CANCELED),)),
    ),
    "unknown": Row(Reason.INSTRUMENT_UNKNOWN, buy(symbol="UNI/USDT"), buy(), lambda: without("instruments", UNI)),
    "halted": Row(Reason.INSTRUMENT_INACTIVE, buy(), buy(), lambda: with_instrument(UNI, active=False)),
    "no quote": Row(Reason.PRICE_BAD, buy(), buy(), lambda: without("quotes", UNI)),
    "nan bid": Row(Reason.PRICE_BAD, buy(), buy(), lambda: with_quote(UNI, bid=D("NaN"))),
    "zero ask": Row(Reason.PRICE_BAD, buy(), buy(), lambda: with_quote(UNI, ask=D(0))),
    "negative bid": Row(Reason.PRICE_BAD, buy(), buy(), lambda: with_quote(UNI, bid=D(-1))),
    "crossed": Row(Reason.PRICE_BAD, buy(), buy(), lambda: with_quote(UNI, bid=D("10.01"), ask=D(10))),
    "no mark": Row(Reason.PRICE_BAD, tactical(), tactical(), lambda: with_quote(UNI_PERP, mark=None)),
    "nan bound": Row(Reason.PRICE_BAD, buy(worst_price=D("NaN")), buy()),
    "no trigger": Row(
        Reason.PRICE_BAD, sell(order_type=OrderType.STOP), sell(order_type=OrderType.STOP, trigger_price=D(1990))
    ),
    "nan size": Row(Reason.SIZE_INVALID, buy(size=D("NaN")), buy()),
    "zero size": Row(Reason.SIZE_INVALID, buy(size=D(0)), buy()),
    "off the grid": Row(Reason.SIZE_INVALID, buy(size=D("100.0005")), buy(size=D("100.001"))),
    "below minimum": Row(Reason.SIZE_INVALID, buy(size=D("0.499")), buy(size=D("0.5"))),
    "above maximum": Row(
        Reason.SIZE_ABOVE_MAX,
        buy(size=100 + ONE_UNIT),
        buy(size=D(100)),
        *[lambda: with_instrument(UNI, size_max=D(100))] * 2,
    ),
    "above market maximum": Row(
        Reason.SIZE_ABOVE_MAX,
        buy(order_type=OrderType.MARKET),
        buy(),
        *[lambda: with_instrument(UNI, market_size_max=D(50))] * 2,
    ),
    "nothing to reduce": Row(
        Reason.SIZE_INVALID,
        release(2002),
        release(2000),
        *[lambda: context(portfolio=portfolio((position(ETH_PERP, D(-1)),)))] * 2,
    ),
    "collar": Row(Reason.PRICE_COLLAR, buy(worst_price=D("10.21")), buy(worst_price=D("10.20"))),
    "collar of a sale": Row(Reason.PRICE_COLLAR, sell(worst_price=D(1799)), sell(worst_price=D(1800))),
    "collar of the index": Row(
        Reason.PRICE_COLLAR,
        tactical(worst_price=D("10.17")),
        tactical(worst_price=D("10.16")),
        *[lambda: with_quote(UNI_PERP, index=D("9.97"))] * 2,
    ),
    "stop far from its trigger": Row(
        Reason.PRICE_COLLAR,
        *[sell(order_type=OrderType.STOP, trigger_price=D(1500), worst_price=D(w)) for w in (1349, 1350)],
    ),
    "old quote": Row(
        Reason.PRICE_STALE,
        buy(),
        buy(),
        lambda: with_quote(UNI, at_ms=NOW - 15_001),
        lambda: with_quote(UNI, at_ms=NOW - 15_000),
    ),
    "quote of the future": Row(
        Reason.PRICE_STALE,
        sell(),
        sell(),
        lambda: with_quote(ETH, at_ms=NOW + 1_001),
        lambda: with_quote(ETH, at_ms=NOW + 1_000),
    ),
    "old book": Row(
        Reason.PRICE_STALE,
        buy(),
        buy(),
        lambda: context(snapshot=snapshot(books={UNI: replace(book(UNI, D(10)), at_ms=NOW - 15_001)})),
        lambda: context(snapshot=snapshot(books={UNI: replace(book(UNI, D(10)), at_ms=NOW - 15_000)})),
    ),
    "old balance": Row(
        Reason.BALANCE_STALE,
        sell(),
        sell(),
        lambda: context(portfolio=portfolio(at_ms=NOW - 30_001)),
        lambda: context(portfolio=portfolio(at_ms=NOW - 30_000)),
    ),
    "skew": Row(
        Reason.CLOCK_SKEW, buy(), buy(), lambda: context(clock_skew_ms=-1_001), lambda: context(clock_skew_ms=1_000)
    ),
    "mark and index": Row(
        Reason.MARK_INDEX_APART,
        tactical(),
        tactical(),
        lambda: with_quote(UNI_PERP, index=D("10.102")),
        lambda: with_quote(UNI_PERP, index=D("10.1")),
    ),
    "no book": Row(Reason.BOOK_EMPTY, buy(), buy(), lambda: without("books", UNI)),
    "one-sided book": Row(
        Reason.BOOK_EMPTY,
        buy(),
        buy(),
        lambda: context(snapshot=snapshot(books={UNI: replace(book(UNI, D(10)), asks=())})),
    ),
    "no offer inside the worst price": Row(
        Reason.SLIPPAGE,
        buy(10, worst_price=D("9.99")),
        buy(10, worst_price=D("10.1")),
    ),
    "slippage": Row(
        Reason.SLIPPAGE,
        buy(300_000, worst_price=D("10.1")),
        buy(200_000, worst_price=D("10.1")),
        *[lambda: context(portfolio=portfolio(cash=D(400_000)))] * 2,
        limits=wide(slippage_max_bps=1),
    ),
    "participation": Row(
        Reason.PARTICIPATION,
        buy(1_010),
        buy(990),
        *[lambda: context(snapshot=snapshot(books={UNI: book(UNI, D(10), D(10_000))}))] * 2,
        limits=wide(participation_max=D("0.1")),
    ),
    "daily loss": Row(
        Reason.DAILY_LOSS, buy(), buy(), lambda: fallen("0.0501", peak=False), lambda: fallen("0.0499", peak=False)
    ),
    "drawdown": Row(
        Reason.DRAWDOWN, buy(), buy(), lambda: fallen("0.3501", peak=True), lambda: fallen("0.3499", peak=True)
    ),
    "a position unread": Row(
        Reason.EQUITY_UNKNOWN, buy(), buy(), lambda: unread("perp:ETH/USDT:USDT"), lambda: unread("spot:DUST")
    ),
    "repeats": Row(
        Reason.REPEATED_EXECUTION, buy(), buy(), lambda: context(recent_fills=201), lambda: context(recent_fills=200)
    ),
    "the same again and again": Row(
        Reason.REPEATED_EXECUTION,
        buy(),
        buy(symbol=ETH),
        *[lambda: context(executed_lately={executed_key(UNI, Side.BUY): 40, executed_key(ETH, Side.SELL): 40})] * 2,
    ),
    "rejections": Row(Reason.REJECT_RATE, buy(), buy(), lambda: context(rejections=11), lambda: context(rejections=10)),
    "slow venue": Row(
        Reason.VENUE_SLOW, buy(), buy(), lambda: context(latency_ms=5_001), lambda: context(latency_ms=5_000)
    ),
    "first look after an outage": Row(
        Reason.READINGS_LOST, buy(), buy(), lambda: context(failed_turns=3), lambda: context(failed_turns=2)
    ),
    "lost prices": Row(Reason.READINGS_LOST, buy(), buy(), lambda: priceless(3), lambda: priceless(2)),
    "old doubt elsewhere": Row(
        Reason.DOUBT_OLD, buy(), buy(), lambda: doubtful_since(NOW - 300_001), lambda: doubtful_since(NOW - 300_000)
    ),
    "paid in another currency": Row(
        Reason.CURRENCY_MISMATCH,
        buy(),
        buy(),
        lambda: with_instrument(UNI, quote="USDC"),
    ),
    "settled in another currency": Row(
        Reason.CURRENCY_MISMATCH,
        tactical(),
        tactical(),
        lambda: with_instrument(UNI_PERP, quote="USD"),
    ),
    "an entry that rests": Row(
        Reason.RESTS_UNATTENDED, tactical(time_in_force=TimeInForce.GTC), tactical(time_in_force=TimeInForce.FOK)
    ),
    "a hedge that rests": Row(
        Reason.RESTS_UNATTENDED,
        hedge(time_in_force=TimeInForce.POST_ONLY),
        hedge(order_type=OrderType.MARKET, time_in_force=TimeInForce.GTC),
    ),
    "a purchase that would have to rest": Row(
        Reason.SLIPPAGE,
        buy(worst_price=D("9.98")),
        buy(worst_price=D("9.98"), time_in_force=TimeInForce.POST_ONLY),
    ),
    "our own order": Row(
        Reason.SELF_CROSS,
        buy(worst_price=D("10.02")),
        buy(worst_price=D("10.01")),
        *[lambda: context(working=(working(sell(symbol=UNI, worst_price=D("10.02"), id="old")),))] * 2,
    ),
    "our own order without a price": Row(
        Reason.SELF_CROSS,
        buy(),
        buy(symbol=ETH),
        *[lambda: context(working=(working(sell(symbol=UNI, id="old"), price=None),))] * 2,
    ),
    "our own resting stop": Row(
        Reason.SELF_CROSS,
        buy(),
        buy(),
        lambda: context(working=(working(sell(symbol=UNI, worst_price=D(9), id="old")),)),
        lambda: context(working=(working(sell(symbol=UNI, worst_price=D(9), id="old"), order_type=OrderType.STOP),)),
    ),
    "orders of the day": Row(
        Reason.ORDER_RATE, buy(), buy(), lambda: context(orders_today=1_000), lambda: context(orders_today=999)
    ),
    "fees of the day": Row(
        Reason.FEE_BUDGET,
        buy(),
        buy(),
        lambda: context(fees_today_quote=D("524.6")),
        lambda: context(fees_today_quote=D("524.4")),
    ),
    "fees without a price": Row(
        Reason.FEES_UNKNOWN,
        buy(),
        buy(),
        lambda: context(fees_unknown=11),
        lambda: context(fees_unknown=10),
    ),
    "a position without a stop": Row(
        Reason.POSITION_UNGUARDED,
        buy(),
        sell(),
        *[lambda: context(memory=Memory(unguarded={"UNI/USDT:USDT": "no stop"}))] * 2,
    ),
    "leverage that was not set": Row(
        Reason.LEVERAGE_DIFFERS,
        buy(),
        sell(),
        *[lambda: context(memory=Memory(leverage_wrong={"UNI/USDT:USDT": "20, 3 was set"}))] * 2,
    ),
    "account setting": Row(
        Reason.ACCOUNT_SETTING,
        buy(),
        sell(),
        *[lambda: context(account_problems=("hedge mode",))] * 2,
    ),
    "hedge with a wrong account setting": Row(
        Reason.ACCOUNT_SETTING,
        hedge(),
        hedge(),
        lambda: context(account_problems=("hedge mode",)),
    ),
    "canary": Row(
        Reason.CANARY_SIZE, buy(500), buy(499), *[lambda: context(is_canary=True)] * 2, limits=wide(canary_quote=D(500))
    ),
    "order rate": Row(
        Reason.ORDER_RATE, buy(), buy(), lambda: context(orders_last_minute=60), lambda: context(orders_last_minute=59)
    ),
    "turnover": Row(
        Reason.TURNOVER,
        buy(),
        buy(),
        lambda: context(turnover_today_quote=D(104_000)),
        lambda: context(turnover_today_quote=D(103_900)),
        limits=wide(turnover_max=D(1)),
    ),
    "order value": Row(Reason.ORDER_NOTIONAL, buy(1_010), buy(990), limits=wide(order_notional_max_quote=D(1_000))),
    "order share": Row(Reason.ORDER_NOTIONAL, buy(1_060), buy(1_040), limits=wide(order_share_max=D("0.01"))),
    "parent": Row(
        Reason.PARENT_EXCEEDED,
        buy(1_000),
        buy(1_000),
        lambda: in_campaign(D("99.998")),
        lambda: in_campaign(D("99.999")),
    ),
    "leverage": Row(
        Reason.POSITION_LEVERAGE,
        tactical(leverage=D("5.1")),
        tactical(leverage=D(5)),
        limits=wide(position_leverage_max=D(5)),
    ),
    "leverage of the instrument": Row(
        Reason.POSITION_LEVERAGE,
        tactical(leverage=D(5)),
        tactical(leverage=D(4)),
        *[lambda: with_instrument(UNI_PERP, leverage_max=D(4))] * 2,
    ),
    "leverage of the bracket": Row(
        Reason.POSITION_LEVERAGE,
        hedge(1_010),
        hedge(990),
        *[lambda: with_instrument(ETH_PERP, brackets=BRACKETS)] * 2,
    ),
    "leverage of the bracket of what is held already": Row(
        Reason.POSITION_LEVERAGE,
        hedge(510),
        hedge(490),
        *[
            lambda: replace(
                with_instrument(ETH_PERP, brackets=BRACKETS),
                portfolio=portfolio((position(ETH_PERP, D("-0.25")),)),
                memory=hedging({ETH_PERP: "infra"}),
            )
        ]
        * 2,
    ),
    "liquidation by the bracket": Row(
        Reason.LIQUIDATION_DISTANCE,
        hedge(900),
        hedge(900, leverage=D(3)),
        *[lambda: with_instrument(ETH_PERP, brackets=(replace(BRACKETS[0], maintenance_rate=D("0.19")),))] * 2,
    ),
    "stop beyond the liquidation of the bracket": Row(
        Reason.EXITS_MISSING,
        tactical(900, exits=exits(D("8.2"))),
        tactical(900, exits=exits(D("9.2"))),
        *[lambda: with_instrument(UNI_PERP, brackets=(replace(BRACKETS[0], maintenance_rate=D("0.2")),))] * 2,
    ),
    "no leverage": Row(Reason.POSITION_LEVERAGE, tactical(leverage=None), tactical(leverage=D(2))),
    "leverage of nothing": Row(Reason.POSITION_LEVERAGE, tactical(leverage=D(0)), tactical(leverage=D(1))),
    "margin that is no number": Row(
        Reason.POSITION_LEVERAGE, tactical(margin_quote=D("NaN")), tactical(margin_quote=D(300))
    ),
    "exits that are no numbers": Row(Reason.EXITS_MISSING, tactical(exits=exits(D("NaN"))), tactical()),
    "no exits": Row(Reason.EXITS_MISSING, tactical(exits=None), tactical()),
    "stop on the winning side": Row(
        Reason.EXITS_MISSING, tactical(exits=exits(D("10.01"))), tactical(exits=exits(D("9.99")))
    ),
    "stop beyond liquidation": Row(
        Reason.EXITS_MISSING,
        tactical(leverage=D(10), exits=exits(D("9.09"))),
        tactical(leverage=D(10), exits=exits(D("9.10"))),
    ),
    "no way to take profit": Row(
        Reason.EXITS_MISSING,
        tactical(exits=replace(exits(), targets=(), trailing_share=D(0))),
        tactical(exits=replace(exits(), targets=())),
    ),
    "exits past their deadline": Row(
        Reason.EXITS_MISSING,
        tactical(exits=replace(exits(), deadline_ms=NOW)),
        tactical(exits=replace(exits(), deadline_ms=NOW + 1)),
    ),
    "a scalp on a hedge": Row(
        Reason.PERP_TAKEN,
        tactical(purpose=Purpose.SCALP),
        tactical(
            symbol="AAVE/USDT:USDT",
            purpose=Purpose.SCALP,
            reference_price=D(100),
            worst_price=D("100.2"),
            exits=exits(D(95)),
        ),
        *[lambda: context(portfolio=portfolio((position(UNI_PERP, D(-50)),)), memory=hedging({UNI_PERP: "defi"}))] * 2,
    ),
    "hedge": Row(
        Reason.HEDGE_EXCEEDS_SPOT,
        hedge(10_002),
        hedge(10_000),
        *[lambda: context(portfolio=portfolio(sizes={"ETH": D(5), "SOL": D(0)}))] * 2,
    ),
    "hedge beside one that is held": Row(
        Reason.HEDGE_EXCEEDS_SPOT,
        hedge(8_002),
        hedge(8_000),
        *[
            lambda: context(
                portfolio=portfolio((position(ETH_PERP, D(-1)),), sizes={"ETH": D(5), "SOL": D(0)}),
                memory=hedging({ETH_PERP: "infra"}),
            )
        ]
        * 2,
    ),
    "gross": Row(Reason.GROSS_EXPOSURE, buy(4_700), buy(4_500), limits=wide(gross_max=D("0.853"))),
    "net": Row(Reason.NET_EXPOSURE, buy(4_700), buy(4_500), limits=wide(net_max=D("0.853"))),
    "asset": Row(Reason.ASSET_EXPOSURE, buy(1_100), buy(1_000), limits=wide(asset_max=D("0.153"))),
    "sector": Row(Reason.SECTOR_EXPOSURE, buy(1_600), buy(1_450), limits=wide(sector_max=D("0.300"))),
    "stress loss": Row(Reason.STRESS_LOSS, buy(4_700), buy(4_500), limits=wide(stress_loss_max=D("0.2559"))),
    "account leverage": Row(
        Reason.ACCOUNT_LEVERAGE, hedge(10_600), hedge(10_400), limits=wide(account_leverage_max=D("0.1"))
    ),
    "liquidation": Row(
        Reason.LIQUIDATION_DISTANCE,
        hedge(leverage=D(6)),
        hedge(leverage=D(5)),
        limits=wide(liquidation_distance_min=D("0.17")),
    ),
    "margin use": Row(Reason.MARGIN_USE, hedge(7_600), hedge(7_400), limits=wide(margin_use_max=D("0.1"))),
    "futures budget": Row(Reason.FUTURES_BUDGET, hedge(5_100), hedge(4_900), limits=wide(futures_budget=D("0.01"))),
    "funding rate": Row(
        Reason.FUNDING_BUDGET, tactical(), tactical(), lambda: with_funding("0.00055"), lambda: with_funding("0.00054")
    ),
    "funding unknown": Row(Reason.FUNDING_BUDGET, tactical(), hedge(), *[lambda: without("funding", UNI_PERP)] * 2),
    "funding of the day": Row(
        Reason.FUNDING_BUDGET,
        tactical(7_200),
        tactical(6_800),
        *[lambda: with_funding("0.0005")] * 2,
        limits=wide(funding_cost_max_day=D("0.0001")),
    ),
    "tokens nobody has": Row(
        Reason.BALANCE_SHORT,
        sell(symbol=AAVE),
        sell(),
        *[lambda: context(portfolio=without_balance("AAVE"))] * 2,
    ),
    "tokens": Row(Reason.BALANCE_SHORT, sell(size=D("13.751")), sell(size=D("13.75"))),
    "tokens being sold": Row(
        Reason.BALANCE_SHORT,
        sell(size=D("8.751")),
        sell(size=D("8.75")),
        *[lambda: context(working=(working(sell(10_000, id="old")),))] * 2,
    ),
    "cash": Row(Reason.BALANCE_SHORT, buy(5_000), buy(4_980)),
    "cash floor": Row(Reason.BALANCE_SHORT, buy(4_000), buy(3_980), limits=wide(cash_floor_quote=D(1_000))),
    "margin": Row(
        Reason.MARGIN_SHORT,
        hedge(5_000),
        hedge(4_980),
        *[lambda: context(portfolio=portfolio(wallet=D(1_000)))] * 2,
    ),
}


def verdict(intent: Intent, world: TurnRisk, limits: Limits) -> Reason | None:
    (result,) = review((intent,), world, limits)
    return result.note.reason if isinstance(result, Refused) else None


@pytest.mark.parametrize("name", ROWS)
def test_a_limit_refuses_beyond_and_passes_inside(name: str) -> None:
    row = ROWS[name]
    assert verdict(row.refused, row.refused_in(), row.limits) is row.reason
    assert verdict(row.passed, row.passed_in(), row.limits) is None


def test_every_check_of_the_table_is_the_one_that_refuses_some_row(monkeypatch: pytest.MonkeyPatch) -> None:
    """A judge that no row makes refuse would be one that nobody has seen at work."""
    refusing: set[str] = set()

    def recorded(check: Check) -> Check:
        def judge(case: OrderReview) -> Note | None:
            note = check.judge(case)
            if note:
                refusing.add(check.judge.__name__)
            return note

        return Check(judge, check.concerns)

    monkeypatch.setattr(gate, "CHECKS", tuple(recorded(check) for check in CHECKS))
    for row in ROWS.values():
        verdict(row.refused, row.refused_in(), row.limits)
    assert {check.judge.__name__ for check in CHECKS} - refusing == set()


ENTRY_TROUBLE: dict[str, Callable[[TurnRisk], TurnRisk]] = {
    "pause": lambda c: replace(c, kill=KillLevel.PAUSE),
    "reduce-only": lambda c: replace(c, kill=KillLevel.REDUCE_ONLY),
    "unreconciled": lambda c: replace(c, is_reconciled=False),
    "locked": lambda c: replace(c, locked=(ETH, ETH_PERP, UNI_PERP)),
    "skewed": lambda c: replace(c, clock_skew_ms=20_000),
    "busy": lambda c: replace(c, orders_last_minute=10_000, recent_fills=10_000),
    "turned over": lambda c: replace(c, turnover_today_quote=D(10) ** 9),
    "lossy": lambda c: replace(c, memory=Memory(equity_peak=D(10) ** 7, day_start_equity=D(10) ** 7)),
    "rejected": lambda c: replace(c, rejections=10_000),
    "slow": lambda c: replace(c, latency_ms=10**9),
    "after an outage": lambda c: replace(c, failed_turns=10_000),
    "repeating": lambda c: replace(
        c, executed_lately={executed_key(s, side): 10_000 for s in SYMBOLS for side in Side}
    ),
    "in doubt for ever": lambda c: replace(c, working=doubtful_since(0).working),
    "dear": lambda c: replace(c, fees_today_quote=D(10) ** 9, orders_today=10**9),
    "at its first order": lambda c: replace(c, is_canary=True),
    "bookless": lambda c: replace(c, snapshot=replace(c.snapshot, books={}, funding={})),
    "apart": lambda c: replace(
        c, snapshot=replace(c.snapshot, quotes={s: _apart(q) for s, q in c.snapshot.quotes.items()})
    ),
}
TIGHT = Limits(
    order_notional_max_quote=D(0),
    order_share_max=D(0),
    gross_max=D(0),
    net_max=D(0),
    asset_max=D(0),
    sector_max=D(0),
    account_leverage_max=D(0),
    position_leverage_max=D(1),
    margin_use_max=D("0.0001"),
    futures_budget=D(0),
    liquidation_distance_min=D("0.99"),
    hedge_share_max=D(0),
    funding_rate_max_annual=D(0),
    funding_cost_max_day=D(0),
    cash_floor_quote=D(1_000_000),
    turnover_max=D(0),
    participation_max=D("0.000001"),
    slippage_max_bps=1,
)


REDUCING = {
    "resting stop": release(
        1_000, purpose=Purpose.EXIT, order_type=OrderType.STOP, trigger_price=D(2100), time_in_force=TimeInForce.GTC
    ),
    "release": release(2_000),
    "exit": release(2, purpose=Purpose.EXIT),
    "sale": sell(5_000),
}


def _apart(q: Quote) -> Quote:
    return replace(q, index=q.index * D("1.05") if q.index else None)


@pytest.mark.parametrize("trouble", ENTRY_TROUBLE)
@pytest.mark.parametrize("name", REDUCING)
def test_what_only_reduces_passes_every_limit_on_entries(trouble: str, name: str) -> None:
    world = context(portfolio=portfolio((position(ETH_PERP, D(-2)), position(UNI_PERP, D(500)))))
    assert verdict(REDUCING[name], ENTRY_TROUBLE[trouble](world), TIGHT) is None


def test_a_close_passes_with_an_old_quote_and_an_old_account_but_a_sale_does_not() -> None:
    world = with_quote(ETH_PERP, at_ms=0)
    world = replace(world, portfolio=portfolio((position(ETH_PERP, D(-2)),), at_ms=0))
    assert verdict(release(1_000), world, WIDE) is None
    assert verdict(sell(), world, WIDE) is Reason.BALANCE_STALE
    assert verdict(sell(purpose=Purpose.FLATTEN), world, WIDE) is None


def test_a_reduction_of_what_an_earlier_entry_opens_is_approved() -> None:
    stop = tactical(
        id="stop",
        side=Side.SELL,
        purpose=Purpose.EXIT,
        reduce_only=True,
        order_type=OrderType.STOP,
        trigger_price=D("9.2"),
        worst_price=D("9.0"),
    )
    assert [type(v) for v in review((tactical(), stop), context(), WIDE)] == [Approved, Approved]


def test_a_hedge_may_be_opened_although_the_day_went_badly() -> None:
    world = fallen("0.5", peak=False)
    assert verdict(hedge(), world, WIDE) is None
    assert verdict(tactical(), world, WIDE) is Reason.DAILY_LOSS


def test_a_hedge_may_be_opened_although_net_exposure_is_above_its_cap() -> None:
    limits = wide(net_max=D("0.5"), sector_max=D("0.2"), asset_max=D("0.1"))
    assert verdict(hedge(), context(), limits) is None
    assert verdict(buy(), context(), limits) is Reason.NET_EXPOSURE


def test_an_order_in_doubt_counts_at_full_size_in_every_cap() -> None:
    doubtful = working(buy(4_000, symbol="AAVE/USDT", id="old"), OrderState.IN_DOUBT)
    limits = wide(gross_max=D("0.853"))
    assert verdict(buy(1_000), context(), limits) is None
    assert verdict(buy(1_000), context(working=(doubtful,)), limits) is Reason.GROSS_EXPOSURE


def test_of_a_partly_filled_order_only_the_rest_counts() -> None:
    order = working(buy(4_000, symbol="AAVE/USDT", id="old"), filled_size=D(39))
    assert verdict(buy(1_000), context(working=(order,)), wide(gross_max=D("0.853"))) is None


def test_a_later_intent_sees_the_earlier_one() -> None:
    pair = buy(2_600), buy(2_600, symbol="AAVE/USDT")
    first, second = review(pair, context(), WIDE)
    assert isinstance(first, Approved)
    assert isinstance(second, Refused)
    assert second.note.reason is Reason.BALANCE_SHORT
    assert verdict(pair[1], context(), WIDE) is None


def test_a_refused_intent_takes_nothing_from_those_after_it() -> None:
    first, second = review((buy(2_600, size=D("0.0001")), buy(4_900, symbol="AAVE/USDT")), context(), WIDE)
    assert isinstance(first, Refused)
    assert isinstance(second, Approved)


def test_proceeds_of_an_approved_sale_pay_for_a_later_purchase() -> None:
    results = review((sell(10_000), buy(14_000)), context(), WIDE)
    assert [type(r) for r in results] == [Approved, Approved]
    assert isinstance(review((buy(14_000), sell(10_000)), context(), WIDE)[0], Refused)


def test_a_hedge_is_measured_against_the_spot_that_later_sales_leave() -> None:
    world = context(portfolio=portfolio(sizes={"ETH": D(5), "SOL": D(0)}))
    assert verdict(hedge(8_000), world, WIDE) is None
    first, second = review((hedge(8_000), sell(4_000)), world, WIDE)
    assert isinstance(first, Refused)
    assert first.note.reason is Reason.HEDGE_EXCEEDS_SPOT
    assert isinstance(second, Approved)


def test_the_same_intent_twice_in_a_batch_passes_once() -> None:
    first, second = review((buy(), buy()), context(), WIDE)
    assert isinstance(first, Approved)
    assert isinstance(second, Refused)
    assert second.note.reason is Reason.INTENT_IN_FLIGHT


def test_a_unified_account_pays_margin_and_purchases_from_one_purse() -> None:
    account = replace(portfolio().account, is_unified=True, perp_wallet=D(0), perp_free=D(0))
    world = context(portfolio=replace(portfolio(), account=account))
    assert verdict(tactical(12_000), world, WIDE) is None
    first, second = review((tactical(12_000), buy(1_500)), world, WIDE)
    assert isinstance(first, Approved)
    assert isinstance(second, Refused)
    assert second.note.reason is Reason.BALANCE_SHORT


def test_locked_tokens_are_not_sold() -> None:
    base = portfolio()
    account = replace(base.account, balances={**base.account.balances, "ETH": Balance("ETH", D(1), D("12.75"))})
    world = context(portfolio=replace(base, account=account))
    assert verdict(sell(2_100), world, WIDE) is Reason.BALANCE_SHORT
    assert verdict(sell(2_000), world, WIDE) is None


def test_a_note_carries_the_numbers_behind_it() -> None:
    (result,) = review((buy(worst_price=D("10.5")),), context(), WIDE)
    assert isinstance(result, Refused)
    assert result.note.subject == result.intent.id
    assert result.note.numbers["limit_bps"] == "200"
    assert result.note.numbers["beyond_bps"] == "500.0"
    assert "10.5" in result.note.words


def test_an_approval_is_the_bound_of_the_intent() -> None:
    wish = buy()
    assert review((wish,), context(), WIDE) == (Approved(wish, wish.size, wish.worst_price),)


def test_the_world_of_these_tests_is_what_it_says() -> None:
    assert portfolio().equity == 105_000
    assert quote(UNI, price_of(UNI)).defect() is None
    assert instrument(UNI_PERP).is_perp
