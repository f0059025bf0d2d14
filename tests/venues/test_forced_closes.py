"""How a venue names the orders by which it closes a position itself: each venue's folder says it."""

from collections.abc import Mapping
from typing import Any

import pytest

from bot.ports import ForcedClose
from bot.venues.bybit import parse
from bot.venues.ccxt.adapter import load_adapter
from bot.venues.paper.engine_account import FORCED_IDS
from bot.venues.registry import FOLDERS
from tests.venues.bybit.test_reads import PERP, order_row

NAMES: Mapping[str, Mapping[str, ForcedClose]] = {
    **{venue: load_adapter(venue).profile.forced_ids for venue in FOLDERS},
    "engine": FORCED_IDS,
}
# What a venue has documented no name for: such a close is told as an order of somebody else.
UNNAMED: Mapping[str, set[ForcedClose]] = {"mexc": {ForcedClose.SETTLEMENT}, "weex": set(ForcedClose)}


@pytest.mark.parametrize("venue", NAMES)
def test_every_venue_names_every_cause_in_lower_case(venue: str) -> None:
    assert set(NAMES[venue].values()) == set(ForcedClose) - UNNAMED.get(venue, set())
    assert all(name == name.lower() and name for name in NAMES[venue])


@pytest.mark.parametrize(
    ("changes", "client_id", "cause"),
    [
        ({"orderLinkId": "", "createType": "CreateByLiq"}, "CreateByLiq", ForcedClose.LIQUIDATION),
        ({"orderLinkId": "", "createType": "CreateByTakeOver_PassThrough"}, None, ForcedClose.LIQUIDATION),
        ({"orderLinkId": "", "createType": "CreateByAdl_PassThrough"}, None, ForcedClose.DELEVERAGING),
        ({"orderLinkId": "", "createType": "CreateBySettle"}, "CreateBySettle", ForcedClose.SETTLEMENT),
        ({"orderLinkId": "", "createType": "CreateByUser"}, "", None),
        ({"orderLinkId": ""}, "", None),
        ({"orderLinkId": "mine", "createType": "CreateByUser"}, "mine", None),
    ],
)
def test_bybits_kind_of_an_order_says_who_made_it(
    changes: dict[str, Any], client_id: str | None, cause: ForcedClose | None
) -> None:
    found = parse.order_report(order_row(**changes), PERP).client_id or ""
    assert found == (changes["createType"] if client_id is None else client_id)
    causes = [why for name, why in NAMES["bybit"].items() if found.lower().startswith(name)]
    assert causes == ([] if cause is None else [cause])
