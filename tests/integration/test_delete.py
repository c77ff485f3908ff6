# SPDX-License-Identifier: LGPL-2.1-or-later
"""Reset and Delete, also of what a hostile server or build leaves behind to be in the way."""
import os
import pathlib
import sqlite3
import subprocess

import pytest
from builds import (STAGING, ask_build, build_now, cache_dir, give_to_server, go_on, held, jobs_of,  # noqa: F401
                    overlay_dir, plant_trash, trash, wait_held, wait_quiet)
from conftest import STATE, BusError, mounted, path_of, run, unit, wait_for
from servers import dropin, host_conf, is_enabled, merged, mount_unit, overlay_paths, server_unit


def upper(name):
    return STATE / "runtime" / name / "layers/upper"


def refused(call, *arguments):
    with pytest.raises(BusError) as caught:
        call(*arguments)
    assert caught.value.message
    return caught.value.short


def restart_and_wait(client):
    """The service begins anew, and has done what there was to do."""
    run("systemctl", "restart", "left4me-hostd.service")
    wait_quiet(client)


def rows(name):
    """Rows of the store that name an instance."""
    with sqlite3.connect(f"file:{STATE}/host.db?mode=ro", uri=True) as store:
        tables = {"instance": "name", "instance_port": "instance", "instance_argument": "instance",
                  "instance_overlay": "instance", "instance_layer": "instance"}
        return {table: n for table, column in tables.items() if
                (n := store.execute(f"SELECT count(*) FROM {table} WHERE {column} = ?", (name,)).fetchone()[0])}


def traces(name):
    """Whatever there is of an instance outside the store."""
    found = [p for tree in ("instances", "runtime") for p in (STATE / tree).glob(name)]
    found += [p for top in ("/etc/systemd", "/run/systemd") for p in pathlib.Path(top).rglob(f"left4me-*@{name}*")
              if "transient" not in str(p) and "propagate" not in str(p)]
    return found + trash() + list(STAGING.iterdir())


# Reset

def test_reset_empties_the_upper_and_keeps_the_rest(root, instance, overlay):
    overlay("maps", "mkdir left4dead2; echo map > left4dead2/map")
    instance("alpha", Overlays=overlay_paths("maps"), Arguments="['+map', 'c1m1']", Description="'Friday'")
    root.instance("alpha", "SetConfig", "('hostname Friday', @a{sv} {})")
    root.instance("alpha", "Start")
    (merged("alpha") / "left4dead2/map").write_text("changed\n")
    (merged("alpha") / "left4dead2/log").write_text("lines\n")
    assert refused(root.instance, "alpha", "Reset") == "Busy"
    assert refused(root.instance, "alpha", "Delete") == "Busy"
    root.instance("alpha", "Stop")
    assert (upper("alpha") / "left4dead2/map").read_text() == "changed\n"
    before = root.get("instance", "alpha")
    job = root.wait_job(root.instance("alpha", "Reset")[0])
    assert (job["State"], job["Kind"], job["Subject"]) == ("done", "reset-instance", path_of("instance", "alpha"))
    assert not upper("alpha").exists() or not list(upper("alpha").iterdir())
    assert root.get("instance", "alpha") == before
    assert root.instance("alpha", "GetConfig", "") == ("hostname Friday",)
    assert trash() == []
    root.instance("alpha", "Start")
    assert (merged("alpha") / "left4dead2/map").read_text() == "map\n"
    assert not (merged("alpha") / "left4dead2/log").exists()


def test_a_mounted_instance_is_busy(root, instance):
    instance("alpha")
    root.instance("alpha", "Mount")
    for member in ("Reset", "Delete"):
        assert refused(root.instance, "alpha", member) == "Busy"
    root.instance("alpha", "Unmount")
    assert root.wait_job(root.instance("alpha", "Reset")[0])["State"] == "done"


def test_a_reset_of_one_that_never_ran(root, instance):
    instance("alpha")
    assert root.wait_job(root.instance("alpha", "Reset")[0])["State"] == "done"
    root.instance("alpha", "Mount")
    root.instance("alpha", "Unmount")


@pytest.mark.parametrize("kind", ["Reset", "Delete"])
def test_while_a_job_has_it_nothing_else_begins(root, instance, held, kind):
    instance("alpha")
    with host_conf(root, "JobSlots=1"):
        held("maps")  # has the only slot
        job, = root.instance("alpha", kind)
        assert root.get_all(job)["State"] == "queued"
        for member in ("Start", "Mount", "Restart", "Reset", "Delete"):
            assert refused(root.instance, "alpha", member) == "Busy", member
        root.job(root.get_all(job)["Id"], "Cancel")
        assert root.get_all(job)["State"] == "cancelled"
        root.instance("alpha", "Start")
        root.instance("alpha", "Stop")
        again, = root.instance("alpha", kind)
        go_on(root, "maps")
        assert root.wait_job(again)["State"] == "done"


