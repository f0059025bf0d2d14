"""Positions of WEEX: what their rows say, and what is made of rows that say it badly."""

from typing import Any

import pytest

from bot.venues.ccxt.venue import CcxtVenue
from tests.venues.weex.canned import PERP, POSITIONS, WeexSession, position_row


@pytest.mark.parametrize("side", [None, "", "BOTH", "long", 1])
async def test_a_position_whose_side_cannot_be_read_is_no_long(
    side: Any, venue: CcxtVenue, session: WeexSession
) -> None:
    """A guess would stand for what the books say, and a flatten of a real short would sell."""
    session.answers[POSITIONS] = [position_row(side=side)]
    account = await venue.fetch_account()
    assert PERP not in account.positions
    assert set(account.unreadable) == {f"perp:{PERP}"}


@pytest.mark.parametrize(("side", "sign"), [("LONG", 1), ("SHORT", -1)])
async def test_a_position_of_which_side_and_size_can_be_read_has_them(
    side: str, sign: int, venue: CcxtVenue, session: WeexSession
) -> None:
    session.answers[POSITIONS] = [position_row(side=side, isolatedMargin="?")]
    account = await venue.fetch_account()
    assert account.positions[PERP].size * 100 == sign
    assert set(account.unreadable) == {f"perp:{PERP}"}


@pytest.mark.parametrize("changes", [{}, {"openValue": "?"}])
async def test_a_long_beside_a_short_is_said_in_the_words_of_hedge_mode(
    changes: dict[str, Any], venue: CcxtVenue, session: WeexSession
) -> None:
    session.answers[POSITIONS] = [position_row(**changes), position_row(side="LONG", size="0.02")]
    account = await venue.fetch_account()
    words = account.unreadable[f"perp:{PERP}"]
    assert "held in hedge mode" in words
    assert "close one of them by hand" in words
    assert account.positions[PERP].size * 100 == 2
    session.answers[POSITIONS] = [position_row(), position_row(size="0.02")]
    assert "a second row" in (await venue.fetch_account()).unreadable[f"perp:{PERP}"]
