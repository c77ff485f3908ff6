# SPDX-License-Identifier: LGPL-2.1-or-later
"""Builds as jobs: the queue, who may end them, every way to fail, what a script is given, and what the seal refuses."""
import json
import os
import pathlib
import pwd
import stat

import pytest
from builds import (ask_build, build_now, cache_dir, current_dir, go_on, held, jobs_of, listener,  # noqa: F401
                    overlay_dir, processes_of, set_script, tree_digest, wait_held, wait_quiet, wait_state)
from conftest import CHALLENGE, DENIED, IFACE, PATH, STATE, BusError, Client, path_of, run, unit
from servers import host_conf, overlay_paths, settings

CONF = pathlib.Path("/etc/left4me/host.conf.d/99-test.conf")  # host_conf()'s


def uid_of(user):
    return pwd.getpwnam(user).pw_uid


def job_id(client, job):
    return client.get_all(job)["Id"]


def manager(client):
    return client.get_all(PATH)


# The queue

def test_the_same_build_asked_for_while_queued_is_one_job(root, ada, otto, listener, held):
    first = held("maps")
    queued = ask_build(ada, "maps")
    assert queued != first
    assert ask_build(otto, "maps") == ask_build(ada, "maps") == queued
    now = root.get_all(queued)
    assert (now["State"], now["Requesters"]) == ("queued", [uid_of("ada"), uid_of("otto")])
    assert (now["Unit"], now["StartedAt"], now["Result"]) == ("", 0, "")
    told = [s[3][1] for s in listener.signals(0.5) if s[0] == queued and s[2] == "PropertiesChanged"]
    assert {"Requesters": [uid_of("ada"), uid_of("otto")]} in told, told
    go_on(root, "maps")
    wait_held(root, "maps")
    assert root.get_all(first)["State"] == "done" and root.get_all(queued)["State"] == "running"
    go_on(root, "maps")
    assert root.wait_job(queued)["State"] == "done"
    assert "Nothing changed" in root.get_all(queued)["Message"]


def test_a_build_asked_for_while_one_runs_is_another(root, held):
    first = held("maps", "echo one > file")
    set_script(root, "maps", "echo two > file")
    second = ask_build(root, "maps")
    assert second != first
    go_on(root, "maps")
    assert root.wait_job(second)["State"] == "done"
    assert (current_dir(root, "maps") / "file").read_text() == "two\n"


def test_cancel_by_one_requester_takes_him_off(root, ada, otto, held):
    first = held("maps")
    queued = ask_build(ada, "maps")
    ask_build(otto, "maps")
    otto.job(job_id(root, queued), "Cancel")
    now = root.get_all(queued)
    assert (now["State"], now["Requesters"]) == ("queued", [uid_of("ada")])
    with pytest.raises(BusError) as caught:
        otto.job(now["Id"], "Cancel")
    assert caught.value.name == CHALLENGE, "it is somebody else's job now"
    ada.job(now["Id"], "Cancel")
    now = root.get_all(queued)
    assert (now["State"], now["Result"], now["ExitStatus"]) == ("cancelled", "cancelled", 0)
    assert now["Message"] and now["FinishedAt"] >= now["QueuedAt"] and now["StartedAt"] == 0
    go_on(root, "maps")
    assert root.wait_job(first)["State"] == "done"


def test_two_cancels_in_one_breath_take_off_one_requester(root, ada, otto, held):
    """Both are looked at before one of them is carried out."""
    held("maps")
    queued = ask_build(ada, "maps")
    ask_build(otto, "maps")
    others = [Client("otto") for _ in range(4)]
    try:
        question = others[0].question(queued, IFACE + ".Job", "Cancel", "(@a{sv} {},)")
        for client in others:
            client.send(**question)
        for client in others:
            try:
                client.receive()
            except BusError as error:
                assert error.name in (CHALLENGE, DENIED), error
    finally:
        for client in others:
            client.close()
    now = root.get_all(queued)
    assert (now["State"], now["Requesters"]) == ("queued", [uid_of("ada")])


