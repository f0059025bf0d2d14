"""The stress limit: by hand, never kinder than the table of `plan`, and no obstacle to what lowers risk."""

from decimal import Decimal

from hypothesis import given, settings
from hypothesis import strategies as st

from bot.domain.money import ZERO
from bot.domain.portfolio import Portfolio
from bot.domain.reason import Reason
from bot.playbook.book.exposure import read_exposure
from bot.playbook.policy.membership import Sector, Sectors
from bot.risk import Approved, Limits, Refused, TurnRisk, review
from bot.risk.projection import project
from bot.risk.stress import stress_losses
from tests.profiles import examples
from tests.risk.worlds import SPOT, D, buy, context, hedge, portfolio, position, release, sell, snapshot, tactical

SECTORS = Sectors(
    sectors={"defi": Sector(hedge=("UNI",)), "infra": Sector(hedge=("ETH",))},
    tokens={token: {sector: Decimal(1)} for token, (sector, _) in SPOT.items()},
)
NAMES = {
    "everything −30 %": "everything falls",
    "defi −50 %": "defi falls",
    "perps alone +25 %": "perps rise alone",
    "perps alone −25 %": "perps fall alone",
    "USDT −10 %": "the quote currency falls",
    "venue dark, everything −20 %": "the venue is dark",
}


def losses_of(held: Portfolio) -> dict[str, Decimal]:
    return stress_losses(project(snapshot(), held, ()), SECTORS.tokens)


def refusal(intent: object, limit: str, world: TurnRisk | None = None) -> Reason | None:
    (verdict,) = review((intent,), world or context(), Limits(stress_loss_max=D(limit)))  # type: ignore[arg-type]
    return verdict.note.reason if isinstance(verdict, Refused) else None


def test_losses_by_hand() -> None:
    """30,000 of DeFi, 55,000 of infrastructure, 20,000 of cash and margin."""
    found = losses_of(portfolio())
    assert found["everything falls"] == D(25_500)
    assert (found["defi falls"], found["infra falls"]) == (D(15_000), D(27_500))
    assert found["the quote currency falls"] == D(2_000)
    assert found["the venue is dark"] == D(17_000)
    assert found["perps rise alone"] == found["perps fall alone"] == ZERO


def test_a_held_short_offsets_a_fall_but_not_at_a_dark_venue() -> None:
    found = losses_of(portfolio((position("ETH/USDT:USDT", D(-4)),)))
    assert found["everything falls"] == D(25_500) - D("0.30") * 8_000
    assert found["infra falls"] == D(27_500) - D("0.50") * 8_000
    assert found["perps rise alone"] == D("0.25") * 8_000
    assert found["the venue is dark"] == D(17_000)


def test_the_limit_names_its_shock_and_lets_through_what_lowers_risk() -> None:
    (verdict,) = review((buy(4_000, "ETH/USDT"),), context(), Limits(stress_loss_max=D("0.27")))
    assert isinstance(verdict, Refused)
    assert "infra falls" in verdict.note.words, "59,000 of infrastructure cost 29,500, more than 0.27 of equity"
    full = context(portfolio=portfolio((position("ETH/USDT:USDT", D(-1)),)))
    assert refusal(sell(), "0.01") is None
    assert refusal(hedge(), "0.01") is None, "a hedge lowers the loss of a fall"
    assert refusal(release(1_000), "0.01", full) is None


def test_what_does_not_raise_a_loss_passes_though_it_is_over_the_limit() -> None:
    """27,500 of 105,000 would be lost with infrastructure: over 0.26, which DeFi does not raise; 25,500 with
    everything, which it does."""
    assert refusal(buy(1_000), "0.26") is None
    assert refusal(tactical(8_000), "0.26") is Reason.STRESS_LOSS
    assert refusal(buy(100, "SOL/USDT"), "0.26") is Reason.STRESS_LOSS
    assert refusal(buy(100, "SOL/USDT"), "0.45") is None


def test_a_pending_sale_makes_no_room_for_a_purchase() -> None:
    batch = (sell(10_000), buy(4_700))
    verdicts = review(batch, context(), Limits(stress_loss_max=D("0.2559"), order_share_max=D(1)))
    assert isinstance(verdicts[0], Approved)
    assert isinstance(verdicts[1], Refused)


sizes = st.fixed_dictionaries({"UNI": st.integers(0, 5_000), "ETH": st.integers(0, 40)})
shorts = st.tuples(st.integers(0, 30), st.integers(0, 2_000))


@settings(max_examples=examples(100), deadline=None)
@given(sizes, shorts)
def test_the_limit_is_never_kinder_than_the_table(held: dict[str, int], perps: tuple[int, int]) -> None:
    """Positions without a liquidation price, so that the table limits no loss by its margin."""
    positions = [position("ETH/USDT:USDT", D(-perps[0])), position("UNI/USDT:USDT", D(perps[1]), D(3))]
    book = portfolio(tuple(p for p in positions if p.size), sizes={token: D(size) for token, size in held.items()})
    found = losses_of(book)
    for stress in read_exposure(book, snapshot(), SECTORS, "defi").stresses:
        assert found[NAMES[stress.name]] >= book.equity - stress.equity_quote - D("0.000001"), stress.name
