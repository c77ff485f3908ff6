# SPDX-License-Identifier: LGPL-2.1-or-later
"""Random calls of every method, as those who may nothing and as root. A few in a check; `tests/host fuzz` makes as many as it
is told to."""
import contextlib
import pathlib
import sqlite3
import time

import pytest

from busfuzz import Fuzz, Wire
from builds import wait_quiet
from conftest import IFACE, STATE, BusError, delete_instance, delete_overlay, path_of, unit
from faults import HOSTD, assert_settled, complaints, mount_table
from servers import overlay_paths

INSTANCES = ["fuzz-one", "fuzz-two"]
OVERLAYS = ["fuzz-base", "fuzz-files", "fuzz-other"]
WORDS = ["fuzz-new", "script", "files"]


def service():
    """What changes when the service ends or begins, and what it should not have said."""
    return {**unit(HOSTD, "MainPID", "NRestarts", "InvocationID"), "complaints": complaints()}


def store_dump():
    with contextlib.closing(sqlite3.connect(f"file:{STATE}/host.db?mode=ro", uri=True)) as store:
        return list(store.iterdump())


def files():
    """path -> what a change of it changes; the store has its own look."""
    found = {}
    for top in (STATE, pathlib.Path("/etc/left4me"), pathlib.Path("/run/left4me"), pathlib.Path("/etc/systemd/system")):
        for place in [top, *top.rglob("*")]:
            if not place.name.startswith("host.db"):
                st = place.lstat()
                found[str(place)] = (st.st_mode, st.st_uid, st.st_gid, st.st_size, st.st_mtime_ns, st.st_ino)
    return found


def state(root):
    return {"objects": root.objects(), "store": store_dump(), "files": files(),
            "mounts": [place for place in mount_table() if "left4me" in place]}


@pytest.fixture
def calls(request):
    return request.config.getoption("--calls") // 2


@pytest.fixture
def fuzz(request, root, instance, overlay):
    """Calls about two instances, one of which runs, three overlays, and their jobs. What comes of them is taken away."""
    overlay("fuzz-base", "echo > file")
    overlay("fuzz-other", built=False)
    root.manager("CreateOverlay", "('fuzz-files', 'files', @a{sv} {})")
    instance("fuzz-one", Overlays=overlay_paths("fuzz-base"))
    instance("fuzz-two")
    root.instance("fuzz-one", "Start")
    wait_quiet(root)
    before = root.objects()
    jobs = [p for p, o in before.items() if IFACE + ".Job" in o][-3:]
    paths = [*[path_of("instance", n) for n in INSTANCES], *[path_of("overlay", n) for n in OVERLAYS], *jobs]
    seed = request.config.getoption("--seed")
    print(f"the seed is {seed}")
    made = Fuzz(root, seed, [*INSTANCES, *OVERLAYS, *WORDS], paths)
    yield made
    made.close()
    new = {p: o for p, o in root.objects().items() if p not in before or "/fuzz_2d" in p}
    for path, objects in new.items():
        if IFACE + ".Job" in objects and not objects[IFACE + ".Job"]["FinishedAt"]:
            with contextlib.suppress(BusError):
                root.raw(path, IFACE + ".Job", "Cancel", "(@a{sv} {},)")
    for kind, delete in (("Instance", delete_instance), ("Overlay", delete_overlay)):
        for objects in new.values():
            if f"{IFACE}.{kind}" in objects:
                delete(root, objects[f"{IFACE}.{kind}"]["Name"])


@pytest.fixture
def wires(figure):
    """Makes connections; tells at the end what was answered to each."""
    made, began = [], time.monotonic()

    def make(user):
        made.append(Wire(user))
        return made[-1]

    yield make
    for wire in made:
        counts = ", ".join(f"{name.rpartition('.')[2] or 'done'} {count}" for name, count in wire.answers.most_common() if count)
        figure(f"random calls of {wire.user}: {counts or 'none'}; {wire.lost} went with a connection that the bus closed")
        wire.close()
    figure(f"random calls, with all that came of them: {time.monotonic() - began:.0f} s")


def test_strangers_change_nothing(root, fuzz, wires, calls):
    """Somebody in no group, and the user of the servers."""
    used, broken = [wires("sam"), wires("left4me")], wires("sam")
    before, was = state(root), service()
    fuzz.send(used, broken, calls, 24)
    assert service() == was
    assert state(root) == before
    assert not any(wire.lost for wire in used), "each call was answered"
    assert used[1].answers[""] == 0, "the servers' user may not even look"


def test_root_breaks_nothing(root, fuzz, wires, calls):
    used, broken = wires("root"), wires("root")
    was = service()
    fuzz.send([used], broken, calls, 48)
    wait_quiet(root, 600)
    assert service() == was
    assert_settled(root)
    assert used.lost == 0, "each call was answered"
