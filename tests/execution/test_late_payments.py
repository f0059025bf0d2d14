"""Payments that the venue lists after an adjustment has counted them: several at once, or one beside rounding."""

from decimal import Decimal

import pytest

from bot.domain.durations import MINUTE_MS
from bot.domain.instrument import Side
from bot.domain.order import Fill
from bot.domain.reason import Reason
from bot.execution.reconcile import Truth
from bot.ports import Payment
from tests.execution.scripted_venue import SPOT
from tests.execution.worlds import SYMBOLS, World


@pytest.fixture
def world(world: World) -> World:
    world.venue.advance(MINUTE_MS)
    return world


def pay(world: World, number: int, amount: int) -> Payment:
    """Money comes in or goes out, and the venue does not list it yet."""
    world.venue.balances["USDT"] += amount
    kind = "deposit" if amount > 0 else "withdrawal"
    return Payment(str(number), kind, "USDT", Decimal(amount), None, world.venue.clock_ms)


async def settle(world: World) -> Truth:
    world.venue.advance(6 * MINUTE_MS)
    return await world.reconciler.settle(SYMBOLS)


def adjusted(world: World) -> tuple[Decimal, Decimal]:
    """The sum of all adjustments, and of what counts as lost in them."""
    facts = world.journal.reader.load_facts("adjustment")
    amounts = sum((Decimal(fact.payload["amount"]) for fact in facts), Decimal(0))
    return amounts, sum((Decimal(fact.payload.get("lost", "0")) for fact in facts), Decimal(0))


@pytest.mark.parametrize("amounts", [(500, -90), (500, 700), (-30, -40), (20, -90)])
async def test_payments_that_were_adjusted_as_their_sum_count_once(world: World, amounts: tuple[int, ...]) -> None:
    late = [pay(world, number, amount) for number, amount in enumerate(amounts)]
    await settle(world)
    assert adjusted(world)[0] == sum(amounts)
    world.venue.payments += late
    for _ in range(2):
        truth = await settle(world)
        assert (truth.is_agreed, adjusted(world)) == (True, (0, 0))
    assert truth.notes == ()


async def test_a_payment_is_known_beside_what_passed_for_rounding_until_then(world: World) -> None:
    world.venue.balances["USDT"] -= Decimal("0.003")
    assert (await settle(world)).notes == ()
    late = pay(world, 1, 500)
    await settle(world)
    assert adjusted(world)[0] == Decimal("499.997")
    world.venue.payments.append(late)
    truth = await settle(world)
    assert (truth.is_agreed, adjusted(world)) == (True, (Decimal("-0.003"), 0))
    assert (await settle(world)).notes == ()


async def test_a_payment_beside_what_nobody_lists_stays_missing(world: World) -> None:
    """350 of 850 were no deposit: to take back 500 of them is no guess that the difference shows to be right."""
    late = pay(world, 1, 500)
    world.venue.balances["USDT"] += 350
    await settle(world)
    world.venue.payments.append(late)
    truth = await settle(world)
    assert (truth.is_agreed, adjusted(world)) == (True, (Decimal(350), 0))
    world.venue.balances["USDT"] -= 400
    truth = await settle(world)
    assert (truth.is_agreed, {note.reason for note in truth.notes}) == (False, {Reason.CASH_UNEXPLAINED})


async def test_a_payment_of_after_the_adjustment_is_none_that_it_counts(world: World) -> None:
    world.venue.balances["USDT"] += 500
    await settle(world)
    world.venue.advance(1_000)
    later = pay(world, 1, 300)
    world.venue.balances["USDT"] -= 300
    world.venue.payments.append(later)
    truth = await settle(world)
    assert (truth.is_agreed, {note.reason for note in truth.notes}) == (False, {Reason.CASH_UNEXPLAINED})
    assert adjusted(world) == (500, 0)


async def test_payments_are_known_by_the_sum_of_their_adjustment_while_another_is_late(world: World) -> None:
    """Nothing counts as lost of what three payments brought in, whichever of them are listed first."""
    first = [pay(world, 1, 700), pay(world, 2, -90)]
    await settle(world)
    last = pay(world, 3, 500)
    world.venue.payments += first
    await settle(world)
    assert adjusted(world) == (500, 0)
    world.venue.payments.append(last)
    for _ in range(2):
        truth = await settle(world)
        assert (truth.is_agreed, adjusted(world)) == (True, (0, 0))


async def test_what_late_payments_had_made_look_lost_is_found_again(world: World) -> None:
    """A deposit hides most of a withdrawal; the withdrawal is listed first, and beside it another one is late."""
    deposit, withdrawal = pay(world, 1, 200), pay(world, 2, -300)
    await settle(world)
    assert adjusted(world) == (-100, 100)
    world.venue.payments.append(withdrawal)
    other = pay(world, 3, -90)
    await settle(world)
    world.venue.payments += [deposit, other]
    for _ in range(2):
        truth = await settle(world)
        assert (truth.is_agreed, adjusted(world)) == (True, (0, 0))


