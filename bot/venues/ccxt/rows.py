"""Reading lists row by row: a row that cannot be read is kept and named, and costs no other row anything."""

from collections.abc import Callable, Coroutine, Iterable, Mapping
from decimal import Decimal
from functools import wraps
from typing import Any, ParamSpec, TypeVar

from bot.domain.durations import DAY_MS
from bot.domain.money import ZERO, dec
from bot.ports import OrderReport, Unavailable

P = ParamSpec("P")
T = TypeVar("T")
Row = Mapping[str, Any]
UNREADABLE = (LookupError, TypeError, ValueError, ArithmeticError, AttributeError)
SHOWN = 120  # characters of a row that a message shows
DIGITS_MAX = 50  # before or after the point; venues write 20 at most


def message_of(what: str, row: Any, error: Exception) -> str:
    """One line about a row that could not be read."""
    return f"{what}: a row cannot be read, {type(error).__name__}: {error}; {str(row)[:SHOWN]}"


def rows_of(answer: Any, what: str) -> list[Any]:
    """The rows of a list answer.

    Raises:
        TypeError: it is no list: then nothing is known of any row.
    """
    if not isinstance(answer, list):
        raise TypeError(f"{what} is answered with {type(answer).__name__}, not with a list")
    return answer


def read_each(
    what: str, rows: Iterable[Any], read: Callable[[Any], T], symbol: str, defects: list[tuple[str, str]]
) -> list[T]:
    """What each row reads as; the rows that cannot be read are added to `defects` under `symbol`."""
    result = []
    for row in rows:
        try:
            result.append(read(row))
        except UNREADABLE as error:
            defects.append((symbol, message_of(what, row, error)))
    return result


def read_orders(
    rows: Iterable[Any],
    read: Callable[[Any], OrderReport],
    open_order: Callable[[Any, str, str], OrderReport],
    symbol: str,
    defects: list[tuple[str, str]],
) -> list[OrderReport]:
    """Order reports. A row that cannot be read counts as an open order at the size it names: what `open_order` makes
    of the row, the symbol and the message, which is added to `defects`."""
    found = []
    for row in rows:
        try:
            found.append(read(row))
        except UNREADABLE as error:
            message = message_of("orders", row, error)
            defects.append((symbol, message))
            found.append(open_order(row, symbol, message))
    return found


def number(value: Any) -> Decimal:
    """A finite Decimal. The few JSON numbers of a venue arrive as floats whose shortest text is what was sent.

    Raises:
        TypeError, ValueError: it is none, or no amount: a sum or a product with it would overflow.
    """
    parsed = dec(str(value)) if isinstance(value, float) else dec(value)
    if abs(parsed.adjusted()) > DIGITS_MAX:
        if parsed:
            raise ValueError(f"no amount: {str(value)[:SHOWN]!r}")
        return ZERO
    return parsed


def positive(value: Any) -> Decimal | None:
    """The number, None where it is absent, zero or negative."""
    if value in (None, ""):
        return None
    parsed = number(value)
    return parsed if parsed > 0 else None


def number_or(value: Any, fallback: Decimal) -> Decimal:
    """The number, or the fallback where it is none."""
    try:
        return number(value)
    except UNREADABLE:
        return fallback


def profit(said: Any, size: Decimal, entry: Decimal, mark: Decimal) -> Decimal:
    """The unrealised profit of a position; what its prices make of it where the venue says none.

    Raises:
        ValueError: it says no entry price either.
    """
    if said not in (None, ""):
        return number(said)
    if entry <= 0:
        raise ValueError("a position without an unrealised profit and without an entry price")
    return size * (mark - entry)


def latest_ms(row: Row, *names: str) -> int:
    """The latest of some times of a row; 0 where it says none. Raises TypeError, ValueError for what is no time."""
    return max(int(row.get(name) or 0) for name in names)


def above_zero(value: Any) -> Decimal:
    """A price or a size of what was executed. Raises ValueError for none."""
    found = number(value)
    if found <= 0:
        raise ValueError(f"an execution with a price or a size of {found}")
    return found


def is_true(value: Any) -> bool:
    """A flag, as JSON has it or as text. Raises ValueError for what is neither."""
    said = str(value).lower()
    if said not in ("true", "false", "none", ""):
        raise ValueError(f"{value!r} is neither true nor false")
    return said == "true"


def name_of(value: Any) -> str:
    """A text that names. Raises ValueError for none."""
    if not isinstance(value, str) or not value:
        raise ValueError(f"{value!r} is no name")
    return value


def text_of(value: Any) -> str:
    """A name, or a number that names, as text. Raises ValueError for none."""
    if value in (None, "") or isinstance(value, bool | float):
        raise ValueError(f"{value!r} names nothing")
    return str(value)


def kept_since(symbol: str, since_ms: int, now_ms: int, kept_ms: int, defects: list[tuple[str, str]]) -> int:
    """The time since which fills are read where older ones are asked for, and 0 where all are: a venue keeps them for
    `kept_ms`, or is asked no further back. It answers an older question like one about days without a fill, so what is
    missing is a defect. `since_ms` 0 asks for all that it has."""
    oldest_ms = now_ms - kept_ms
    if not 0 < since_ms <= oldest_ms:
        return 0
    defects.append((symbol, f"fills: those of {kept_ms // DAY_MS} days are read, not from {since_ms} on"))
    return oldest_ms


def readable(method: Callable[P, Coroutine[Any, Any, T]]) -> Callable[P, Coroutine[Any, Any, T]]:
    """An answer that does not have the shape we know is an unavailable venue, not a crash."""

    @wraps(method)
    async def wrapped(*args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return await method(*args, **kwargs)
        except UNREADABLE as error:
            raise Unavailable(f"{method.__name__}: unreadable answer, {type(error).__name__}: {error}") from error

    return wrapped
