# SPDX-License-Identifier: LGPL-2.1-or-later
"""What builds may take of the disk, and how it is given back."""
import os
import pathlib
import threading
import time

import pytest
from builds import (HOLD, ask_build, build_now, cache_dir, current_dir, go_on, held, overlay_dir, trash,  # noqa: F401
                    wait_held, wait_quiet, wait_state)
from conftest import CHALLENGE, PATH, STATE, BusError, run, unit, wait_for
from servers import dropin, host_conf, settings
from test_recovery import kill_daemon


# The cache is wiped

def test_wipe_cache_empties_the_cache_alone(root, overlay):
    overlay("maps", "echo built > file; mkdir -p /cache/locked; echo kept | tee /cache/kept > /cache/locked/x; chmod 0 /cache/locked")
    before = root.get("overlay", "maps")
    job = root.wait_job(root.overlay("maps", "WipeCache")[0])
    assert (job["State"], job["Result"], job["Kind"]) == ("done", "success", "wipe-cache"), job
    assert not cache_dir(root, "maps").exists() and trash() == []
    assert root.get("overlay", "maps") == before
    job = root.wait_job(root.overlay("maps", "WipeCache")[0])
    assert job["State"] == "done", "where nothing is, nothing is to be done"
    job = build_now(root, "maps", "set -e; [ -z \"$(ls -A /cache)\" ]; echo again > /cache/kept; cp /previous/file .")
    assert job["State"] == "done", job
    run("l4d2ctl", "overlay", "wipe-cache", "maps")
    assert not cache_dir(root, "maps").exists()


def test_wipe_cache_waits_for_the_build_and_is_one_job(root, ada, otto, held):
    build = held("maps", "[ -e /cache/at-hold ] && echo built > built")
    wipe, = ada.overlay("maps", "WipeCache")
    assert root.overlay("maps", "WipeCache") == (wipe,)
    with pytest.raises(BusError) as caught:
        otto.overlay("maps", "WipeCache")
    assert caught.value.name == CHALLENGE
    assert root.get_all(wipe)["State"] == "queued" and len(root.get_all(wipe)["Requesters"]) == 2
    cache_dir(root, "maps").joinpath("go-on").touch()  # at-hold stays
    assert root.wait_job(build)["State"] == "done"
    assert root.wait_job(wipe)["State"] == "done"
    assert not cache_dir(root, "maps").exists()


# Limits of builds

def ends_by_limit(root, name, script, *words, seconds=60):
    """Builds what goes over a limit; returns the job."""
    before = root.get("overlay", name)["Generation"]
    job = build_now(root, name, script, seconds)
    assert (job["State"], job["Result"]) == ("failed", "disk-limit"), job
    assert all(word in job["Message"] for word in words), job
    assert root.get("overlay", name)["Generation"] == before, "the current generation stays"
    wait_quiet(root)
    assert units_of(job) == [] and trash() == []
    return job


def units_of(job):
    out = run("systemctl", "list-units", "--all", "--plain", "--no-legend", f"left4me-job-{job['Id']}*").stdout
    return [line.split()[0] for line in out.splitlines()]


class Largest(threading.Thread):
    """Looks all the time at how much there is on disk of a directory; `bytes` is the most that there was."""

    def __init__(self, path):
        super().__init__(daemon=True)
        self.path, self.bytes, self.stops = path, 0, threading.Event()

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_error):
        self.stops.set()
        self.join()

    def run(self):
        while not self.stops.wait(0.05):
            out = run("du", "--summarize", "--block-size=1", self.path, check=False).stdout
            self.bytes = max(self.bytes, int(out.split()[0]) if out else 0)


WRITE = """
echo begun > /overlay/file
for n in $(seq 20); do head --bytes=8M /dev/zero > {0}/$n; sleep 0.1; done
sleep 60
"""


def test_a_build_that_writes_too_much_is_stopped(root, overlay, figure):
    overlay("maps", "echo first > file")
    root.overlay("maps", "Configure", settings(SizeLimit="uint64 67108864"))
    with Largest(overlay_dir(root, "maps")) as largest:
        ends_by_limit(root, "maps", WRITE.format("/overlay"), 'SizeLimit of overlay "maps" is 64M', "M of the disk")
    figure(f"a build with a limit of 64 MiB that writes 80 MiB/s had {largest.bytes >> 20} MiB when it was stopped")
    assert largest.bytes > 64 << 20
    assert (current_dir(root, "maps") / "file").read_text() == "first\n"


