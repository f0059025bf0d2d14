"""Identities of orders: the kinds of orders outside of a rotation, intent ids, and the client order id as a function.

An intent id is `campaign.tranche.leg` for a leg of a rotation and `prefix.symbol` for every other order (`OrderKind`).
The same id comes back with every use; the executor's slice number separates the uses. Ids of earlier versions, which
named a place in a list instead of the symbol, have the same prefixes.
"""

import hashlib
import string
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

from bot.domain.order import Purpose

_DIGITS = string.digits + string.ascii_lowercase
ID_PREFIX = "tsb"
_ID_WIDTHS = {"epoch": 6, "campaign": 3, "tranche": 2, "leg": 2, "slice": 3, "attempt": 2}
_TAG_END = len(ID_PREFIX) + 3
_LENGTH = _TAG_END + sum(_ID_WIDTHS.values())
# How many characters the epoch has in an id of this length: ids of earlier versions are four characters shorter.
_EPOCH_WIDTHS: Mapping[int, int] = {_LENGTH: _ID_WIDTHS["epoch"], 20: 2}
_EPOCHS: int = 36 ** _ID_WIDTHS["epoch"]
_USE_WIDTH = _ID_WIDTHS["slice"] + _ID_WIDTHS["attempt"]
LAST_ATTEMPT: int = 36 ** _ID_WIDTHS["attempt"] - 1
# The token of every run whose exchange begins with it: no id can have been used there, and the same run gives the same.
NEW_EXCHANGE = "an exchange that begins with this run"
# Orders that belong to no campaign name their instrument: this digit in place of a campaign's first one, then the
# instrument's number, two digits of it in place of the campaign's others and two in place of the leg.
_INSTRUMENT_MARK = "z"
_INSTRUMENT_WIDTH = 4
_CAMPAIGNS = 35 * 36 * 36  # ids count campaigns below this number
_INSTRUMENTS: int = 36**4


class OrderKind(Enum):
    """What an order outside of a rotation is for: prefix of its intent id, number in the place of a tranche in its
    client order id, purpose."""

    FLATTEN = ("flatten", 0, Purpose.FLATTEN)
    CLOSE = ("x1", 1, Purpose.EXIT)
    TARGET = ("x2", 2, Purpose.EXIT)
    STOP = ("x3", 3, Purpose.EXIT)
    HEDGE_OVER_SPOT = ("x4", 4, Purpose.EXIT)
    LIQUIDATION = ("x5", 5, Purpose.EXIT)
    NEXT_STOP = ("x6", 6, Purpose.EXIT)
    OPEN_HEDGE = ("h7", 7, Purpose.HEDGE)
    REDUCE_HEDGE = ("h8", 8, Purpose.RELEASE)
    TACTICAL_SHORT = ("v9", 9, Purpose.TACTICAL_SHORT)
    SCALP = ("v10", 10, Purpose.SCALP)
    LATE_LONG = ("v11", 11, Purpose.TACTICAL)

    def __init__(self, prefix: str, number: int, purpose: Purpose) -> None:
        self.prefix = prefix
        self.number = number
        self.purpose = purpose

    def intent_id(self, symbol: str) -> str:
        """Identity of an order of this kind: it names the instrument, never a place in a list."""
        return f"{self.prefix}.{symbol}"


STOP_KINDS = (OrderKind.STOP, OrderKind.NEXT_STOP)
"""The resting stops of a position: two, so that a stop can rest until its successor does."""
DIRECTIONAL_KINDS: Mapping[Purpose, OrderKind] = {
    kind.purpose: kind for kind in (OrderKind.TACTICAL_SHORT, OrderKind.SCALP, OrderKind.LATE_LONG)
}
_BY_PREFIX = {kind.prefix: kind for kind in OrderKind}
_BY_NUMBER = {kind.number: kind for kind in OrderKind}


def leg_id(campaign: int, tranche: int, leg: int) -> str:
    """Identity of a leg's intent: it names campaign, tranche and leg and nothing that changes."""
    return f"{campaign}.{tranche}.{leg}"


def is_of_campaign(intent_id: str, campaign: int) -> bool:
    """Whether an intent is a leg of the campaign."""
    return intent_id.startswith(f"{campaign}.")


def kind_of_intent(intent_id: str) -> OrderKind | None:
    """What an intent outside of a rotation is for; None for a leg and for any other text."""
    return _BY_PREFIX.get(intent_id.partition(".")[0])


