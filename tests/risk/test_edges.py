"""The exact edge of a limit, and what counts toward it: siblings, sectors, both prices."""

from dataclasses import replace
from decimal import Decimal

import pytest

from bot.domain.campaign import Campaign, Leg, Memory, Stance, Tranche
from bot.domain.order import Intent, Purpose
from bot.domain.portfolio import Balance
from bot.domain.reason import Reason
from bot.domain.states import CampaignState, OrderState, TrancheState
from bot.risk import Approved, Limits, TurnRisk, review, tripped
from bot.risk.case import text
from bot.risk.projection import Pending, project
from tests.risk.test_checks import WIDE
from tests.risk.worlds import NOW, D, buy, context, exits, hedge, portfolio, sell, snapshot, tactical, working

AAVE, UNI_PERP = "AAVE/USDT", "UNI/USDT:USDT"


def verdict(wish: Intent, world: TurnRisk, *before: Intent, **limits: object) -> Reason | None:
    found = review([*before, wish], world, WIDE.model_copy(update=limits))[-1]
    return None if isinstance(found, Approved) else found.note.reason


def in_campaign(left: Decimal, *, leg: int = 1, tranche: int = 1, **changes: object) -> TurnRisk:
    """A campaign whose only leg still wants `left` UNI."""
    wanted = Leg(leg, Purpose.INCREASE, "defi", "UNI/USDT", D(1500), 1500 + left, D(10), left * 10)
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
        tranches=(Tranche(tranche, TrancheState.RUNNING, NOW, (wanted,)),),
    )
    return context(memory=Memory(campaign=campaign), **changes)


def test_what_works_for_a_leg_and_what_was_approved_for_it_count_as_its_children() -> None:
    at_work = working(buy(id="old"), size=D(60))
    for under_way, room in (((), 100), ((at_work,), 40)):
        world = in_campaign(D(100), working=under_way)
        assert verdict(buy(size=D(room)), world) is None
        assert verdict(buy(size=D(room) + 1), world) is Reason.PARENT_EXCEEDED
    first = buy(id="first", size=D(70))
    assert verdict(buy(size=D(30)), in_campaign(D(100)), first) is None
    assert verdict(buy(size=D(31)), in_campaign(D(100)), first) is Reason.PARENT_EXCEEDED


def test_orders_of_another_symbol_or_side_are_no_children() -> None:
    others = (
        working(buy(symbol=AAVE, id="other"), size=D(5)),
        working(sell(symbol="ETH/USDT", id="sale"), size=D(5)),
    )
    world = in_campaign(D(100), working=others)
    assert verdict(buy(size=D(100)), world) is None
    earlier = (buy(symbol=AAVE, id="a"), sell(id="b"))
    assert verdict(buy(size=D(100)), in_campaign(D(100)), *earlier) is None


@pytest.mark.parametrize(
    "wish",
    [
        buy(size=D(150), leg=2),
        buy(size=D(150), tranche=2),
        buy(size=D(150), campaign=2),
        buy(size=D(150), purpose=Purpose.RELEASE),
        buy(symbol=AAVE, size=D(11)),
    ],
    ids=["another leg", "another tranche", "another campaign", "another purpose", "another symbol"],
)
def test_what_is_no_child_of_the_leg_is_not_measured_by_it(wish: Intent) -> None:
    assert verdict(wish, in_campaign(D(10))) is not Reason.PARENT_EXCEEDED
    assert verdict(buy(size=D(150)), in_campaign(D(10))) is Reason.PARENT_EXCEEDED


def test_a_leveraged_entry_needs_exits_whatever_it_is_for_and_one_without_leverage_does_not() -> None:
    wish = buy(symbol=UNI_PERP, leverage=D(2))
    assert verdict(wish, context()) is Reason.EXITS_MISSING
    assert verdict(replace(wish, leverage=D(1)), context()) is None
    assert verdict(tactical(leverage=D(1), exits=None), context()) is Reason.EXITS_MISSING


def test_the_last_cent_of_cash_and_of_margin_may_be_used() -> None:
    wish = buy(symbol=AAVE)
    cost = wish.size * wish.worst_price
    for cash, reason in ((cost, None), (cost - D("0.0001"), Reason.BALANCE_SHORT)):
        assert verdict(wish, context(portfolio=portfolio(cash=cash))) is reason
    entry = hedge()
    needed = entry.size * 2_000 * (D(1) / 5 + D("0.0005"))
    account = portfolio().account
    for free, reason in ((needed, None), (needed - D("0.0001"), Reason.MARGIN_SHORT)):
        seen = replace(portfolio(), account=replace(account, perp_free=free))
        assert verdict(entry, context(portfolio=seen)) is reason


