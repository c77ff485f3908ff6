# SPDX-License-Identifier: LGPL-2.1-or-later
"""Running servers: what becomes of one that does not start, dies, or ends oddly, and that the object follows systemd by
its signals, whoever started or stopped the unit."""
import contextlib
import time

import pytest
from conftest import STATE, BusError, mounted, path_of, run, unit, wait_for

from servers import (ODD_SERVER, SANITIZED, dropin, heard, host_conf, is_dead, is_enabled, is_marked, mark_mount, merged,
                     mount_unit, overlay_paths, send_signal, server_unit, settings, start_odd, until)

# What "within a second" may take: nothing is polled, so that it is milliseconds but for the machine's own troubles.
SOON = 5 if SANITIZED else 1


@pytest.fixture
def odd(overlay, instance):
    """Makes an instance whose server behaves as its arguments say."""
    def make(name, *arguments):
        overlay("odd", ODD_SERVER)
        return instance(name, Overlays=overlay_paths("odd"), Arguments=f"@as {list(arguments)}")
    return make


# Starts that fail

BROKEN = {
    "missing": "mkdir left4dead2; rm -f srcds_run; mkdir srcds_run",
    "not executable": "echo '#!/bin/sh' > srcds_run; chmod 644 srcds_run",
    "of no interpreter": "echo '#!/nowhere/sh' > srcds_run; chmod 755 srcds_run",
}


@pytest.mark.parametrize("what", BROKEN)
def test_server_that_cannot_be_executed(root, ada, overlay, instance, what):
    overlay("broken", BROKEN[what])
    instance("fails", Overlays=overlay_paths("broken"))
    with pytest.raises(BusError) as error:
        ada.instance("fails", "Start")
    assert error.value.short == "StartFailed" and "srcds_run" in error.value.message, error.value
    # What was told to have failed must not go on being tried, nor at the next boot.
    assert is_dead("fails") and "fails" not in mounted() and not is_enabled("fails")
    shown = root.get("instance", "fails")
    assert not shown["Enabled"] and not shown["Mounted"] and shown["Result"] == "exit-code", shown
    assert shown["ActiveState"] in ("inactive", "failed") and "srcds_run" in shown["Message"], shown


def test_failed_start_leaves_the_wish_as_it_was(root, ada, overlay, instance):
    overlay("broken", BROKEN["not executable"])
    instance("fails")
    root.instance("fails", "Start")
    run("systemctl", "stop", server_unit("fails"))
    root.instance("fails", "Configure", settings(Overlays=overlay_paths("broken")))
    until(root, "fails", ActiveState="inactive", Mounted=False)
    with pytest.raises(BusError) as error:
        ada.instance("fails", "Start")
    assert error.value.short == "StartFailed"
    assert root.get("instance", "fails")["Enabled"] and is_enabled("fails")
    assert is_dead("fails") and "fails" not in mounted()
    root.instance("fails", "Configure", settings(Overlays=overlay_paths()))
    ada.instance("fails", "Start")
    assert root.get("instance", "fails")["ActiveState"] == "active" and root.get("instance", "fails")["Message"] == ""


def test_restart_that_fails_is_stopped(root, overlay, instance):
    overlay("broken", BROKEN["not executable"])
    instance("fails")
    root.instance("fails", "Start")
    root.instance("fails", "Configure", settings(Overlays=overlay_paths("broken")))
    with pytest.raises(BusError) as error:
        root.instance("fails", "Restart")
    assert error.value.short == "StartFailed"
    assert is_dead("fails") and "fails" not in mounted()


