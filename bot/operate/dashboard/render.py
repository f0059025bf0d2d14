"""Templates and how the pages write numbers. Everything that a template is given is escaped."""

from collections.abc import Mapping
from decimal import Decimal
from hashlib import sha256
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from bot.domain.symbol import base_of
from bot.report.format import NONE, age, amount, money, percent, times, utc
from bot.report.profit.views import adds_information
from bot.report.views.venues import are_apart, transfer_text, wallets_text

FOLDER = Path(__file__).parent
STATIC = FOLDER / "static"


def _tone(value: Any) -> str:
    """The class of a gain or a loss. Signs are written as well: nothing depends on colour."""
    try:
        number = Decimal(str(value))
    except ArithmeticError:
        return ""
    return "gain" if number > 0 else "loss" if number < 0 else ""


def _signed(value: Any) -> str:
    """Quote money with its sign."""
    text = money(value)
    return text if text == NONE or text.startswith("-") else f"+{text}"


def _ago(at_ms: int | None, now_ms: int) -> Markup:
    """A time with its age, which the script of the page keeps current."""
    if not at_ms:
        return Markup("never")
    stamp = utc(at_ms)
    moment = stamp.replace(" UTC", "Z").replace(" ", "T")
    return Markup('<time datetime="{}" data-at="{}" title="{}">{}</time>').format(
        moment, at_ms, stamp, age(now_ms - at_ms)
    )


def _clock(at_ms: int | None) -> str:
    return utc(at_ms)[:-4] if at_ms else NONE


def _significant(value: Any) -> str:
    """A price with six significant digits at least, without zeros at the end."""
    text = amount(value)
    if text == NONE:
        return text
    number = Decimal(str(value))
    return amount(round(number, max(2, 6 - number.adjusted())))


def _file_digest() -> str:
    """Names the version of style and script, so that a browser keeps them for as long as they are the same."""
    content = b"".join(path.read_bytes() for path in sorted(STATIC.iterdir()))
    return sha256(content).hexdigest()[:12]


def make_environment() -> Environment:
    """The templates of the dashboard."""
    environment = Environment(
        loader=FileSystemLoader(FOLDER / "templates"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
    )
    environment.filters |= {
        "money": money,
        "signed": _signed,
        "amount": amount,
        "price": _significant,
        "percent": percent,
        "times": times,
        "utc": utc,
        "clock": _clock,
        "tone": _tone,
        "minus": lambda value: -Decimal(str(value)),
        "total": lambda values: sum(map(Decimal, values), Decimal(0)),
        "token": base_of,
        "words": lambda text: str(text).replace("_", " "),
        "span": lambda span_ms: age(span_ms).removesuffix(" ago"),
    }
    environment.globals |= {
        "ago": _ago,
        "version": _file_digest(),
        "NONE": NONE,
        "adds_information": adds_information,
        "are_apart": are_apart,
        "wallets_text": wallets_text,
        "transfer_text": transfer_text,
    }
    return environment


def render(environment: Environment, name: str, values: Mapping[str, Any]) -> str:
    """One page as text."""
    return environment.get_template(f"{name}.html.jinja").render(values)
