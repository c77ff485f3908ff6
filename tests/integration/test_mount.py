# SPDX-License-Identifier: LGPL-2.1-or-later
"""Mounts: by hand and by a start, held by somebody, changed from outside, and in each way that kernels know."""
import contextlib
import os
import pathlib
import subprocess
import sys

import pytest
from conftest import STATE, BusError, mounted, path_of, run, unit, wait_for
from faults import FAULT, arm, wait_struck
from servers import (SANITIZED, dropin, heard, is_dead, is_marked, mark_mount, merged, mount_options, mount_unit,
                     overlay_paths, server_unit, settings, until)

SOON = 5 if SANITIZED else 1


# By hand

def test_mount_and_unmount_do_nothing_twice(root, ada, instance):
    instance("hand")
    for _ in range(2):
        ada.instance("hand", "Unmount")
        assert "hand" not in mounted()
    ada.instance("hand", "Mount")
    mark_mount("hand")
    ada.instance("hand", "Mount")
    assert mounted().count("hand") == 1 and is_marked("hand")
    for _ in range(2):
        ada.instance("hand", "Unmount")
        assert "hand" not in mounted() and not root.get("instance", "hand")["Mounted"]


def test_mount_is_nosuid_nodev_and_seen_through_one_door(root, instance):
    instance("hand")
    root.instance("hand", "Mount")
    assert {"nosuid", "nodev", "rw"} <= set(mount_options("hand"))
    assert merged("hand").owner() == "left4me" and merged("hand").stat().st_mode & 0o777 == 0o755
    # left4me has no other way to it than this, and nobody else has any.
    assert run("ls", merged("hand"), user="left4me").stdout.split() == ["left4dead2", "srcds_run"]
    assert "ermission denied" in run("ls", merged("hand"), user="sam", check=False).stderr


def test_start_takes_over_a_mount_made_by_hand(root, instance):
    instance("hand")
    root.instance("hand", "Mount")
    mark_mount("hand")
    root.instance("hand", "Start")
    assert is_marked("hand"), "what is mounted as planned is not mounted anew"
    root.instance("hand", "Stop")
    assert "hand" not in mounted()


def test_start_mounts_anew_what_is_outdated(root, overlay, instance):
    overlay("new", "echo > new.txt")
    instance("hand")
    root.instance("hand", "Mount")
    mark_mount("hand")
    root.instance("hand", "Configure", settings(Overlays=overlay_paths("new")))
    assert root.get("instance", "hand")["Outdated"]
    root.instance("hand", "Start")
    assert not is_marked("hand") and (merged("hand") / "new.txt").exists()
    assert not root.get("instance", "hand")["Outdated"]


def test_running_server_keeps_its_mount(root, ada, overlay, instance):
    overlay("new", "echo > new.txt")
    instance("hand")
    root.instance("hand", "Start")
    mark_mount("hand")
    with pytest.raises(BusError) as error:
        ada.instance("hand", "Unmount")
    assert error.value.short == "InUse" and "hand" in error.value.message, error.value
    root.instance("hand", "Configure", settings(Overlays=overlay_paths("new")))
    ada.instance("hand", "Mount")
    assert is_marked("hand") and not (merged("hand") / "new.txt").exists()
    shown = root.get("instance", "hand")
    assert shown["Outdated"] and shown["Message"] == "" and shown["ActiveState"] == "active", shown


# Held

@contextlib.contextmanager
def holder(name, how, user="root"):
    """A process that holds the mount of the instance, and nothing else about it."""
    file = merged(name) / "left4dead2/readme.txt"
    script = {
        "directory": f"os.chdir({str(merged(name))!r})",
        "file": f"file = open({str(file)!r})",
        "map": f"f = open({str(file)!r}); held = mmap.mmap(f.fileno(), 0, prot=mmap.PROT_READ); f.close()",
        "root": f"os.chroot({str(merged(name))!r})",
    }[how]
    script = f"import mmap, os, sys, time; {script}; print('held', flush=True); time.sleep(1000)"
    if how == "map":  # Python keeps a descriptor beside a mapping
        script = script.replace("f.close()", "f.close(); [os.close(int(n)) for n in os.listdir('/proc/self/fd') "
                                             "if int(n) > 2 and os.path.exists(f'/proc/self/fd/{n}')]")
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout.readline() == "held\n"
            yield process
        finally:
            process.kill()