# Delete

def test_delete_leaves_nothing(root, instance, overlay):
    overlay("maps", "echo > left4dead2.txt")
    instance("alpha", Overlays=overlay_paths("maps"), Arguments="['+map', 'c1m1']")
    root.instance("alpha", "SetConfig", "('rcon_password secret', @a{sv} {})")
    root.instance("alpha", "Start")
    port = root.get("instance", "alpha")["Port"]
    (merged("alpha") / "file").write_text("x")
    assert traces("alpha") and rows("alpha")
    root.instance("alpha", "Stop")
    job = root.wait_job(root.instance("alpha", "Delete")[0])
    assert (job["State"], job["Kind"]) == ("done", "delete-instance")
    wait_for(lambda: traces("alpha") == [], what="the end of every trace")
    assert rows("alpha") == {} and "alpha" not in mounted()
    assert path_of("instance", "alpha") not in root.objects()
    assert refused(root.manager, "GetInstance", "('alpha',)") == "NoSuchInstance"
    assert path_of("instance", "alpha") not in root.get("overlay", "maps")["UsedBy"]
    # Its name and its port are free again, and nothing of it comes back with them.
    instance("alpha", Port=f"uint16 {port}")
    assert root.instance("alpha", "GetConfig", "") == ("",)
    root.instance("alpha", "Start")
    assert not (merged("alpha") / "file").exists()


def test_delete_of_one_that_failed_leaves_nothing(root, instance, overlay):
    """It is enabled still, and systemd remembers its failure."""
    overlay("broken", "printf '#!/bin/bash\\nsleep 0.3; exit 7\\n' > srcds_run; chmod 755 srcds_run")
    instance("alpha", Overlays=overlay_paths("broken"))
    with dropin(server_unit("alpha"), "Service", "Restart=no"):
        root.instance("alpha", "Start")
        wait_for(lambda: root.get("instance", "alpha")["ActiveState"] == "failed")
        wait_for(lambda: unit(mount_unit("alpha"), "ActiveState")["ActiveState"] == "inactive")
        wait_for(lambda: not root.get("instance", "alpha")["Mounted"])
        assert is_enabled("alpha") and root.get("instance", "alpha")["Enabled"]
        assert root.wait_job(root.instance("alpha", "Delete")[0])["State"] == "done"
    wait_for(lambda: traces("alpha") == [], what="the end of every trace")
    assert not is_enabled("alpha")
    wait_for(lambda: unit(server_unit("alpha"), "ActiveState")["ActiveState"] == "inactive")
    instance("alpha")
    now = root.get("instance", "alpha")
    assert (now["ActiveState"], now["Result"], now["Message"], now["Enabled"]) == ("inactive", "success", "", False)


def test_delete_of_one_that_never_ran(root, instance):
    instance("alpha")
    assert root.wait_job(root.instance("alpha", "Delete")[0])["State"] == "done"
    wait_for(lambda: traces("alpha") == [])
    assert rows("alpha") == {}


# What is in the way

LOCKED = r"""
mkdir -p locked/inner/deep open/sub
echo x > locked/inner/deep/file; echo x > locked/file; echo x > open/file; touch open/sub/f
chmod 000 open/file open/sub locked/inner/deep locked/inner locked
mkdir sticky; chmod 1777 sticky; touch sticky/file
mkdir readonly; touch readonly/file; chmod 555 readonly
"""

ODD_NAMES = r"""
touch -- $'new\nline' $'\xff\xfe' '-rf' ' ' '*' '$(touch x)' '.hidden' '...' "quote'\"" $'\e[31m' 'back\slash'
mkdir -- '-d' '..a' $'dir\nline' 0 1 2 00; touch -- '-d/-f' 0/0 1/1 2/2
touch "$(printf 'n%.0s' {1..255})"; mkdir "$(printf 'd%.0s' {1..255})"
"""

LINKS = r"""
ln -s / root; ln -s /etc/passwd etc; ln -s . self; ln -s nowhere dangling; ln -s ../../../.. up
echo x > one; for i in {1..50}; do ln one hard$i; done; mkdir d; ln one d/one; ln -s ../root d/out
mkfifo pipe
"""

