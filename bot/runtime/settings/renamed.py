"""Settings by the names they had before there were tables: accepted in this release, each with a warning.

A name has one of three fates. It is another name now. It is no setting any more: a constant that tests may replace. Or
it was a second number for a limit of the gate: the stricter of the two holds.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal, InvalidOperation
from typing import Any

from bot.playbook.policy.former_names import FORMER_NAMES, WITHOUT_SUCCESSOR, is_former
from bot.risk.limits import TIGHTER, Tighter
from bot.runtime.settings.layers import KeyPath, Layer, SettingsProblem, merge

ADVANCED = "advanced"
_EXECUTION = (
    "backoff_ms",
    "orders_per_instrument",
    "post_deadline_ms",
    "read_deadline_ms",
    "settle_deadline_ms",
    "cancel_grace_ms",
    "polls",
    "poll_interval_ms",
    "doubt_deadline_ms",
    "mismatch_rounds",
    "mismatch_interval_ms",
    "size_tolerance_bps",
    "cash_tolerance_bps",
    "payments_interval_ms",
)
RENAMED: Mapping[str, str] = {
    **{f"playbook.{old}": f"playbook.{new}" for old, new in FORMER_NAMES.items() if not new.startswith("gate.")},
    **{f"playbook.{old}": f"risk.{new[5:]}" for old, new in FORMER_NAMES.items() if new.startswith("gate.")},
    **{f"playbook.{old}": ADVANCED for old in WITHOUT_SUCCESSOR},
    **{f"execution.{name}": f"execution.timing.{name}" for name in _EXECUTION},
    "execution.absence_asks": "execution.timing.not_found_confirmations",
    "execution.absence_interval_ms": "execution.timing.not_found_interval_ms",
    **{
        f"venue.{name}": f"venue.timing.{name}"
        for name in ("latency_spread_ms", "clock_check_seconds", "account_check_seconds")
    },
    **{f"cadence.{name}": f"cadence.timing.{name}" for name in ("rounds_max", "book_levels")},
}
_NO_SETTING = "is no setting any more; this release still uses the value, the next refuses it: remove it"


def with_names_of_today(
    given: Sequence[Layer], *, shipped: Collection[str] = (), constants: Collection[KeyPath] = ()
) -> list[Layer]:
    """All layers, weakest first, with former names replaced and a warning for every constant that is still given.

    Args:
        given: the layers, weakest first.
        shipped: names of the layers that come with the bot.
        constants: key paths that are no settings any more; a value is used in this release.

    Raises:
        SettingsProblem: an operator gives a setting by its former name and by its name of today.
    """
    own = [layer for layer in given if layer.name not in shipped]
    problems = [sentence for layer in own for sentence in _conflicts(layer, own)]
    if problems:
        raise SettingsProblem(problems)
    layers = [_renamed(layer, constants) for layer in given]
    for index in range(len(given) - 1, -1, -1):
        layers = _with_stricter_limits(layers, index, given[index])
    return [layer if layer.name in shipped else _with_notes_on(layer, constants) for layer in layers]


def _with_notes_on(layer: Layer, constants: Collection[KeyPath]) -> Layer:
    """The layer with a warning for each constant that it gives under its name of today."""
    noted = " ".join(layer.notes)
    result = [path for path in constants if layer.has(path) and f"{layer.place(path)} " not in noted]
    notes = [f"{layer.place(path)} {'.'.join(path)}: {_NO_SETTING}" for path in result]
    return replace(layer, notes=(*layer.notes, *notes)) if notes else layer


def names_given(layer: Layer) -> list[tuple[str, str]]:
    """The former names in a layer, each with its name of today."""
    result = []
    for old, new in RENAMED.items():
        section, _, name = old.partition(".")
        inside = layer.content.get(section)
        if not isinstance(inside, Mapping) or name not in inside:
            continue
        if section != "playbook" or is_former(name, inside[name]):
            result.append((old, new))
    return result


def _conflicts(layer: Layer, given: Sequence[Layer]) -> list[str]:
    result = []
    for old, new in names_given(layer):
        path = _path(new)
        other = next((other for other in given if _has(other.content, path)), None)
        if other is not None and not new.startswith("risk."):
            result.append(
                f"{layer.place(_path(old))} {old}: is called {new} now, and {other.place(path)} gives that as well; "
                f"remove {old}"
            )
    return result


def _renamed(layer: Layer, constants: Collection[KeyPath]) -> Layer:
    """The layer with its former names replaced; those that became limits of the gate are taken out."""
    names = names_given(layer)
    if not names:
        return layer
    content = merge([layer])
    places, notes = dict(layer.places), list(layer.notes)
    for old, new in names:
        section, _, name = old.partition(".")
        value = content[section].pop(name)
        moved = {path: place for path, place in layer.places.items() if path[:2] == (section, name)}
        for path in moved:
            del places[path]
        place = layer.place((section, name))
        if new.startswith("risk."):
            continue
        if new == ADVANCED:
            value = str(value).lower() == "true" or content.get(ADVANCED, False)
        _put(content, _path(new), value)
        places |= {(*_path(new), *path[2:]): place for path, place in moved.items()}
        places.setdefault(_path(new), place)
        notes.append(f"{place} {old}: {_NO_SETTING if _is_constant(new, constants) else _advice(old, new)}")
    return replace(layer, content=content, places=places, notes=tuple(notes))


def _is_constant(name: str, constants: Collection[KeyPath]) -> bool:
    path = _path(name)
    return any(path[: len(constant)] == constant for constant in constants)


def _advice(old: str, new: str) -> str:
    return f"is called {new} now; this release accepts both, the next refuses {old}: rename it"


def _with_stricter_limits(layers: list[Layer], index: int, given: Layer) -> list[Layer]:
    """The layers with one more on top for the numbers that the playbook had beside the gate's and that are stricter."""
    content: dict[str, Any] = {}
    places: dict[KeyPath, str] = {}
    notes = list(layers[index].notes)
    in_force = merge(layers).get("risk", {})
    for old, new in names_given(given):
        if not new.startswith("risk."):
            continue
        name, place = new.removeprefix("risk."), given.place(_path(old))
        value = given.content["playbook"][old.removeprefix("playbook.")]
        if _is_stricter(name, value, in_force.get(name)):
            content[name], places["risk", name] = value, place
            effect = f"{new} = {value} holds"
        else:
            effect = f"{new} = {in_force.get(name)} holds, which is as strict or stricter"
        notes.append(
            f"{place} {old}: orders are sized by the gate's own limit {new} now; the stricter of both counts in this "
            f"release ({effect}), the next refuses {old}: set {new}"
        )
    layers = [*layers[:index], replace(layers[index], notes=tuple(notes)), *layers[index + 1 :]]
    return [*layers, Layer(given.name, {"risk": content}, places)] if content else layers


def _is_stricter(name: str, value: Any, in_force: Any) -> bool:
    """What is no number counts as stricter, so that the model refuses it."""
    try:
        given, known = Decimal(str(value)), Decimal(str(in_force))
    except InvalidOperation:
        return True
    return given > known if TIGHTER[name] is Tighter.HIGHER else given < known


def _has(content: Mapping[str, Any], path: KeyPath) -> bool:
    node: Any = content
    for part in path:
        if not isinstance(node, Mapping) or part not in node:
            return False
        node = node[part]
    return True


def _put(content: dict[str, Any], path: KeyPath, value: Any) -> None:
    for part in path[:-1]:
        content = content.setdefault(part, {})
    content[path[-1]] = value


def _path(dotted: str) -> KeyPath:
    return tuple(dotted.split("."))