def test_many_writers_at_once_are_stopped(root, overlay, figure):
    overlay("maps", built=False)
    root.overlay("maps", "Configure", settings(SizeLimit="uint64 67108864"))
    script = "trap '' TERM; for n in $(seq 50); do (setsid bash -c \"for k in {1..40}; do head --bytes=1M /dev/zero > $n-\\$k; sleep 0.2; done\" &) done; wait; sleep 60"
    with Largest(overlay_dir(root, "maps")) as largest:
        ends_by_limit(root, "maps", script, "SizeLimit")
    figure(f"50 processes that write 250 MiB/s against a limit of 64 MiB had {largest.bytes >> 20} MiB")


def test_too_many_files(root, overlay):
    overlay("maps", built=False)
    with host_conf(root, "BuildFileLimit=500"):
        ends_by_limit(root, "maps", "touch {1..400}; mkdir d{1..400}; sleep 60",
                      "BuildFileLimit of host.conf is 500", "501 files, links and directories")
        root.overlay("maps", "Configure", settings(FileLimit="uint64 1000"))
        job = build_now(root, "maps", "touch {1..400}; mkdir d{1..400}; sleep 3")
        assert job["State"] == "done", job
        root.overlay("maps", "Configure", settings(FileLimit="uint64 399"))
        ends_by_limit(root, "maps", "touch {1..400}; sleep 60", 'FileLimit of overlay "maps" is 399')


HIDDEN = """
mkdir -p a/b; head --bytes=3M /dev/zero > a/b/c; chmod 0 a/b/c a/b; chmod 0300 a; sleep 60
"""
DEEP = """
cat > p.py <<'END'
import os
for n in range(600):
    os.mkdir("d")
    os.chdir("d")
with open("file", "wb") as file:
    file.write(bytes(3 << 20))
END
python3 p.py; sleep 60
"""


@pytest.mark.parametrize("script", [HIDDEN, DEEP], ids=["hidden", "deep"])
def test_what_a_build_hides_counts(root, overlay, script):
    overlay("maps", built=False)
    root.overlay("maps", "Configure", settings(SizeLimit="uint64 2097152" if script == HIDDEN else "uint64 4194304"))
    ends_by_limit(root, "maps", script, "SizeLimit")


# Sees by inotify(7) which directory is read, in which order, and what it hides is never in one that is still to come.
EVADE = """
cat > /cache/p.py <<'END'
import ctypes, os, select, struct
libc = ctypes.CDLL(None)
watch = libc.inotify_init()
names = {}
for n in range(200):
    os.mkdir(str(n))
    for k in range(50):
        os.close(os.open(f"{n}/{k}", os.O_CREAT | os.O_WRONLY))
    names[libc.inotify_add_watch(watch, str(n).encode(), 0x20)] = str(n)  # IN_OPEN

def walk():
    order = []
    while not order or select.select([watch], [], [], 0.5)[0]:
        events = os.read(watch, 4096)
        while events:
            wd, _, _, size = struct.unpack_from("iIII", events)
            events = events[16 + size:]
            order.append(names[wd])
            if hidden and len(order) == 2:
                move(order[0])
    return order

def move(place):
    global hidden
    if hidden != place:
        os.rename(hidden + "/hidden", place + "/hidden")
        hidden = place

hidden = None
last = walk()[-1]
os.mkdir(last + "/hidden")
hidden = last
for n in range(8):
    with open(f"{hidden}/hidden/{n}", "wb") as file:
        file.write(bytes(16 << 20))
for n in range(3):
    move(walk()[-1])
    print(f"outlived {n + 1} counts", flush=True)
open("/cache/outlived", "w").close()
END
python3 /cache/p.py; sleep 60
"""


def test_nothing_is_moved_past_the_watcher(root, overlay):
    overlay("maps", built=False)
    root.overlay("maps", "Configure", settings(SizeLimit="uint64 33554432"))
    ends_by_limit(root, "maps", EVADE, "SizeLimit")
    assert not (cache_dir(root, "maps") / "outlived").exists()


@pytest.mark.parametrize("place", ["/tmp", "/var/tmp"])
def test_a_build_has_no_other_place_on_the_disk(root, overlay, place):
    overlay("maps", built=False)
    job = build_now(root, "maps", f"stat --file-system --format=%T {place} > kind; stat --format=%m {place} > mount; echo > {place}/file")
    assert job["State"] == "done", job
    made = current_dir(root, "maps")
    assert ((made / "kind").read_text(), (made / "mount").read_text()) == ("tmpfs\n", place + "\n")


def test_a_file_that_is_too_long(root, overlay):
    overlay("maps", built=False)
    with host_conf(root, "BuildSizeLimit=1M"):
        ends_by_limit(root, "maps", "truncate --size=2M file", "longer than 1M", "BuildSizeLimit of host.conf")
        ends_by_limit(root, "maps", "exec truncate --size=2M file", "longer than 1M", "BuildSizeLimit of host.conf")
        job = build_now(root, "maps", "truncate --size=2M file; truncate --size=1M file")
        assert job["State"] == "done", "a script may go on after that"


