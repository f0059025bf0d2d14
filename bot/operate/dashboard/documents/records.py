"""Documents of what the journal has recorded: rotations with their fills, orders, events; and the configuration."""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from bot.domain.campaign import Campaign
from bot.domain.codec import decode
from bot.domain.money import ZERO, plain
from bot.domain.order import Fill, Order
from bot.domain.order_ids import leg_id
from bot.journal.facts import Fact
from bot.journal.reader import JournalReader
from bot.report.queries import JournalView, venue_of
from bot.report.views import campaigns as campaigns_view
from bot.report.views import orders as orders_view
from bot.report.views.venues import are_apart, with_venue
from bot.runtime.exit_codes import CommandFailed
from bot.runtime.settings.reference import flatten
from bot.runtime.settings.snapshot import load_config

Document = dict[str, Any]
ORDERS_MAX, FILLS_MAX, EVENTS_MAX, CAMPAIGNS_MAX = 200, 20_000, 100, 12
STATES = ("filled", "working", "in doubt", "canceled", "rejected")
_GROUPS = {
    "filled": {"filled"},
    "working": {"open", "canceling", "submitting"},
    "in doubt": {"in_doubt"},
    "canceled": {"canceled", "expired"},
    "rejected": {"rejected"},
}


def orders_document(view: JournalView, state: str = "", text: str = "") -> Document:
    """The newest orders, of one group of states and with a text in instrument, purpose or id, where these are given."""
    found = view.reader.load_orders(ORDERS_MAX if not (state or text) else FILLS_MAX)
    wanted, part = _GROUPS.get(state), text.strip().upper()
    kept = [order for order in found if wanted is None or order.state.value in wanted]
    if part:
        kept = [o for o in kept if part in f"{o.symbol} {o.purpose.value} {o.client_id} {o.sector}".upper()]
    counts, venue = orders_view.counts_by_state(view.reader.count_orders_by_state()), venue_of(view)
    return {
        "orders": [order_row(order, venue) for order in kept[:ORDERS_MAX]],
        "is_apart": are_apart(venue),
        "counts": counts,
        "state": state,
        "text": text,
        "is_cut": len(kept) >= ORDERS_MAX,
    }


def order_row(order: Order, venue: str) -> Document:
    """An order with its average price, and which of the venues it is at."""
    row = with_venue(orders_view.order_rows([order]), venue)[0]
    average = order.filled_quote / order.filled_size if order.filled_size else None
    return row | {
        "average": None if average is None else plain(round(average, 8)),
        "trigger": None if order.trigger_price is None else plain(order.trigger_price),
        "type": order.order_type.value,
        "reduce_only": order.reduce_only,
        "intent_id": order.intent_id,
        "sector": order.sector,
    }


def order_document(view: JournalView, client_id: str) -> Document:
    """One order with its executions.

    Raises:
        CommandFailed: the journal knows no such order.
    """
    order = view.reader.load_order(client_id)
    if order is None:
        raise CommandFailed(f"the journal knows no order {client_id}")
    fills = [fill for fill in view.reader.load_fills(FILLS_MAX, order.sent_ms) if fill.client_id == client_id]
    return {"order": order_row(order, venue_of(view)), "fills": [_fill_row(fill) for fill in reversed(fills)]}


def _fill_row(fill: Fill) -> Document:
    return {
        "at_ms": fill.at_ms,
        "trade_id": fill.trade_id,
        "price": plain(fill.price),
        "size": plain(fill.size),
        "fee": plain(fill.fee),
        "fee_asset": fill.fee_asset,
        "is_maker": fill.is_maker,
    }


def campaigns_document(view: JournalView) -> Document:
    """The newest rotations, each with its tranches and legs, and what was executed for each leg."""
    reader, venue = view.reader, venue_of(view)
    count, last = reader.load_memory().campaigns, reader.next_cycle_number() - 1
    numbers = range(count, max(0, count - CAMPAIGNS_MAX), -1)
    found = [campaign for number in numbers if (campaign := _campaign(reader, number, last)) is not None]
    return {"count": count, "campaigns": [_campaign_row(reader, campaign, venue) for campaign in found]}


def _campaign(reader: JournalReader, number: int, last: int) -> Campaign | None:
    """A rotation as the last turn left it. Turns count rotations upwards, so its last turn is found by halving."""
    low, high = 1, last
    while low < high:
        middle = (low + high + 1) // 2
        if (reader.load_decided(middle, "memory.campaigns") or 0) <= number:
            low = middle
        else:
            high = middle - 1
    for turn in (low, low - 1):
        content = reader.load_decided(turn, "memory.campaign")
        if content is not None and content["number"] == number:
            return decode(Campaign, content)
    return None


def _campaign_row(reader: JournalReader, campaign: Campaign, venue: str) -> Document:
    row = campaigns_view.campaign_row(campaign)
    orders = reader.load_orders(FILLS_MAX, campaign.number)
    by_leg: dict[str, list[Order]] = {}
    for order in orders:
        by_leg.setdefault(order.intent_id, []).append(order)
    done = total = ZERO
    for tranche, tranche_row in zip(campaign.tranches, row["tranches"], strict=True):
        tranche_row["started_ms"] = tranche.started_ms
        for leg, leg_row in zip(tranche.legs, tranche_row["legs"], strict=True):
            own = by_leg.get(leg_id(campaign.number, tranche.index, leg.index), [])
            filled = sum((order.filled_quote for order in own), ZERO)
            leg_row |= {"filled_quote": plain(filled), "orders": [order_row(order, venue) for order in reversed(own)]}
            leg_row |= {"price": plain(leg.price), "words": leg.words}
            done, total = done + min(filled, leg.quote_value), total + leg.quote_value
    return row | {"executed_quote": plain(done), "planned_quote": plain(total)}