def test_cancel_of_somebody_elses_job(root, ada, otto, sam, held):
    job = held("maps", client=otto)
    number = job_id(root, job)
    with pytest.raises(BusError) as caught:
        sam.job(number, "Cancel")
    assert caught.value.name == CHALLENGE
    assert root.get_all(job)["State"] == "running"
    ada.job(number, "Cancel")
    assert root.wait_job(job)["State"] == "cancelled"
    job = held("maps")
    with pytest.raises(BusError) as caught:
        otto.job(job_id(root, job), "Cancel")
    assert caught.value.name == CHALLENGE
    assert root.get_all(job)["State"] == "running"


def test_cancel_of_a_running_build(root, otto, held):
    job = held("maps", "echo never > file", client=otto)
    now = root.get_all(job)
    name = now["Unit"]
    assert unit(name, "ActiveState")["ActiveState"] == "active"
    otto.job(now["Id"], "Cancel")
    now = root.wait_job(job)
    assert (now["State"], now["Result"]) == ("cancelled", "cancelled") and now["Message"], now
    assert unit(name, "LoadState")["LoadState"] == "not-found"
    assert root.get("overlay", "maps")["Generation"] == 0
    with pytest.raises(BusError) as caught:
        root.job(now["Id"], "Cancel")
    assert caught.value.short == "Busy" and now["State"] in caught.value.message
    wait_quiet(root)
    assert os.listdir(overlay_dir(root, "maps")) == []


def test_builds_of_different_overlays_run_beside_each_other(root, held):
    with host_conf(root, "JobSlots=2"):
        assert manager(root)["JobSlots"] == 2
        jobs = [held(name) for name in ("one", "two")]
        assert manager(root)["RunningJobs"] == 2
        users = set()
        for job in jobs:
            facts = unit(root.get_all(job)["Unit"], "User", "MainPID")
            users.add(facts["User"])
            status = pathlib.Path(f"/proc/{facts['MainPID']}/status").read_text()
            assert f"\nUid:\t{uid_of(facts['User'])}\t" in status
        assert users == {"l4d2-sandbox-0", "l4d2-sandbox-1"}
        third = ask_build(root, "two")  # waits for its overlay
        root.manager("CreateOverlay", "('three', 'script', @a{sv} {})")
        try:
            fourth = ask_build(root, "three", "echo > file")  # waits for a slot
            assert {root.get_all(j)["State"] for j in (third, fourth)} == {"queued"}
            go_on(root, "one")
            assert root.wait_job(fourth)["State"] == "done"
            assert root.get_all(third)["State"] == "queued" and root.get_all(jobs[1])["State"] == "running"
        finally:
            assert root.wait_job(root.overlay("three", "Delete")[0])["State"] == "done"
        go_on(root, "two")
        wait_held(root, "two")
        go_on(root, "two")
        assert root.wait_job(third)["State"] == "done"
    wait_quiet(root)
    assert manager(root)["RunningJobs"] == 0


def test_more_slots_start_what_waits(root, held):
    with host_conf(root, "JobSlots=1"):
        held("one")
        root.manager("CreateOverlay", "('three', 'script', @a{sv} {})")
        waiting = ask_build(root, "three", "echo > file")
        assert root.get_all(waiting)["State"] == "queued"
        CONF.write_text("[Host]\nJobSlots=3\n")
        root.manager("Reload", "(@a{sv} {},)")
        assert root.wait_job(waiting)["State"] == "done"
        assert root.wait_job(root.overlay("three", "Delete")[0])["State"] == "done"


def test_a_users_queue_has_a_limit(root, ada, otto, held, overlay):
    names = ["one", "two", "three"]
    for name in names:
        overlay(name, "echo > file", built=False)
    with host_conf(root, "JobSlots=1", "MaxQueuedJobsPerUser=2"):
        running = held("held", client=ada)
        first, _second = [ask_build(ada, name) for name in names[:2]]
        with pytest.raises(BusError) as caught:
            ask_build(ada, "three")
        assert caught.value.short == "LimitReached" and "MaxQueuedJobsPerUser" in caught.value.message
        assert jobs_of(root, "three") == [] or all(j["FinishedAt"] for j in jobs_of(root, "three"))
        assert ask_build(ada, "one") == first, "who is a requester already needs no more room"
        third = ask_build(otto, "three")
        with pytest.raises(BusError) as caught:
            ask_build(ada, "three")
        assert caught.value.short == "LimitReached"
        assert root.get_all(third)["Requesters"] == [uid_of("otto")]
        assert ask_build(root, "three") == third, "root has no limit"
        go_on(root, "held")
        assert root.wait_job(running)["State"] == "done"
        assert root.wait_job(third)["State"] == "done"


