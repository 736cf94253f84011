"""Secrets cut out of whatever a server sends, before it is parsed for agents, logged or shown.

    redact = Redactor.with_environment({"OPENAI_API_KEY": key})
    redact.text("your key is sk-...")            # "your key is [OPENAI_API_KEY]"

A secret is recognised as it is, in base64 and hexadecimal, and hidden in escapes (JSON, URL, HTML), white space or
invisible characters. Known secrets are the keys of the servers in use and the values of environment variables whose
names say that they hold a secret.
"""

import base64
import html
import os
import re
from collections.abc import Iterator, Mapping
from typing import Any, Self
from urllib.parse import unquote

SHORTEST = 8
"""Characters of the shortest key of a server that is cut out: local servers take any word, such as `x` or `EMPTY`."""
_SHORTEST_OF_ENVIRONMENT = 12
_SECRET_NAME = re.compile(
    r"(?:KEY|TOKEN|SECRET|PASSWORD|PASSWD|PASSPHRASE|CREDENTIALS?)(?:S|_?\d+)?$|_(?:KEY|TOKEN|SECRET|PASSWORD)_"
)
_NO_SECRET_NAME = re.compile(r"_(?:FILE|PATH|DIR|URL|ENV|ID|NAME|TYPE)$")
_UNICODE_ESCAPE = re.compile(r"\\+(?:u00|x)([0-9a-fA-F]{2})")
_JSON_ESCAPE = re.compile(r"\\+(?:u[0-9a-fA-F]{4}|[bfnrt])|\\+")
_ESCAPE_DEPTH = 3  # escapes inside escapes


class Redactor:
    """Replaces known secrets by the names of the variables that hold them.

    Parameters
    ----------
    secrets
        Value by name.
    """

    def __init__(self, secrets: Mapping[str, str]) -> None:
        found = [(form, f"[{name}]") for name, value in secrets.items() for form in _forms(value)]
        self._forms = sorted(found, key=lambda pair: -len(pair[0]))

    def __repr__(self) -> str:
        return f"Redactor({', '.join(sorted({label for _, label in self._forms}))})"

    @classmethod
    def with_environment(cls, keys: Mapping[str, str]) -> Self:
        """Redactor of these keys of servers, and of the secrets in the environment."""
        return cls({**dict(environment_secrets()), **{name: key for name, key in keys.items() if len(key) >= SHORTEST}})

    def text(self, text: str) -> str:
        """`text` without secrets; the whole is replaced where a secret is scattered over escapes or spaces."""
        for form, label in self._forms:
            text = text.replace(form, label)
        scattered = self._scattered(text)
        return text if scattered is None else f"[{len(text):,} characters that hold {scattered.strip('[]')}]"

    def value(self, value: Any) -> Any:
        """JSON value with `text` applied to all strings in it."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, list):
            return [self.value(each) for each in value]
        if isinstance(value, dict):
            return {self.text(name): self.value(each) for name, each in value.items()}
        return value

    def _scattered(self, text: str) -> str | None:
        """Name of a secret that is only found once escapes and characters that do not show are gone."""
        if not self._forms or (text.isascii() and text.isprintable() and not set("\\%& ") & set(text)):
            return None
        plain = _squeezed(text)
        for _ in range(_ESCAPE_DEPTH):
            label = next((label for form, label in self._forms if form in plain), None)
            if label is not None:
                return label
            before, plain = plain, _squeezed(_unescaped(plain))
            if plain == before:
                return None
        return None


def environment_secrets() -> Iterator[tuple[str, str]]:
    """Names and values of secrets in the environment, such as OPENAI_API_KEY, which must not be stored."""
    for name, value in os.environ.items():
        upper = name.upper()
        is_secret = _SECRET_NAME.search(upper) and not _NO_SECRET_NAME.search(upper)
        if is_secret and len(value) >= _SHORTEST_OF_ENVIRONMENT:
            yield name, value


def _forms(secret: str) -> set[str]:
    """The secret and its encodings; base64 at each of the three offsets in a longer text."""
    raw = secret.encode(errors="surrogateescape")
    encoded = {secret, raw.hex(), raw.hex().upper()}
    for offset in range(3):
        inner = base64.b64encode(b"\0" * offset + raw).decode()
        # the first and last characters depend on the neighbours of the secret
        inner = inner[(0, 2, 3)[offset] :].rstrip("=")
        inner = inner if (offset + len(raw)) % 3 == 0 else inner[:-1]
        encoded |= {inner, inner.replace("+", "-").replace("/", "_")}
    return {form for form in encoded if len(form) >= SHORTEST}


def _squeezed(text: str) -> str:
    return "".join(character for character in text if character.isprintable() and character != " ")


def _unescaped(text: str) -> str:
    text = _UNICODE_ESCAPE.sub(lambda found: chr(int(found[1], 16)), text)
    return html.unescape(unquote(_JSON_ESCAPE.sub("", text)))
