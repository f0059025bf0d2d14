"""The point-in-time universe: its members of a month, what leaves and what joins, and no look-ahead."""

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.domain.candles import CandleSeries
from bot.domain.durations import DAY_MS, HOUR_MS
from bot.domain.market import Missing, SignalMarket, Snapshot
from bot.domain.order import Purpose
from bot.domain.reason import Reason
from bot.playbook.book.portfolio import read_weights
from bot.playbook.book.universe import month_start_ms, notes_of, sectors_at
from bot.playbook.market.signal_cache import SignalCache
from bot.playbook.market.view import listed_symbols
from bot.playbook.policy.membership import Sectors
from bot.runtime.settings.model import load_settings, packaged_config
from tests.playbook.builders import START_MS, golden_policy, make_sectors, neutral_world
from tests.profiles import examples

D = Decimal
MONTH = month_start_ms(START_MS)
TOKENS = ("UNI", "AAVE", "ETH", "SOL")


def liquid(per_sector: int = 1, **changes: object) -> Sectors:
    return make_sectors(selection="liquid", per_sector=per_sector, **changes)


def series_of(token: str, volumes: dict[int, float]) -> CandleSeries:
    """A candle for each day, by its distance from the beginning of the month, with what was traded in it."""
    days = sorted(volumes)
    line = (1.0,) * len(days)
    starts = tuple(MONTH + day * DAY_MS for day in days)
    return CandleSeries(f"{token}/USDT", DAY_MS, starts, line, line, line, line, tuple(volumes[day] for day in days))


def seen(volumes: dict[str, dict[int, float]], at_ms: int = MONTH + 14 * DAY_MS) -> Snapshot:
    return Snapshot(at_ms, {}, {}, candles={f"{t}/USDT": series_of(t, v) for t, v in volumes.items()})


def steady(amount: float, first: int = -40, last: int = 14) -> dict[int, float]:
    return dict.fromkeys(range(first, last), amount)


def members(sectors: Sectors, snapshot: Snapshot) -> dict[str, tuple[str, ...]]:
    found = sectors_at(sectors, snapshot, SignalCache())
    return {name: found.members(name) for name in found.sectors}


TRADED = {"UNI": steady(1.0), "AAVE": steady(2.0), "ETH": steady(5.0), "SOL": steady(4.0)}


def test_the_most_traded_of_the_thirty_days_before_the_month_are_members() -> None:
    assert members(liquid(1), seen(TRADED)) == {"defi": ("AAVE",), "infra": ("ETH",)}
    assert members(liquid(2), seen(TRADED)) == {"defi": ("UNI", "AAVE"), "infra": ("ETH", "SOL")}
    late = TRADED | {"UNI": steady(1.0) | dict.fromkeys(range(14), 1_000.0)}
    assert members(liquid(1), seen(late))["defi"] == ("AAVE",), "what the month itself trades counts for the next"
    early = TRADED | {"UNI": steady(1.0) | dict.fromkeys(range(-40, -30), 1_000.0)}
    assert members(liquid(1), seen(early))["defi"] == ("AAVE",), "thirty days, no more"


def test_a_fixed_list_is_left_as_it_is() -> None:
    fixed = make_sectors()
    assert sectors_at(fixed, seen(TRADED), SignalCache()) is fixed
    assert sectors_at(liquid(), Snapshot(START_MS, {}, {}), SignalCache()).paused == frozenset()


def test_a_new_listing_is_none_before_it_has_traded_for_twenty_days_and_its_category_is_known() -> None:
    young = TRADED | {"UNI": steady(9.0, first=-19)}
    assert members(liquid(1), seen(young))["defi"] == ("AAVE",)
    young["UNI"][-20] = 9.0
    assert members(liquid(1), seen(young))["defi"] == ("UNI",)
    known = datetime.fromtimestamp(MONTH / 1000 + 86_400, UTC).date()
    assert members(liquid(1, since={"UNI": known}), seen(young))["defi"] == ("AAVE",)


def test_a_delisted_token_is_a_member_until_the_month_after_its_last_days() -> None:
    gone = TRADED | {"AAVE": steady(2.0, last=-5)}
    assert members(liquid(1), seen(gone))["defi"] == ("AAVE",), "25 of the 30 days"
    assert members(liquid(1), seen(TRADED | {"AAVE": steady(2.0, last=-11)}))["defi"] == ("UNI",)