def log_document(view: JournalView, kind: str = "", before: int = 0) -> Document:
    """Events of the journal, newest first: all or those of one kind, those before an event where one is named."""
    reader = view.reader
    newest = reader.count_events()
    end = min(before - 1, newest) if before > 0 else newest
    if kind:
        found = [fact for fact in reader.load_facts(kind, FILLS_MAX) if fact.seq <= end][:EVENTS_MAX]
    else:
        found = list(reversed(reader.load_events(min(EVENTS_MAX, end), max(0, end - EVENTS_MAX))))
    return {
        "events": [event_row(fact) for fact in found],
        "kind": kind,
        "newest": newest,
        "before": before,
        "next": found[-1].seq if found and found[-1].seq > 1 else None,
        "kinds": KINDS,
    }


KINDS = (
    "cycle",
    "order_submitting",
    "order_event",
    "fill",
    "payment",
    "latch",
    "breakers",
    "lock",
    "unlock",
    "started",
    "config",
)


def event_row(fact: Fact) -> Document:
    """An event as time, kind and one line."""
    return {"seq": fact.seq, "at_ms": fact.at_ms, "kind": fact.kind, "text": event_text(fact.kind, fact.payload)}


def event_text(kind: str, payload: Mapping[str, Any]) -> str:
    """One line of what an event says."""
    texts = {
        "cycle": _cycle_text,
        "order_submitting": lambda p: _order_text(p["order"]),
        "order_event": lambda p: f"{p['client_id']}: {p['before']} → {p.get('after', p['event'])}",
        "fill": lambda p: f"{p['side']} {p['size']} {p['symbol']} at {p['price']}, fee {p['fee']} {p['fee_asset']}",
        "payment": lambda p: f"{p['kind']} {p['amount']} {p['asset']}" + (f", {p['symbol']}" if p["symbol"] else ""),
        "account": lambda p: f"{len(p['balances'])} balances, {len(p['positions'])} perp positions",
        "config": lambda p: f"configuration {p['digest']}, {p['mode']} {p['environment']}",
        "latch": lambda p: f"kill switch {p['level']}, by {p['by']}: {p['reason']}",
        "breakers": lambda p: f"entries stop: {'; '.join(p['words'])}" if p["reasons"] else "entries go on",
        "lock": lambda p: f"{p['symbol']} locked: {p['note']['words']}",
        "unlock": lambda p: f"{p['symbol']} unlocked: {p['reason']}",
    }
    try:
        return texts[kind](payload)  # type: ignore[no-untyped-call]
    except (KeyError, TypeError):  # a kind without a sentence, or a record of another version
        return _short(payload)


def _cycle_text(payload: Mapping[str, Any]) -> str:
    decision = payload["decision"]
    orders, refused = len(decision["intents"]), sum(not verdict["approved"] for verdict in payload["verdicts"])
    what = f"{orders} orders intended, {refused} refused" if orders else "nothing to do"
    return f"{payload['kind']} {payload['number']}: {decision['condition']}, {decision['stance']}; {what}"


def _order_text(order: Mapping[str, Any]) -> str:
    price = f" at {order['price']}" if order.get("price") else ""
    trigger = f", trigger {order['trigger_price']}" if order.get("trigger_price") else ""
    return (
        f"{order['purpose']}: {order['side']} {order['size']} {order['symbol']}{price}{trigger}, {order['client_id']}"
    )


def _short(payload: Mapping[str, Any]) -> str:
    text = json.dumps(dict(payload), ensure_ascii=False, default=str)
    return text if len(text) <= 240 else f"{text[:239]}…"


def configuration_document(view: JournalView) -> Document:
    """Every setting with its origin, secrets as stars; of a journal that was named, the numbers it was decided with."""
    if view.is_named:
        content = load_config(view.reader) or {}
        values = _recorded_settings(content)
    else:
        values = flatten(view.settings, view.settings.sources.read())
    sections: dict[str, list[Document]] = {}
    for key, value, origin in values:
        section, _, name = key.rpartition(".")
        is_changed = not view.is_named and not origin.startswith(
            ("config/default.toml", "config/sectors.toml", "default")
        )
        row = {"key": key, "name": name, "value": value, "origin": origin, "is_changed": is_changed}
        sections.setdefault(section, []).append(row)
    changed = [row for found in sections.values() for row in found if row["is_changed"]]
    return {"sections": sections, "changed": changed, "is_named": view.is_named, "digest": view.settings.digest}


def _recorded_settings(content: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    found: list[tuple[str, str, str]] = []
    origin = f"journal, configuration {content.get('digest', 'unknown')}"
    for table in ("playbook", "risk", "universe"):
        written = content.get(table)
        found += _leaves(json.loads(written) if isinstance(written, str) else written, (table,), origin)
    return found


def _leaves(value: Any, path: Sequence[str], origin: str) -> Iterable[tuple[str, str, str]]:
    if isinstance(value, Mapping) and value:
        for name, inner in value.items():
            yield from _leaves(inner, (*path, str(name)), origin)
    elif value is not None:
        yield ".".join(path), json.dumps(value, ensure_ascii=False), origin