def test_layer_that_is_gone_is_said(root, overlay, instance):
    overlay("gone")
    instance("fails", Overlays=overlay_paths("gone"))
    number, generation = root.get("overlay", "gone")["Id"], root.get("overlay", "gone")["Generation"]
    layer = STATE / "overlays" / str(number) / str(generation)
    layer.rename(layer.parent / "aside")
    try:
        with pytest.raises(BusError) as error:
            root.instance("fails", "Start")
        assert error.value.short == "LayerRejected" and f"overlays/{number}/{generation}" in error.value.message
        shown = root.get("instance", "fails")
        assert not shown["Enabled"] and not shown["Mounted"] and shown["Layers"] == [], shown
        assert shown["Message"] == error.value.message, shown
        assert not is_enabled("fails") and is_dead("fails") and "fails" not in mounted()
    finally:
        (layer.parent / "aside").rename(layer)
    root.instance("fails", "Start")
    assert root.get("instance", "fails")["Message"] == ""


# Servers that die

def test_killed_server_comes_back_on_the_same_mount(root, instance):
    instance("killed")
    root.instance("killed", "Start")
    (merged("killed") / "left4dead2/written.txt").write_text("kept")
    mark_mount("killed")
    with dropin(server_unit("killed"), "Service", "RestartSec=100ms"):
        before = root.get("instance", "killed")
        root.watch()
        root.signals()
        for n in (1, 2):
            send_signal("killed", "KILL")
            heard(root, "killed", Result="signal")
            after = until(root, "killed", ActiveState="active", SubState="running", NRestarts=n)
            assert after["MainPID"] not in (0, before["MainPID"]) and after["InvocationID"] != before["InvocationID"]
            assert after["Result"] == "success" and after["Enabled"] and after["Mounted"], after
            assert is_marked("killed") and (merged("killed") / "left4dead2/written.txt").read_text() == "kept"
            before = after
        root.instance("killed", "Stop")
        assert "killed" not in mounted()
        root.instance("killed", "Start")
        assert root.get("instance", "killed")["NRestarts"] == 0, "a start counts anew"


def test_server_that_keeps_dying_is_given_up(root, odd):
    odd("dies", "+atonce", "1")
    with dropin(server_unit("dies"), "Service", "RestartSec=100ms"):
        root.watch()
        with contextlib.suppress(BusError):  # it may have died before systemd told that it had started
            root.instance("dies", "Start")
        with contextlib.suppress(BusError):
            root.instance("dies", "Start")
        _, told = heard(root, "dies", Result="start-limit-hit", ActiveState="failed", Mounted=False)
        shown = until(root, "dies", Result="start-limit-hit", ActiveState="failed", MainPID=0, Mounted=False)
        assert "again and again" in shown["Message"] == told["Message"], (shown, told)
        assert "dies" not in mounted() and is_dead("dies") and shown["Layers"] == []

        root.instance("dies", "Configure", settings(Arguments="@as []"))
        root.instance("dies", "Start")
        shown = root.get("instance", "dies")
        assert (shown["ActiveState"], shown["Result"], shown["Message"]) == ("active", "success", ""), shown
        root.instance("dies", "Stop")
        assert root.get("instance", "dies")["ActiveState"] == "inactive"


def test_stop_between_two_attempts(root, odd):
    """systemd is about to start it again: that is running, and a Stop ends it."""
    odd("dies")
    root.instance("dies", "Start")
    send_signal("dies", "KILL")
    until(root, "dies", ActiveState="activating", SubState="auto-restart")
    for member in ("Reset", "Delete", "Unmount"):
        with pytest.raises(BusError) as error:
            root.instance("dies", member)
        assert error.value.short == ("InUse" if member == "Unmount" else "Busy"), error.value
    root.instance("dies", "Stop")
    shown = root.get("instance", "dies")
    assert (shown["ActiveState"], shown["Result"], shown["Mounted"]) == ("inactive", "success", False), shown
    assert is_dead("dies") and "dies" not in mounted() and not is_enabled("dies")


