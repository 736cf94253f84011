"""Python programs from a warm start: a server that has imported the heavy libraries forks a process for each program.

    with warm_python(folder) as python:            # path of a program, to be put on PATH as `python`
        subprocess.run([python, "-m", "recgpt.cli.main", "--help"])

Imports of torch, transformers and others take up to ten seconds of a processor, and a page of the documents starts many
programs. A program gets its arguments, folder, environment and standard streams as ever, in a process of its own;
PYTHONPATH comes first on its path. The server has computed nothing, so that no thread is lost in a fork.
"""

import array
import atexit
import contextlib
import importlib
import json
import os
import runpy
import select
import signal
import socket
import struct
import subprocess
import sys
import time
import traceback
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NoReturn

PRELOADED = (
    *("torch", "transformers", "sentence_transformers", "sklearn.cluster", "scipy.stats", "matplotlib.pyplot"),
    *("polars", "pandas", "pyarrow.parquet", "jinja2", "accelerate"),
)
CLIENT = """#!{python} -IS
import array, json, os, socket, struct, sys
server = socket.socket(socket.AF_UNIX)
server.connect({address!r})
call = json.dumps([sys.argv[1:], os.getcwd(), dict(os.environ)]).encode()
server.sendmsg([struct.pack("!I", len(call))], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [0, 1, 2]))])
server.sendall(call)
code = server.recv(4)
os._exit(struct.unpack("!i", code)[0] if code else 255)
"""


@contextlib.contextmanager
def warm_python(folder: Path, preloaded: Sequence[str] = PRELOADED) -> Iterator[Path]:
    """Path of a program that runs Python programs as `python` does, with modules that are imported already."""
    address, program = folder / "warm.socket", folder / "python"
    program.write_text(CLIENT.format(python=sys.executable, address=str(address)))
    program.chmod(0o755)
    server = subprocess.Popen([sys.executable, __file__, str(address), *preloaded], stdin=subprocess.PIPE)
    try:
        while not address.exists():
            assert server.poll() is None, "the server of warm programs has ended"
            time.sleep(0.05)
        yield program
    finally:
        server.stdin.close()  # type: ignore[union-attr]
        server.wait(timeout=60)


def serve(address: str, preloaded: Sequence[str]) -> None:
    """Fork for each connection, until standard input is closed."""
    for name in preloaded:
        importlib.import_module(name)
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(f"{address}.draft")
        server.listen(64)
        Path(f"{address}.draft").rename(address)
        while True:
            ready, _, _ = select.select([server, sys.stdin], [], [])
            if sys.stdin in ready:
                return
            connection, _ = server.accept()
            if os.fork() == 0:
                server.close()
                _handle(connection)
            connection.close()
            with contextlib.suppress(ChildProcessError):
                while os.waitpid(-1, os.WNOHANG)[0]:
                    pass


def _handle(connection: socket.socket) -> NoReturn:
    """Run the program of a connection in a child, and send its exit code; the child ends with the connection."""
    arguments, folder, environment, streams = _received(connection)
    child = os.fork()
    if child == 0:
        connection.close()
        _run(arguments, folder, environment, streams)
    for stream in streams:
        os.close(stream)
    while True:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            break
        if select.select([connection], [], [], 0.02)[0]:  # the caller has ended: nothing else is ever sent
            os.kill(child, signal.SIGKILL)
    code = os.waitstatus_to_exitcode(status)
    with contextlib.suppress(OSError):
        connection.sendall(struct.pack("!i", code if code >= 0 else 128 - code))
    os._exit(0)


def _received(connection: socket.socket) -> tuple[list[str], str, dict[str, str], list[int]]:
    size = struct.calcsize("!I")
    head, ancillary, _, _ = connection.recvmsg(size, socket.CMSG_LEN(3 * array.array("i").itemsize))
    streams = array.array("i")
    for _, _, content in ancillary:
        streams.frombytes(content)
    (n_bytes,) = struct.unpack("!I", head)
    call = b""
    while len(call) < n_bytes:
        call += connection.recv(n_bytes - len(call))
    return (*json.loads(call), streams.tolist())


def _run(arguments: list[str], folder: str, environment: dict[str, str], streams: list[int]) -> NoReturn:
    """Become the program."""
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    sys.stdin = open(0, closefd=False)  # noqa: SIM115
    sys.stdout = open(1, "w", closefd=False)  # noqa: SIM115
    sys.stderr = open(2, "w", buffering=1, errors="backslashreplace", closefd=False)  # noqa: SIM115
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    for name in ("numpy.random", "torch"):
        if name in sys.modules:
            sys.modules[name].seed()
    code: object = 0
    try:
        _become(arguments)
    except SystemExit as stop:
        code = stop.code
        if isinstance(code, str):
            print(code, file=sys.stderr)
    except BaseException:
        traceback.print_exc()
        code = 1
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            stream.flush()
    os._exit(code if isinstance(code, int) else int(code is not None))


def _become(arguments: list[str]) -> None:
    paths = [path for path in os.environ.get("PYTHONPATH", "").split(os.pathsep) if path]
    match arguments:
        case ["-c", text, *rest]:
            sys.argv, sys.path[:1] = ["-c", *rest], ["", *paths]
            exec(compile(text, "<string>", "exec"), {"__name__": "__main__"})  # noqa: S102
        case ["-m", module, *rest]:
            sys.argv, sys.path[:1] = [module, *rest], [str(Path.cwd()), *paths]
            runpy.run_module(module, run_name="__main__", alter_sys=True)
        case [path, *rest]:
            sys.argv, sys.path[:1] = [path, *rest], [str(Path(path).resolve().parent), *paths]
            runpy.run_path(path, run_name="__main__")
        case _:
            raise SystemExit("a warm python has no prompt")


if __name__ == "__main__":
    serve(sys.argv[1], sys.argv[2:])
