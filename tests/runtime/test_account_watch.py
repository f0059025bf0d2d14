"""Settings of the account: refused at the start, found within an hour when changed later, and over when set right."""

from pathlib import Path

import pytest
from structlog.testing import capture_logs

from bot.domain.durations import HOUR_MS
from bot.domain.instrument import Side
from bot.domain.order import Purpose
from bot.domain.reason import Reason
from bot.ports import AccountProblem, AccountReview, SetupFailed
from bot.risk import Refused
from bot.runtime.watch.account import AccountWatch
from bot.simex.dialects.wire import WireReply, WireRequest
from tests.execution.scripted_venue import ScriptedVenue
from tests.stage import staged

MODE, DUAL, RIGHTS = "/fapi/v1/multiAssetsMargin", "/fapi/v1/positionSide/dual", "/sapi/v1/account/apiRestrictions"
FOUND = {
    MODE: ({"multiAssetsMargin": True}, "single-asset mode"),
    DUAL: ({"dualSidePosition": True}, "one-way mode"),
    RIGHTS: ({"enableWithdrawals": True, "enableFutures": True}, "withdrawal permission"),
}


@pytest.mark.parametrize("path", FOUND)
async def test_a_wrong_setting_refuses_the_start_and_says_what_to_change(tmp_path: Path, path: str) -> None:
    content, remedy = FOUND[path]
    async with staged(tmp_path) as stage:
        wrong = stage.answering(lambda asked: WireReply(200, content) if asked.path == path else None)
        with wrong, pytest.raises(SetupFailed, match=remedy):
            await stage.build()
        assert stage.writes() == 0


@pytest.mark.sweep(keep=1)
@pytest.mark.parametrize("path", FOUND)
async def test_a_setting_changed_by_hand_stops_entries_within_an_hour_and_not_exits(tmp_path: Path, path: str) -> None:
    content, remedy = FOUND[path]
    is_wrong = [False]

    def chosen(asked: WireRequest) -> WireReply | None:
        return WireReply(200, content) if is_wrong[0] and asked.path == path and asked.method == "GET" else None

    async with staged(tmp_path) as stage, stage.app() as app:
        with stage.answering(chosen), capture_logs() as said:
            is_wrong[0] = True
            await stage.turn(app)
            stage.embedded.clock.skip(HOUR_MS)
            known = {order.client_id for order in stage.orders()}
            for _ in range(3):
                result = await stage.turn(app)
                assert [note.reason for note in result.breakers] == [Reason.ACCOUNT_SETTING]
                assert remedy in result.breakers[0].words
                refused = {v.intent.purpose for v in result.verdicts if isinstance(v, Refused)}
                assert Purpose.REDUCE not in refused
            new = [order for order in stage.orders() if order.client_id not in known]
            assert all(order.reduce_only or (order.side is Side.SELL and ":" not in order.symbol) for order in new)
            assert any(line["event"] == "account_setting" and line["log_level"] == "critical" for line in said)
            is_wrong[0] = False
            stage.embedded.clock.skip(60_000)
            result = await stage.turn(app)
            assert result.breakers == ()
            await stage.rotate(app)
        assert app.cycle.account_watch.blocking == ()


class Reviewed(ScriptedVenue):
    """Gives the reviews it was handed, the last one for ever."""

    def __init__(self, *reviews: AccountReview | Exception) -> None:
        super().__init__()
        self.reviews, self.asked = list(reviews), 0

    async def fetch_account_review(self, max_age_ms: int) -> AccountReview:
        self.asked += 1
        found = self.reviews.pop(0) if len(self.reviews) > 1 else self.reviews[0]
        if isinstance(found, Exception):
            raise found
        return found


GOOD, DARK = AccountReview(), AccountReview(unanswered={"assets_mode": "no answer"})
WRONG = AccountReview((AccountProblem("assets_mode", "multi-assets mode", "switch it off"),))


async def looks(venue: Reviewed, watch: AccountWatch, minutes: int) -> list[bool]:
    """Whether entries are stopped, minute by minute."""
    found = []
    for _ in range(minutes):
        await watch.poll()
        found.append(bool(watch.blocking))
        venue.advance(60_000)
    return found


async def test_answers_count_for_an_hour() -> None:
    venue = Reviewed(GOOD)
    assert not any(await looks(venue, AccountWatch(venue, HOUR_MS), 120))
    assert venue.asked == 2


@pytest.mark.parametrize("failure", [DARK, RuntimeError("surprise")])
async def test_a_check_without_an_answer_is_asked_every_minute_and_fails_after_two_hours(
    failure: AccountReview | Exception,
) -> None:
    venue = Reviewed(GOOD, failure)
    found = await looks(venue, AccountWatch(venue, HOUR_MS), 180)
    assert found == [False] * 120 + [True] * 60
    assert venue.asked == 1 + 120


async def test_a_problem_stands_while_its_check_gets_no_answer_and_ends_with_a_good_one() -> None:
    venue = Reviewed(WRONG, DARK, DARK, GOOD)
    assert await looks(venue, AccountWatch(venue, HOUR_MS), 5) == [True, True, True, False, False]


async def test_a_clock_set_back_does_not_put_the_checks_off() -> None:
    venue = Reviewed(GOOD)
    watch = AccountWatch(venue, HOUR_MS)
    await watch.poll()
    venue.advance(-86_400_000)
    await watch.poll()
    assert venue.asked == 2


async def test_a_contradicting_refusal_makes_the_next_look_ask() -> None:
    venue = Reviewed(GOOD, WRONG)
    watch = AccountWatch(venue, HOUR_MS)
    assert await looks(venue, watch, 2) == [False, False]
    watch.ask_again()
    assert await looks(venue, watch, 1) == [True]