def test_server_that_ends_with_3_by_itself(root, odd):
    odd("ends")
    with dropin(server_unit("ends"), "Service", "Restart=no"):
        start_odd(root, "ends")
        root.watch()
        send_signal("ends", "USR1")
        heard(root, "ends", ActiveState="failed", Result="exit-code", MainPID=0, StartedAt=0, Mounted=False)
        shown = until(root, "ends", ActiveState="failed")
        assert shown["Result"] == "exit-code" and "status 3" in shown["Message"] and shown["Enabled"], shown
        assert wait_for(lambda: "ends" not in mounted())
        root.instance("ends", "Stop")
        shown = root.get("instance", "ends")
        assert (shown["ActiveState"], shown["Result"], shown["Message"]) == ("inactive", "success", ""), shown


@pytest.mark.parametrize("how", ["Stop", "systemctl stop", "systemctl stop of the mount"])
def test_server_that_ends_with_1_when_asked_is_stopped(root, odd, how):
    odd("polite", "+onstop", "1")
    start_odd(root, "polite")
    if how == "Stop":
        root.instance("polite", "Stop")
        shown = root.get("instance", "polite")
    else:
        run("systemctl", "stop", (mount_unit if "mount" in how else server_unit)("polite"))
        shown = until(root, "polite", ActiveState="inactive", Mounted=False)
    assert (shown["ActiveState"], shown["SubState"], shown["Result"], shown["Message"]) == \
        ("inactive", "dead", "success", ""), shown
    assert wait_for(lambda: unit(server_unit("polite"), "ActiveState")["ActiveState"] == "inactive")
    assert wait_for(lambda: "polite" not in mounted())
    assert shown["Enabled"] == (how != "Stop")


def test_restart_of_a_server_that_ends_with_1(root, odd):
    odd("polite", "+onstop", "1")
    start_odd(root, "polite")
    mark_mount("polite")
    first = root.get("instance", "polite")["MainPID"]
    root.instance("polite", "Restart")
    shown = until(root, "polite", ActiveState="active", Result="success")
    assert shown["MainPID"] not in (0, first) and is_marked("polite")


# What takes longer than a caller waits

def begin(client, name, member):
    question = client.question(path_of("instance", name), "org.left4me.Host1.Instance", member, "(@a{sv} {},)")
    client.ask(**{**question, "do": "begin", "id": member})


def end(client, member):
    """The answer to what was begun, which must have come within the limits of bus clients."""
    answer = client.ask(do="end", id=member, seconds=24)
    return answer.get("error", "").removeprefix("org.left4me.Host1.Error."), answer.get("message", "")


def test_slow_start_and_slow_stop_are_answered_and_go_on(root, ada, odd, instance):
    odd("deaf", "+deaf")
    instance("slow")
    with dropin(server_unit("deaf"), "Service", "TimeoutStopSec=60s"), \
            dropin(server_unit("slow"), "Service", "ExecStartPre=/bin/sleep 22"):
        start_odd(root, "deaf")
        began = time.monotonic()
        begin(root, "deaf", "Stop")
        begin(ada, "slow", "Start")
        until(root, "deaf", ActiveState="deactivating")
        until(root, "slow", ActiveState="activating", Mounted=True)
        for name in ("deaf", "slow"):
            for member in ("Start", "Stop", "Restart", "Reset", "Delete"):
                with pytest.raises(BusError) as error:
                    root.instance(name, member)
                assert error.value.short == "Busy" and name in error.value.message, (member, error.value)
            with pytest.raises(BusError) as error:
                root.instance(name, "Unmount")
            assert error.value.short == "InUse"

        error, message = end(root, "Stop")
        assert error == "StillStopping" and "deaf" in message, (error, message)
        error, message = end(ada, "Start")
        assert error == "StillStarting" and "slow" in message, (error, message)
        assert time.monotonic() - began > 19
        assert "deaf" in mounted(), "nothing is taken from a server that runs"

        send_signal("deaf", "KILL")
        shown = until(root, "deaf", ActiveState="inactive", Mounted=False, Result="success")
        assert not shown["Enabled"] and "deaf" not in mounted()
        assert until(root, "slow", ActiveState="active")["Enabled"]
        root.instance("slow", "Stop")


# Resets and deletions