async def test_what_is_lost_beside_late_payments_stays_lost(world: World) -> None:
    late = [pay(world, 1, 20), pay(world, 2, -60)]
    world.venue.balances["USDT"] -= 30
    await settle(world)
    assert adjusted(world) == (-70, 70)
    world.venue.payments += late
    for _ in range(2):
        truth = await settle(world)
        assert (truth.is_agreed, adjusted(world)) == (True, (-30, 30))


def move_tokens(world: World, number: int, amount: int) -> Payment:
    world.venue.balances["UNI"] += amount
    kind = "deposit" if amount > 0 else "withdrawal"
    return Payment(str(number), kind, "UNI", Decimal(amount), None, world.venue.clock_ms)


def sell_unseen(world: World, size: int) -> list[Fill]:
    """A trade by hand that the venue does not list until it is put back."""
    world.venue.execute(SPOT, Side.SELL, Decimal(size), client_id=None, price=Decimal(10))
    fills, world.venue.fills = world.venue.fills, []
    return fills


async def test_a_trade_and_a_payment_that_were_accepted_together_count_once(world: World) -> None:
    late = move_tokens(world, 1, -3)
    fills = sell_unseen(world, 2)
    assert not (await settle(world)).is_agreed
    await world.reconciler.accept(by="operator", reason="looked at")
    world.venue.payments.append(late)
    world.venue.fills = fills
    for _ in range(2):
        assert (await settle(world)).is_agreed
    assert [fact.payload["trade_id"] for fact in world.journal.reader.load_facts("trade_counted")] == ["1"]
    amounts = [
        fact.payload["amount"]
        for fact in world.journal.reader.load_facts("adjustment")
        if fact.payload["key"] == "spot:UNI"
    ]
    assert amounts == ["3", "-5"]


async def test_an_adjustment_that_a_trade_explains_is_none_of_a_payment(world: World) -> None:
    fills = sell_unseen(world, 3)
    assert not (await settle(world)).is_agreed
    await world.reconciler.accept(by="operator", reason="looked at")
    world.venue.fills = fills
    assert (await settle(world)).is_agreed
    world.venue.payments.append(move_tokens(world, 1, -3))
    for _ in range(2):
        assert (await settle(world)).is_agreed
    assert not [fact for fact in world.journal.reader.load_facts("adjustment") if "replaces" in fact.payload]


async def test_a_payment_that_the_venue_dates_later_than_its_money_takes_back_its_adjustment(world: World) -> None:
    world.venue.balances["USDT"] += 500
    await settle(world)
    late = Payment("1", "deposit", "USDT", Decimal(500), None, world.venue.clock_ms + MINUTE_MS)
    world.venue.payments.append(late)
    for _ in range(2):
        truth = await settle(world)
        assert (truth.is_agreed, adjusted(world)) == (True, (0, 0))


async def test_a_deposit_and_a_withdrawal_of_one_id_are_two_payments(world: World) -> None:
    for amount in (500, -50):
        late = pay(world, 1, amount)
        await settle(world)
        assert adjusted(world)[0] == amount
        world.venue.payments.append(late)
        for _ in range(2):
            truth = await settle(world)
            assert (truth.is_agreed, adjusted(world)) == (True, (0, 0))
        assert truth.notes == ()


async def test_an_adjustment_of_an_earlier_version_names_its_payment_in_words_alone(world: World) -> None:
    """500 came in twice, and the payment that is listed has taken one of them back."""
    late = pay(world, 1, 500)
    await settle(world)
    made = world.journal.reader.load_facts("adjustment")[0]
    pay(world, 2, 500)
    await settle(world)
    back = {"key": "spot:USDT", "amount": "-500", "by": "bot", "replaces": made.seq}
    await world.journal.record_fact("adjustment", back | {"reason": "the venue lists it now as 1"})
    world.venue.payments.append(late)
    for _ in range(2):
        truth = await settle(world)
        assert (truth.is_agreed, truth.notes, adjusted(world)) == (True, (), (500, 0))


async def test_a_second_payment_of_the_same_amount_takes_back_no_adjustment(world: World) -> None:
    """500 came in that nobody lists, and 500 more that are listed at once."""
    world.venue.balances["USDT"] += 500
    await settle(world)
    world.venue.advance(1_000)
    world.venue.payments.append(pay(world, 1, 500))
    for _ in range(2):
        truth = await settle(world)
        assert (truth.is_agreed, truth.notes, adjusted(world)) == (True, (), (500, 0))