DEEP = "import os\nfor _ in range(1000):\n    os.mkdir('d'); os.chdir('d')\nopen('bottom', 'w').close()\n"
WIDE = "for d in {1..30}; do mkdir $d; (cd $d; seq 100 | xargs touch); done"
HOSTILE = {"locked": ["bash", "-ec", LOCKED], "odd names": ["bash", "-ec", ODD_NAMES], "links": ["bash", "-ec", LINKS],
           "deep": ["python3", "-c", DEEP], "wide": ["bash", "-ec", WIDE]}


@pytest.fixture
def canaries():
    """What the links point at."""
    files = [pathlib.Path("/etc/passwd"), pathlib.Path("/etc/shadow"), STATE / "host.db"]
    before = [(f.stat().st_ino if f.name != "host.db" else 0, f.stat().st_mode, f.stat().st_uid) for f in files]
    yield
    assert before == [(f.stat().st_ino if f.name != "host.db" else 0, f.stat().st_mode, f.stat().st_uid) for f in files]


@pytest.mark.parametrize("member", ["Reset", "Delete"])
@pytest.mark.parametrize("command", HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_upper_goes(root, instance, canaries, command, member):
    instance("alpha")
    root.instance("alpha", "Mount")
    run(*command, user="left4me", cwd=merged("alpha"))
    root.instance("alpha", "Unmount")
    assert list(upper("alpha").iterdir())
    job = root.wait_job(root.instance("alpha", member)[0])
    assert job["State"] == "done", (job, run("journalctl", f"LEFT4ME_JOB={job['Id']}", "--output=cat").stdout)
    assert trash() == [] and not upper("alpha").exists()
    if member == "Delete":
        wait_for(lambda: traces("alpha") == [])


@pytest.mark.parametrize("member", ["Reset", "Delete"])
def test_whiteouts_go(root, instance, overlay, member):
    """They and the opaque directories that overlayfs makes are root's."""
    overlay("maps", "mkdir -p gone/inner again; touch gone/inner/file again/file file; chmod -R 755 .")
    instance("alpha", Overlays=overlay_paths("maps"))
    root.instance("alpha", "Mount")
    run("bash", "-ec", "rm file; rm -r gone again; mkdir again; touch again/new; chmod 000 again", user="left4me",
        cwd=merged("alpha"))
    root.instance("alpha", "Unmount")
    kinds = run("find", upper("alpha"), "-type", "c", "-uid", "0").stdout.split()
    assert {pathlib.Path(k).name for k in kinds} == {"file", "gone"}, "what this test is about"
    job = root.wait_job(root.instance("alpha", member)[0])
    assert job["State"] == "done", job
    assert trash() == [] and not upper("alpha").exists()


@pytest.mark.parametrize("command", HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_cache_and_generation_go(root, overlay, canaries, command):
    overlay("maps", "echo > file")
    number = root.get("overlay", "maps")["Id"]
    for place in (cache_dir(root, "maps"), overlay_dir(root, "maps", 1)):
        subprocess.run(command, cwd=place, check=True)
        give_to_server(place)
    run("chmod", "000", cache_dir(root, "maps"), overlay_dir(root, "maps", 1))
    job = root.wait_job(root.overlay("maps", "Delete")[0])
    assert job["State"] == "done", (job, run("journalctl", f"LEFT4ME_JOB={job['Id']}", "--output=cat").stdout)
    assert not (STATE / f"overlays/{number}").exists() and not (STATE / f"cache/{number}").exists()
    assert trash() == []


def test_a_build_that_hides_its_files_is_deleted_all_the_same(root, overlay):
    overlay("maps", "echo > file")
    for script in (f"set -e\n{LOCKED}", f"set -e\n{ODD_NAMES}{LINKS}", f"cat > p.py <<'END'\n{DEEP}\nEND\npython3 p.py"):
        job = build_now(root, "maps", script + "\nchmod 000 /overlay; exit 1")
        assert (job["State"], job["Result"]) == ("failed", "exit-code"), job
        wait_quiet(root)
        assert os.listdir(overlay_dir(root, "maps")) == ["1"]
    assert trash() == []


# A deletion that cannot be done

def test_what_cannot_be_deleted_goes_at_the_next_start(root, instance):
    """A file that not even root may delete stands for whatever makes a deletion fail."""
    instance("alpha")
    root.instance("alpha", "Mount")
    file = merged("alpha") / "d/immovable"
    run("bash", "-ec", "mkdir d; touch d/immovable d/movable", user="left4me", cwd=merged("alpha"))
    root.instance("alpha", "Unmount")
    run("chattr", "+i", upper("alpha") / "d/immovable")
    job = root.wait_job(root.instance("alpha", "Reset")[0])
    assert (job["State"], job["Result"]) == ("failed", "exit-code") and job["Message"], job
    log = run("journalctl", f"LEFT4ME_JOB={job['Id']}", "--output=cat").stdout
    assert "immovable" in log and "movable\"" in log, log
    left, = [p for p in trash() if p.name == str(job["Id"])]
    assert [p.name for p in left.rglob("*movable")] == ["immovable"], "what could go has gone"
    # What others left goes in spite of it, and leaves no directory.
    plant_trash(1)
    # The instance has a new upper layer, and others are deleted as ever.
    root.instance("alpha", "Start")
    assert not file.exists()
    instance("beta")
    assert root.wait_job(root.instance("beta", "Delete")[0])["State"] == "done"

    restart_and_wait(root)
    assert trash() == [left]
    swept = [j for j in (o.get("org.left4me.Host1.Job") for o in root.objects().values()) if j and j["Kind"] == "empty-trash"]
    last = max(swept, key=lambda j: j["Id"])
    assert last["State"] == "failed" and last["Subject"] == "/" and last["Requesters"] == [], last
    assert f"{last['Id']}" in run("l4d2ctl", "job", "list").stdout
    run("chattr", "-i", *left.rglob("immovable"))
    restart_and_wait(root)
    assert trash() == []


def test_an_overlay_whose_deletion_failed_can_be_built_and_deleted(root, overlay):
    """It has nothing any more, and does not say that it had."""
    overlay("maps", "echo > immovable")
    build_now(root, "maps", "echo 2 > immovable")
    run("chattr", "+i", overlay_dir(root, "maps") / "1/immovable")
    job = root.wait_job(root.overlay("maps", "Delete")[0])
    assert (job["State"], job["Result"]) == ("failed", "exit-code"), job
    shown = root.get("overlay", "maps")
    assert (shown["State"], shown["Generation"], shown["Generations"], shown["Digest"], shown["Size"]) == ("empty", 0, [], "", 0)
    assert build_now(root, "maps", "echo 3 > file; ls /previous > /overlay/before")["State"] == "done"
    assert root.get("overlay", "maps")["Generation"] == 3
    assert root.wait_job(root.overlay("maps", "Delete")[0])["State"] == "done"
    run("chattr", "-i", *[p for top in trash() for p in top.rglob("immovable")])
    restart_and_wait(root)
    assert trash() == []


def test_a_directory_that_was_made_and_not_yet_given_away(root, overlay):
    """What root makes is root's alone for an instant, and a service that is killed then leaves it so."""
    overlay("maps", "echo > file")
    build_now(root, "maps", "exit 1")
    wait_quiet(root)
    (overlay_dir(root, "maps") / "2").mkdir(mode=0o700)
    restart_and_wait(root)
    assert os.listdir(overlay_dir(root, "maps")) == ["1"] and trash() == []
    assert [j["State"] for j in jobs_of(root, "maps", "prune")][-1] == "done"


def test_a_prune_that_was_cancelled_is_made_up_for(root, overlay):
    """Generations that nobody finished and nobody deletes go at the next start, and nothing else does."""
    overlay("maps", "echo > file")
    build_now(root, "maps", "exit 1")
    wait_quiet(root)
    top = overlay_dir(root, "maps")
    for name in ("2", "7", "notes"):
        (top / name).mkdir()
        (top / name / "file").touch()
        give_to_server(top / name)
    restart_and_wait(root)
    assert sorted(os.listdir(top)) == ["1", "7", "notes"], "2 was given to a build that failed, the others never"
    log = run("journalctl", "--unit=left4me-hostd.service", "--output=cat", "--lines=40").stdout
    for name in ("7", "notes"):
        assert f"Nobody knows {top}/{name}" in log, log
    assert [j["State"] for j in jobs_of(root, "maps", "prune")][-1] == "done"
    assert root.wait_job(root.overlay("maps", "Delete")[0])["State"] == "done"
    assert not top.exists(), "a deletion takes them along"


def test_a_prune_that_was_cancelled_is_made_up_for_once_another_job_went_well(root, held):
    first = root.get_all(held("maps"))
    ask_build(root, "maps")
    (cache_dir(root, "maps") / "at-hold").unlink()
    root.job(first["Id"], "Cancel")
    wait_held(root, "maps")
    prune = jobs_of(root, "maps", "prune")[-1]
    assert prune["State"] == "queued", "it waits for the second build"
    root.job(prune["Id"], "Cancel")
    assert sorted(os.listdir(overlay_dir(root, "maps"))) == ["1", "2"]
    go_on(root, "maps")
    wait_for(lambda: os.listdir(overlay_dir(root, "maps")) == ["2"], what="what the cancelled build has left")