# Every way to fail

@pytest.fixture
def built(root, overlay):
    """The overlay `maps`, with a generation that must outlive every failure."""
    overlay("maps", "echo kept > kept")
    before = root.get("overlay", "maps")
    yield "maps"
    now = root.get("overlay", "maps")
    for key in ("Generation", "Digest", "Size", "Files", "BuiltAt", "Generations"):
        assert now[key] == before[key], key
    assert (current_dir(root, "maps") / "kept").read_text() == "kept\n"
    wait_quiet(root)
    assert os.listdir(overlay_dir(root, "maps")) == [str(before["Generation"])], "what failed is deleted"


@pytest.mark.parametrize("script,result,status", [
    ("echo half > file; exit 3", "exit-code", 3),
    ("sleep 0.3; exit 226", "exit-code", 226),  # systemd's own number for a namespace that could not be made
    ("no-such-command", "exit-code", 127),
    ("set -e; false; echo > file", "exit-code", 1),
    ("if then", "exit-code", 2),
    ("kill -KILL $$", "signal", 9),
    ("kill -SEGV $$", "signal", 11),
    ("kill -TERM $$", "signal", 15),
], ids=lambda v: v if isinstance(v, str) and " " in v else None)
def test_a_script_that_fails(root, built, script, result, status):
    now = build_now(root, built, script)
    assert (now["State"], now["Result"], now["ExitStatus"]) == ("failed", result, status), now
    assert f"{status}" in now["Message"] and now["Unit"] in now["Message"], now
    assert root.get("overlay", built)["State"] == "failed"
    assert now["QueuedAt"] <= now["StartedAt"] <= now["FinishedAt"]


def test_a_script_that_takes_too_long(root, built):
    root.overlay(built, "Configure", settings(TimeLimit="uint64 1000000"))
    now = build_now(root, built, "trap '' TERM INT; echo half > file; while :; do sleep 100; done")
    assert (now["State"], now["Result"]) == ("failed", "timeout"), now
    assert "time limit" in now["Message"]
    assert now["FinishedAt"] - now["StartedAt"] >= 1000000
    root.overlay(built, "Configure", settings(TimeLimit="uint64 0"))


def test_the_hosts_time_limit(root, built):
    with host_conf(root, "BuildTimeLimitSec=1"):
        assert manager(root)["BuildTimeLimit"] == 1000000
        now = build_now(root, built, "sleep 1000")
    assert (now["State"], now["Result"]) == ("failed", "timeout"), now


def test_a_sandbox_that_cannot_be_set_up(root, built):
    resolv = pathlib.Path("/etc/left4me/sandbox-resolv.conf")
    aside = resolv.rename(resolv.with_suffix(".aside"))
    try:
        now = build_now(root, built, "echo > file")
    finally:
        aside.rename(resolv)
    assert (now["State"], now["Result"]) == ("failed", "sandbox-setup"), now
    assert now["Unit"] in now["Message"], now
    assert build_now(root, built, "exit 4")["Result"] == "exit-code"


def test_nothing_of_a_script_goes_on_after_its_end(root, overlay):
    overlay("maps", r"""
        beat='while :; do echo beat >> /overlay/late; echo beat >> /cache/late; sleep 0.005; done'
        setsid bash -c "trap '' HUP TERM INT; $beat" &
        ( ( bash -c "$beat" & ) & )
        nohup bash -c "$beat" >/dev/null 2>&1 &
        disown -a
        until [ -s /overlay/late ] && [ -s /cache/late ]; do sleep 0.01; done
    """)
    assert processes_of("l4d2-sandbox-0") == []
    now = root.get("overlay", "maps")
    assert (now["Digest"], now["Files"]) == tree_digest(current_dir(root, "maps")), "as it was when it was sealed"


