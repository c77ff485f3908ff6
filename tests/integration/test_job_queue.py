# SPDX-License-Identifier: LGPL-2.1-or-later
"""Whose turn it is, how many jobs run, and how long they are shown when they have ended."""
import pathlib
import sqlite3

import pytest
from builds import (ask_build, build_now, go_on, held, jobs_of, listener, wait_held, wait_quiet, wait_state)  # noqa: F401
from conftest import PATH, STATE, BusError, path_of, run, wait_for
from servers import host_conf

CONF = pathlib.Path("/etc/left4me/host.conf.d/99-test.conf")  # host_conf()'s


def reload_with(root, *lines):
    """Inside of host_conf(): other settings from here on."""
    CONF.write_text("\n".join(["[Host]", *lines, ""]))
    root.manager("Reload", "(@a{sv} {},)")


def running(root):
    return root.get_all(PATH)["RunningJobs"]


# Turns

def test_users_take_turns(root, ada, otto, held, overlay):
    """However much one of them has asked for."""
    asked = {"a1": ada, "a2": ada, "a3": ada, "a4": ada, "o1": otto, "o2": otto}
    for name in asked:
        overlay(name, built=False)
        root.overlay(name, "SetScript", "('echo > file', @a{sv} {})")
    with host_conf(root, "JobSlots=1"):
        held("plug", client=ada)
        jobs = {name: ask_build(client, name) for name, client in asked.items()}
        go_on(root, "plug")
        began = {name: root.wait_job(job)["StartedAt"] for name, job in jobs.items()}
    assert sorted(began, key=began.get) == ["o1", "a1", "o2", "a2", "a3", "a4"], began


def test_a_job_that_two_asked_for_begins_at_the_first_ones_turn(root, ada, otto, held, overlay):
    for name in ("a1", "a2"):
        overlay(name, built=False)
        root.overlay(name, "SetScript", "('echo > file', @a{sv} {})")
    with host_conf(root, "JobSlots=1"):
        held("plug", client=ada)
        first, second = ask_build(ada, "a1"), ask_build(ada, "a2")
        assert ask_build(otto, "a2") == second
        go_on(root, "plug")
        assert root.wait_job(second)["StartedAt"] < root.wait_job(first)["StartedAt"]


# Slots

def test_fewer_slots_let_what_runs_go_on(root, held, overlay, listener):
    overlay("later", built=False)
    root.overlay("later", "SetScript", "('echo > file', @a{sv} {})")
    told = []

    def hear():
        told.extend(s[3][1]["RunningJobs"] for s in listener.signals(0.3)
                    if s[0] == PATH and s[2] == "PropertiesChanged" and "RunningJobs" in s[3][1])
        return told

    with host_conf(root, "JobSlots=3"):
        jobs = {name: held(name) for name in ("one", "two", "three")}
        assert running(root) == 3
        reload_with(root, "JobSlots=1")
        waiting = ask_build(root, "later")
        for left, name in ((2, "one"), (1, "two")):  # "one" leaves the slot free that there still is
            go_on(root, name)
            assert root.wait_job(jobs[name])["State"] == "done"
            assert running(root) == left and root.get_all(waiting)["State"] == "queued"
        hear()
        go_on(root, "three")
        assert root.wait_job(waiting)["State"] == "done"
    wait_quiet(root)
    assert running(root) == 0
    hear()
    assert max(told) == 3 and told[-1] == 0 and all(abs(a - b) <= 1 for a, b in zip(told, told[1:])), told


# What has ended

def finished(root):
    """Ids of the jobs that have ended, but for the last builds of overlays."""
    objects = root.objects().values()
    last = {o["org.left4me.Host1.Overlay"]["LastJob"] for o in objects if "org.left4me.Host1.Overlay" in o}
    jobs = [o["org.left4me.Host1.Job"] for o in objects if "org.left4me.Host1.Job" in o]
    return {j["Id"] for j in jobs if j["FinishedAt"] and path_of("job", j["Id"]) not in last}


def stored():
    with sqlite3.connect(f"file:{STATE}/host.db?mode=ro", uri=True) as store:
        return {row[0] for row in store.execute("SELECT id FROM job")}