def test_running_or_mounted_instance_is_neither_reset_nor_deleted(root, ada, instance):
    instance("busy")
    root.instance("busy", "Start")
    for _ in range(2):
        before = root.get("instance", "busy")
        for member in ("Reset", "Delete"):
            with pytest.raises(BusError) as error:
                ada.instance("busy", member)
            assert error.value.short == "Busy" and "busy" in error.value.message, error.value
        assert root.get("instance", "busy") == before
        root.instance("busy", "Stop")
        root.instance("busy", "Mount")
    root.instance("busy", "Unmount")
    assert ada.wait_job(ada.instance("busy", "Reset")[0])["State"] == "done"


@pytest.fixture
def full_queue(root, overlay):
    """As long as the block runs no other job begins: a build waits in the only slot."""
    @contextlib.contextmanager
    def hold():
        overlay("blocker", built=False)
        root.overlay("blocker", "SetScript", "('until [ -e /cache/go ]; do sleep 0.05; done', @a{sv} {})")
        with host_conf(root, "JobSlots=1"):
            job = root.overlay("blocker", "Build")[0]
            wait_for(lambda: root.get_all(job)["State"] == "running")
            try:
                yield
            finally:
                (STATE / "cache" / str(root.get("overlay", "blocker")["Id"]) / "go").touch()
                assert root.wait_job(job)["State"] == "done"
    return hold


@pytest.mark.parametrize("member", ["Delete", "Reset"])
def test_nothing_happens_to_an_instance_that_a_job_has(root, ada, instance, full_queue, member):
    instance("going")
    root.instance("going", "Mount")
    (merged("going") / "left4dead2/written.txt").write_text("written")
    root.instance("going", "Unmount")
    upper = STATE / "runtime/going/layers/upper/left4dead2/written.txt"
    with full_queue():
        job = root.instance("going", member)[0]
        for other in ("Start", "Stop", "Restart", "Mount", "Reset", "Delete"):
            with pytest.raises(BusError) as error:
                ada.instance("going", other)
            assert error.value.short == "Busy" and job.rpartition("/")[2].removeprefix("_3") in error.value.message, error.value
        ada.instance("going", "Unmount")  # it is unmounted
        done = run("systemctl", "start", server_unit("going"), check=False)
        assert done.returncode != 0, "systemctl gets no further than the bus"
        assert "going" not in mounted() and is_dead("going") and not is_enabled("going")
        for setter, body in (("Configure", settings(Description="'x'")), ("SetConfig", "('x', @a{sv} {})")):
            if member == "Delete":
                with pytest.raises(BusError) as error:
                    ada.instance("going", setter, body)
                assert error.value.short == "Busy"
            else:
                ada.instance("going", setter, body)
        root.job(root.get_all(job)["Id"], "Cancel")
        assert root.get_all(job)["State"] == "cancelled"
        assert upper.read_text() == "written", "what was cancelled before it began did nothing"
        ada.instance("going", "Start")
        ada.instance("going", "Stop")
        job = root.instance("going", member)[0]
    assert root.wait_job(job)["State"] == "done"
    assert not upper.exists()
    assert (path_of("instance", "going") in root.objects()) == (member == "Reset")


def test_start_while_it_is_deleted(root, instance, clients):
    """Sent one after the other without waiting: the second finds either the deletion at work, or nothing."""
    for n in range(10):
        instance("going")
        path, member = path_of("instance", "going"), "org.left4me.Host1.Instance"
        calls = [root.question(path, member, m, "(@a{sv} {},)") for m in ("Delete", "Start", "Mount", "Unmount")]
        answers = root.ask(do="sequence", calls=calls, window=4)["answers"]
        assert "reply" in answers[0], answers
        for answer in answers[1:3]:
            assert answer["error"].rpartition(".")[2] in ("Busy", "NoSuchInstance"), answers
        job = root.unpack(answers[0])[0]
        assert root.wait_job(job)["State"] == "done"
        assert path not in root.objects() and "going" not in mounted()
        assert not (STATE / "runtime/going").exists() and not (STATE / "instances/going").exists()


