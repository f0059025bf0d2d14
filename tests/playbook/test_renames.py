"""Former names and reused tickers as settings: what they say, and what contradicts itself."""

import re
from datetime import date

import pytest

from bot.playbook.policy.membership import Sectors
from bot.playbook.policy.renames import day_ms
from tests.playbook.builders import D, make_sectors

MATIC = {"was": "MATIC", "at": "2024-09-13"}


def sectors(**changes: object) -> Sectors:
    tokens = {
        "POL": {"defi": 1},
        "LUNA": {"defi": 1},
        "LUNC": {"defi": 1},
        "UNI": {"defi": 1},
        "AAVE": {"defi": 1},
        "ETH": {"infra": 1},
        "SOL": {"infra": 1},
    }
    return make_sectors(tokens=tokens, **changes)


def test_a_former_name_is_followed_on_spot_and_perps_with_its_units() -> None:
    found = sectors(
        renames={"POL": [{"was": "MATIC", "at": "2024-09-13", "ratio": 10}]}, perps={"POL": "1000POL/USDT:USDT"}
    ).lineages
    (spot,), (perp,) = found["POL/USDT"].formers, found["1000POL/USDT:USDT"].formers
    assert (spot.symbol, spot.ratio, spot.until_ms) == ("MATIC/USDT", 10, day_ms(date(2024, 9, 13)))
    assert (perp.symbol, perp.ratio) == ("MATIC/USDT:USDT", D("0.01")), "a contract is a thousand new tokens"


def test_a_chain_of_names_multiplies_its_ratios() -> None:
    chain = [{"was": "LEND", "at": "2020-10-03", "ratio": "0.01"}, {"was": "AAVX", "at": "2021-01-01", "ratio": 5}]
    spans = sectors(renames={"AAVE": chain}).lineages["AAVE/USDT"].spans("AAVE/USDT")
    assert [(s.symbol, s.units) for s in spans] == [
        ("LEND/USDT", D("0.05")),
        ("AAVX/USDT", D(5)),
        ("AAVE/USDT", D(1)),
    ]


def test_a_ticker_that_was_given_to_another_asset_belongs_to_both_in_their_time() -> None:
    found = sectors(listed={"LUNA": "2022-05-31"}, renames={"LUNC": [{"was": "LUNA", "at": "2022-05-28"}]}).lineages
    assert found["LUNA/USDT"].own_ms == day_ms(date(2022, 5, 31))
    assert [s.symbol for s in found["LUNC/USDT"].spans("LUNC/USDT")] == ["LUNA/USDT", "LUNC/USDT"]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"renames": {"XYZ": [MATIC]}}, "renames.XYZ: XYZ is not a token of the list; add it under [tokens]"),
        ({"listed": {"XYZ": "2022-05-31"}}, "listed.XYZ: XYZ is not a token of the list"),
        ({"renames": {"POL": [MATIC, {"was": "OLD", "at": "2020-01-01"}]}}, "former names stand oldest first"),
        ({"renames": {"POL": [MATIC, {"was": "OLD", "at": "2024-09-13"}]}}, "former names stand oldest first"),
        ({"renames": {"POL": [MATIC], "UNI": [MATIC]}}, "renames.UNI: MATIC has become POL already"),
        (
            {"renames": {"POL": [MATIC], "UNI": [{"was": "POL", "at": "2025-01-01"}]}},
            "POL has former names of its own; write them all under UNI",
        ),
        (
            {"renames": {"POL": [MATIC]}, "listed": {"POL": "2024-09-13"}},
            "its candles would be cut off; remove the date or the former name",
        ),
        (
            {"renames": {"LUNC": [{"was": "LUNA", "at": "2022-06-09"}]}, "listed": {"LUNA": "2022-05-31"}},
            "LUNA bears this name till 2022-06-09, but listed.LUNA gives the ticker to another asset from 2022-05-31",
        ),
        ({"renames": {"POL": [MATIC | {"ratio": 0}]}}, "Input should be greater than 0"),
        ({"renames": {"POL": [MATIC | {"ratio": -1}]}}, "Input should be greater than 0"),
        ({"renames": {"POL": [MATIC | {"at": "2024-13-01"}]}}, "Input should be a valid date"),
        ({"renames": {"POL": [MATIC | {"was": "matic/usdt"}]}}, "String should match pattern"),
        ({"listing_gap_days": -1}, "Input should be greater than or equal to 0"),
    ],
)
def test_settings_of_names_that_contradict_themselves_are_refused_in_words(
    changes: dict[str, object], words: str
) -> None:
    with pytest.raises(ValueError, match=re.escape(words)):
        sectors(**changes)