def age(days, *ids):
    """The service was away, for so long since these jobs ended."""
    run("systemctl", "stop", "left4me-hostd.service")
    with sqlite3.connect(STATE / "host.db") as store:
        for number in ids:
            store.execute("UPDATE job SET finished_at = finished_at - ? WHERE id = ?", (days * 86400 * 10**6, number))
    run("systemctl", "start", "left4me-hostd.service")


def test_only_so_many_jobs_that_ended_are_shown(root, overlay, listener):
    overlay("maps", "echo > file")
    with host_conf(root, "KeepFinishedJobs=3"):
        assert root.get_all(PATH)["KeepFinishedJobs"] == 3
        for _ in range(4):
            build_now(root, "maps", "date +%N > file")
            wait_quiet(root)
        wait_for(lambda: len(finished(root)) == 3)
        kept = finished(root)
        assert kept <= stored() and root.get_all(root.get("overlay", "maps")["LastJob"])["State"] == "done"
        gone = {s[3][0] for s in listener.signals(0.3) if s[2] == "InterfacesRemoved"}
        there = {path_of("job", number) for number in stored()}
        assert gone and not gone & there
        with pytest.raises(BusError) as caught:
            root.get_all(sorted(gone)[0])
        assert "UnknownObject" in caught.value.name
        reload_with(root, "KeepFinishedJobs=1")
        wait_for(lambda: finished(root) == {max(kept)})
    assert root.get_all(PATH)["KeepFinishedJobs"] == 100


def test_what_ended_first_goes_first(root, ada, held):
    """Not what was asked for first: who waited for a long job sees how it ended."""
    with host_conf(root, "KeepFinishedJobs=1", "JobSlots=1"):
        held("plug")
        old = ask_build(ada, "plug")
        root.manager("CreateOverlay", "('other', 'script', @a{sv} {})")
        newer = root.overlay("other", "Delete")[0]
        root.job(root.get_all(newer)["Id"], "Cancel")
        ada.job(root.get_all(old)["Id"], "Cancel")
        wait_for(lambda: finished(root) == {root.get_all(old)["Id"]})
    assert root.wait_job(root.overlay("other", "Delete")[0])["State"] == "done"


def test_jobs_that_ended_long_ago_go(root, overlay, listener):
    overlay("maps", "echo > file")
    last = root.get("overlay", "maps")["LastJob"]
    number = root.get_all(last)["Id"]
    build_now(root, "maps", "exit 1")  # the first one is not the last build any more
    wait_quiet(root)
    prune = jobs_of(root, "maps", "prune")[-1]["Id"]
    failed = root.get("overlay", "maps")["LastJob"]
    assert root.get_all(PATH)["KeepFinishedJobsUSec"] == 30 * 86400 * 10**6

    age(31, number, root.get_all(failed)["Id"])
    wait_for(lambda: number not in stored(), what="at the start")
    assert root.get("overlay", "maps")["State"] == "failed" and root.get_all(failed)["Result"] == "exit-code"
    assert prune in finished(root)

    with host_conf(root, "KeepFinishedJobsSec=0"):
        age(400, prune)
        assert root.get_all(PATH)["KeepFinishedJobsUSec"] == 0 and prune in finished(root)
        listener.signals(0.1)
        reload_with(root, "KeepFinishedJobsSec=86400")
        wait_for(lambda: prune not in finished(root))
    assert [path_of("job", prune), "InterfacesRemoved"] in [[s[3][0], s[2]] for s in listener.signals(0.3)]


def test_jobs_go_by_themselves_when_they_are_too_old(root, overlay):
    overlay("maps", "echo > file")
    build_now(root, "maps", "exit 1")
    wait_quiet(root)
    prune = jobs_of(root, "maps", "prune")[-1]["Id"]
    with host_conf(root, "KeepFinishedJobsSec=4"):
        assert prune in finished(root)
        wait_for(lambda: prune not in finished(root), 30, "the end of its time")
        assert root.get("overlay", "maps")["State"] == "failed"
