"""HTTP to language-model servers: one request, no redirect followed, a reply of bounded size.

    async with open_http(base_url, key) as http:
        answer = await post(http, body)

The limit of time is the caller's: a reply that drips without end is cut off by it.
"""

import logging
import ssl
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from recgpt.version import __version__

if TYPE_CHECKING:
    from httpx2 import AsyncClient, Response

MAX_BODY_BYTES = 4 << 20
"""Bytes of a reply after decompression: the longest reply that is read, escaped in the worst way."""
_MAX_ERROR_BYTES = 64 << 10  # of a reply with an error
_ENCODINGS = ("gzip", "x-gzip", "deflate")  # not asked for, but some servers compress all the same


class UnreadableReply(Exception):  # noqa: N818 (says what the reply is)
    """A reply that is too long, or compressed in an unknown or a broken way."""


@dataclass(frozen=True)
class Answer:
    """A response of a server; `retry_after` and `location` are header fields, None where they are absent."""

    status: int
    text: str
    retry_after: str | None
    location: str | None


def open_http(base_url: str, key: str | None) -> "AsyncClient":
    """Client for one server. The caller closes it."""
    import httpx2

    # it logs header fields of responses, in which a server may repeat the key
    logging.getLogger("httpcore2").setLevel(logging.WARNING)
    headers = {
        "Accept": "application/json",
        "Accept-Encoding": "identity",
        "Content-Type": "application/json",
        "User-Agent": f"recgpt/{__version__}",
        **({} if key is None else {"Authorization": f"Bearer {key}"}),
    }
    limits = httpx2.Limits(max_connections=None, max_keepalive_connections=100)
    # reading the certificates of the system takes a tenth of a second, and http:// needs none
    tls = True if base_url.startswith("https:") else ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    return httpx2.AsyncClient(
        base_url=base_url, headers=headers, verify=tls, timeout=None, follow_redirects=False, limits=limits
    )


async def post(http: "AsyncClient", body: str) -> Answer:
    """Send one question.

    Raises
    ------
    UnreadableReply
        See there.
    httpx2.TransportError
        The connection fails or breaks.
    """
    async with http.stream("POST", "chat/completions", content=body.encode()) as response:
        is_good = 200 <= response.status_code < 300
        content = await _read(response, MAX_BODY_BYTES if is_good else _MAX_ERROR_BYTES, cut=not is_good)
        return Answer(
            response.status_code,
            content.decode("utf-8-sig", errors="replace"),
            response.headers.get("retry-after"),
            response.headers.get("location"),
        )


async def _read(response: "Response", most: int, *, cut: bool) -> bytes:
    """Body without compression; what is longer than `most` is cut off, or an error."""
    inflate = _inflater(response.headers.get("content-encoding", ""))
    content = bytearray()
    async for chunk in response.aiter_raw():
        try:
            content += inflate.decompress(chunk, most + 1 - len(content)) if inflate else chunk
        except zlib.error as error:
            raise UnreadableReply(f"a reply with broken compression ({error})") from None
        if len(content) > most:
            if cut:
                break
            raise UnreadableReply(f"a reply of more than {most:,} bytes")
    return bytes(content[:most])


def _inflater(encoding: str) -> "zlib._Decompress | None":
    name = encoding.strip().lower()
    if name in ("", "identity"):
        return None
    if name in _ENCODINGS:
        return zlib.decompressobj(zlib.MAX_WBITS | 32)  # gzip or zlib, as the first bytes say
    raise UnreadableReply(f"a reply in the encoding {name[:40]!r}, which was not asked for")
