"""Reads the body of an HTTP answer up to a size, so that no source can fill the memory."""

import aiohttp

_CHUNK_BYTES = 65_536


class BodyTooLong(ValueError):
    """An answer has more bytes than its reader takes."""


async def read_body(response: aiohttp.ClientResponse, bytes_max: int) -> bytes:
    """The body of an answer.

    Raises:
        BodyTooLong: it has more than `bytes_max` bytes; the rest is not read.
    """
    body = bytearray()
    async for chunk in response.content.iter_chunked(_CHUNK_BYTES):
        body += chunk
        if len(body) > bytes_max:
            raise BodyTooLong(f"the answer is longer than {bytes_max} bytes")
    return bytes(body)