def kind_of_order(client_id: str) -> OrderKind | None:
    """What an order outside of a rotation is for; None for an order of a rotation, and one that is not ours."""
    place = read_place(client_id)
    return _BY_NUMBER.get(place[1]) if place is not None and place[0] == 0 else None


@dataclass(frozen=True, slots=True)
class ClientOrderId:
    """The parts a client order id is made of; `text` is what the venue sees.

    `epoch` differs from one opening of a journal to the next: a restored copy, a journal begun anew and a second bot
    number their campaigns alike and still never make the same id: two openings share an epoch once in two thousand
    million times. 0: an id of a version without epochs, whose campaign was written five digits wide and never needed
    more than three. In campaign 0, which is no rotation, `leg` is the number of an instrument (`instrument_number`).
    """

    account: str
    campaign: int
    tranche: int
    leg: int
    slice: int
    attempt: int
    epoch: int = 0

    @property
    def text(self) -> str:
        """Deterministic, 24 characters of [a-z0-9], starting with a letter: valid at every supported venue.

        Raises:
            ValueError: when a part does not fit its width.
        """
        if self.campaign >= _CAMPAIGNS:
            raise ValueError(f"campaign {self.campaign} does not fit a client order id")
        parts = {name: _base36(getattr(self, name), width) for name, width in _ID_WIDTHS.items() if name != "leg"}
        if self.campaign:
            parts["leg"] = _base36(self.leg, _ID_WIDTHS["leg"])
        else:
            number = _base36(self.leg, _INSTRUMENT_WIDTH)
            parts["campaign"], parts["leg"] = _INSTRUMENT_MARK + number[:2], number[2:]
        return ID_PREFIX + account_tag(self.account) + "".join(parts[name] for name in _ID_WIDTHS)

    @property
    def prefix(self) -> str:
        """What the ids of every slice and attempt begin with.

        Raises:
            ValueError: when a part does not fit its width.
        """
        return self.text[:-_USE_WIDTH]


def instrument_number(symbol: str) -> int:
    """The number that stands for an instrument in client order ids: a function of its symbol alone, so that no list
    or setting can change it. Two symbols with one number would share a counter, never an id."""
    return int.from_bytes(hashlib.sha256(symbol.encode()).digest()[:8], "big") % _INSTRUMENTS


def account_tag(account: str) -> str:
    """Three characters that stand for the account: orders with another tag are not ours."""
    number = int.from_bytes(hashlib.sha256(account.encode()).digest()[:8], "big") % 36**3
    return _base36(number, 3)


def is_ours(client_id: str | None, account: str) -> bool:
    """Whether an order at the venue was sent by this account's bot."""
    return (
        client_id is not None
        and client_id.startswith(ID_PREFIX + account_tag(account))
        and (len(client_id) in _EPOCH_WIDTHS)
    )


def epoch_of(token: str) -> int:
    """The epoch of ids that a random text stands for; never 0."""
    return 1 + int.from_bytes(hashlib.sha256(token.encode()).digest()[:8], "big") % (_EPOCHS - 1)


def slice_and_attempt(client_id: str) -> tuple[int, int]:
    """(slice, attempt): the numbers that a client order id of ours ends with."""
    use = client_id[-_USE_WIDTH:]
    return int(use[: _ID_WIDTHS["slice"]], 36), int(use[_ID_WIDTHS["slice"] :], 36)


def read_place(client_id: str) -> tuple[int, int] | None:
    """Campaign and tranche that a client order id of ours names, of any account; None for any other text. Ids that name
    an instrument belong to campaign 0, as ids of earlier versions do that have 0 in the campaign's place."""
    epoch_width = _EPOCH_WIDTHS.get(len(client_id))
    if epoch_width is None or not client_id.startswith(ID_PREFIX):
        return None
    campaign_start = _TAG_END + epoch_width
    tranche_start = campaign_start + _ID_WIDTHS["campaign"]
    campaign = client_id[campaign_start:tranche_start]
    tranche = client_id[tranche_start : tranche_start + _ID_WIDTHS["tranche"]]
    if not set(campaign + tranche) <= set(_DIGITS):
        return None
    return 0 if campaign.startswith(_INSTRUMENT_MARK) else int(campaign, 36), int(tranche, 36)


def _base36(number: int, width: int) -> str:
    if not 0 <= number < 36**width:
        raise ValueError(f"{number} does not fit {width} base-36 digits of a client order id")
    text = ""
    for _ in range(width):
        number, digit = divmod(number, 36)
        text = _DIGITS[digit] + text
    return text
