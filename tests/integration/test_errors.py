# SPDX-License-Identifier: LGPL-2.1-or-later
"""Errors that take a fault from below to be reached: each has its name, says what to do, and changes nothing."""
import contextlib
import pathlib
import sqlite3

import pytest

from conftest import PATH, STATE, BusError, path_of, run, unit, wait_for

DEAF_GAME = r"""
mkdir -p left4dead2
cat > srcds_run <<'END'
#!/bin/bash
trap '' INT TERM
exec {nothing}<> <(:)
while :; do read -r -u $nothing -t 1000; done
END
chmod 755 srcds_run
"""


def refused(call, *arguments):
    with pytest.raises(BusError) as refusal:
        call(*arguments)
    assert len(refusal.value.message) > 20, "it says what to do"
    return refusal.value.short


@contextlib.contextmanager
def dropin(unit_name, text):
    file = pathlib.Path(f"/run/systemd/system/{unit_name}.d/50-test.conf")
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    run("systemctl", "daemon-reload")
    try:
        yield
    finally:
        file.unlink()
        run("systemctl", "daemon-reload")


@contextlib.contextmanager
def mounted_over(place, *options):
    run("mount", "-t", "tmpfs", *options, "tmpfs", place)
    try:
        yield
    finally:
        run("umount", place)


def test_a_stop_that_takes_long_goes_on(root, instance, overlay):
    overlay("deaf", DEAF_GAME)
    instance("deaf", Overlays=f"[objectpath '{path_of('overlay', 'deaf')}']")
    with dropin("left4me-server@deaf.service", "[Service]\nTimeoutStopSec=23s\n"):
        root.instance("deaf", "Start")
        assert refused(root.instance, "deaf", "Stop") == "StillStopping"
        assert refused(root.instance, "deaf", "Start") == "Busy", "it goes on"
        wait_for(lambda: not root.get("instance", "deaf")["Mounted"], 60, "the end of the stop")
        wait_for(lambda: root.get("instance", "deaf")["ActiveState"] == "inactive")


def test_a_start_that_takes_long_goes_on(root, instance):
    instance("slow")
    with dropin("left4me-server@slow.service", "[Service]\nExecStartPre=/bin/sleep 22\n"):
        assert refused(root.instance, "slow", "Start") == "StillStarting"
        wait_for(lambda: root.get("instance", "slow")["ActiveState"] == "active", 30, "the start")
    root.instance("slow", "Stop")


def test_a_stop_that_somebody_countermands_has_failed(root, instance, overlay):
    overlay("deaf", DEAF_GAME)
    instance("deaf", Overlays=f"[objectpath '{path_of('overlay', 'deaf')}']")
    with dropin("left4me-server@deaf.service", "[Service]\nTimeoutStopSec=5s\n"):
        root.instance("deaf", "Start")
        root.send(**root.question(path_of("instance", "deaf"), "org.left4me.Host1.Instance", "Stop", "(@a{sv} {},)"))
        wait_for(lambda: unit("left4me-server@deaf", "ActiveState")["ActiveState"] == "deactivating", what="the stop")
        run("systemctl", "start", "--no-block", "left4me-server@deaf.service")
        with pytest.raises(BusError) as refusal:
            root.receive()
        assert refusal.value.short == "StopFailed", refusal.value
        root.instance("deaf", "Stop")


def test_a_unit_that_systemd_refuses(root, instance):
    instance("masked")
    run("systemctl", "mask", "--runtime", "left4me-server@masked.service")
    try:
        assert refused(root.instance, "masked", "Start") == "SystemdFailed"
        assert not root.get("instance", "masked")["Enabled"]
    finally:
        run("systemctl", "unmask", "--runtime", "left4me-server@masked.service")


def test_layers_that_the_kernel_refuses(root, instance):
    """An upper layer on another file system than the work directory."""
    instance("apart")
    root.instance("apart", "Mount")
    root.instance("apart", "Unmount")
    with mounted_over(STATE / "runtime/apart/layers/upper"):
        assert refused(root.instance, "apart", "Mount") == "MountFailed"
        assert not root.get("instance", "apart")["Mounted"]


def test_no_space_for_what_a_mount_writes(root, instance):
    instance("full")
    root.instance("full", "Mount")
    root.instance("full", "Unmount")
    root.instance("full", "SetConfig", f"('{'x' * 100000}', @a{{sv}} {{}})")
    with mounted_over(STATE / "instances/full", "-o", "size=16k"):
        assert refused(root.instance, "full", "Mount") == "NoSpace"
    root.instance("full", "Mount")


def test_a_store_that_cannot_be_written(root, instance):
    instance("locked")
    lock = sqlite3.connect(STATE / "host.db")
    lock.execute("BEGIN IMMEDIATE")
    before = root.get("instance", "locked")
    assert refused(root.instance, "locked", "Configure", "({'Description': <'new'>},)") == "StoreFailed"
    assert refused(root.instance, "locked", "Start") == "StoreFailed"
    assert root.get("instance", "locked") == before
    lock.rollback()
    lock.close()
    root.instance("locked", "Configure", "({'Description': <'new'>},)")


def test_can_answers_so_many_questions_and_no_more(ada):
    calls = ", ".join(["(objectpath '/org/left4me/Host1', 'Reload')"] * 257)
    assert refused(ada.manager, "Can", f"([{calls}],)") == "LimitReached"


def test_a_cursor_that_no_line_has(root, overlay):
    overlay("cursor")
    job = root.get_all(root.get("overlay", "cursor")["LastJob"])["Id"]
    for cursor in ("nonsense", "kept:0", "s=0;i=1;b=0;m=0;t=0;x=0", "x" * 1024):
        assert refused(root.job, job, "ReadLog", f"('{cursor}', uint32 1)") == "CursorGone", cursor
    assert refused(root.job, job, "ReadLog", f"('{'x' * 1025}', uint32 1)") == "InvalidSetting"


def test_builds_are_refused_where_the_address_filter_does_nothing(root, overlay, tmp_path):
    overlay("unsafe", built=False)
    fake = tmp_path / "left4me-tree"
    fake.write_text("#!/bin/sh\nexit 1\n")
    fake.chmod(0o755)
    tree = "/usr/libexec/left4me/left4me-tree"
    run("mount", "--bind", fake, tree)
    try:
        run("systemctl", "restart", "left4me-hostd.service")
        wait_for(lambda: "SandboxUnavailable" == told(root), what="the refusal")
        assert "ip-filter" not in root.get_all(PATH)["Features"]
    finally:
        run("umount", tree)
        run("systemctl", "restart", "left4me-hostd.service")
    wait_for(lambda: "ip-filter" in root.get_all(PATH)["Features"], what="the address filter")


def told(root):
    """What Build answers; one that is let in while the filter is being tried fails for the same reason."""
    try:
        return root.wait_job(root.overlay("unsafe", "Build")[0])["Result"]
    except BusError as error:
        return error.short
