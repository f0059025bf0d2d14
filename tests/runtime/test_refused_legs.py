"""A leg that the exchange refuses for good ends at once and aloud, and the sale that waited for it goes on."""

from pathlib import Path

import pytest
from structlog.testing import capture_logs

from bot.domain.durations import HOUR_MS
from bot.domain.order import Purpose
from bot.domain.reason import Reason
from bot.runtime.logs import log_cycle
from bot.simex.dialects.wire import WireReply, WireRequest
from tests.stage import notes_of, staged

REFUSALS = [
    ("/fapi/v1/marginType", -4168, "Unable to adjust to isolated-margin mode under the Multi-Assets mode."),
    ("/fapi/v1/leverage", -4028, "Leverage 5 is not valid"),
    ("/fapi/v1/order", -4061, "Order's position side does not match user's setting."),
    ("/fapi/v1/order", -2015, "Invalid API-key, IP, or permissions for action."),
    ("/fapi/v1/order", -4109, "This account is inactive."),
]


@pytest.mark.sweep(keep=1)
@pytest.mark.parametrize(("path", "code", "words"), REFUSALS)
async def test_a_hedge_refused_for_good_is_asked_once_and_the_rotation_goes_on(
    tmp_path: Path, path: str, code: int, words: str
) -> None:
    def chosen(asked: WireRequest) -> WireReply | None:
        is_it = asked.method == "POST" and asked.path == path
        return WireReply(400, {"code": code, "msg": words}) if is_it else None

    async with staged(tmp_path) as stage, stage.app() as app:
        with stage.answering(chosen) as asked, capture_logs() as said:
            for _ in range(8):
                result = await stage.turn(app)
                log_cycle(result)
                if not result.has_acted:
                    stage.embedded.clock.skip(HOUR_MS // 12)
        refused = [note for turn in stage.results for note in notes_of(turn) if note.reason is Reason.LEG_REFUSED]
        assert any(str(code) in note.words for note in refused)
        assert any(line["event"] == "leg_refused" and line["log_level"] == "critical" for line in said)
        posts = [request for request in asked if request.method == "POST" and request.path == path]
        intents = [i for turn in stage.results for i in turn.decision.intents if ":" in i.symbol]
        assert len(posts) <= len({(intent.symbol, intent.purpose) for intent in intents})
        sold = [order for order in stage.orders() if ":" not in order.symbol and order.filled_size > 0]
        assert sold, "the sale does not wait for a hedge that cannot be had"
        hedges = [i.id for turn in stage.results for i in turn.decision.intents if i.purpose is Purpose.HEDGE]
        assert len(hedges) == len(set(hedges)), "an ended leg is not decided again"
