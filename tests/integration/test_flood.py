# SPDX-License-Identifier: LGPL-2.1-or-later
"""What one user can do to the others by calling much: nothing but make them wait for a few of polkit's answers."""
import os
import pathlib
import re
import signal
import subprocess
import time

import pytest

from conftest import CHALLENGE, ERROR, IFACE, PATH, Client, daemon_pid, path_of, polkit_rule, run, wait_for
from test_polkit_faults import hanging_polkit

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


BIG = {"path": GATE, "interface": IFACE + ".Instance", "member": "SetConfig", "body": f"('{'x' * 1000000}', @a{{sv}} {{}})"}


def memory(what="VmRSS"):
    """Of the service, in MiB."""
    status = pathlib.Path(f"/proc/{daemon_pid()}/status").read_text()
    return int(re.search(rf"^{what}:\s+(\d+) kB", status, re.M)[1]) // 1024


def forget_peak():
    pathlib.Path(f"/proc/{daemon_pid()}/clear_refs").write_text("5")


def test_big_calls_that_wait_have_a_limit_of_their_own(ada, instance, strangers):
    """64 of a megabyte each may wait by their number, for polkit or for a password."""
    instance("gate")
    sam = strangers[0]
    with hanging_polkit():
        counts = sam.ask(do="burst", count=60, **BIG)["counts"]
    assert counts[LIMITS_EXCEEDED] >= 60 - 16 and counts[ERROR + "AuthorizationUnavailable"] <= 16, counts
    assert ada.instance("gate", "GetConfig", "") == ("",)


def test_calls_of_who_is_not_known_yet_have_a_limit(ada, instance, strangers, figure):
    """All that a new connection has sent while the service was busy comes before the bus tells whose it is."""
    instance("gate")
    ada.instance("gate", "GetConfig", "")
    forget_peak()
    before, pid = memory(), daemon_pid()
    os.kill(pid, signal.SIGSTOP)
    try:
        strangers[0].ask(do="shout", count=80, **BIG)
        time.sleep(0.5)  # what the connection's thread has still to write
    finally:
        os.kill(pid, signal.SIGCONT)
    assert ada.instance("gate", "GetConfig", "") == ("",)
    more = memory("VmHWM") - before
    figure(f"80 calls of a megabyte by who is not known yet: {more} MiB more in the service at the peak")
    assert more < 40


def test_calls_that_want_no_answer_do_what_they_are_for(root, ada, instance):
    instance("gate")
    read = {**START, "member": "GetConfig", "body": ""}
    ada.ask(do="shout", count=200, **{**START, "member": "Configure", "body": MINE})
    wait_for(lambda: root.get("instance", "gate")["Description"] == "mine", what="the change")
    # None of them counts any more: as many may wait as ever.
    wait_for(lambda: ada.ask(do="burst", count=60, **read)["counts"] == {"": 60}, what="the end of the others")


def test_descriptors_that_nobody_asked_for_go_with_their_call(ada, instance, strangers):
    """16 a call, which is what the bus lets through, on calls that wait for a password: others are served meanwhile."""
    instance("gate")
    sam = strangers[0]
    ada.instance("gate", "Configure", MINE)
    before = fds()
    sam.ask(do="prompter")
    sam.ask(do="shout", count=100, fds=16, interactive=True,
            **{**START, "member": "Mount"})
    wait_for(lambda: fds() > before + 16, what="descriptors that wait")
    assert fds() < before + 65 * 16
    ada.instance("gate", "Start")
    ada.instance("gate", "Stop")
    sam.process.kill()
    wait_for(lambda: fds() <= before + 1, 20, "the descriptors of before")


def test_callers_that_come_and_go_leave_nothing(ada, instance, figure):
    """Each with calls that wait: for polkit, for who they are, for the one before."""
    instance("gate")
    ada.instance("gate", "Configure", MINE)
    before_fds, before = fds(), memory()
    for _ in range(100):
        leaver = subprocess.Popen(["setpriv", "--reuid", "sam", "--clear-groups", "busctl", "call", "--expect-reply=no", IFACE, GATE,
                                   IFACE + ".Instance", "Start", "a{sv}", "0"], stderr=subprocess.DEVNULL)
        leaver.wait()
    assert ada.instance("gate", "GetConfig", "") == ("",)
    wait_for(lambda: fds() <= before_fds + 1, what="the descriptors of before")
    figure(f"100 callers that left before their answer: {memory() - before} MiB more in the service")
