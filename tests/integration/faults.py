# SPDX-License-Identifier: LGPL-2.1-or-later
"""The scenarios of the crash matrix, whose rows are in faultrows.py, and what must be so when all has settled. A scenario
is one call and all that comes of it."""
import contextlib
import os
import pathlib
import re
import signal
import sqlite3
import subprocess
import time

from builds import HOLD, STAGING, cache_dir, go_on, jobs_of, set_script, trash, tree_digest, wait_held
from conftest import (IFACE, PATH, SMALL_GAME, STATE, BusError, build, daemon_pid, delete_instance, delete_overlay, path_of,
                      run, unit, wait_for)
from servers import merged, mount_unit, overlay_paths, server_unit

FAULT = pathlib.Path("/run/left4me/fault")
HOSTD = "left4me-hostd.service"
REPORTS = pathlib.Path("/var/log/sanitizer")


def listed_points():
    """Every point that daemon/fault.h has."""
    header = pathlib.Path(__file__).parents[2] / "daemon/fault.h"
    return re.findall(r"^ +X\(([A-Z_]+)\)", header.read_text(), re.MULTILINE)


# The service, halted and killed

def arm(point, action, count=1):
    """action: kill or stop the service there, or wait: the thread that comes there, until the file FAULT is there again.
    Under another name first: the service may look at any time."""
    new = FAULT.with_suffix(".new")
    new.write_text(f"{point} {action} {count}\n")
    new.rename(FAULT)


def wait_struck(point):
    wait_for(lambda: not FAULT.exists(), 20, f"{point}, that the service comes there")


def is_halted(pid):
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "T"
    except FileNotFoundError:
        return False


def start_service(root):
    """At once, as systemd alone would wait for RestartSec; and until it answers, as the one that was killed may be dying
    still."""
    def answers():
        run("systemctl", "start", HOSTD, check=False)  # which fails where it waits for the one that is killed
        with contextlib.suppress(BusError):
            return root.get_all(PATH)
    wait_for(answers)


def complaints():
    """What the service in its present life should never have said: of mistakes in it, and what sanitizers report of any
    program."""
    life = unit(HOSTD, "InvocationID")["InvocationID"]
    lines = run("journalctl", "--no-pager", "--output=cat", f"_SYSTEMD_INVOCATION_ID={life}").stdout.splitlines()
    return [line for line in lines if re.search(r"-CRITICAL|ERROR:|GLib|Nobody has taken", line)] + sorted(map(str, REPORTS.glob("*")))


# What is right when nothing is left to do

def has_ended(root):
    jobs = [o[IFACE + ".Job"] for o in root.objects().values() if IFACE + ".Job" in o]
    return all(j["FinishedAt"] for j in jobs)


def store_rows(question):
    with contextlib.closing(sqlite3.connect(f"file:{STATE}/host.db?mode=ro", uri=True)) as store:
        return store.execute(question).fetchall()


def mount_table():
    return [line.split()[4] for line in pathlib.Path("/proc/1/mountinfo").read_text().splitlines()]


def names_in(directory):
    return sorted(p.name for p in directory.iterdir() if not p.name.startswith("."))


def find_disorder_of_jobs(root, objects):
    units = run("systemctl", "list-units", "--all", "--plain", "--no-legend", "left4me-job-*").stdout
    yield units == "", f"units of jobs: {units}"
    yield not list(STAGING.iterdir()), "something is staged"
    yield not any("/staging/" in place for place in mount_table()), "staging is mounted"
    yield trash() == [], f"trash: {trash()}"
    root.manager("Reload", "(@a{sv} {},)")
    unknown = root.get_all(PATH)["UnknownDirectories"]
    yield not unknown, f"directories that nobody knows: {unknown}"
    shown = {o[IFACE + ".Job"]["Id"]: o[IFACE + ".Job"]["State"] for o in objects.values() if IFACE + ".Job" in o}
    yield shown == dict(store_rows("SELECT id, state FROM job")), "jobs in the store are not those on the bus"
    yield not {"queued", "running"} & set(shown.values()), f"jobs that do not end: {shown}"