def test_what_has_left_counts_and_is_sold_first_and_nothing_of_it_is_bought() -> None:
    world = neutral_world(golden_policy(condition_override="uncertainty", entry_wait=False), sectors=make_sectors())
    found = world.sectors.model_copy(update={"paused": frozenset({"UNI"})})
    weights, _ = read_weights("defi", world.snapshot(), found)
    assert set(weights) == {"AAVE"}
    assert "UNI/USDT" not in listed_symbols(world.snapshot(), found)
    world.sectors = found
    assert world.portfolio().sectors["defi"].spot == pytest.approx(D(30_000)), "it is still of its sector"
    made = world.run()
    trades = [i for d in made for i in d.intents if i.sector == "defi" and not i.symbol.endswith(":USDT")]
    sold = {s: sum(i.size * i.reference_price for i in trades if i.symbol == s) for s in ("UNI/USDT", "AAVE/USDT")}
    assert {i.purpose for i in trades} == {Purpose.REDUCE}
    # 20,000 are to be sold: all 15,000 of UNI, whose weight is nothing, and 5,000 of AAVE, in every tranche.
    assert sold["UNI/USDT"] == pytest.approx(3 * sold["AAVE/USDT"], rel=D("0.2"))
    campaign = world.memory.campaign
    assert campaign is not None
    last = campaign.tranches[-1].legs
    assert min(leg.size_to for leg in last if leg.symbol == "UNI/USDT") == 0


def test_the_same_month_gives_the_same_object_so_that_signals_are_kept() -> None:
    sectors, cache = liquid(), SignalCache()
    first = sectors_at(sectors, seen(TRADED), cache)
    assert sectors_at(sectors, seen(TRADED, MONTH + 20 * DAY_MS), cache) is first
    assert "paused" not in first.model_dump(), "it is no setting"


def without(snapshot: Snapshot, *tokens: str, is_answered: bool = False) -> Snapshot:
    """The snapshot of a turn in which candles of some tokens did not come, all of which the venue trades."""
    world = neutral_world(golden_policy(), sectors=make_sectors())
    missing = tuple(Missing(f"candles {t}/USDT", "no answer", is_answered) for t in tokens)
    left = {symbol: one for symbol, one in snapshot.candles.items() if symbol.split("/")[0] not in tokens}
    return replace(snapshot, instruments=world.instruments(), candles=left, missing=missing)


def test_a_held_member_whose_candles_fail_to_load_stays_one() -> None:
    cache = SignalCache()
    held = ("AAVE", "ETH", "USDT")
    for tokens in (("AAVE",), ("AAVE", "ETH"), TOKENS):  # a part of them, all that is held, a whole outage
        found = sectors_at(liquid(1), without(seen(TRADED), *tokens), cache, held)
        assert found.unread == set(tokens)
        assert {name: found.members(name) for name in found.sectors} == {"defi": ("AAVE",), "infra": ("ETH",)}
    assert sectors_at(liquid(1), without(seen(TRADED)), cache, held).unread == frozenset()


def failing(snapshot: Snapshot, hours: int, *tokens: str) -> Snapshot:
    """The snapshot of a turn in which the candles of some tokens have failed for hours."""
    found = without(snapshot, *tokens)
    since_ms = snapshot.at_ms - hours * HOUR_MS
    return replace(found, missing=tuple(replace(one, since_ms=since_ms) for one in found.missing))


@pytest.mark.parametrize(("hours", "blocks"), [(5, True), (6, False), (600, False)])
def test_one_candidate_whose_candles_always_fail_holds_up_itself_alone(hours: int, blocks: bool) -> None:
    found = sectors_at(liquid(1), failing(seen(TRADED), hours, "AAVE"), SignalCache(), ("ETH",))
    assert found.unread == ({"AAVE"} if blocks else frozenset())
    assert found.given_up == (frozenset() if blocks else {"AAVE"})
    assert found.members("defi") == ("UNI",)
    assert [note.subject for note in notes_of(found)] == ([] if blocks else ["AAVE"])


