"""A process that has loaded the libraries, and forks a ``logos`` for each client: ``python -m tests.preloaded.server SOCKET``.

What it runs is a process: with an id, an environment, a directory, standard streams, exit code and signals of its own. Only
the imports are not done again. ``SOCKET`` serves commands that need no torch; ``SOCKET.torch`` the others (a process with
torch forks no workers). The server ends with its standard input, and ends what it runs.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import io
import marshal
import os
import runpy
import selectors
import signal
import socket
import sys
from pathlib import Path
from typing import Any

import logos_cli
from logos_cli.docking import libraries
from logos_cli.errors import MissingError

LIBRARIES = (
    "rdkit.Chem.AllChem",
    "rdkit.Chem.QED",
    "tokenizers",
    "llguidance",
    "biotite.structure",
    "rich.progress",
    "vina",
)
WITH_TORCH = (
    "backends.torch",
    "engine.device_sampler",
    "evaluators.antibodies.antiberty",
    "pockets.pocketnet",
    "training",
)
NEVER = ("__main__", "backends.transformers", "backends.llamacpp", "backends.onnxruntime")
"""Their libraries start threads, which a fork loses, or read variables when they are imported."""
READ_AT_START = (b"PYTHON", b"LD_", b"OMP_", b"MKL_", b"OPENBLAS_", b"LC_", b"LANG")
_SIZE = 1 << 20
_Request = tuple[list[str], str, dict[bytes, bytes], int, list[int], list[int]]


class Started(Exception):  # noqa: N818 - it takes the process of a program out of the loop, and is no error
    """Raised in the process of a program."""


class Server:
    """The listening sockets, and the programs that run."""

    def __init__(self, path: str) -> None:
        self.selector = selectors.PollSelector()  # not epoll, which a fork would share
        self.programs: dict[socket.socket, int] = {}
        self.environment = dict(os.environb)
        for name in (path, f"{path}.torch"):
            listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            listener.bind(name)
            listener.listen(64)
            self.selector.register(
                listener, selectors.EVENT_READ, self._load_torch if "torch" in name else self._accept
            )
        self.selector.register(sys.stdin, selectors.EVENT_READ, self._end)

    def serve(self) -> None:
        """Serve until standard input ends."""
        while True:
            for key, _ in self.selector.select():
                key.data(key.fileobj)

    def _accept(self, listener: socket.socket) -> None:
        self.selector.register(listener.accept()[0], selectors.EVENT_READ, self._read)

    def _load_torch(self, listener: socket.socket) -> None:
        """Leave a socket to a process of its own that loads torch."""
        if os.fork():
            self.selector.unregister(listener)
            listener.close()
            return
        self._close(but=(listener, sys.stdin))
        os.environ |= {"OMP_WAIT_POLICY": "PASSIVE"}  # as the program sets it before it loads torch
        load("torch", *modules(only=WITH_TORCH))
        self.selector.modify(listener, selectors.EVENT_READ, self._accept)

    def _read(self, client: socket.socket) -> None:
        """Start a program, pass a signal to it, or kill it because its client was killed."""
        try:
            data, descriptors, _, _ = socket.recv_fds(client, _SIZE, 3)
        except ConnectionError:
            data, descriptors = b"", []
        pid = self.programs.get(client)
        if pid is None and data:
            self._start(client, marshal.loads(data), descriptors)
            return
        if pid is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, data[0] if data else signal.SIGKILL)
        if not data:
            self.selector.unregister(client)
            if pid is None:
                client.close()

    def _start(self, client: socket.socket, request: _Request, descriptors: list[int]) -> None:
        pid = os.fork()
        if not pid:
            self._close()
            become(request, descriptors, self.environment)
            raise Started
        for descriptor in descriptors:
            os.close(descriptor)
        self.programs[client] = pid
        self.selector.register(os.pidfd_open(pid), selectors.EVENT_READ, lambda ended: self._reap(ended, client))

    def _reap(self, ended: int, client: socket.socket) -> None:
        """Report the exit code of a program to its client."""
        self.selector.unregister(ended)
        os.close(ended)
        status = os.waitstatus_to_exitcode(os.waitpid(self.programs.pop(client), 0)[1])
        with contextlib.suppress(OSError):
            client.send(str(status).encode())
        with contextlib.suppress(KeyError):
            self.selector.unregister(client)
        client.close()

    def _close(self, but: tuple[Any, ...] = ()) -> None:
        """Close what a fork has got of the server."""
        for key in list(self.selector.get_map().values()):
            file: Any = key.fileobj
            if file not in but:
                self.selector.unregister(file)
                os.close(file) if isinstance(file, int) else file.close()
        for client in self.programs:
            client.close()
        self.programs.clear()

    def _end(self, _: object) -> None:
        for pid in self.programs.values():
            os.kill(pid, signal.SIGKILL)
        os._exit(0)


def become(request: _Request, descriptors: list[int], environment: dict[bytes, bytes]) -> None:
    """Make this process the one that was asked for."""
    arguments, directory, variables, mask, ignored, streams = request
    os.setpgid(0, 0)
    os.chdir(directory)
    os.umask(mask)
    for number in (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2):
        default = signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL
        signal.signal(number, signal.SIG_IGN if int(number) in ignored else default)
    for stream in range(3):
        with contextlib.suppress(OSError):
            os.close(stream)
    for stream, descriptor in zip(streams, descriptors, strict=True):
        os.dup2(descriptor, stream)
        os.close(descriptor)
    if _read_at_start(variables) != _read_at_start(environment):
        os.execve(sys.executable, [sys.executable, "-m", "logos_cli", *arguments], variables)
    os.environb.clear()
    os.environb.update(variables)
    sys.argv = ["logos", *arguments]
    sys.path[0] = directory
    for stream, name in enumerate(("stdin", "stdout", "stderr")):
        file = _stream(stream, is_buffered=b"PYTHONUNBUFFERED" not in variables) if stream in streams else None
        setattr(sys, name, file)
        setattr(sys, f"__{name}__", file)


def _read_at_start(variables: dict[bytes, bytes]) -> dict[bytes, bytes]:
    """Return what the interpreter or a library has read already, when the program begins."""
    return {
        name: value
        for name, value in variables.items()
        if name.startswith(READ_AT_START) and name != b"PYTHONUNBUFFERED"
    }


def _stream(number: int, *, is_buffered: bool) -> io.TextIOWrapper:
    """Return a standard stream as Python makes it."""
    if number == 0:
        return io.TextIOWrapper(open(0, "rb", closefd=False), "utf-8")
    binary = open(number, "wb", -1 if is_buffered else 0, closefd=False)  # noqa: SIM115 - a standard stream
    return io.TextIOWrapper(
        binary,
        "utf-8",
        "backslashreplace" if number == 2 else "strict",
        "\n",
        line_buffering=number == 2 or os.isatty(number),
        write_through=not is_buffered,
    )


def modules(only: tuple[str, ...] = ("",), but: tuple[str, ...] = ()) -> list[str]:
    """Return modules of the package by the beginning of their names in it."""
    package = Path(logos_cli.__file__).parent
    files = [path.relative_to(package).with_suffix("") for path in package.rglob("*.py")]
    names = [".".join(file.parts).removesuffix(".__init__") for file in files]
    return [f"logos_cli.{name}" for name in names if name.startswith(only) and not (but and name.startswith(but))]


def load(*names: str) -> None:
    """Import modules; what is loaded stays where it is when the process is forked."""
    for name in names:
        with contextlib.suppress(ImportError):
            importlib.import_module(name)
    gc.collect()
    gc.freeze()
    assert len([*Path("/proc/self/task").iterdir()]) == 1, "a fork would lose a thread"


def main(path: str) -> None:
    """Serve, and in the process of a program run it."""
    server = Server(path)
    load(*LIBRARIES, *modules(but=(*WITH_TORCH, *NEVER)))
    with contextlib.suppress(MissingError):
        libraries.load("meeko")
    assert "torch" not in sys.modules  # a process with torch forks no workers
    Path(f"{path}.pid").write_text(str(os.getpid()))
    try:
        server.serve()
    except Started:
        del server
    runpy.run_module("logos_cli", run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main(sys.argv[1])