def find_disorder_of_overlays(root, objects):
    overlays = {o[IFACE + ".Overlay"]["Id"]: o[IFACE + ".Overlay"] for o in objects.values() if IFACE + ".Overlay" in o}
    stored = store_rows("SELECT id, generation FROM overlay")
    yield {number: o["Generation"] for number, o in overlays.items()} == dict(stored), f"overlays in the store: {stored}"
    for tree in ("overlays", "cache"):
        unknown = set(names_in(STATE / tree)) - {str(number) for number in overlays}
        yield not unknown, f"orphans in {tree}: {unknown}"
    for number, overlay in overlays.items():
        directory = STATE / f"overlays/{number}"
        on_disk = names_in(directory) if directory.exists() else []
        known = sorted(str(g[0]) for g in overlay["Generations"])
        yield on_disk == known, f"{overlay['Name']} has {on_disk} on disk, {known} in the store"
        digests = {g[0]: g[3] for g in overlay["Generations"]}
        if overlay["Generation"] and not overlay["Name"].startswith("bulk"):
            yield (digests[overlay["Generation"]] == overlay["Digest"] ==
                   tree_digest(directory / str(overlay["Generation"]))[0]), f"{overlay['Name']} is not what its digest says"


def find_disorder_of_instances(root, objects):
    instances = {o[IFACE + ".Instance"]["Name"]: o[IFACE + ".Instance"] for o in objects.values() if IFACE + ".Instance" in o}
    rows = {name: (bool(enabled), bool(by_hand)) for name, enabled, by_hand in
            store_rows("SELECT name, enabled, mounted_by_hand FROM instance")}
    yield set(rows) == set(instances), f"instances in the store: {set(rows)}"
    for tree in ("instances", "runtime"):
        unknown = set(names_in(STATE / tree)) - set(instances)
        yield not unknown, f"orphans in {tree}: {unknown}"
    links = names_in(pathlib.Path("/etc/systemd/system/multi-user.target.wants"))
    links = {link[len("left4me-server@"):-len(".service")] for link in links if link.startswith("left4me-server@")}
    yield links == {name for name, (enabled, _) in rows.items() if enabled}, f"links: {links}, store: {rows}"
    for name, shown in instances.items():
        state, mount = unit(server_unit(name), "ActiveState", "Job"), unit(mount_unit(name), "ActiveState")["ActiveState"]
        server = state["ActiveState"]
        yield not int(state.get("Job") or 0), f"{name} is {server} and has a job of systemd's"
        times = mount_table().count(str(merged(name)))
        yield shown["ActiveState"] == server, f"{name} is {server} in systemd, {shown['ActiveState']} on the bus"
        yield server in ("active", "inactive", "failed") and mount in ("active", "inactive", "failed"), f"{name}: {server}, {mount}"
        yield times == int(shown["Mounted"]) == int(mount == "active" or rows[name][1]), f"{name}: {mount}, mounted {times} times"
        layers = store_rows(f"SELECT count(*) FROM instance_layer WHERE instance = '{name}'")[0][0]
        yield len(shown["Layers"]) == layers and bool(layers) == bool(times), f"{name}: {layers} layers in the store"
        left = [p.name for p in (STATE / "instances" / name).glob("*") if p.name not in ("instance.env", "config")]
        yield not left, f"left over in instances/{name}: {left}"


def find_disorder(root):
    """What is not as it must be when nothing is left to do, or None."""
    if not has_ended(root):
        return "jobs are at work"
    objects = root.objects()
    for find in (find_disorder_of_jobs, find_disorder_of_overlays, find_disorder_of_instances):
        for is_right, words in find(root, objects):
            if not is_right:
                return words
    return None


