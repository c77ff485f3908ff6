# SPDX-License-Identifier: LGPL-2.1-or-later
"""On the release's own kernel: the main job, overlayfs the way that this kernel has, and the limits of builds and
servers, felt: one goes beyond what it may have, and the server beside it still answers."""
import os
import pathlib
import re
import time

import pytest
from builds import ask_build, cache_dir, listener, wait_state  # noqa: F401
from conftest import build, delete_instance, delete_overlay, mounted, path_of, run, wait_for

from limits import SERVER, counts, group, slice_property, start, tell
from servers import dropin, heard, merged, overlay_paths, server_unit, until

KERNEL = tuple(int(n) for n in re.match(r"(\d+)\.(\d+)", os.uname().release).groups())
WAY = "descriptor" if KERNEL >= (6, 13) else "layer-name" if KERNEL >= (6, 8) else "options"
BUILDS, GAMES = "l4d2-build.slice", "l4d2-game.slice"

# The machine has not enough memory for the limits as they are. With less it is tried that they end what goes beyond
# them, and that nothing holds it up before.
LESS = "MemoryMax=96M"


@pytest.fixture(scope="module")
def game(root):
    """The overlay `game` has the server that answers."""
    job = build(root, "game", SERVER)
    assert job["State"] == "done", job


@pytest.fixture(scope="module")
def pair(root, game):
    """Instances and an overlay that all tests share, for each job takes its time here: `beside` runs all the while and
    must not notice anything, `bad` is what misbehaves."""
    root.manager("CreateOverlay", "('bad', 'script', @a{sv} {})")
    for name in ("beside", "bad"):
        root.manager("CreateInstance", f"('{name}', @a{{sv}} {{}})")
    with dropin("left4me-job-.service", "Service", LESS), dropin(server_unit("bad"), "Service", LESS):
        start(root, "beside")
        yield
    for name in ("beside", "bad"):
        delete_instance(root, name)
    delete_overlay(root, "bad")


@pytest.fixture
def beside(root, pair):
    pid = root.get("instance", "beside")["MainPID"]
    yield "beside"
    assert tell(root, "beside") is not None
    assert root.get("instance", "beside")["MainPID"] == pid, "it is the same server"


def test_built_started_asked_and_stopped(root, ada, overlay, instance, figure):
    names = ["upper", "lower"]
    for name in names:
        overlay(name, f"mkdir left4dead2; echo {name} > left4dead2/both.txt; echo > left4dead2/{name}.txt")
    instance("cycle", Overlays=overlay_paths(*names))
    start(ada, "cycle")
    shown = ada.get("instance", "cycle")
    assert [path for path, _ in shown["Layers"]] == [path_of("overlay", n) for n in [*names, "game"]], shown
    inside = pathlib.Path(f"/proc/{shown['MainPID']}/root{merged('cycle')}/left4dead2")
    assert (inside / "both.txt").read_text() == "upper\n", "the first wins"
    assert {"both.txt", "upper.txt", "lower.txt"} <= set(os.listdir(inside))
    figure(f"kernel {os.uname().release}: a server on layers by {WAY} answers in {tell(ada, 'cycle'):.3f} s")
    said = run("l4d2ctl", "status", "cycle", user="ada").stdout
    assert re.search(r"^ *Memory: [\d.]+[KMG] \(max: [\d.]+[KMG]\)$", said, re.M) and re.search(r"^ *CPU: [\d.]+\w", said, re.M), said
    ada.instance("cycle", "Stop")
    assert ada.get("instance", "cycle")["ActiveState"] == "inactive" and "cycle" not in mounted()


def test_layers_are_mounted_the_kernels_own_way(root):
    """Two hundred of them among others, and in another order."""
    features = [f for f in root.get_all("/org/left4me/Host1")["Features"] if f.startswith("overlay-")]
    assert features == [f"overlay-{WAY}"]
    programs = "/usr/src/left4me-build/tests/unit"
    said = run("env", f"G_TEST_BUILDDIR={programs}", f"{programs}/test-layers", "--tap", "-p", f"/layers/{WAY}").stdout
    ended = {name: (word, rest) for word, name, rest in re.findall(r"^(ok|not ok) \d+ (\S+)(.*)$", said, re.M)}
    assert {f"/layers/{WAY}/many", f"/layers/{WAY}/changed-order"} <= set(ended), said
    assert set(ended.values()) == {("ok", "")}, said


# Memory

EAT = "exec python3 -c 'hoard = [bytearray(2 ** 22) for _ in range(1000)]'"
MIB = 2 ** 20


def assert_limits(name, limit):
    directory = group(name)
    assert ((directory / "memory.high").read_text(), (directory / "memory.max").read_text()) == ("max\n", f"{limit}\n")