def test_what_was_written_since_the_watcher_looked_counts_too(root, overlay):
    overlay("maps", built=False)
    with host_conf(root, "BuildSizeLimit=2M", "CacheSizeLimit=2M"):
        ends_by_limit(root, "maps", "sleep 0.5; head --bytes=1500K /dev/zero | tee a > b", "BuildSizeLimit of host.conf is 2M")
        ends_by_limit(root, "maps", "sleep 0.5; head --bytes=1500K /dev/zero | tee /cache/a > /cache/b", "CacheSizeLimit")


def test_a_cache_that_grows_too_large(root, overlay):
    overlay("maps", built=False)
    with host_conf(root, "CacheSizeLimit=64M"):
        ends_by_limit(root, "maps", WRITE.format("/cache"), "CacheSizeLimit of host.conf is 64M", "WipeCache")
        # It is too large still, until somebody empties it or lets it be larger. The watcher may end before the script starts.
        for _ in range(5):
            ends_by_limit(root, "maps", "echo built > file; sleep 60", "CacheSizeLimit")
        assert root.wait_job(root.overlay("maps", "WipeCache")[0])["State"] == "done"
        assert build_now(root, "maps", "echo built > file")["State"] == "done"


def test_the_defaults_are_shown(root):
    now = root.get_all(PATH)
    assert (now["BuildSizeLimit"], now["BuildFileLimit"], now["CacheSizeLimit"], now["KeepFree"]) == (
        20 << 30, 1000000, 20 << 30, 1 << 30)
    assert "20.0G and 1000000 files a build, 20.0G a cache, 1.0G stay free" in run("l4d2ctl", "status").stdout


def test_limits_by_l4d2ctl(root, overlay):
    overlay("maps", built=False)
    run("l4d2ctl", "overlay", "configure", "maps", "SizeLimit=3G", "FileLimit=77")
    now = root.get("overlay", "maps")
    assert (now["SizeLimit"], now["FileLimit"]) == (3 << 30, 77)
    shown = run("l4d2ctl", "overlay", "show", "maps").stdout
    assert "3.0G" in shown and "77" in shown
    for bad in ("3GB", "G", "1.5G", "99999999999T", "-1"):
        assert run("l4d2ctl", "overlay", "configure", "maps", f"SizeLimit={bad}", check=False).returncode == 2, bad
    run("l4d2ctl", "overlay", "configure", "maps", "SizeLimit=0", "FileLimit=0")
    assert root.get("overlay", "maps")["SizeLimit"] == 0


# Free space

def free():
    facts = os.statvfs(STATE)
    return facts.f_bavail * facts.f_frsize


def test_builds_leave_space_free(root, overlay, held):
    held("maps")
    with host_conf(root, f"KeepFree={free() + (4 << 30)}"):
        with pytest.raises(BusError) as caught:
            ask_build(root, "maps")
        assert caught.value.short == "NoSpace" and "KeepFree" in caught.value.message
        go_on(root, "maps")  # began before
        assert root.wait_job(root.get("overlay", "maps")["LastJob"])["State"] == "done"
        assert root.wait_job(root.overlay("maps", "WipeCache")[0])["State"] == "done", "deletions always go"


def test_space_that_went_away_while_a_build_was_queued(root, held):
    first = held("maps")
    queued = ask_build(root, "maps")
    with host_conf(root, f"KeepFree={free() + (4 << 30)}"):
        go_on(root, "maps")
        assert root.wait_job(first)["State"] == "done"
        job = root.wait_job(queued)
        assert (job["State"], job["Result"]) == ("failed", "disk-limit") and "KeepFree" in job["Message"], job


def test_space_that_goes_away_ends_a_build(root, held):
    """What eats the space here is the test; 256 MiB of slack are for everybody else on this disk."""
    eaten = STATE / "eaten"
    with host_conf(root, f"KeepFree={free() - (256 << 20)}"):
        job = held("maps")
        try:
            run("fallocate", "--length=1G", eaten)
            ended = root.wait_job(job)
        finally:
            eaten.unlink(missing_ok=True)
    assert (ended["State"], ended["Result"]) == ("failed", "disk-limit"), ended
    assert "KeepFree" in ended["Message"] and "of the disk free" in ended["Message"], ended


# The watcher itself

def watcher_of(job):
    return f"left4me-job-{job['Id']}-watch.service"


