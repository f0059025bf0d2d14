"""The exchange answers badly, late, twice or not at all: what the bot does then, over the real wire."""

from collections.abc import AsyncIterator
from itertools import pairwise
from pathlib import Path

import pytest

from bot.domain.order import Order
from bot.domain.reason import Reason
from bot.domain.states import OrderState
from bot.ports import SetupFailed, Unavailable
from bot.runtime.clock import SkippingClock
from bot.runtime.cycle import CycleResult
from bot.runtime.simulator.embedded import ACCOUNT
from bot.simex.dialects.wire import WireReply, WireRequest
from bot.simex.faults import Fault
from bot.simex.signing import ApiKey
from tests.stage import PERP_ORDER, QUIET_MS, SPOT_ORDER, Stage, notes_of, staged

LOST = Fault(before_engine_drop=True)


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    async with staged(tmp_path) as made:
        yield made


def reasons(result: CycleResult) -> set[Reason]:
    return {note.reason for note in notes_of(result)}


async def test_an_exchange_that_vanishes_within_a_cycle_ends_it_with_nothing_sent(stage: Stage) -> None:
    async with stage.app() as app:
        before = app.journal.reader.next_cycle_number()
        stage.spoil(LOST, skip=6, times=None)
        with pytest.raises(Unavailable):
            await app.cycle.run()
        assert stage.fault_count
        assert stage.writes() == 0
        assert app.journal.reader.count_orders(0) == 0
        assert app.journal.reader.next_cycle_number() == before, "a cycle without truth is not recorded"
        stage.heal()
        result = await stage.turn(app)
        assert result.truth.is_agreed
        assert result.has_acted
        await stage.check_books(app)


async def test_an_exchange_that_is_down_at_the_start_is_unavailable_and_not_misconfigured(stage: Stage) -> None:
    await stage.embedded.server.stop()
    with pytest.raises(Unavailable):
        await stage.build()


async def test_a_read_that_is_limited_is_not_asked_again_before_its_time(stage: Stage) -> None:
    refusals = [WireReply(429, {"code": -1003, "msg": "Too many requests."}, {"Retry-After": "2"})]
    hit_ms: list[int] = []

    def limited(request: WireRequest) -> WireReply | None:
        if request.path == "/api/v3/account" and refusals:
            hit_ms.append(stage.embedded.clock.now_ms())
            return refusals.pop()
        return None

    async with stage.app() as app:
        with stage.answering(limited):
            try:
                await stage.turn(app)
            except Unavailable as error:
                assert error.retry_after is None or error.retry_after >= 1  # noqa: PT017
            after = [at for at, _, path, _ in stage.embedded.server.request_log if path == "/api/v3/account"]
        assert hit_ms, "the account was read"
        assert all(later - hit_ms[0] >= 1_900 for later in after if later > hit_ms[0] + 50)
        assert (await stage.turn(app)).truth.is_agreed


def only(orders: tuple[Order, ...], state: OrderState | None = None) -> list[Order]:
    return [order for order in orders if state is None or order.state is state]


@pytest.mark.parametrize(
    ("fault", "path"),
    [
        (Fault(html=True), SPOT_ORDER),
        (Fault(html=True, reply_status=502), PERP_ORDER),
        (Fault(after_engine_drop=True), SPOT_ORDER),
        (Fault(reset=True), PERP_ORDER),
    ],
    ids=["html-200-spot", "html-502-perp", "reply-lost-spot", "reset-perp"],
)
async def test_an_order_whose_reply_is_useless_is_found_and_counted_once(stage: Stage, fault: Fault, path: str) -> None:
    stage.spoil(fault, "POST", path)
    async with stage.app() as app:
        for _ in range(3):
            await stage.turn(app)
            if stage.fault_count:
                break
        doubted = {n.reason for n in notes_of(stage.results[-1])}
        assert {Reason.ORDER_IN_DOUBT, Reason.DOUBT_SETTLED} <= doubted
        assert all(order.state is not OrderState.IN_DOUBT for order in app.journal.reader.load_orders(1000))
        hit = stage.embedded.server.faults.hits[0]
        assert (hit.method, hit.path) == ("POST", path)
        said = next(n for n in notes_of(stage.results[-1]) if n.reason is Reason.ORDER_IN_DOUBT)
        theirs = [order for order in stage.orders() if order.client_id in said.words]
        assert len(theirs) == 1
        ours = app.journal.reader.load_order(theirs[0].client_id)
        assert ours is not None
        assert ours.state is OrderState.FILLED
        assert ours.filled_size == theirs[0].filled_size
        intent = app.journal.reader.load_orders_of_intent(ours.intent_id)
        assert [order.client_id for order in intent] == [ours.client_id], "the leg was not sent again"
        await stage.check_books(app)