def test_delete_leaves_nothing(root, odd):
    odd("gone", "+atonce", "1")
    root.instance("gone", "SetConfig", "('x', @a{sv} {})")
    with dropin(server_unit("gone"), "Service", "Restart=no"):
        with contextlib.suppress(BusError):
            root.instance("gone", "Start")
        until(root, "gone", ActiveState="failed", Mounted=False)
        run("systemctl", "enable", server_unit("gone"))
        assert (STATE / "instances/gone/config").exists() and (STATE / "runtime/gone/layers/upper").exists()
        root.watch()
        root.signals()
        assert root.wait_job(root.instance("gone", "Delete")[0])["State"] == "done"
        removed = [a[0] for _, _, m, a in root.signals() if m == "InterfacesRemoved"]
        assert path_of("instance", "gone") in removed
    with pytest.raises(BusError) as error:
        root.instance("gone", "Start")
    assert error.value.short == "NoSuchInstance"
    assert not (STATE / "instances/gone").exists() and not (STATE / "runtime/gone").exists()
    wait_for(lambda: not is_enabled("gone"))
    left = run("find", "/etc/systemd/system.control", "/etc/systemd/system", "-name", "*@gone.service*", check=False).stdout
    assert left == "", "nothing in systemd's configuration knows it"
    wait_for(lambda: "gone" not in run("systemctl", "list-units", "--all", "--plain", "left4me-*@*").stdout)


# systemd is followed by its signals

def test_unit_started_and_stopped_from_outside(root, instance):
    instance("outside")
    root.watch()
    root.signals()
    run("systemctl", "start", server_unit("outside"))
    seconds, told = heard(root, "outside", ActiveState="active", SubState="running", Mounted=True)
    assert seconds < SOON and told["MainPID"] == int(unit(server_unit("outside"), "MainPID")["MainPID"])
    assert told["InvocationID"] == unit(server_unit("outside"), "InvocationID")["InvocationID"]
    shown = root.get("instance", "outside")
    assert {key: shown[key] for key in told} == told and not shown["Enabled"], (told, shown)

    run("systemctl", "restart", server_unit("outside"))
    seconds, again = heard(root, "outside", ActiveState="active", SubState="running")
    assert seconds < SOON and again["MainPID"] not in (0, told["MainPID"])

    run("systemctl", "stop", server_unit("outside"))
    seconds, told = heard(root, "outside", ActiveState="inactive", MainPID=0, StartedAt=0, Mounted=False, Layers=[])
    assert seconds < SOON
    shown = root.get("instance", "outside")
    assert {key: shown[key] for key in told} == told, (told, shown)


def test_server_that_dies_is_shown_within_a_second(root, instance):
    instance("outside")
    with dropin(server_unit("outside"), "Service", "Restart=no"):
        root.instance("outside", "Start")
        root.watch()
        root.signals()
        send_signal("outside", "KILL")
        seconds, told = heard(root, "outside", ActiveState="failed", Result="signal", MainPID=0, Mounted=False)
        assert seconds < SOON and "signal 9" in told["Message"], (seconds, told)


@pytest.mark.parametrize("verb", ["daemon-reload", "daemon-reexec"])
def test_reload_of_systemd_in_the_middle_of_a_stop(root, odd, verb):
    odd("slow", "+slow", "1.5")
    start_odd(root, "slow")
    begin(root, "slow", "Stop")
    until(root, "slow", ActiveState="deactivating")
    run("systemctl", verb)
    assert end(root, "Stop") == ("", "")
    shown = root.get("instance", "slow")
    assert (shown["ActiveState"], shown["Mounted"]) == ("inactive", False) and "slow" not in mounted()
    start_odd(root, "slow")
    root.watch()
    root.signals()
    run("systemctl", "stop", server_unit("slow"))
    seconds, _ = heard(root, "slow", ActiveState="inactive", Mounted=False)
    assert seconds < SOON, "it still listens"
