# SPDX-License-Identifier: LGPL-2.1-or-later
"""polkitd stopped, killed in the middle of a check, and hanging: nobody gets in, nobody else waits, servers go on."""
import contextlib
import os
import signal
import time

import pytest

from conftest import ERROR, BusError, mounted, run, unit, wait_for

UNAVAILABLE = ERROR + "AuthorizationUnavailable"


def polkit_pid():
    run("busctl", "call", "org.freedesktop.PolicyKit1", "/org/freedesktop/PolicyKit1/Authority",
        "org.freedesktop.DBus.Peer", "Ping")
    return int(unit("polkit.service", "MainPID")["MainPID"])


@contextlib.contextmanager
def hanging_polkit():
    pid = polkit_pid()
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def is_served(client):
    """The first attempt after its death may meet a polkitd that is on its way down still."""
    try:
        return client.instance("fault", "GetConfig", "") == ("",)
    except BusError as error:
        assert error.name == UNAVAILABLE, error
        return False


def test_polkitd_that_was_stopped_comes_back_for_the_next_call(ada, instance):
    instance("fault")
    run("systemctl", "stop", "polkit.service")
    assert ada.instance("fault", "GetConfig", "") == ("",)


def test_polkitd_killed_in_the_middle_of_a_check_is_a_refusal_and_heals(root, ada, instance):
    instance("fault")
    pid = polkit_pid()
    os.kill(pid, signal.SIGSTOP)
    ada.send(**ada.question("/org/left4me/Host1/instance/fault", "org.left4me.Host1.Instance", "Start", "(@a{sv} {},)"))
    time.sleep(0.5)  # the question is with polkitd now, which cannot take it
    os.kill(pid, signal.SIGKILL)
    with pytest.raises(BusError) as refusal:
        ada.receive()
    assert refusal.value.name == UNAVAILABLE, refusal.value
    assert root.get("instance", "fault")["ActiveState"] == "inactive"
    wait_for(lambda: is_served(ada), what="another polkitd")
    assert polkit_pid() != pid


def test_polkitd_that_hangs_holds_up_nobody_but_who_needs_it(root, ada, instance):
    instance("fault")
    with hanging_polkit():
        begun = time.monotonic()
        ada.send(**ada.question("/org/left4me/Host1/instance/fault", "org.left4me.Host1.Instance", "Start", "(@a{sv} {},)"))
        for _ in range(20):
            root.get("instance", "fault")
        assert time.monotonic() - begun < 5, "root waited for polkit"
        with pytest.raises(BusError) as refusal:
            ada.receive()
        assert refusal.value.name == UNAVAILABLE and "polkit" in refusal.value.message, refusal.value
        assert time.monotonic() - begun < 20
        assert root.get("instance", "fault")["ActiveState"] == "inactive", "nothing changed"
        # systemd starts and stops servers all the same: the unit's calls are root's.
        run("systemctl", "start", "left4me-server@fault.service")
        assert "fault" in mounted()
        run("systemctl", "stop", "left4me-mount@fault.service")
        assert "fault" not in mounted()
    wait_for(lambda: is_served(ada), what="polkitd that goes on")


def test_polkitd_that_is_masked_is_a_clear_refusal(root, ada, instance):
    instance("fault")
    run("systemctl", "mask", "--runtime", "--now", "polkit.service")
    try:
        with pytest.raises(BusError) as refusal:
            ada.instance("fault", "Start")
        assert refusal.value.name == UNAVAILABLE, refusal.value
        root.instance("fault", "Start")
        root.instance("fault", "Stop")
    finally:
        run("systemctl", "unmask", "--runtime", "polkit.service")
    wait_for(lambda: is_served(ada), what="polkitd")