def test_a_queue_of_builds_of_one_overlay_is_in_order(root, overlay):
    overlay("maps", "echo first > file")
    seen = []
    for _ in range(5):
        seen.append(build_now(root, "maps", "cp /previous/file file; date +%s%N >> file"))
    spans = [(j["StartedAt"], j["FinishedAt"]) for j in seen]
    assert all(end <= start for (_, end), (start, _) in zip(spans, spans[1:])), spans
    assert len((current_dir(root, "maps") / "file").read_text().splitlines()) == 6


# What a script is given

def test_files_land_as_the_servers(root, overlay):
    overlay("maps", "umask; mkdir d; echo > d/f; ln -s d l; chmod 640 d/f; stat -c %u . > id; id -u >> id; id -un >> id")
    top = current_dir(root, "maps")
    for path in (top, *top.rglob("*")):
        facts = path.lstat()
        assert (facts.st_uid, facts.st_gid) == (uid_of("left4me"), pwd.getpwnam("left4me").pw_gid), path
    assert stat.S_IMODE((top / "d/f").stat().st_mode) == 0o640
    assert stat.S_IMODE((top / "id").stat().st_mode) == 0o644
    seen, own, name = (top / "id").read_text().split()
    assert seen == own == str(uid_of(name)) and name.startswith("l4d2-sandbox-")
    for path in (top.parent, top.parent.parent):
        facts = path.stat()
        assert (facts.st_uid, stat.S_IMODE(facts.st_mode)) == (0, 0o700), path


def test_the_cache_is_kept_and_previous_is_the_current_generation(root, overlay):
    overlay("maps", "[ ! -e /previous ]; ls -A /overlay > was-here; echo 1 > n; echo a >> /cache/n; cp /cache/n cache")
    assert (current_dir(root, "maps") / "was-here").read_text() == "was-here\n"
    now = build_now(root, "maps", "set -e; ls -A > was-here; cp /previous/n n; echo 2 >> n; echo b >> /cache/n; "
                                  "cp /cache/n cache; ! echo 3 2>/dev/null > /previous/n; ! rm -f /previous/n 2>&1")
    assert now["State"] == "done", now
    top = current_dir(root, "maps")
    assert (top / "n").read_text() == "1\n2\n" and (top / "cache").read_text() == "a\nb\n"
    assert (overlay_dir(root, "maps", 1) / "n").read_text() == "1\n"
    build_now(root, "maps", "echo c >> /cache/n; exit 1")
    assert (cache_dir(root, "maps") / "n").read_text() == "a\nb\nc\n", "also after a build that failed"


def test_the_script_sees_its_own_text_and_nobody_on_its_input(root, overlay):
    overlay("maps", "cat /script > script; cat > input; echo $0 > name; pwd > cwd; echo $HOME >> cwd")
    top = current_dir(root, "maps")
    assert (top / "script").read_text() == root.overlay("maps", "GetScript", "")[0]
    assert (top / "input").read_text() == ""
    assert (top / "cwd").read_text() == "/overlay\n/cache\n"


def test_what_a_script_prints_is_in_the_journal(root, overlay):
    overlay("maps", built=False)
    now = build_now(root, "maps", "echo to-output; echo to-error >&2; printf 'no-newline'")
    run("journalctl", "--sync")
    lines = [json.loads(line) for line in
             run("journalctl", f"LEFT4ME_JOB={now['Id']}", "--output=json", "--all").stdout.splitlines()]
    own = [l for l in lines if l["_TRANSPORT"] == "stdout" and l["_SYSTEMD_UNIT"] == now["Unit"]]
    assert [l["MESSAGE"] for l in own] == ["to-output", "to-error", "no-newline"], own
    assert {int(l["_UID"]) for l in own} == {uid_of("l4d2-sandbox-0")}
    assert {l["SYSLOG_IDENTIFIER"] for l in own} == {f"left4me-job-{now['Id']}"}