@pytest.mark.parametrize("path", [SPOT_ORDER, PERP_ORDER], ids=["spot", "perp"])
async def test_an_order_that_never_arrived_is_sent_again_under_a_new_id_and_only_after_the_quiet_period(
    stage: Stage, path: str
) -> None:
    stage.spoil(LOST, "POST", path)
    async with stage.app() as app:
        result = await stage.turn(app)
        while not stage.fault_count:
            result = await stage.turn(app)
        doubts = only(app.journal.reader.load_orders(1000), OrderState.IN_DOUBT)
        assert len(doubts) == 1
        lost = doubts[0]
        assert lost.symbol in result.truth.locked
        await stage.turn(app)
        assert [order.client_id for order in app.journal.reader.load_orders(1000) if order.symbol == lost.symbol] == [
            lost.client_id
        ], "nothing more is sent while the doubt lasts"
        stage.embedded.clock.skip(QUIET_MS)
        for _ in range(3):
            await stage.turn(app)
        settled = app.journal.reader.load_order(lost.client_id)
        assert settled is not None
        assert settled.state is OrderState.REJECTED
        assert "never came to be" in settled.reason
        theirs = [o.client_id for o in stage.orders() if o.client_id[:-2] == lost.client_id[:-2]]
        assert len(theirs) == 1
        assert theirs[0] != lost.client_id
        await stage.check_books(app)


def use_key(stage: Stage, key: ApiKey, *, is_known: bool = True) -> None:
    if is_known:
        stage.embedded.server.keys[key.key] = key  # type: ignore[index]
    stage.embedded.key = key


async def test_a_key_the_exchange_does_not_know_is_refused_at_the_start_in_clear_words(stage: Stage) -> None:
    secret = "s" * 64
    use_key(stage, ApiKey("k" * 64, secret, ACCOUNT), is_known=False)
    with pytest.raises(SetupFailed, match=r"(?i)key") as failure:
        await stage.build()
    assert secret not in str(failure.value)
    assert stage.writes() == 0


async def test_a_wrong_secret_is_refused_at_the_start_and_does_not_appear_in_the_words(stage: Stage) -> None:
    wrong = ApiKey(stage.embedded.key.key, "w" * 64, ACCOUNT)
    use_key(stage, wrong, is_known=False)
    with pytest.raises(SetupFailed, match=r"(?i)secret|signature|key") as failure:
        await stage.build()
    assert wrong.secret not in str(failure.value)


async def test_a_key_without_futures_is_refused_with_the_permission_named(stage: Stage) -> None:
    use_key(stage, ApiKey("k" * 64, "s" * 64, ACCOUNT, frozenset({"spot"})))
    with pytest.raises(SetupFailed, match=r"(?i)futures"):
        await stage.build()
    assert stage.writes() == 0


@pytest.mark.parametrize("ahead", ["exchange", "bot"])
async def test_a_clock_off_by_five_seconds_is_refused_at_the_start(stage: Stage, ahead: str) -> None:
    if ahead == "exchange":
        stage.embedded.server.advance(5_000)
    else:
        stage.embedded.clock = SkippingClock(stage.embedded.clock.now_ms() + 5_000)
    with pytest.raises(SetupFailed, match=r"(?i)clock"):
        await stage.build()


async def test_after_a_refused_start_the_journal_is_free_for_the_next(stage: Stage) -> None:
    good = stage.embedded.key
    use_key(stage, ApiKey("k" * 64, "s" * 64, ACCOUNT, frozenset({"spot"})))
    with pytest.raises(SetupFailed):
        await stage.build()
    stage.embedded.key = good
    async with stage.app() as app:
        assert (await stage.turn(app)).truth.is_agreed


@pytest.mark.parametrize(
    ("path", "body"),
    [
        (SPOT_ORDER, '{"code":-2010,"msg":"Account has insufficient balance for requested action."}'),
        (PERP_ORDER, '{"code":-2019,"msg":"Margin is insufficient."}'),
    ],
    ids=["spot-2010", "perp-2019"],
)
async def test_too_little_money_is_a_verdict_with_a_reason_and_not_a_retry_storm(
    stage: Stage, path: str, body: str
) -> None:
    stage.spoil(Fault(reply_status=400, reply_body=body, skips_engine=True), "POST", path, times=None)
    async with stage.app() as app:
        for _ in range(3):
            result = await stage.turn(app)
            sent = [len(outcome.client_ids) for outcome in result.outcomes]
            assert max(sent, default=0) <= 1, "one attempt per leg and cycle"
        rejected = only(app.journal.reader.load_orders(1000), OrderState.REJECTED)
        assert rejected
        assert all("insufficient" in order.reason for order in rejected)
        assert all(order.filled_size == 0 for order in rejected)
        assert len(rejected) == stage.fault_count
        assert Reason.ORDER_REJECTED in {note.reason for turn in stage.results for note in notes_of(turn)}
        per_leg: dict[str, int] = {}
        for order in rejected:
            per_leg[order.client_id[:-2]] = per_leg.get(order.client_id[:-2], 0) + 1
        assert max(per_leg.values()) <= 3
        stage.heal()
        await stage.rotate(app)
        await stage.check_books(app)


async def test_no_two_attempts_of_a_leg_ever_share_an_id(stage: Stage) -> None:
    for skip in (0, 4, 9):
        stage.spoil(LOST, "POST", "*/order", skip=skip)
    async with stage.app() as app:
        for _ in range(8):
            if not (await stage.turn(app)).has_acted:
                stage.embedded.clock.skip(QUIET_MS)
        orders = app.journal.reader.load_orders(1000)
        ids = sorted(order.client_id for order in orders)
        assert all(a != b for a, b in pairwise(ids))
        stage.heal()
        await stage.rotate(app)
        await stage.check_books(app)
