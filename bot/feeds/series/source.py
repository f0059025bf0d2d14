"""A series from a file or an address: read when it is due, kept while it is fresh. Nothing it holds can end a turn.

An address is asked for without following redirects, up to a size and a time; what fails is asked again after a pause.
The last rows that could be read count until the newest of them is too old.
"""

from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit, urlunsplit

from bot.domain.durations import DAY_MS, HOUR_MS
from bot.domain.market import Macro
from bot.feeds.concurrent_fetch import parsed
from bot.feeds.series.rows import SeriesColumns, SeriesRows, SeriesTextError, read_rows
from bot.ports import Unavailable

TEXT_BYTES_MAX = 16 * 1024 * 1024
REFRESH_MS = HOUR_MS
KEPT_MAX = 2_000
READ_ERRORS = (OSError, ValueError, ArithmeticError, RecursionError)  # of a text, whatever stands in it


@dataclass(frozen=True, slots=True)
class SeriesSpec:
    """A configured series: where it stands, how it is read, what it is called, and when it is too old, ms. `delay_ms`
    is how long after its time a value is published; the values of several `addresses` are added up by time."""

    source: str
    columns: SeriesColumns
    title: str
    unit: str
    age_max_ms: int
    retry_ms: int
    delay_ms: int = 0
    addresses: tuple[str, ...] = ()

    @property
    def is_address(self) -> bool:
        """Whether it is read over the network."""
        return bool(self.addresses) or "://" in self.source

    @property
    def place(self) -> str:
        """The source as messages name it: an address without its query, which may hold a key."""
        return without_query(self.source) if "://" in self.source else self.source


class TextReader(Protocol):
    """Gives the text of a source."""

    async def __call__(self, source: str) -> str:
        """Raises SeriesTextError."""
        ...


class ConfiguredSeries:
    """The operator's series by name. A `MacroSource`."""

    def __init__(
        self,
        series: Mapping[str, SeriesSpec],
        now_ms: Callable[[], int],
        fetch: TextReader | None = None,
    ) -> None:
        """`fetch` reads addresses; without one they are not asked for, and so are no part of the evidence."""
        self._series = {name: spec for name, spec in series.items() if fetch is not None or not spec.is_address}
        self.names = tuple(self._series)
        self.notes: dict[str, str] = {}
        self._now_ms, self._fetch = now_ms, fetch
        self._known: dict[str, SeriesRows] = {}
        self._stamps: dict[str, tuple[int, int]] = {}
        self._due_ms: dict[str, int] = {}
        self._failed: dict[str, str] = {}

    async def fetch_macro(self, name: str) -> Macro:
        """What was published up to now; `notes` says what was left out of it.

        Raises:
            Unavailable: nothing can be read, or the newest value is too old; one sentence with place, key and remedy.
        """
        spec, now_ms = self._series[name], self._now_ms()
        await self._refresh(name, spec, now_ms)
        known, failure = self._known.get(name), self._failed.get(name)
        if known is None:
            raise Unavailable(failure or f"series.{name}: {spec.place}: has not been read yet")
        upto = bisect_right(known.rows, now_ms - spec.delay_ms, key=lambda row: row[0])
        if not upto:
            where = f"series.{name}: {spec.place}"
            raise Unavailable(f"{where}: every value lies in the future; correct its times, or its unit of time")
        rows = known.rows[max(0, upto - KEPT_MAX) : upto]
        age_ms = now_ms - rows[-1][0] - spec.delay_ms
        if age_ms > spec.age_max_ms:
            raise Unavailable(
                f"series.{name}: {spec.place}: the newest value is {age_ms // DAY_MS} days old, age_max_days = "
                f"{spec.age_max_ms // DAY_MS}; update it, or raise series.{name}.age_max_days"
                + (f" (the last attempt: {failure})" if failure else "")
            )
        said = [text for text in (failure and f"former values are used: {failure}", known.left_out) if text]
        self.notes.pop(name, None)
        if said:
            self.notes[name] = "; ".join(said)
        times, values = zip(*rows, strict=True)
        return Macro(name, spec.title, spec.unit, tuple(at + spec.delay_ms for at in times), values)

    async def _refresh(self, name: str, spec: SeriesSpec, now_ms: int) -> None:
        """Read what is due; `_known` and `_failed` hold the result."""
        try:
            if spec.is_address:
                if now_ms < self._due_ms.get(name, 0) or self._fetch is None:
                    return
                # Also when the turn's deadline cancels the answer: the next turn must not wait for it again.
                self._due_ms[name] = now_ms + spec.retry_ms
                addresses = spec.addresses or (spec.source,)
                result = added_up([await _read_address(one, spec, self._fetch) for one in addresses])
                self._known[name] = _ended(result, now_ms)
            elif not await self._reread(name, spec):
                return
        except READ_ERRORS as error:
            self._failed[name] = f"series.{name}: {spec.place}: {reason_of(error)}"
        else:
            self._failed.pop(name, None)
            self._due_ms[name] = now_ms + REFRESH_MS

    async def _reread(self, name: str, spec: SeriesSpec) -> bool:
        """Read a file that has changed; whether it had. One whose reading was cut off is read anew.

        Raises:
            OSError, ValueError, ArithmeticError, RecursionError: it cannot be read, and is not tried again as it is.
        """
        path, former = Path(spec.source), self._stamps.pop(name, None)  # a file that was away is read anew
        stamp = file_stamp(path)
        if stamp != former:
            text = read_file(path)
            try:
                self._known[name] = await _rows_of(text, spec)
            except READ_ERRORS:
                self._stamps[name] = stamp
                raise
        self._stamps[name] = stamp
        return stamp != former


