# SPDX-License-Identifier: LGPL-2.1-or-later
"""The service goes away and comes back: servers do not notice, mounts are taken away all the same, and what it shows
afterwards is right."""
import os
import pathlib
import signal
import subprocess
import time

import pytest
from conftest import IFACE, STATE, BusError, daemon_pid, mounted, path_of, run, unit, wait_for

from servers import (ODD_SERVER, dropin, is_dead, is_enabled, is_marked, mark_mount, merged, mount_unit, open_files,
                     overlay_paths, send_signal, server_unit, start_odd, until)

HOSTD = "left4me-hostd.service"


def stop_daemon():
    run("systemctl", "stop", HOSTD)


def kill_daemon():
    os.kill(daemon_pid(), signal.SIGKILL)


AWAY = {"stopped": stop_daemon, "killed": kill_daemon}


@pytest.fixture(params=AWAY)
def away(request):
    """Takes the service away; the bus starts it again when somebody calls."""
    before = daemon_pid()

    def go():
        AWAY[request.param]()
        wait_for(lambda: not pathlib.Path(f"/proc/{before}").exists(), what="the end of the service")
    yield go
    run("systemctl", "start", HOSTD)


def seen_by_systemd(name):
    return unit(server_unit(name), "MainPID", "InvocationID", "NRestarts", "ActiveState")


def test_server_does_not_notice(root, instance, away):
    instance("steady")
    root.instance("steady", "Start")
    mark_mount("steady")
    before, of_systemd = root.get("instance", "steady"), seen_by_systemd("steady")
    away()
    assert seen_by_systemd("steady") == of_systemd and is_marked("steady")
    assert root.get("instance", "steady") == before, "the bus starts it, and it knows everything again"
    assert daemon_pid() > 0 and is_marked("steady")
    root.instance("steady", "Restart")
    assert is_marked("steady"), "nothing is outdated by a restart of the service"
    root.instance("steady", "Stop")
    assert "steady" not in mounted()


@pytest.mark.parametrize("which", [server_unit, mount_unit])
def test_stop_while_it_is_away_unmounts_at_the_first_try(root, instance, away, which):
    instance("steady")
    root.instance("steady", "Start")
    away()
    began = time.monotonic()
    run("systemctl", "stop", which("steady"))
    wait_for(lambda: "steady" not in mounted(), 5, "the unmount")
    assert time.monotonic() - began < 5
    wait_for(lambda: is_dead("steady"))
    assert unit(mount_unit("steady"), "Result", "ActiveState") == {"Result": "success", "ActiveState": "inactive"}
    shown = until(root, "steady", ActiveState="inactive", Mounted=False)
    assert shown["Layers"] == [] and shown["Message"] == "" and shown["MainPID"] == 0, shown


def test_start_while_it_is_away(root, instance, away):
    instance("steady")
    away()
    run("systemctl", "start", server_unit("steady"))
    assert until(root, "steady", ActiveState="active")["Mounted"] and "steady" in mounted()


@pytest.mark.parametrize("status", ["0", "1"])
def test_away_while_a_server_stops(root, ada, overlay, instance, away, status):
    """The Stop goes on in systemd; the mount's end brings the service back, whatever status the server ends with."""
    overlay("odd", ODD_SERVER)
    instance("slow", Overlays=overlay_paths("odd"), Arguments=f"['+slow', '1', '+onstop', '{status}']")
    start_odd(root, "slow")
    question = ada.question(path_of("instance", "slow"), IFACE + ".Instance", "Stop", "(@a{sv} {},)")
    ada.ask(**{**question, "do": "begin", "id": "away"})
    until(root, "slow", ActiveState="deactivating")
    pid = daemon_pid()
    away()
    wait_for(lambda: is_dead("slow") and "slow" not in mounted(), what="the end of the stop")
    with pytest.raises(BusError):  # the bus says that the service went
        ada.unpack(ada.ask(do="end", id="away"))
    assert wait_for(daemon_pid) != pid
    shown = until(root, "slow", ActiveState="inactive", Mounted=False)
    assert (shown["Result"], shown["Message"], shown["Enabled"], shown["Layers"]) == ("success", "", False, []), shown
    assert not is_enabled("slow")
    assert unit(mount_unit("slow"), "Result", "ActiveState") == {"Result": "success", "ActiveState": "inactive"}


def test_away_while_a_server_starts(root, ada, instance, away):
    instance("slow")
    with dropin(server_unit("slow"), "Service", "ExecStartPre=/bin/sleep 1"):
        question = ada.question(path_of("instance", "slow"), IFACE + ".Instance", "Start", "(@a{sv} {},)")
        ada.ask(**{**question, "do": "begin", "id": "away"})
        until(root, "slow", ActiveState="activating")
        away()
        with pytest.raises(BusError):
            ada.unpack(ada.ask(do="end", id="away"))
        shown = until(root, "slow", ActiveState="active", Mounted=True)
        assert shown["Enabled"] and is_enabled("slow") and "slow" in mounted(), shown
        root.instance("slow", "Stop")
        assert "slow" not in mounted()


