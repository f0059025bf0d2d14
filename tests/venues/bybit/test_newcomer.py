"""What a newcomer does wrong at Bybit is said in one sentence that names what to do, before anything is opened."""

from typing import Any

import pytest

from bot.ports import AccountRefused, SetupFailed, Unavailable
from tests.venues.bybit.canned import CannedSession, Reply, listed, refusal, success, usual, venue_on

WALLET, INFO, RIGHTS = "GET /v5/account/wallet-balance", "GET /v5/account/info", "GET /v5/user/query-api"
MODE = "GET /v5/position/list?symbol=BTCUSDT"
EVERY = (WALLET, INFO, MODE, RIGHTS)
COUNTRY = "<html>The distribution is configured to block access from your country.</html>"


def all_say(code: int, message: str) -> dict[str, Any]:
    return dict.fromkeys(EVERY, refusal(code, message))


MISTAKES = [
    (
        "keys of another environment",
        all_say(10003, "API key is invalid."),
        SetupFailed,
        "use a key of this environment",
    ),
    ("a wrong secret", all_say(10004, "error sign!"), SetupFailed, "copy both again"),
    (
        "another address than the key allows",
        all_say(10010, "Unmatched IP."),
        SetupFailed,
        "add the address of this machine",
    ),
    ("an expired key", all_say(33004, "Your api key has expired."), SetupFailed, "make a new one"),
    ("no permissions", all_say(10005, "Permission denied."), SetupFailed, "the rights to read and to trade"),
    ("a region that is not served", all_say(10024, "Compliance rules triggered"), SetupFailed, "use another venue"),
    ("a classic account that is refused", all_say(10028, "unified account users only"), SetupFailed, "upgrade it"),
    (
        "a classic account",
        {INFO: success({"marginMode": "ISOLATED_MARGIN", "unifiedMarginStatus": 1})},
        AccountRefused,
        "upgrade it to a unified trading account",
    ),
    (
        "cross margin",
        {INFO: success({"marginMode": "REGULAR_MARGIN", "unifiedMarginStatus": 6})},
        AccountRefused,
        "choose isolated margin",
    ),
    (
        "portfolio margin",
        {INFO: success({"marginMode": "PORTFOLIO_MARGIN", "unifiedMarginStatus": 6})},
        AccountRefused,
        "choose isolated margin",
    ),
    (
        "hedge mode",
        {MODE: listed({"positionIdx": 1, "size": "0"}, {"positionIdx": 2, "size": "0"})},
        AccountRefused,
        "switch all USDT perpetuals to one-way mode",
    ),
    ("a blocked country", {"GET /v5/market/time": Reply(COUNTRY, 403)}, Unavailable, "run the bot elsewhere"),
]


@pytest.mark.parametrize(
    ("answers", "refused", "remedy"), [row[1:] for row in MISTAKES], ids=[row[0] for row in MISTAKES]
)
async def test_a_mistake_is_said_once_with_what_to_do(answers: dict[str, Any], refused: type, remedy: str) -> None:
    venue = venue_on(CannedSession({**usual(), **answers}))
    with pytest.raises(refused) as caught:
        await venue.open()
    await venue.close()
    assert str(caught.value).count(remedy) == 1
    assert ";" not in str(caught.value).partition(remedy)[0], "only one problem is named"
    assert len(str(caught.value)) < 330


async def test_where_keys_of_the_environment_come_from_is_named() -> None:
    venue = venue_on(CannedSession({**usual(), **all_say(10003, "API key is invalid.")}), environment="testnet")
    with pytest.raises(SetupFailed, match=r"use a key of this environment \(testnet\.bybit\.com\)"):
        await venue.open()
    await venue.close()