def _ended(result: SeriesRows, now_ms: int) -> SeriesRows:
    """Without the day that still runs: its value is a part of the day's, and must not count later as the whole."""
    return replace(result, rows=tuple(row for row in result.rows if row[0] <= now_ms))


async def _rows_of(text: str, spec: SeriesSpec) -> SeriesRows:
    return await parsed(lambda text: read_rows(text, spec.columns), text)


async def _read_address(address: str, spec: SeriesSpec, fetch: TextReader) -> SeriesRows:
    """The rows of one address; its errors name it where the series has several. Raises SeriesTextError."""
    try:
        return await _rows_of(await fetch(address), spec)
    except SeriesTextError as error:
        raise SeriesTextError(f"{without_query(address)}: {error}" if spec.addresses else str(error)) from error


def added_up(parts: Sequence[SeriesRows]) -> SeriesRows:
    """The sums at the times that all parts have: half a sum is no sum.

    Raises:
        SeriesTextError: they share no time.
    """
    if len(parts) == 1:
        return parts[0]
    columns = [dict(part.rows) for part in parts]
    shared = sorted(set.intersection(*(set(column) for column in columns)))
    if not shared:
        raise SeriesTextError("its parts have no time in common; leave one out")
    said = "; ".join(part.left_out for part in parts if part.left_out)
    rows = tuple((at_ms, sum((column[at_ms] for column in columns), Decimal(0))) for at_ms in shared)
    return SeriesRows(rows, said or None)


def reason_of(error: Exception) -> str:
    """Why a text could not be had, with what to do."""
    if isinstance(error, SeriesTextError):
        return str(error)
    if not isinstance(error, OSError):
        return f"cannot be read ({type(error).__name__}: {str(error)[:120]}); correct its rows, or give another source"
    return f"cannot be read ({error.strerror or error}); check path and rights"


def file_stamp(path: Path) -> tuple[int, int]:
    """(time of change in ns, size): what changes when a file does.

    Raises:
        OSError: there is no such file.
        SeriesTextError: it is no file, or larger than a series may be.
    """
    status = path.stat()
    if not path.is_file():
        raise SeriesTextError("is no file; give the path of a file of CSV or JSON")
    if status.st_size > TEXT_BYTES_MAX:
        raise SeriesTextError(f"has {status.st_size} bytes, more than {TEXT_BYTES_MAX}; cut it")
    return status.st_mtime_ns, status.st_size


def read_file(path: Path) -> str:
    """The text of a file. Raises OSError, or SeriesTextError where it is no text."""
    return decoded(path.read_bytes())


def decoded(body: bytes) -> str:
    """The text of an answer or a file.

    Raises:
        SeriesTextError: it is not UTF-8.
    """
    try:
        return body.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise SeriesTextError(f"is not UTF-8 (byte {error.start}); save it as UTF-8") from error


def without_query(address: str) -> str:
    """An address as messages name it: its query may hold a key."""
    parts = urlsplit(address)
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", "")) or "nowhere"
