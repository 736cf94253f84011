"""HTTP protocol of the service: httptools, which costs half as much as h11, with a bound on the head of a request.

uvicorn bounds the head with h11 alone. Where httptools cannot be installed, h11 reads the requests.
"""

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

MOST_HEAD = 16 << 10
"""Bytes of the first line and the headers of a request, at most."""


class BoundedProtocol(HttpToolsProtocol):
    """Connection that ends when the head of a request is too long."""

    _in_head, _n_head = True, 0

    def data_received(self, data: bytes) -> None:
        """Read a piece of a request."""
        super().data_received(data)
        self._n_head = self._n_head + len(data) if self._in_head else 0
        if self._n_head > MOST_HEAD:
            self.transport.abort()

    def on_message_begin(self) -> None:
        """Begin a head."""
        self._in_head = True
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """End a head."""
        self._in_head = False
        super().on_headers_complete()
