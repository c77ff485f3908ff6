# SPDX-License-Identifier: LGPL-2.1-or-later
"""What two jobs are to each other, on the real service: each pair of kinds that calls can bring together. Every pair there
is, also those that cannot meet, is tried in tests/unit/test-job-rules.c."""
import pathlib

import pytest
from builds import (HOLD, ask_build, go_on, held, jobs_of, plant_trash, set_script, wait_held, wait_quiet, wait_state)  # noqa: F401
from conftest import PATH, BusError, delete_overlay, path_of, run, wait_for
from servers import host_conf, merged, settings

CONF = pathlib.Path("/etc/left4me/host.conf.d/99-test.conf")  # host_conf()'s
PROGRAM = pathlib.Path("/usr/libexec/left4me/left4me-tree")

# What becomes of a job of the first kind that is asked for when the second is queued, and when it runs. A prune that is
# asked for where one is, or a deletion, is left out: what is there does its work.
EXPECTED = {
    ("build", "build"): ("joins", "waits"),
    ("build", "prune"): ("waits", "waits"),
    ("build", "wipe-cache"): ("waits", "waits"),
    ("build", "delete-overlay"): ("refused", "refused"),
    ("prune", "build"): ("waits", "waits"),
    ("prune", "prune"): ("no job", "no job"),
    ("prune", "wipe-cache"): ("waits", "waits"),
    ("prune", "delete-overlay"): ("refused", "refused"),  # Configure itself is
    ("wipe-cache", "build"): ("waits", "waits"),
    ("wipe-cache", "prune"): ("waits", "waits"),
    ("wipe-cache", "wipe-cache"): ("joins", "waits"),
    ("wipe-cache", "delete-overlay"): ("refused", "refused"),
    ("delete-overlay", "build"): ("waits", "waits"),
    ("delete-overlay", "prune"): ("waits", "waits"),
    ("delete-overlay", "wipe-cache"): ("waits", "waits"),
    ("delete-overlay", "delete-overlay"): ("refused", "refused"),
    ("reset-instance", "reset-instance"): ("refused", "refused"),
    ("reset-instance", "delete-instance"): ("refused", "refused"),
    ("delete-instance", "reset-instance"): ("refused", "refused"),
    ("delete-instance", "delete-instance"): ("refused", "refused"),
}


class Gate:
    """Keeps the jobs that delete from their work, for as long as it is shut."""

    def __init__(self, client, path):
        self.client = client
        self.path = path

    def shut(self):
        wait_quiet(self.client)
        self.path.unlink(missing_ok=True)

    def open(self):
        self.path.touch()


@pytest.fixture(scope="module")
def gate_in_place(root):
    real, gate = PROGRAM.with_name("left4me-tree.real"), Gate(root, PROGRAM.with_name("go-on"))
    PROGRAM.rename(real)
    PROGRAM.write_text(f"#!/bin/bash\nif [ $1 = empty ]; then until [ -e {gate.path} ]; do sleep 0.02; done; fi\n"
                       f"exec {real} \"$@\"\n")
    PROGRAM.chmod(0o755)
    gate.open()
    yield gate
    real.rename(PROGRAM)
    gate.shut()  # when nothing waits at it any more


@pytest.fixture
def gate(gate_in_place):
    yield gate_in_place
    gate_in_place.open()


def prunes(root, name):
    return [path_of("job", j["Id"]) for j in jobs_of(root, name, "prune")]


def ask(root, kind, name):
    """Asks for a job; returns its path, or None when there is no new one."""
    if kind == "build":
        return ask_build(root, name)
    if kind == "prune":
        before = prunes(root, name)
        root.overlay(name, "Configure", settings(KeepGenerations="uint32 1"))
        return ([job for job in prunes(root, name) if job not in before] or [None])[0]
    if kind in ("wipe-cache", "delete-overlay"):
        return root.overlay(name, "WipeCache" if kind == "wipe-cache" else "Delete")[0]
    return root.instance(name, "Reset" if kind == "reset-instance" else "Delete")[0]


def meet(root, kind, name, earlier):
    """What becomes of a job that is asked for now, and its path."""
    try:
        job = ask(root, kind, name)
    except BusError as error:
        assert error.short == "Busy" and f"Job {root.get_all(earlier)['Id']} " in error.message, error
        return "refused", None
    if job is None:
        return "no job", None
    return ("joins", None) if job == earlier else ("waits", job)


def make_room(root):
    """From here on every job can have a slot."""
    CONF.write_text("[Host]\nJobSlots=16\n")
    root.manager("Reload", "(@a{sv} {},)")