def test_build_that_eats_memory_is_killed(root, beside, figure):
    job = ask_build(root, "bad", "until [ -e /cache/go ]; do sleep 0.1; done; " + EAT)
    assert_limits(wait_state(root, job, "running")["Unit"], 96 * MIB)
    go = cache_dir(root, "bad") / "go"
    go.touch()
    slowest = 0
    while not root.get_all(job)["FinishedAt"]:
        slowest = max(slowest, tell(root, beside, seconds=60))
    go.unlink()
    ended = root.get_all(job)
    figure(f"beside a build that eats memory, a server's slowest answer took {slowest:.2f} s")
    assert (ended["State"], ended["Result"]) == ("failed", "oom-kill"), ended
    assert "memory" in ended["Message"], ended


def test_builds_have_a_limit_together(root, beside):
    half = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2
    assert abs(int((group(BUILDS) / "memory.max").read_text()) - half) < half // 50
    with slice_property(BUILDS, "MemoryMax=64M"):
        ended = root.wait_job(ask_build(root, "bad", EAT))
    assert (ended["State"], ended["Result"]) == ("failed", "oom-kill"), ended


def test_server_that_eats_memory_is_killed_and_comes_back(root, beside, listener):  # noqa: F811
    start(root, "bad")
    assert_limits(server_unit("beside"), 2048 * MIB)
    assert_limits(server_unit("bad"), 96 * MIB)
    assert tell(root, "bad", "eat") is not None
    _, told = heard(listener, "bad", 60, Result="oom-kill")
    assert "memory" in told["Message"], told
    shown = until(root, "bad", 60, ActiveState="active", NRestarts=1)
    assert (shown["Result"], shown["Message"], shown["Mounted"]) == ("success", "", True), shown
    wait_for(lambda: tell(root, "bad", seconds=0.5), 60, "its answer")
    root.instance("bad", "Stop")


# Tasks

# Quick and small, and what it makes sleeps: what is busy as well is tried below.
FORKS = """
perl -e 'while (defined($child = fork)) { $child or sleep }; sleep'
"""


def test_build_that_forks_without_end(root, beside):
    job = ask_build(root, "bad", FORKS)
    tasks = group(wait_state(root, job, "running")["Unit"])
    wait_for(lambda: counts(tasks, "pids.events")["max"], 120, "the limit of tasks")
    assert int((tasks / "pids.current").read_text()) == 512
    assert tell(root, beside) is not None
    root.raw(job, "org.left4me.Host1.Job", "Cancel", "(@a{sv} {},)")
    assert root.wait_job(job)["State"] == "cancelled"
    assert not tasks.exists(), "nothing of it is left"


def test_server_that_forks_without_end(root, beside):
    start(root, "bad")
    tasks = group(server_unit("bad"))
    assert tell(root, "bad", "fork") is not None
    wait_for(lambda: counts(tasks, "pids.events")["max"], 120, "the limit of tasks")
    assert int((tasks / "pids.current").read_text()) == 256
    assert tell(root, beside) is not None
    root.instance("bad", "Stop")
    assert root.get("instance", "bad")["ActiveState"] == "inactive" and not tasks.exists()


# Processors

def used(name):
    return counts(group(name), "cpu.stat")["usage_usec"]


def test_builds_take_what_servers_leave(root, beside, figure):
    start(root, "bad")
    status = pathlib.Path(f"/proc/{root.get('instance', 'bad')['MainPID']}/status")

    def allowed():
        return next(line.split()[1] for line in status.read_text().splitlines() if line.startswith("Cpus_allowed_list"))

    assert allowed() == "0-1"
    with slice_property(BUILDS, "AllowedCPUs=0"), slice_property(GAMES, "AllowedCPUs=0"):
        wait_for(lambda: allowed() == "0", what="a server on the processor of its slice")
        job = ask_build(root, "bad", "echo > /cache/begun; while :; do :; done")
        wait_for((cache_dir(root, "bad") / "begun").exists, 60, "the build's begin")
        alone = used(BUILDS)
        time.sleep(2)
        alone = used(BUILDS) - alone
        assert tell(root, "bad", "burn") is not None
        builds, games = used(BUILDS), used(GAMES)
        time.sleep(5)
        builds, games = used(BUILDS) - builds, used(GAMES) - games
        root.raw(job, "org.left4me.Host1.Job", "Cancel", "(@a{sv} {},)")
        assert root.wait_job(job)["State"] == "cancelled"
        root.instance("bad", "Stop")
    figure(f"one processor for a busy build and a busy server: {builds / 1e6:.2f} s and {games / 1e6:.2f} s of 5 s; "
           f"the build alone {alone / 1e6:.2f} s of 2 s")
    assert games > 10 * builds and alone > 3 * builds, "their weights are 10 and 1000"
