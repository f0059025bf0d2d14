"""The client order id is a function: same parts, same text; other parts, other text."""

import re
from dataclasses import fields, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.domain.order_ids import ClientOrderId, account_tag, epoch_of, instrument_number, is_ours, read_place
from tests.client_ids import leg_of

ids = st.builds(
    ClientOrderId,
    account=st.text(min_size=1, max_size=20),
    campaign=st.integers(0, 35 * 36**2 - 1),
    tranche=st.integers(0, 36**2 - 1),
    leg=st.integers(0, 36**2 - 1),
    slice=st.integers(0, 36**3 - 1),
    attempt=st.integers(0, 36**2 - 1),
    epoch=st.integers(0, 36**6 - 1),
)


@given(ids)
def test_an_id_is_valid_at_every_venue_and_recognised_as_ours(parts: ClientOrderId) -> None:
    assert re.fullmatch(r"t[a-z0-9]{23}", parts.text)
    assert is_ours(parts.text, parts.account)


@given(ids, ids)
def test_different_parts_of_one_account_never_share_an_id(one: ClientOrderId, two: ClientOrderId) -> None:
    two = ClientOrderId(one.account, two.campaign, two.tranche, two.leg, two.slice, two.attempt, two.epoch)
    assert (one.text == two.text) == (one == two)


@given(ids)
def test_the_same_parts_give_the_same_id_and_each_part_alone_another(parts: ClientOrderId) -> None:
    assert replace(parts).text == parts.text
    for name in {part.name for part in fields(parts)} - {"account"}:
        value = getattr(parts, name)
        assert replace(parts, **{name: value - 1 if value else 1}).text != parts.text, name


@pytest.mark.parametrize("text", [None, "", "web_abc", "tsb", "x-TKT5PX2F0123456789"])
def test_orders_of_others_are_not_ours(text: str | None) -> None:
    assert not is_ours(text, "main")


def test_an_order_of_another_account_is_not_ours() -> None:
    assert account_tag("main") != account_tag("other")
    assert not is_ours(ClientOrderId("other", 1, 1, 1, 1, 1).text, "main")


def test_a_part_that_does_not_fit_is_refused_rather_than_cut() -> None:
    with pytest.raises(ValueError, match="does not fit"):
        _ = ClientOrderId("main", 0, 36**2, 0, 0, 0).text


@given(ids)
def test_what_an_id_names_is_read_back_whatever_its_epoch(parts: ClientOrderId) -> None:
    assert read_place(parts.text) == (parts.campaign, parts.tranche)
    other = ClientOrderId(parts.account, parts.campaign, parts.tranche, parts.leg, 7, 3, 35 - parts.epoch % 36)
    assert leg_of(other.text) == leg_of(parts.text)


@pytest.mark.parametrize("epoch", ["00", "7q"], ids=["without epochs", "with two digits of it"])
def test_an_id_of_an_earlier_version_is_still_read(epoch: str) -> None:
    written_by_it = "tsbne3" + epoch + "00z" + "02" + "03" + "004" + "05"
    assert is_ours(written_by_it, "main")
    assert read_place(written_by_it) == (35, 2)
    assert leg_of(written_by_it) == leg_of(ClientOrderId("main", 35, 2, 3, 9, 9, epoch=123_456).text)


def test_openings_of_a_journal_do_not_share_an_epoch() -> None:
    # Found by the simulator: with two digits a restored copy drew the epoch of a process that it had lost.
    assert len({epoch_of(str(number)) for number in range(5_000)}) == 5_000


def test_an_epoch_is_never_that_of_the_old_ids() -> None:
    assert {epoch_of(str(number)) == 0 for number in range(5_000)} == {False}


def test_an_order_outside_of_a_rotation_names_its_instrument_and_reads_as_campaign_zero() -> None:
    symbols = [f"T{number}/USDT:USDT" for number in range(60)]
    texts = {ClientOrderId("main", 0, 3, instrument_number(symbol), 7, 1, 5).text for symbol in symbols}
    assert len(texts) == len(symbols)
    assert {read_place(text) for text in texts} == {(0, 3)}
    assert len({leg_of(text) for text in texts}) == len(symbols)


def test_an_id_of_an_earlier_version_with_zero_in_the_campaigns_place_reads_as_campaign_zero() -> None:
    assert read_place("tsbabc00000030200100") == (0, 3)


def test_a_campaign_that_would_read_as_an_instrument_is_refused() -> None:
    with pytest.raises(ValueError, match="does not fit"):
        _ = ClientOrderId("main", 35 * 36**2, 1, 1, 1, 1).text
