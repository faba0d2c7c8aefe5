"""``logos`` of the shell: a server forks the program, with the arguments, environment, directory and streams of this process.

It passes signals on and ends as the program ends. It imports nothing that takes time: ``python -I -S client.py SOCKET …``.
"""

import marshal
import os
import signal
import socket
import struct
import sys

PASSED = [signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2]
IGNORED = [int(number) for number in PASSED if signal.getsignal(number) is signal.SIG_IGN]
USE_TORCH = {"train", "bench"}


def main(path: str, arguments: list[str]) -> int:
    """Let the server run the program and return its exit code, negative for a signal."""
    early: list[int] = []
    for number in PASSED:
        if number not in IGNORED:
            signal.signal(number, lambda number, _: early.append(number))
    streams = [number for number in range(3) if _is_open(number)]
    folder = os.getcwd()  # noqa: PTH109 - an import of pathlib takes as long as all else here
    request = marshal.dumps((arguments, folder, dict(os.environb), os.umask(0), IGNORED, streams))
    server = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    uses_torch = USE_TORCH.intersection(arguments[:1]) or "torch" in arguments
    server.connect(f"{path}.torch" if uses_torch else path)
    rights = (socket.SOL_SOCKET, socket.SCM_RIGHTS, struct.pack(f"{len(streams)}i", *streams))
    server.sendmsg([request], [rights] if streams else [])
    for number in PASSED:
        if number not in IGNORED:
            signal.signal(number, lambda number, _: server.send(bytes([number])))
    for sent in early:
        server.send(bytes([sent]))
    status = server.recv(8)
    return int(status) if status else 255


def _is_open(number: int) -> bool:
    try:
        os.fstat(number)
    except OSError:
        return False
    return True


if __name__ == "__main__":
    code = main(sys.argv[1], sys.argv[2:])
    if code < 0:
        signal.signal(-code, signal.SIG_DFL)
        os.kill(os.getpid(), -code)
    os._exit(code)
