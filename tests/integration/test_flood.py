# SPDX-License-Identifier: LGPL-2.1-or-later
"""What one user can do to the others by calling much: nothing but make them wait for a few of polkit's answers."""
import pathlib
import time

import pytest

from conftest import CHALLENGE, ERROR, IFACE, PATH, Client, daemon_pid, path_of, polkit_rule, run, wait_for

LIMITS_EXCEEDED = "org.freedesktop.DBus.Error.LimitsExceeded"
GATE = path_of("instance", "gate")
START = {"path": GATE, "interface": IFACE + ".Instance", "member": "Start", "body": "(@a{sv} {},)"}
CAN = {"path": PATH, "interface": IFACE + ".Manager", "member": "Can",
       "body": f"([{', '.join([f'''(objectpath '{GATE}', 'Start')'''] * 256)}],)"}


def fds():
    return len(list(pathlib.Path(f"/proc/{daemon_pid()}/fd").iterdir()))


@pytest.fixture
def strangers():
    """Connections of two users in no group, that are torn down whatever they wait for."""
    run("useradd", "flooder", check=False)
    made = [Client("sam"), Client("flooder")]
    yield made
    for client in made:
        client.process.kill()
        client.process.wait()


def serve(clients, question, seconds):
    """Calls in turn for so long; returns the seconds of the longest. Each is answered, and none refused."""
    longest, start = 0, time.monotonic()
    while time.monotonic() - start < seconds:
        for client in clients:
            began = time.monotonic()
            question(client)
            longest = max(longest, time.monotonic() - began)
    return longest


MINE = "({'Description': <'mine'>},)"

# As a rule of an administrator's may that asks somewhere else.
SLOW_RULE = """polkit.addRule(function(action, subject) {
    if (subject.user == "sam" || subject.user == "flooder")
        polkit.spawn(["/bin/sleep", "0.15"]);
});"""


def test_floods_leave_others_served(root, instance, strangers, figure):
    """64 calls of Can at once, each of 256 questions to polkit, and 3,000 calls that would change something. What polkit
    is asked takes a while: in one line, the last question would wait for longer than anybody does."""
    instance("gate")
    admins = [Client("ada") for _ in range(4)]
    serve(admins, lambda ada: ada.instance("gate", "Configure", MINE), 0.1)
    before = fds()
    with polkit_rule(SLOW_RULE):
        asking, calling = strangers
        began = time.monotonic()
        asking.send(do="burst", count=64, **CAN)
        calling.send(do="burst", count=3000, window=100, **START)  # the bus itself stops somebody at 128
        longest = serve(admins, lambda ada: ada.instance("gate", "GetConfig", ""), 8)
        longest = max(longest, serve(admins, lambda ada: ada.instance("gate", "Configure", MINE), 2))
        figure(f"a call beside 64 x 256 questions and 3,000 calls of others: at most {longest:.1f} s")
        counts = calling.answer()["counts"]
        assert sum(counts.values()) == 3000 and counts.get(LIMITS_EXCEEDED, 0) > 1000, counts
        assert set(counts) <= {LIMITS_EXCEEDED, CHALLENGE, ERROR + "AuthorizationUnavailable"}, counts
        counts = asking.answer()["counts"]
        assert set(counts) <= {ERROR + "LimitReached", ERROR + "AuthorizationUnavailable"}, counts
        assert time.monotonic() - began < 24, "each has its answer before callers give up"
        assert root.get("instance", "gate")["ActiveState"] == "inactive"
        wait_for(lambda: serve(admins, lambda ada: ada.instance("gate", "GetConfig", ""), 0.1) < 0.5, what="quiet")
    for ada in admins:
        ada.close()
    wait_for(lambda: fds() <= before + 1, what="the descriptors of before")  # GLib's way to the journal may be new
