"""Reads the text of addresses: up to a size, up to a time, and from where it was asked for."""

from collections.abc import Callable

import aiohttp

from bot.feeds.series.body import BodyTooLong, read_body
from bot.feeds.series.rows import SeriesTextError
from bot.feeds.series.source import TEXT_BYTES_MAX, decoded, without_query

TIMEOUT_SECONDS = 10.0  # below the deadline of a turn's series, so that a slow address gets its pause


class AddressReader:
    """Reads the text of addresses. The session is given and not closed here."""

    def __init__(
        self, session: Callable[[], aiohttp.ClientSession], *, timeout_seconds: float = TIMEOUT_SECONDS
    ) -> None:
        self._session, self._timeout = session, aiohttp.ClientTimeout(total=timeout_seconds)

    async def __call__(self, source: str) -> str:
        """The text at an address.

        Raises:
            SeriesTextError: there is none; why, and what to do.
        """
        try:
            return await self._read(source)
        except BodyTooLong as error:
            raise SeriesTextError(f"is longer than {TEXT_BYTES_MAX} bytes; ask for less of it") from error
        except TimeoutError as error:
            raise SeriesTextError(
                f"no complete answer within {self._timeout.total:g} s; it is asked again later"
            ) from error
        except aiohttp.ClientError as error:
            raise SeriesTextError(f"cannot be reached ({type(error).__name__}); it is asked again later") from error

    async def _read(self, source: str) -> str:
        async with self._session().get(source, timeout=self._timeout, allow_redirects=False) as response:
            if 300 <= response.status < 400:
                target = without_query(response.headers.get("Location", ""))
                raise SeriesTextError(f"redirects to {target}; give that address if you trust it")
            if response.status != 200:
                raise SeriesTextError(f"answers with status {response.status}; check the address")
            body = await read_body(response, TEXT_BYTES_MAX)
        return decoded(body)
