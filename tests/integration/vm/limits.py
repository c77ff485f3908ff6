# SPDX-License-Identifier: LGPL-2.1-or-later
"""A server that answers, and misbehaves when it is told to; and what the kernel counts of a control group."""
import contextlib
import pathlib
import socket
import time

from conftest import run, wait_for

# Each datagram is answered before it is obeyed.
SERVER = r"""
cat > srcds_run <<'END'
#!/usr/bin/python3
import os, signal, socket, sys
signal.signal(signal.SIGINT, lambda *_: os._exit(0))
port = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
port.bind(("127.0.0.1", int(sys.argv[sys.argv.index("-port") + 1])))
while True:
    word, asker = port.recvfrom(100)
    port.sendto(word, asker)
    if word == b"eat":
        hoard = []
        while True:
            hoard.append(bytearray(2 ** 20))
    while word == b"fork":
        try:
            if not os.fork():
                signal.pause()
        except OSError:
            break
    while word == b"burn":
        pass
END
chmod 755 srcds_run
"""


def tell(client, name, word="well?", seconds=5):
    """Tells the server of an instance; returns how long it took to answer, or None."""
    port = client.get("instance", name)["Port"]
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.settimeout(seconds)
        began = time.monotonic()
        sock.sendto(word.encode(), ("127.0.0.1", port))
        with contextlib.suppress(TimeoutError, ConnectionRefusedError):
            sock.recvfrom(100)
            return time.monotonic() - began
    return None


def start(client, name):
    """Starts an instance and waits until its server answers."""
    client.instance(name, "Start")
    wait_for(lambda: tell(client, name, seconds=0.5), 60, f"an answer of {name}")


def group(name):
    """The directory of the control group of a unit; waits until it has one."""
    def ask():
        return run("systemctl", "show", "--value", "--property=ControlGroup", name).stdout.strip()
    return pathlib.Path("/sys/fs/cgroup" + wait_for(ask, 60, f"a control group of {name}"))


def counts(directory, file):
    """What a file of a control group counts, word by word."""
    return {word: int(n) for word, n in (line.split() for line in (directory / file).read_text().splitlines())}


@contextlib.contextmanager
def slice_property(name, assignment):
    """Sets a property of a slice as an administrator would, for as long as the block runs."""
    key = assignment.partition("=")[0]
    before = run("systemctl", "show", f"--property={key}", name).stdout.strip()
    run("systemctl", "set-property", "--runtime", name, assignment)
    try:
        yield
    finally:
        run("systemctl", "set-property", "--runtime", name, before)