def test_a_campaign_starts_beside_a_candidate_that_is_given_up_and_says_so() -> None:
    world = neutral_world(golden_policy(condition_override="breakout", entry_wait=False), sectors=make_sectors())
    world.sectors = world.sectors.model_copy(update={"given_up": frozenset({"AAVE"})})
    made = world.decide()
    assert made.campaign is not None
    assert [note.subject for note in made.notes if "its candles have failed for 6 h" in note.words] == ["AAVE"]


def test_what_is_held_of_a_candidate_that_is_given_up_stays_a_member() -> None:
    found = sectors_at(liquid(1), failing(seen(TRADED), 9, "AAVE"), SignalCache(), ("AAVE",))
    assert found.given_up == {"AAVE"}
    assert found.members("defi") == ("AAVE",), "it is not sold because its candles fail"
    assert "AAVE" not in found.paused


def test_an_outage_of_most_candidates_gives_up_none_of_them() -> None:
    found = sectors_at(liquid(1), failing(seen(TRADED), 48, "UNI", "AAVE", "SOL"), SignalCache(), ())
    assert (found.unread, found.given_up) == ({"UNI", "AAVE"}, {"SOL"})


def test_what_is_held_loses_no_seat_to_what_cannot_be_read() -> None:
    found = sectors_at(liquid(2), without(seen(TRADED), "UNI"), SignalCache(), ("UNI", "AAVE"))
    assert found.members("defi") == ("UNI", "AAVE")


def test_candles_that_do_not_exist_are_no_outage() -> None:
    snapshot = without(seen(TRADED), "AAVE", is_answered=True)
    found = sectors_at(liquid(1), snapshot, SignalCache(), ("AAVE",))
    assert (found.unread, found.members("defi")) == (frozenset(), ("UNI",)), "the venue has none"
    delisted = replace(without(seen(TRADED), "AAVE"), instruments={})
    assert sectors_at(liquid(1), delisted, SignalCache(), ("AAVE",)).members("defi") == ("UNI",)
    elsewhere = replace(without(seen(TRADED), "AAVE"), signal_market=SignalMarket("mainnet", 0, {"UNI/USDT": D(1)}))
    assert sectors_at(liquid(1), elsewhere, SignalCache(), ("AAVE",)).unread == frozenset(), "not listed there"
    late = datetime.fromtimestamp(MONTH / 1000 + 86_400, UTC).date()
    young = sectors_at(liquid(1, since={"AAVE": late}), without(seen(TRADED), "AAVE"), SignalCache(), ("AAVE",))
    assert young.unread == frozenset()


@pytest.mark.parametrize("condition", ["breakout", "downtrend"])
def test_no_campaign_but_a_retreat_starts_while_the_members_are_not_known(condition: str) -> None:
    world = neutral_world(golden_policy(condition_override=condition, entry_wait=False), sectors=make_sectors())
    whole = world.sectors
    world.sectors = whole.model_copy(update={"unread": frozenset({"AAVE"})})
    made = world.decide()
    waits = [note for note in made.notes if note.reason is Reason.SIGNAL_MISSING and "AAVE" in note.words]
    assert (made.campaign is None, bool(waits)) == ((True, True) if condition == "breakout" else (False, False))
    world.sectors = whole
    assert world.decide().campaign is not None


amounts = st.lists(st.floats(0, 1e9), min_size=14, max_size=14)


@settings(max_examples=examples(50), deadline=None)
@given(st.fixed_dictionaries(dict.fromkeys(TOKENS, amounts)), st.integers(1, 28))
def test_nothing_of_the_month_changes_its_members(future: dict[str, list[float]], day: int) -> None:
    """No look-ahead: whatever is traded from the first day of the month on, and whenever in it is asked."""
    bent = {token: TRADED[token] | dict(enumerate(future[token])) for token in TOKENS}
    at_ms = MONTH + day * DAY_MS
    assert members(liquid(1), seen(bent, at_ms)) == members(liquid(1), seen(TRADED, MONTH))


def test_the_shipped_table_is_usable_and_has_delisted_tokens() -> None:
    settings_read = load_settings((packaged_config() / "liquid.toml",), ())
    universe = settings_read.universe
    assert (universe.selection.value, universe.per_sector) == ("liquid", 12)
    assert {"SRM", "AAVE", "LUNC"} <= set(universe.tokens)
    assert all(len(universe.candidates(name)) > 80 for name in universe.sectors)