@pytest.mark.parametrize("how", ["directory", "file", "map", "root"])
def test_who_holds_a_mount_is_named(root, instance, how):
    instance("held")
    root.instance("held", "Mount")
    with holder("held", how) as process:
        if how == "map":
            assert not [n for n in os.listdir(f"/proc/{process.pid}/fd")
                        if os.readlink(f"/proc/{process.pid}/fd/{n}").startswith(str(STATE))]
        for _ in range(3):
            with pytest.raises(BusError) as error:
                root.instance("held", "Unmount")
            assert error.value.short == "InUse", error.value
            name = pathlib.Path(f"/proc/{process.pid}/comm").read_text().strip()
            assert f"{name} (process {process.pid} of root)" in error.value.message, error.value
        assert "held" in mounted() and root.get("instance", "held")["Message"] == error.value.message
    root.instance("held", "Unmount")
    assert "held" not in mounted() and root.get("instance", "held")["Message"] == ""


def test_administrators_shell_in_the_mount(root, ada, instance):
    instance("held")
    root.instance("held", "Start")
    with subprocess.Popen(["/bin/sh", "-c", f"cd {merged('held')} && echo there && read -r nothing"],
                          stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as shell:
        assert shell.stdout.readline() == "there\n"
        with pytest.raises(BusError) as error:
            ada.instance("held", "Stop")
        assert error.value.short == "InUse" and f"sh (process {shell.pid} of root)" in error.value.message, error.value
        shown = root.get("instance", "held")
        assert shown["ActiveState"] == "inactive" and shown["Mounted"] and not shown["Enabled"], shown
        assert shown["Message"] == error.value.message and "held" in mounted()
        with pytest.raises(BusError) as error:
            ada.instance("held", "Stop")
        assert error.value.short == "InUse" and str(shell.pid) in error.value.message, error.value

        ada.instance("held", "Start")  # on the mount that is there
        assert root.get("instance", "held")["ActiveState"] == "active" and mounted().count("held") == 1
        with pytest.raises(BusError) as error:
            ada.instance("held", "Stop")
        assert error.value.short == "InUse" and str(shell.pid) in error.value.message, error.value
        shell.stdin.close()
    ada.instance("held", "Stop")
    shown = root.get("instance", "held")
    assert (shown["ActiveState"], shown["Mounted"], shown["Message"]) == ("inactive", False, ""), shown
    assert "held" not in mounted() and is_dead("held")
    assert unit(mount_unit("held"), "ActiveState")["ActiveState"] == "inactive", "nothing is left that failed"


def test_held_mount_that_other_layers_are_planned_for(root, overlay, instance):
    """What is mounted stays written down, so that nobody deletes it, until it really goes."""
    overlay("old", "echo > old.txt")
    overlay("new", "echo > new.txt")
    instance("held", Overlays=overlay_paths("old"))
    root.instance("held", "Mount")
    layers = root.get("instance", "held")["Layers"]
    root.instance("held", "Configure", settings(Overlays=overlay_paths("new")))
    with holder("held", "directory") as process:
        for member in ("Mount", "Start", "Restart"):
            with pytest.raises(BusError) as error:
                root.instance("held", member)
            assert error.value.short == "InUse" and str(process.pid) in error.value.message, (member, error.value)
            shown = root.get("instance", "held")
            assert shown["Mounted"] and shown["Outdated"] and shown["Layers"] == layers and not shown["Enabled"], shown
            assert (merged("held") / "old.txt").exists() and is_dead("held")
    root.instance("held", "Mount")
    assert (merged("held") / "new.txt").exists() and not root.get("instance", "held")["Outdated"]


def test_layers_of_a_held_mount_are_not_pruned(root, overlay, instance):
    overlay("gen", "echo 1 > gen.txt")
    root.overlay("gen", "Configure", "({'KeepGenerations': <uint32 1>},)")
    instance("held", Overlays=overlay_paths("gen"))
    root.instance("held", "Mount")
    with holder("held", "directory"):
        for n in (2, 3):
            overlay("gen", f"echo {n} > gen.txt")
            with pytest.raises(BusError):
                root.instance("held", "Mount")
        assert (merged("held") / "gen.txt").read_text() == "1\n"
        wait_for(lambda: root.get_all("/org/left4me/Host1")["RunningJobs"] == 0)
        assert (merged("held") / "gen.txt").read_text() == "1\n"
        assert [g[0] for g in root.get("overlay", "gen")["Generations"]][:1] == [root.get("instance", "held")["Layers"][0][1]]
    root.instance("held", "Mount")
    assert (merged("held") / "gen.txt").read_text() == "3\n"


def test_mount_below_the_mount(root, instance):
    instance("held")
    root.instance("held", "Mount")
    run("mount", "-t", "tmpfs", "tmpfs", merged("held") / "left4dead2")
    try:
        with pytest.raises(BusError) as error:
            root.instance("held", "Unmount")
        assert error.value.short == "InUse" and "mount below it" in error.value.message, error.value
    finally:
        run("umount", merged("held") / "left4dead2")
    root.instance("held", "Unmount")


def test_copy_of_the_mount_elsewhere_hinders_nobody(root, instance):
    """A process in a mount namespace of its own has a copy, and is not what would hold the mount."""
    instance("held")
    root.instance("held", "Mount")
    script = f"cd / && echo there && exec sleep 1000 < {merged('held')}/left4dead2/readme.txt"
    with subprocess.Popen(["unshare", "--mount", "--propagation", "private", "/bin/sh", "-c", script],
                          stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "there\n"
        with holder("held", "directory") as real:
            with pytest.raises(BusError) as error:
                root.instance("held", "Unmount")
            assert str(real.pid) in error.value.message and str(process.pid) not in error.value.message, error.value
        root.instance("held", "Unmount")
        process.kill()


# From outside

def test_umount_and_mount_from_outside_are_shown(root, instance):
    instance("outside")
    root.instance("outside", "Mount")
    root.watch()
    root.signals()
    run("umount", "--lazy", merged("outside"))
    seconds, _ = heard(root, "outside", Mounted=False, Layers=[])
    assert seconds < SOON
    assert not root.get("instance", "outside")["Mounted"]

    run("mount", "-t", "overlay", "-o", f"lowerdir={STATE}/overlays:{STATE}/cache", "overlay", merged("outside"))
    seconds, _ = heard(root, "outside", Mounted=True, Outdated=True)
    assert seconds < SOON and root.get("instance", "outside")["Layers"] == []
    root.instance("outside", "Start")  # not on what is not its own
    assert sorted(os.listdir(merged("outside"))) == ["left4dead2", "srcds_run"]
    assert not root.get("instance", "outside")["Outdated"]


def test_mount_taken_from_a_running_server(root, ada, overlay, instance):
    overlay("gen", "echo 1 > gen.txt")
    root.overlay("gen", "Configure", "({'KeepGenerations': <uint32 1>},)")
    instance("outside", Overlays=overlay_paths("gen"))
    root.instance("outside", "Start")
    pid = root.get("instance", "outside")["MainPID"]
    root.watch()
    root.signals()
    run("umount", "--lazy", merged("outside"))
    seconds, _ = heard(root, "outside", Mounted=False)
    assert seconds < SOON and root.get("instance", "outside")["ActiveState"] == "active"
    with pytest.raises(BusError) as error:
        ada.instance("outside", "Mount")  # the same upper layer twice
    assert error.value.short == "InUse" and "outside" not in mounted(), error.value

    overlay("gen", "echo 2 > gen.txt")
    wait_for(lambda: root.get_all("/org/left4me/Host1")["RunningJobs"] == 0)
    assert pathlib.Path(f"/proc/{pid}/root{merged('outside')}/gen.txt").read_text() == "1\n", "it still runs on it"

    ada.instance("outside", "Restart")
    shown = root.get("instance", "outside")
    assert shown["Mounted"] and shown["ActiveState"] == "active" and shown["MainPID"] != pid, shown
    assert (merged("outside") / "gen.txt").read_text() == "2\n"
    ada.instance("outside", "Stop")
    assert "outside" not in mounted() and is_dead("outside")


def test_stop_after_the_mount_was_taken(root, instance):
    instance("outside")
    root.instance("outside", "Start")
    run("umount", "--lazy", merged("outside"))
    root.instance("outside", "Stop")
    shown = root.get("instance", "outside")
    assert (shown["ActiveState"], shown["Mounted"], shown["Message"]) == ("inactive", False, ""), shown
    assert unit(mount_unit("outside"), "Result")["Result"] == "success"
    root.instance("outside", "Start")
    assert root.get("instance", "outside")["Mounted"] and "outside" in mounted()


# The three ways

@pytest.fixture(params=["descriptor", "layer-name", "options"])
def way(request, root):
    with dropin("left4me-hostd.service", "Service", f"Environment=LEFT4ME_LAYERS_WAY={request.param}"):
        run("systemctl", "restart", "left4me-hostd.service")
        assert f"overlay-{request.param}" in root.get_all("/org/left4me/Host1")["Features"]
        yield request.param
    run("systemctl", "restart", "left4me-hostd.service")


def test_each_way_of_mounting(root, overlay, instance, way):
    names = [f"way-{n}" for n in range(3)]
    for name in names:
        overlay(name, f"mkdir -p left4dead2; echo {name} > both.txt; echo {name} > left4dead2/{name}.txt")
    instance("ways", Overlays=overlay_paths(*names))
    root.instance("ways", "SetConfig", "('hostname ways', @a{sv} {})")
    root.instance("ways", "Start")
    shown = root.get("instance", "ways")
    assert [path for path, _ in shown["Layers"]] == [path_of("overlay", n) for n in [*names, "game"]], shown
    inside = pathlib.Path(f"/proc/{shown['MainPID']}/root{merged('ways')}")
    for place in (merged("ways"), inside):
        assert (place / "both.txt").read_text() == "way-0\n"
        assert sorted(os.listdir(place / "left4dead2")) == ["cfg", "readme.txt", *(f"{n}.txt" for n in names)]
        assert (place / "left4dead2/cfg/server.cfg").read_text() == "hostname ways"
    (merged("ways") / "left4dead2/readme.txt").write_text("changed")
    (merged("ways") / "both.txt").unlink()
    options = next(line for line in pathlib.Path("/proc/1/mountinfo").read_text().splitlines() if str(merged("ways")) in line)
    assert "redirect_dir=nofollow" in options and " overlay left4me-ways " in options
    # What is off may be left out here.
    assert not [word for word in ("index=on", "metacopy=on", "xino=on", "xino=auto", "volatile") if word in options]
    root.instance("ways", "Restart")
    root.instance("ways", "Stop")
    assert "ways" not in mounted()
    root.instance("ways", "Mount")
    assert (merged("ways") / "left4dead2/readme.txt").read_text() == "changed"
    assert not (merged("ways") / "both.txt").exists()
    root.instance("ways", "Unmount")
    assert "ways" not in mounted()


def test_thirty_overlays(root, overlay, instance):
    names = [f"many-{n:02}" for n in range(30)]
    for name in names:
        overlay(name, f"mkdir -p maps; echo {name} > maps/{name}.txt; echo {name} > maps/all.txt")
    instance("many", Overlays=overlay_paths(*names))
    root.instance("many", "Start")
    assert sorted(os.listdir(merged("many") / "maps")) == ["all.txt", *(f"{n}.txt" for n in names)]
    assert (merged("many") / "maps/all.txt").read_text() == "many-00\n"
    assert len(root.get("instance", "many")["Layers"]) == 31
    root.instance("many", "Configure", settings(Overlays=overlay_paths(*reversed(names))))
    root.instance("many", "Restart")
    assert (merged("many") / "maps/all.txt").read_text() == "many-29\n"
    root.instance("many", "Stop")
    assert "many" not in mounted()


def test_more_overlays_than_can_be(root, overlay, instance):
    instance("many")
    overlay("one", built=False)
    with pytest.raises(BusError) as error:
        root.instance("many", "Configure", settings(Overlays=overlay_paths(*(["one"] * 201))))
    assert error.value.short == "InvalidSetting" and "200" in error.value.message


def test_a_unit_that_is_stopped_while_it_mounts_leaves_nothing(root, instance):
    """Whoever asked is dead by the time that it is mounted."""
    instance("late")
    arm("MOUNT_MOUNTED", "wait")
    run("systemctl", "start", "--no-block", mount_unit("late"))
    wait_struck("MOUNT_MOUNTED")
    run("systemctl", "stop", mount_unit("late"))
    root.instance("late", "GetConfig", "")  # by now the service has seen what systemd told it
    FAULT.touch()
    wait_for(lambda: "late" not in mounted() and not root.get("instance", "late")["Mounted"], what="the unmount")
    root.instance("late", "Start")
    assert root.get("instance", "late")["Mounted"]
    root.instance("late", "Stop")


def test_unit_that_asks_in_anothers_name(root, instance):
    """Only an instance's own mount unit may take the mount from a server."""
    instance("mine")
    instance("other")
    root.instance("mine", "Start")
    done = run("l4d2ctl", "unmount", "mine", check=False)
    assert done.returncode != 0 and "mine" in done.stderr and "mine" in mounted()
    done = run("systemd-run", "--wait", "--pipe", "--unit=left4me-mount@other.service", "l4d2ctl", "unmount", "mine",
               check=False)
    assert done.returncode != 0 and "mine" in mounted(), done
    assert root.get("instance", "mine")["ActiveState"] == "active"