def test_in_one_purse_an_earlier_purchase_and_margin_in_doubt_are_both_gone() -> None:
    account = portfolio().account
    balances = {**account.balances, "USDT": Balance("USDT", D(6_000))}
    seen = replace(portfolio(), account=replace(account, balances=balances, is_unified=True))
    in_doubt = working(tactical(1_000, id="old"), OrderState.IN_DOUBT, price=D(10), size=D(100))
    first = buy(id="first", size=D(100))
    left = 6_000 - 1_000 * D("1.0005") - first.size * first.worst_price
    world = context(portfolio=seen, working=(in_doubt,))
    fits = (left / buy(symbol=AAVE).worst_price).quantize(D("0.001")) - D("0.001")
    assert verdict(buy(symbol=AAVE, size=fits), world, first) is None
    assert verdict(buy(symbol=AAVE, size=fits + D("0.01")), world, first) is Reason.BALANCE_SHORT


def test_every_entry_in_doubt_and_every_approved_one_takes_its_own_margin() -> None:
    account = portfolio().account
    doubts = tuple(
        working(
            tactical(1_000, id=f"old {symbol}", symbol=f"{symbol}/USDT:USDT"),
            OrderState.IN_DOUBT,
            price=D(100),
            size=D(10),
        )
        for symbol in ("AAVE", "SOL")
    )
    seen = replace(portfolio(), account=replace(account, perp_free=D("2001") + 200 + 1))
    assert verdict(hedge(1_000), context(portfolio=seen, working=doubts)) is None
    assert verdict(hedge(1_100), context(portfolio=seen, working=doubts)) is Reason.MARGIN_SHORT
    earlier = (tactical(1_500), tactical(1_500, symbol="AAVE/USDT:USDT", exits=exits(D(92))))
    taken = sum((i.size * i.worst_price * (D(1) / 3 + D("0.0005")) for i in earlier[:1]), D(0)) * 2
    poor = replace(portfolio(), account=replace(account, perp_free=taken + 150))
    assert verdict(hedge(1_000), context(portfolio=poor), *earlier) is Reason.MARGIN_SHORT
    assert verdict(hedge(700), context(portfolio=poor), *earlier) is None


def test_every_sector_a_token_touches_is_looked_at_and_no_other() -> None:
    start = portfolio()
    shared = [replace(h, value=h.value * D("0.8")) for h in start.holdings if h.symbol == "UNI/USDT"]
    shared += [replace(h, sector="infra", value=h.value / 4) for h in shared]
    rest = tuple(h for h in start.holdings if h.symbol != "UNI/USDT")
    mixed = context(portfolio=replace(start, holdings=(*rest, *shared)))
    infra = start.sectors["infra"].spot
    limit = (infra + 100) / start.equity
    assert verdict(buy(1_000), mixed, sector_max=limit) is Reason.SECTOR_EXPOSURE, "a fifth of it counts in infra"
    assert verdict(buy(1_000), context(), sector_max=limit) is None, "here none of it does"


def test_mark_and_index_may_be_as_far_apart_as_the_limit_says() -> None:
    base = snapshot()
    quote = replace(base.quotes[UNI_PERP], mark=D(10), index=D(10) / D("1.005"))
    world = context(snapshot=replace(base, quotes={**base.quotes, UNI_PERP: quote}))
    apart = abs(quote.mark - quote.index) / quote.index * 10_000 if quote.mark and quote.index else D(0)
    assert D("49.9") < apart < D("50.1")
    assert verdict(tactical(), world, mark_index_apart_max_bps=51) is None
    assert verdict(tactical(), world, mark_index_apart_max_bps=49) is not None


def test_a_fall_of_exactly_the_limit_stops_entries() -> None:
    world = context(memory=Memory(equity_peak=D(105_000), day_start_equity=D(140_000)))
    assert [note.reason for note in tripped(world, Limits(daily_loss_max=D("0.25")))] == [Reason.DAILY_LOSS]
    assert not tripped(world, Limits(daily_loss_max=D("0.2500001")))


def test_all_tokens_without_a_price_are_named_beside_the_fall() -> None:
    seen = replace(portfolio(), equity=D(60_000), unpriced=("AAVE", "UNI"))
    words = tripped(context(portfolio=seen), Limits())[0].words
    assert words.startswith("AAVE, UNI without a price: equity is not known, priced holdings are worth 60000.00 of ")
    assert words.endswith("the 105000.00 since the day began; entries stop")


def test_funding_that_is_received_costs_nothing_and_does_not_pay_for_another() -> None:
    seen = snapshot()
    short = Pending.of_intent(hedge(1_000))
    assert project(seen, portfolio(), [short]).funding_cost_day == 0
    long = Pending.of_intent(tactical(1_000))
    paid = project(seen, portfolio(), [long]).funding_cost_day
    assert paid > 0
    assert project(seen, portfolio(), [long, short]).funding_cost_day == paid


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (D("0.00000012"), "1.2E-7"),
        (D("0.0001"), "0.0001"),
        (D("0.00005"), "0.00005"),
        (D("1.23456"), "1.2346"),
        (D("0"), "0"),
        (D("0.0000"), "0"),
        (D("NaN"), "NaN"),
        (D("1e20"), "1E+20"),
        (D("1e19"), "1" + "0" * 19),
        (7, "7"),
        ("word", "word"),
    ],
)
def test_a_number_is_written_as_a_reader_wants_it(value: Decimal | int | str, words: str) -> None:
    assert text(value) == words