# What the seal refuses

MAKE_SOCKET = "python3 -c 'import os, stat; os.mknod(\"d/socket\", stat.S_IFSOCK | 0o644)'"
REFUSED = {
    "fifo": ("mkdir d; mkfifo d/fifo", "d/fifo", "pipe"),
    "socket": (f"mkdir d; {MAKE_SOCKET}", "d/socket", "socket"),
    "whiteout": ("mkdir d; mknod d/gone c 0 0", "d/gone", "whiteout"),
    "file that cannot be read": ("echo > file; chmod 000 file", "file", "cannot be read"),
    "directory that cannot be read": ("mkdir -p d/e; chmod 300 d/e", "d/e", "cannot be read"),
    "directory that cannot be entered": ("mkdir -p d/e; echo > d/e/f; chmod 600 d/e", "d/e", "cannot be read"),
    "top that cannot be read": ("echo > file; chmod 000 .", ".", "cannot be read"),
    "too deep": ("for i in {1..200}; do mkdir d; cd d; done", "d/d/d/d", "deeper"),
    "fuse-overlayfs": ("python3 -c 'import os; os.setxattr(\"/overlay\", \"user.fuseoverlayfs.opaque\", b\"y\")'",
                       ".", "user.fuseoverlayfs"),
    "odd name": ("mkfifo $'new\\nline'", "new\\nline", "pipe"),
}


@pytest.mark.parametrize("script,path,reason", REFUSED.values(), ids=REFUSED)
def test_the_seal_refuses(root, built, script, path, reason):
    now = build_now(root, built, "set -e; echo good > good; " + script)
    assert (now["State"], now["Result"], now["ExitStatus"]) == ("failed", "refused", 65), now
    assert f": {path}" in now["Message"] and reason in now["Message"] and "\n" not in now["Message"], now


def plant_device(top):
    os.mknod(top / "device", stat.S_IFCHR | 0o666, os.makedev(1, 3))


def plant_setuid(top):
    (top / "setuid").touch()
    (top / "setuid").chmod(0o4755)


def plant_setgid_dir(top):
    (top / "setgid").mkdir()
    (top / "setgid").chmod(0o2755)


def plant_others(top):
    (top / "others").touch()
    os.chown(top / "others", 0, 0)
    (top / "others").chmod(0o600)


@pytest.mark.parametrize("plant,path", [(plant_device, "device"), (plant_setuid, "setuid"), (plant_setgid_dir, "setgid"),
                                        (plant_others, "others")], ids=["device", "set-uid", "set-gid", "somebody else's"])
def test_the_seal_refuses_what_a_script_could_not_make(root, held, plant, path):
    """Were the sandbox not to keep it from that."""
    job = held("maps")
    top, = overlay_dir(root, "maps").iterdir()
    plant(top)
    if path != "others":
        run("chown", "left4me:left4me", top / path)
        if path != "device":
            (top / path).chmod(0o4755 if path == "setuid" else 0o2755)  # chown(2) took the bit away
    go_on(root, "maps")
    now = root.wait_job(job)
    assert (now["State"], now["Result"]) == ("failed", "refused") and f": {path}:" in now["Message"], now
    assert root.get("overlay", "maps")["Generation"] == 0


def test_a_layer_of_fuse_overlayfs_is_rejected_at_the_mount_too(root, overlay, instance):
    overlay("maps")
    instance("alpha", Overlays=overlay_paths("maps"))
    top = current_dir(root, "maps")
    os.setxattr(top, "user.fuseoverlayfs.opaque", b"y")
    for member in ("Mount", "Start"):
        with pytest.raises(BusError) as caught:
            root.instance("alpha", member)
        assert caught.value.short == "LayerRejected" and "user.fuseoverlayfs.opaque" in caught.value.message, caught.value
        assert str(top.relative_to(STATE)) in caught.value.message and "anew" in caught.value.message, caught.value
    os.removexattr(top, "user.fuseoverlayfs.opaque")
    root.instance("alpha", "Mount")