def assert_settled(root, seconds=30, outcome=None):
    """After all that may have happened: store, systemd, kernel, disk and the objects on the bus agree, the current
    generation of each overlay is what its digest says, and nothing is left over.
    outcome: (what `look` gives, what it may give). All may be at rest for an instant, between two steps."""
    end = time.monotonic() + seconds
    while (said := find_disorder(root)) or (outcome and (said := outcome[0]()) not in outcome[1]):
        assert time.monotonic() < end, f"it does not settle: {said}"
        time.sleep(0.1)
    assert unit(HOSTD, "ActiveState")["ActiveState"] == "active"


# Scenarios. Each has: prepare, which leaves everything at rest and gives what `look` compares with; begin, for what is at
# work before the point is armed; act, which asks for what comes to the point, and does not wait; go_on, what the service needs to come to an end after it was killed; look, which says in one word how
# it came out.

class Scenario:
    first = None  # a point at which the service is killed once before: the rows are about its successor

    def prepare(self, root):
        raise NotImplementedError

    def begin(self, root):
        pass

    def act(self, client):
        raise NotImplementedError

    def go_on(self, root):
        pass

    def look(self, root, before):
        raise NotImplementedError


def call(client, kind, name, member):
    client.begin("act", client.question(path_of(kind, name), f"{IFACE}.{kind.capitalize()}", member, "(@a{sv} {},)"))


def is_there(root, kind, name):
    return path_of(kind, name) in root.objects()


class Build(Scenario):
    """A build of an overlay that keeps one generation, so that the former one is deleted after it.
    same: nothing was asked. +1, +2: done, with a number for each turn. failed, cancelled, interrupted: as it was."""
    script = "for i in {1..5}; do echo $RANDOM > $i; done"
    size_limit = 0

    def prepare(self, root):
        if not is_there(root, "overlay", "fault"):
            assert build(root, "fault", "echo first > file")["State"] == "done"
        root.overlay("fault", "Configure", f"({{'KeepGenerations': <uint32 1>, 'SizeLimit': <uint64 {self.size_limit}>}},)")
        set_script(root, "fault", self.script)
        (current, following), = store_rows("SELECT generation, next_generation FROM overlay WHERE name = 'fault'")
        return {"current": current, "next": following,
                "builds": [j["Id"] for j in jobs_of(root, "fault", "build")]}

    def act(self, client):
        call(client, "overlay", "fault", "Build")

    def look(self, root, before):
        now = root.get("overlay", "fault")
        jobs = [j for j in jobs_of(root, "fault", "build") if j["Id"] not in before["builds"]]
        assert len(jobs) <= 1, jobs
        is_same = now["Generation"] == before["current"]
        if jobs and jobs[0]["State"] != "done":
            assert is_same and now["State"] == "failed" and jobs[0]["Message"], (now, jobs)
            return jobs[0]["State"]
        assert is_same == (not jobs) and (not jobs or now["State"] == "ready"), (now, jobs)
        return "same" if is_same else f"+{now['Generation'] - before['next'] + 1}"


class FailedBuild(Build):
    script = "echo half > file; exit 3"


class LargeBuild(Build):
    """It goes over its limit, and its watcher ends it."""
    script = "for i in {1..10}; do head --bytes=500K /dev/zero > $i; done; sleep 60"
    size_limit = 1 << 20

    def look(self, root, before):
        state = super().look(root, before)
        assert state != "failed" or jobs_of(root, "fault", "build")[-1]["Result"] == "disk-limit"
        return state