@pytest.mark.parametrize("signal", ["SIGKILL", "SIGTERM"])
def test_no_build_goes_on_unwatched(root, held, signal):
    job = root.get_all(held("maps"))
    facts = unit(watcher_of(job), "User", "MainPID", "PrivateNetwork", "BindReadOnlyPaths", "BindPaths")
    assert facts["User"] == "l4d2-sandbox-watch" and facts["PrivateNetwork"] == "yes" and facts["BindPaths"] == ""
    run("systemctl", "kill", f"--signal={signal}", watcher_of(job))
    ended = root.wait_job(root.get("overlay", "maps")["LastJob"])
    assert (ended["State"], ended["Result"]) == ("failed", "watcher") and watcher_of(job) in ended["Message"], ended
    wait_quiet(root)
    assert units_of(job) == []


def freeze(name):
    """As its watcher does while it counts."""
    roots = [top for top in ("/sys/fs/cgroup/unified", "/sys/fs/cgroup") if os.path.exists(top + "/cgroup.procs")]
    group = pathlib.Path(roots[0] + unit(name, "ControlGroup")["ControlGroup"])
    (group / "cgroup.freeze").write_text("1")
    wait_for(lambda: "frozen 1" in (group / "cgroup.events").read_text(), 20, "the build to be held")


@pytest.mark.parametrize("how", ["cancelled", "unwatched"])
def test_a_build_that_is_held_still_can_be_ended(root, held, how):
    job = root.get_all(held("maps"))
    run("systemctl", "kill", "--signal=SIGSTOP", watcher_of(job))  # or it would let it go on after its next look
    freeze(job["Unit"])
    if how == "cancelled":
        root.job(job["Id"], "Cancel")
    else:
        run("systemctl", "kill", "--signal=SIGKILL", watcher_of(job))
    ended = root.wait_job(root.get("overlay", "maps")["LastJob"])
    assert (ended["State"], ended["Result"]) == (
        ("cancelled", "cancelled") if how == "cancelled" else ("failed", "watcher")), ended
    wait_quiet(root)
    assert units_of(job) == []


def test_a_build_is_watched_while_the_service_is_not_there(root, overlay):
    """It is stopped at once, by systemd, and what ended it is known afterwards."""
    overlay("maps", built=False)
    root.overlay("maps", "Configure", settings(SizeLimit="uint64 67108864"))
    path = ask_build(root, "maps", WRITE.format("/overlay"))
    job = wait_state(root, path, "running")
    wait_for(lambda: (overlay_dir(root, "maps") / "1/2").exists(), 20, "its first files")
    with dropin("left4me-hostd.service", "Service", "Restart=no"):
        run("systemctl", "kill", "--signal=SIGKILL", "left4me-hostd.service")
        wait_for(lambda: unit(f"left4me-job-{job['Id']}.service", "SubState")["SubState"] in ("dead", "failed"), 30, "the end of the build")
        assert unit(watcher_of(job), "ExecMainStatus")["ExecMainStatus"] == "70"
        run("systemctl", "reset-failed", "left4me-hostd.service")
        run("systemctl", "start", "left4me-hostd.service")
    ended = root.wait_job(path)
    assert (ended["State"], ended["Result"]) == ("failed", "disk-limit") and "SizeLimit" in ended["Message"], ended
    wait_quiet(root)
    assert units_of(job) == []


def test_a_build_is_watched_on_when_the_service_comes_back(root, overlay):
    overlay("maps", built=False)
    root.overlay("maps", "Configure", settings(SizeLimit="uint64 2097152"))
    path = ask_build(root, "maps", HOLD + "head --bytes=3M /dev/zero > large; sleep 60")
    wait_held(root, "maps")
    job = root.get_all(path)
    before = unit(watcher_of(job), "MainPID")
    kill_daemon()
    assert before == unit(watcher_of(job), "MainPID") and root.get_all(path)["State"] == "running"
    go_on(root, "maps")
    ended = root.wait_job(path)
    assert (ended["State"], ended["Result"]) == ("failed", "disk-limit") and "too much of the disk" in ended["Message"], ended
    wait_quiet(root)
    assert units_of(job) == []


def test_to_count_many_files_costs_little(root, overlay, figure):
    overlay("maps", built=False)
    script = "mkdir {1..200}; touch {1..200}/{1..99}; echo > /cache/made; sleep 600"
    path = ask_build(root, "maps", script)
    wait_for((cache_dir(root, "maps") / "made").exists, 60, "20000 files")
    pid = unit(watcher_of(root.get_all(path)), "MainPID")["MainPID"]

    def cpu():
        words = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")

    before, began = cpu(), time.monotonic()
    time.sleep(6.2)
    share = (cpu() - before) / (time.monotonic() - began)
    figure(f"to watch a build of 20000 files took {share:.1%} of a processor")
    root.job(root.get_all(path)["Id"], "Cancel")
    assert share < 0.3
    assert root.wait_job(path)["State"] == "cancelled"
