"""`gtx` without its start: each command is a fork of one process that has loaded all of it.

    python preloaded.py SOCKET SOURCE           serve; `SOURCE` is the project's folder
    python -I -S preloaded.py SOCKET . WORD…    run `gtx WORD…`, as if it had been started here

Starting Python and loading every module takes most of a command's time, and a page has many.
A command has its own process, folder, environment, files and exit status, as always.
"""

import json
import os
import signal
import socket
import sys
from pathlib import Path

REQUEST_BYTES_MAX = 2**17


def serve(path: str, source: str) -> None:
    """Run commands until this process is killed; says `ready` once it can."""
    sys.path.insert(0, source)
    from node.cli import main  # noqa: PLC0415 - whoever only asks must start quickly
    from node.cli.app import COMMANDS, app  # noqa: PLC0415 - as above

    for name, _ in COMMANDS:
        command = app
        for word in name.split():
            command = command[word]
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listener:
        listener.bind(path)
        listener.listen()
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        while True:
            asked, _ = listener.accept()
            request, files, _, _ = socket.recv_fds(asked, REQUEST_BYTES_MAX, 3)
            if os.fork() == 0:
                listener.close()
                signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                words, folder, environment = json.loads(request)
                for number, file in enumerate(files):
                    os.dup2(file, number)
                os.chdir(folder)
                os.environ.clear()
                os.environ.update(environment)
                status = main(words)
                sys.stdout.flush()
                sys.stderr.flush()
                asked.send(bytes([status]))
                os._exit(status)
            for file in files:
                os.close(file)
            asked.close()


def ask(path: str, words: list[str]) -> int:
    """Have a command run; returns its exit status."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as server:
        server.connect(path)
        request = json.dumps([words, str(Path.cwd()), dict(os.environ)]).encode()
        socket.send_fds(server, [request], [0, 1, 2])
        answer = server.recv(1)
    if not answer:
        sys.stderr.write("the command died\n")
        return 1
    return answer[0]


if __name__ == "__main__":
    where, folder_of_source, *given = sys.argv[1:]
    if given:
        sys.exit(ask(where, given))
    serve(where, folder_of_source)