def test_what_happened_while_it_was_away_is_shown(root, overlay, instance, away):
    overlay("odd", ODD_SERVER)
    names = ("died", "ended", "lazy", "same")
    for name in names:
        instance(name, Overlays=overlay_paths("odd"))
    with dropin(server_unit("died"), "Service", "RestartSec=100ms"), dropin(server_unit("ended"), "Service", "Restart=no"):
        for name in names:
            start_odd(root, name)
        mark_mount("died")
        before = {name: root.get("instance", name) for name in names}
        away()
        send_signal("died", "KILL")
        send_signal("ended", "USR1")
        run("umount", "--lazy", merged("lazy"))
        wait_for(lambda: unit(server_unit("died"), "NRestarts", "ActiveState") ==
                 {"NRestarts": "1", "ActiveState": "active"})
        wait_for(lambda: "ended" not in mounted())
        assert root.get("instance", "same") == before["same"]
        shown = until(root, "died", ActiveState="active", NRestarts=1, Result="success", Mounted=True)
        assert shown["MainPID"] not in (0, before["died"]["MainPID"]) and is_marked("died")
        shown = until(root, "ended", ActiveState="failed", Result="exit-code", Mounted=False)
        assert "status 3" in shown["Message"] and shown["Enabled"]
        shown = root.get("instance", "lazy")
        assert shown["ActiveState"] == "active" and not shown["Mounted"] and shown["Layers"] == []


def test_given_up_is_still_known(root, overlay, instance, away):
    overlay("odd", ODD_SERVER)
    instance("dies", Overlays=overlay_paths("odd"), Arguments="['+atonce', '1']")
    with dropin(server_unit("dies"), "Service", "RestartSec=100ms"):
        run("systemctl", "start", server_unit("dies"), check=False)
        before = until(root, "dies", Result="start-limit-hit", ActiveState="failed", Mounted=False)
        away()
        after = root.get("instance", "dies")
        for key in ("Result", "ActiveState", "Message"):
            assert after[key] == before[key], key


def test_mount_by_hand_is_kept(root, instance, away):
    instance("byhand")
    root.instance("byhand", "Mount")
    mark_mount("byhand")
    before = root.get("instance", "byhand")
    away()
    assert root.get("instance", "byhand") == before and before["Mounted"]
    assert is_marked("byhand")
    root.instance("byhand", "Unmount")
    assert "byhand" not in mounted()


def test_mount_that_nobody_asked_for_is_taken_away(root, instance, away):
    """Its unit has failed to unmount it, since it was in use then."""
    instance("left")
    root.instance("left", "Start")
    with subprocess.Popen(["sleep", "1000"], cwd=merged("left")) as holder:
        run("systemctl", "stop", server_unit("left"))
        wait_for(lambda: unit(mount_unit("left"), "ActiveState")["ActiveState"] == "failed")
        assert "left" in mounted() and until(root, "left", ActiveState="inactive")["Mounted"]
        away()
        holder.kill()
    shown = until(root, "left", Mounted=False)
    assert "left" not in mounted() and shown["Layers"] == [] and shown["Message"] == "", shown
    root.instance("left", "Start")
    root.instance("left", "Stop")


def test_wish_and_link_are_brought_together(root, instance, away):
    """As after a crash between the two: the store's word counts."""
    instance("wish")
    instance("nowish")
    root.instance("wish", "Start")
    away()
    run("systemctl", "disable", server_unit("wish"))
    run("systemctl", "enable", server_unit("nowish"))
    assert root.get("instance", "wish")["Enabled"] and not root.get("instance", "nowish")["Enabled"]
    wait_for(lambda: is_enabled("wish") and not is_enabled("nowish"))
    assert root.get("instance", "wish")["ActiveState"] == "active"


def test_directory_that_nobody_knows_is_reported_and_kept(root, instance):
    strange = [STATE / "runtime/nobody", STATE / "instances/nobody"]
    for directory in strange:
        directory.mkdir()
    try:
        since = time.time()
        run("systemctl", "restart", HOSTD)
        said = run("journalctl", "-u", HOSTD, f"--since=@{since:.3f}", "-p", "warning", "-o", "cat").stdout
        for directory in strange:
            assert directory.exists() and str(directory) in said, said
    finally:
        for directory in strange:
            directory.rmdir()


def test_it_starts_with_many_mounts_and_holds_none_open(root, instance):
    names = [instance(f"m{n}") for n in range(10)]
    run("systemctl", "restart", HOSTD)
    root.get_all("/org/left4me/Host1")
    before = wait_for(lambda: open_files(daemon_pid()))
    for name in names:
        root.instance(name, "Mount")
    run("systemctl", "restart", HOSTD)
    assert [n for n in names if root.get("instance", n)["Mounted"]] == names
    wait_for(lambda: open_files(daemon_pid()) <= before, what=f"{before} open files at most")
    for name in names:
        root.instance(name, "Unmount")
    assert not set(names) & set(mounted())
