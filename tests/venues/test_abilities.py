"""What a venue can do: stated by its folder, known without loading it, and enough for what the settings ask for."""

import subprocess
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bot.domain.instrument import Kind, Side
from bot.domain.order import OrderType, TimeInForce
from bot.playbook.policy.choices import Style
from bot.ports import VenueRejected
from bot.runtime.settings.layers import SettingsProblem
from bot.runtime.settings.model import load_settings
from bot.venues import registry
from bot.venues.abilities import Abilities, OrderForm
from bot.venues.registry import FOLDERS, abilities_of
from tests.venues.contract.stands import STANDS
from tests.venues.simex_bench import PERP, SPOT, D, order_request

FORMS: Mapping[OrderForm, Mapping[str, Any]] = {
    OrderForm.AT_ONCE: {"time_in_force": TimeInForce.IOC},
    OrderForm.RESTING: {"time_in_force": TimeInForce.GTC},
    OrderForm.POST_ONLY: {"time_in_force": TimeInForce.POST_ONLY},
    OrderForm.STOP_BY_MARK: {"order_type": OrderType.STOP, "trigger_price": D(9), "time_in_force": TimeInForce.GTC},
}


def lacking(form: OrderForm, kind: Kind) -> Abilities:
    whole = abilities_of("bybit")
    return replace(whole, orders={**whole.orders, kind: whole.orders[kind] - {form}})


@pytest.mark.parametrize(
    ("form", "kind", "assignments", "words"),
    [
        (
            OrderForm.STOP_BY_MARK,
            Kind.PERP,
            (),
            "the stop of a leveraged position needs stops by the mark price on perp",
        ),
        (OrderForm.AT_ONCE, Kind.SPOT, (), "the playbook needs limit orders that execute at once or end on spot"),
        (
            OrderForm.POST_ONLY,
            Kind.SPOT,
            ("playbook.orders.increase_style=post-only",),
            'playbook.orders.increase_style = "post-only" needs post-only orders on spot, and bybit has none',
        ),
    ],
)
def test_what_a_venue_cannot_do_is_refused_when_the_settings_are_read(
    form: OrderForm, kind: Kind, assignments: tuple[str, ...], words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(registry, "abilities_of", lambda _: lacking(form, kind))
    with pytest.raises(SettingsProblem, match=words):
        load_settings((), ("venue.id=bybit", *assignments))


def test_what_is_not_asked_for_is_not_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "abilities_of", lambda _: lacking(OrderForm.POST_ONLY, Kind.SPOT))
    for style in set(Style) - {Style.POST_ONLY}:
        load_settings((), ("venue.id=bybit", f"playbook.orders.increase_style={style.value}"))


@pytest.mark.parametrize("venue_id", list(FOLDERS))
async def test_a_venue_takes_the_orders_that_it_says_it_takes(venue_id: str, tmp_path: Path) -> None:
    abilities = abilities_of(venue_id)
    async with STANDS[venue_id](tmp_path) as stand:
        assert (await stand.venue.fetch_account()).is_unified is abilities.is_unified
        for symbol, kind in ((SPOT, Kind.SPOT), (PERP, Kind.PERP)):
            for form in sorted(abilities.orders[kind]):
                price = None if form is OrderForm.STOP_BY_MARK else "9.5"
                side = Side.SELL if form is OrderForm.STOP_BY_MARK else Side.BUY
                stand.clock.value_ms += 1_000
                sent = order_request(stand.venue, stand.clock, symbol, side, "10", price, **FORMS[form])
                await stand.venue.submit_order(sent)


@pytest.mark.parametrize("venue_id", list(FOLDERS))
async def test_a_client_id_is_free_again_where_the_venue_says_so(venue_id: str, tmp_path: Path) -> None:
    async with STANDS[venue_id](tmp_path) as stand:
        sent = order_request(stand.venue, stand.clock, SPOT, Side.BUY, "10", "9.5")
        await stand.venue.submit_order(sent)  # it ends at once: nothing is offered there
        stand.clock.value_ms += 1_000
        again = replace(sent, stamp_ms=stand.clock.value_ms)
        if not stand.are_ids_kept:
            await stand.venue.submit_order(again)
            return
        with pytest.raises(VenueRejected, match="duplicate_id"):
            await stand.venue.submit_order(again)


def test_abilities_are_read_without_the_modules_of_the_venue() -> None:
    code = (
        "import sys; from bot.venues.registry import FOLDERS, abilities_of; [abilities_of(v) for v in FOLDERS]; "
        "loaded = [m for m in sys.modules if m.count('.') > 2 and m.startswith(tuple(FOLDERS.values()))]; "
        "print(loaded, 'ccxt' in sys.modules)"
    )
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert printed.strip() == "[] False"