class Import(Scenario):
    """An archive, held by the service until the unit that unpacks it has it: not kept over its end before that."""

    def prepare(self, root):
        if not is_there(root, "overlay", "fault-files"):
            root.manager("CreateOverlay", "('fault-files', 'files', @a{sv} {})")
        run("bash", "-ec", "cd /tmp; echo $RANDOM$RANDOM > fault-file; tar -cf fault.tar fault-file")
        before = root.get("overlay", "fault-files")
        return {"current": before["Generation"], "imports": len(jobs_of(root, "fault-files", "import"))}

    def act(self, client):
        with subprocess.Popen(["setsid", "--fork", "l4d2ctl", "--no-wait", "overlay", "import", "fault-files", "/tmp/fault.tar"],
                              stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL):
            pass

    def look(self, root, before):
        jobs = jobs_of(root, "fault-files", "import")
        is_same = root.get("overlay", "fault-files")["Generation"] == before["current"]
        state = jobs[-1]["State"] if len(jobs) > before["imports"] else "same"
        assert is_same == (state != "done"), (state, jobs)
        return state


class UnchangedBuild(Build):
    """What it yields is current already, and is not published."""
    script = "echo first > file"

    def prepare(self, root):
        super().prepare(root)
        assert root.wait_job(root.overlay("fault", "Build")[0])["State"] == "done"
        return super().prepare(root)

    def look(self, root, before):
        job = jobs_of(root, "fault", "build")[-1]
        assert job["Id"] not in before["builds"] and root.get("overlay", "fault")["Generation"] == before["current"]
        return "same" if job["State"] == "done" else job["State"]


class Wipe(Build):
    """An empty generation, which takes no job."""

    def prepare(self, root):
        super().prepare(root)
        assert root.wait_job(root.overlay("fault", "Build")[0])["State"] == "done"
        return super().prepare(root)

    def act(self, client):
        call(client, "overlay", "fault", "Wipe")

    def look(self, root, before):
        now = root.get("overlay", "fault")["Generation"]
        return "same" if now == before["current"] else f"+{now - before['next'] + 1}"


class HeldBuild(Build):
    """One that waits before the point is armed."""

    def begin(self, root):
        set_script(root, "fault", HOLD + self.script)
        (cache_dir(root, "fault") / "at-hold").unlink(missing_ok=True)
        root.overlay("fault", "Build")
        wait_held(root, "fault")


class CancelledBuild(HeldBuild):

    def act(self, client):
        call(client, "job", jobs_of(client, "fault", "build")[-1]["Id"], "Cancel")


class ResumedBuild(HeldBuild):
    """The service is killed in a build, and its successor while it takes the build up."""

    def act(self, client):
        os.kill(daemon_pid(), signal.SIGKILL)

    def go_on(self, root):
        go_on(root, "fault")


class RequeuedBuild(Build):
    """The service is killed before the unit has begun, and its successor in giving the build its turn again."""
    first = "STAGE_ENDED"


class DeleteOverlay(Scenario):
    """there: nothing was asked; gone."""

    def prepare(self, root):
        if not is_there(root, "overlay", "fault-go"):
            assert build(root, "fault-go", "mkdir d; echo some > d/file; echo > /cache/kept")["State"] == "done"

    def act(self, client):
        call(client, "overlay", "fault-go", "Delete")

    def look(self, root, before):
        return "there" if is_there(root, "overlay", "fault-go") else "gone"


class Start(Scenario):
    """down: as it was. wished: it will start at boot. up: it runs."""
    settings = ""

    def prepare(self, root):
        if not is_there(root, "overlay", "game"):
            assert build(root, "game", SMALL_GAME)["State"] == "done"
        delete_instance(root, "fault")
        root.manager("CreateInstance", f"('fault', @a{{sv}} {{{self.settings}}})")

    def act(self, client):
        call(client, "instance", "fault", "Start")

    def look(self, root, before):
        now = root.get("instance", "fault")
        words = {(False, "inactive", False): "down", (True, "inactive", False): "wished", (True, "active", True): "up",
                 (False, "active", True): "running", (False, "inactive", True): "mounted", (True, "failed", False): "failed",
                 (False, "failed", False): "down"}
        return words.get((now["Enabled"], now["ActiveState"], now["Mounted"]), str(now))