@pytest.fixture
def maps(root):
    """An overlay whose builds wait at HOLD, and leave something in the cache: what is empty is deleted without a unit."""
    name = "maps"
    root.manager("CreateOverlay", f"('{name}', 'script', @a{{sv}} {{}})")
    set_script(root, name, HOLD + "date +%N | tee file > /cache/file")
    yield name
    for job in jobs_of(root, name, "build"):
        if not job["FinishedAt"]:
            root.job(job["Id"], "Cancel")
    delete_overlay(root, name)


def build_two(root, name):
    """Gives the overlay something to delete."""
    for _ in range(2):
        finish(root, None, ask_build(root, name), name)


def finish(root, gate, job, name):
    """Lets a job go on that is held, and waits for its end."""
    if root.get_all(job)["Kind"] == "build":
        wait_held(root, name)
        go_on(root, name)
    if gate:
        gate.open()
    done = root.wait_job(job)
    assert done["State"] == "done", done
    return done


@pytest.mark.parametrize("state", ["queued", "running"])
@pytest.mark.parametrize("kinds", [k for k in EXPECTED if "instance" not in k[0]], ids="-after-".join)
def test_two_jobs_on_one_overlay(root, held, maps, gate, kinds, state):
    name, (kind, earlier_kind) = maps, kinds
    if "prune" in kinds or earlier_kind in ("wipe-cache", "delete-overlay"):
        build_two(root, name)
    gate.shut()
    with host_conf(root, "JobSlots=1" if state == "queued" else "JobSlots=16"):
        if state == "queued":
            held("plug")
        earlier = ask(root, earlier_kind, name)
        wait_state(root, earlier, state)
        what, job = meet(root, kind, name, earlier)
        assert what == EXPECTED[kinds][state == "running"]
        if job:
            assert root.get_all(job)["State"] == "queued"
        make_room(root)
        wait_state(root, earlier, "running")
        if job:
            assert root.get_all(job)["State"] == "queued"
        ended = finish(root, gate, earlier, name)
        if job:
            assert finish(root, gate, job, name)["StartedAt"] >= ended["FinishedAt"]


def write_something(root, name):
    """Gives the instance something to delete."""
    root.instance(name, "Mount")
    (merged(name) / "written").touch()
    root.instance(name, "Unmount")


@pytest.mark.parametrize("state", ["queued", "running"])
@pytest.mark.parametrize("kinds", [k for k in EXPECTED if "instance" in k[0]], ids="-after-".join)
def test_two_jobs_on_one_instance(root, held, instance, gate, kinds, state):
    name, (kind, earlier_kind) = instance("alpha"), kinds
    gate.shut()
    write_something(root, name)
    with host_conf(root, "JobSlots=1" if state == "queued" else "JobSlots=16"):
        if state == "queued":
            held("plug")
        earlier = ask(root, earlier_kind, name)
        wait_state(root, earlier, state)
        assert meet(root, kind, name, earlier) == (EXPECTED[kinds][state == "running"], None)
        gate.open()
        make_room(root)
        assert root.wait_job(earlier)["State"] == "done"


def of_trash(root):
    jobs = [o["org.left4me.Host1.Job"] for o in root.objects().values() if "org.left4me.Host1.Job" in o]
    return [j for j in jobs if j["Kind"] == "empty-trash" and not j["FinishedAt"]]


def restart():
    run("systemctl", "restart", "left4me-hostd.service")


def test_on_different_subjects_all_kinds_go_beside_each_other(root, held, instance, overlay, maps, gate):
    """The emptying of the trash, which restarts ask for, is one job however often they do."""
    for name in ("alpha", "beta"):
        instance(name)
        write_something(root, name)
    overlay("old", "echo > file")
    overlay("cached", "echo > /cache/file")
    build_two(root, maps)
    gate.shut()
    with host_conf(root, "JobSlots=1"):
        plug = held("plug")
        plant_trash(1)
        for _ in range(2):
            restart()
            assert [j["State"] for j in of_trash(root)] == ["queued"]
        make_room(root)
        wait_for(lambda: [j["State"] for j in of_trash(root)] == ["running"])
        restart()
        first, = of_trash(root)
        jobs = [plug, path_of("job", first["Id"]), ask(root, "prune", maps),
                ask(root, "wipe-cache", "cached"), ask(root, "delete-overlay", "old"), ask(root, "reset-instance", "alpha"),
                ask(root, "delete-instance", "beta")]
        for job in jobs:
            wait_state(root, job, "running")
        assert len({root.get_all(job)["Kind"] for job in jobs}) == 7
        assert root.get_all(PATH)["RunningJobs"] == 7
        gate.open()
        go_on(root, "plug")
        assert {root.wait_job(job)["State"] for job in jobs} == {"done"}
    wait_quiet(root)
    assert root.get_all(PATH)["RunningJobs"] == 0