class FailedStart(Start):
    """The game cannot be executed. failed: it was tried, and is wished still."""
    settings = f"'Overlays': <{overlay_paths('broken')}>"

    def prepare(self, root):
        if not is_there(root, "overlay", "broken"):
            assert build(root, "broken", "echo '#!/nowhere' > srcds_run; chmod 755 srcds_run")["State"] == "done"
        super().prepare(root)
        once = pathlib.Path("/etc/systemd/system/left4me-server@fault.service.d/once.conf")  # goes with the instance
        wait_for(lambda: not once.parent.exists(), what="the end of the former one's")
        once.parent.mkdir()
        once.write_text("[Service]\nRestart=no\n")
        run("systemctl", "daemon-reload")


class Stop(Start):
    """running: it will not start at boot, but goes on until somebody stops it."""

    def prepare(self, root):
        super().prepare(root)
        root.instance("fault", "Start")

    def act(self, client):
        call(client, "instance", "fault", "Stop")


class Restart(Stop):

    def act(self, client):
        call(client, "instance", "fault", "Restart")


class OutdatedRestart(Restart):
    """Restart takes up what was configured, and the mount with it."""

    def prepare(self, root):
        super().prepare(root)
        root.instance("fault", "Configure", "({'Arguments': <['+other']>},)")


class MountByHand(Start):
    """A mount that a person asked for: kept over the service's end, and taken by the host's."""

    def act(self, client):
        call(client, "instance", "fault", "Mount")


class UnmountByHand(Start):

    def prepare(self, root):
        super().prepare(root)
        root.instance("fault", "Mount")

    def act(self, client):
        call(client, "instance", "fault", "Unmount")


class Reset(Start):
    """written: what the server wrote is there still; empty: it is gone."""
    member = "Reset"

    def prepare(self, root):
        super().prepare(root)
        root.instance("fault", "Mount")
        (merged("fault") / "written").write_text("by the server")
        root.instance("fault", "Unmount")

    def act(self, client):
        call(client, "instance", "fault", self.member)

    def look(self, root, before):
        if not is_there(root, "instance", "fault"):
            return "gone"
        return "written" if (STATE / "runtime/fault/layers/upper/written").exists() else "empty"


class DeleteInstance(Reset):
    member = "Delete"


SCENARIOS = {c.__name__: c() for c in (
    Build, Import, FailedBuild, LargeBuild, UnchangedBuild, Wipe, CancelledBuild, ResumedBuild, RequeuedBuild, DeleteOverlay,
    Start, FailedStart, Stop, Restart, OutdatedRestart, MountByHand, UnmountByHand, Reset, DeleteInstance)}


def strike(root, row, action):
    """Brings the service to the row's point, where it is killed or halts. Returns: what `look` compares with."""
    scenario = SCENARIOS[row.scenario]
    before = scenario.prepare(root)
    wait_for(lambda: has_ended(root), 20, "the end of earlier jobs")
    scenario.begin(root)
    if scenario.first:
        arm(scenario.first, "kill")
        scenario.act(root)
        wait_struck(scenario.first)
        arm(row.point, action, row.count)
        run("systemctl", "start", "--no-block", HOSTD)
    else:
        arm(row.point, action, row.count)
        scenario.act(root)
    wait_struck(row.point)
    if action == "stop":
        wait_for(lambda: is_halted(daemon_pid()), what=f"{row.point}, that the service halts there")
    return before


def go_on_from_halt():
    os.kill(daemon_pid(), signal.SIGCONT)


def clean_up(root):
    FAULT.unlink(missing_ok=True)
    delete_instance(root, "fault")
    for job in jobs_of(root, "fault", "build"):
        if not job["FinishedAt"]:
            root.job(job["Id"], "Cancel")
    for name in ("fault", "fault-files", "fault-go", "broken"):
        delete_overlay(root, name)
