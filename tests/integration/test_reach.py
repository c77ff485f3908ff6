# SPDX-License-Identifier: LGPL-2.1-or-later
"""Who can reach what by path: the uids of servers and builds reach no layer, cache, configuration nor the store; and a
symbolic link that stands all the same where root opens something leads nowhere."""
import contextlib
import json
import os
import pathlib
import shutil

import pytest
from builds import STAGING, held, jobs_of, remove, trash, wait_quiet  # noqa: F401
from conftest import STATE, BusError, build, path_of, run, wait_for
from servers import game_after, settings

PROGRAMS = pathlib.Path("/usr/libexec/left4me")
UIDS = ["left4me", "l4d2-sandbox-0", "l4d2-sandbox-15", "sam"]


@pytest.fixture
def arena(root, instance, overlay):
    overlay("reach", "mkdir left4dead2; echo secret > left4dead2/layer.txt; echo kept > /cache/kept.txt")
    instance("reach", Overlays=f"[objectpath '{path_of('overlay', 'reach')}']")
    root.instance("reach", "SetConfig", "('rcon_password secret', @a{sv} {})")
    root.instance("reach", "Start")
    return root.get("overlay", "reach")["Id"]


@pytest.fixture
def build_at_work(root, held):
    """A build that goes on meanwhile, with what it has in hand."""
    held("at-work", "echo > file")
    return root.get("overlay", "at-work")["Id"]


def places(number, building):
    """Every place that holds something of somebody's: a directory and a file in it."""
    trash = {f"trash of {tree}": (STATE / tree / ".trash/reach", STATE / tree / ".trash/reach/file")
             for tree in ("overlays", "cache", "runtime")}
    generation = STATE / f"overlays/{number}/1/left4dead2"
    return {
        "store": (STATE, STATE / "host.db"),
        "store's log": (STATE, STATE / "host.db-wal"),
        "generation": (generation, generation / "layer.txt"),
        "overlay": (STATE / f"overlays/{number}", generation / "layer.txt"),
        "overlays": (STATE / "overlays", generation / "layer.txt"),
        "generation at work": (STATE / f"overlays/{building}/1", STATE / f"overlays/{building}/1/half"),
        "cache": (STATE / f"cache/{number}", STATE / f"cache/{number}/kept.txt"),
        "caches": (STATE / "cache", STATE / f"cache/{building}/at-hold"),
        "runtimes": (STATE / "runtime", STATE / "runtime/reach/layers/upper/written"),
        "layers": (STATE / "runtime/reach/layers", STATE / "runtime/reach/layers/upper/written"),
        "upper": (STATE / "runtime/reach/layers/upper", STATE / "runtime/reach/layers/upper/written"),
        "work": (STATE / "runtime/reach/layers/work", STATE / "runtime/reach/layers/work/work"),
        "instances": (STATE / "instances", STATE / "instances/reach/instance.env"),
        "environment": (STATE / "instances/reach", STATE / "instances/reach/instance.env"),
        "configuration": (STATE / "instances/reach/config/left4dead2/cfg",
                          STATE / "instances/reach/config/left4dead2/cfg/server.cfg"),
        "staging": (STAGING, STAGING / "reach/overlay/file"),
        "staged": (STAGING / "reach/overlay", STAGING / "reach/overlay/file"),
        **trash,
    }


# What is tried on each place; everything it could do is done to the place itself or beside it.
TRY = r"""
import json, os, sys
told = {}
for what, (directory, file) in json.load(sys.stdin).items():
    new = directory + "/planted"
    for word, attempt in {
        "list": lambda: os.listdir(directory), "enter": lambda: os.chdir(directory), "see": lambda: os.lstat(file),
        "read": lambda: open(file, "rb").read(1), "write": lambda: open(file, "r+"), "append": lambda: open(file, "a"),
        "delete": lambda: os.unlink(file), "rename": lambda: os.rename(file, file + ".moved"),
        "mode": lambda: os.chmod(file, 0o777), "mode of the directory": lambda: os.chmod(directory, 0o777),
        "owner": lambda: os.chown(file, os.getuid(), -1), "create": lambda: open(new, "x"), "mkdir": lambda: os.mkdir(new),
        "symlink": lambda: os.symlink("/etc", new), "link": lambda: os.link(file, new),
        "attribute": lambda: os.setxattr(file, "user.x", b"x"), "times": lambda: os.utime(file),
    }.items():
        try:
            attempt()
            told.setdefault(what, []).append(word)
        except PermissionError:
            pass
        except OSError as error:
            told.setdefault(what, []).append(f"{word}: {error}")
        os.chdir("/")
print(json.dumps(told))
"""

def try_all(user, table):
    done = run("python3", "-c", TRY, user=user, input=json.dumps({k: [str(p) for p in v] for k, v in table.items()}))
    return json.loads(done.stdout)


@pytest.mark.parametrize("user", UIDS)
def test_nobody_reaches_anything_by_path(arena, build_at_work, user):
    (STATE / "runtime/reach/merged/written").write_text("by the server\n")
    half = STATE / f"overlays/{build_at_work}/1/half"
    half.write_text("half")
    table, planted = places(arena, build_at_work), []
    for what, (directory, file) in table.items():
        if "trash" in what or what == "staged":
            directory.mkdir(parents=True)
            file.write_text("going")
            planted.append(directory if "trash" in what else directory.parent)
            os.chmod(file, 0o666)
    try:
        for what, (directory, file) in table.items():
            assert directory.is_dir() and file.exists(), (what, directory, file)
        reached = try_all(user, table)
        if user == "left4me":  # the way to its mount, whose names must be known
            for what in ("store", "store's log", "runtimes"):
                assert reached.pop(what) == (["enter"] if what == "runtimes" else ["enter", "see"])
        assert reached == {}
    finally:
        half.unlink()
        for directory in planted:
            shutil.rmtree(directory)


def test_the_server_reaches_its_files_through_the_mount_alone(arena):
    merged = STATE / "runtime/reach/merged"
    assert run("cat", merged / "left4dead2/layer.txt", user="left4me").stdout == "secret\n"
    assert run("cat", merged / "left4dead2/cfg/server.cfg", user="left4me").stdout == "rcon_password secret"
    run("sh", "-c", f"echo mine > {merged}/left4dead2/layer.txt", user="left4me")
    assert (STATE / f"overlays/{arena}/1/left4dead2/layer.txt").read_text() == "secret\n", "the generation stays"
    assert (STATE / "runtime/reach/layers/upper/left4dead2/layer.txt").read_text() == "mine\n"
    for user in ("l4d2-sandbox-0", "sam"):
        assert run("ls", merged, user=user, check=False).returncode != 0, user


# Tries every place from inside the server.
PRYING_GAME = game_after(r"""
python3 left4dead2/try.py < left4dead2/places.json > reached.new
for place in /var/lib /var/lib/left4me /var/lib/left4me/runtime /run /etc /home /root /srv /mnt /opt /dev/shm; do
    echo "$place:" $(ls -A "$place" 2>/dev/null)
done > seen
echo of-a-server > /dev/shm/of-a-server
mv reached.new reached
""")


def test_inside_a_server_nothing_else_is_in_sight(root, arena, build_at_work, instance, overlay):
    (STATE / "runtime/reach/merged/written").write_text("by the server\n")
    (STATE / f"overlays/{build_at_work}/1/half").write_text("half")
    table = {k: v for k, v in places(arena, build_at_work).items() if "trash" not in k and k != "staged"}
    table["settings"] = (pathlib.Path("/etc/left4me"), pathlib.Path("/etc/left4me/host.conf"))
    table["bus"] = (pathlib.Path("/run/dbus"), pathlib.Path("/run/dbus/system_bus_socket"))
    table["passwords"] = (pathlib.Path("/etc"), pathlib.Path("/etc/shadow"))
    table["programs"] = (PROGRAMS, PROGRAMS / "left4me-hostd")
    for what, (directory, file) in table.items():
        assert directory.is_dir() and (file.exists() or what == "staging"), what
    paths = json.dumps({k: [str(p) for p in v] for k, v in table.items()})
    overlay("pry", f"{PRYING_GAME}cat > left4dead2/try.py <<'END'\n{TRY}\nEND\n"
                   f"cat > left4dead2/places.json <<'END'\n{paths}\nEND\n")
    instance("pry", Overlays=f"[objectpath '{path_of('overlay', 'pry')}']")
    marker = pathlib.Path("/dev/shm/of-the-host")
    marker.write_text("host")
    try:
        root.instance("pry", "Start")
        top = STATE / "runtime/pry/layers/upper"
        wait_for((top / "reached").exists, 30, "the server's report")
        seen = dict(line.partition(":")[::2] for line in (top / "seen").read_text().splitlines())
        assert not pathlib.Path("/dev/shm/of-a-server").exists()
    finally:
        marker.unlink()
    assert seen.pop("/var/lib").split() == ["left4me"]
    assert seen.pop("/var/lib/left4me").split() == ["runtime"]
    assert seen.pop("/var/lib/left4me/runtime").split() == ["pry"]
    assert set(seen.pop("/etc").split()) <= {"alternatives", "ld.so.cache", "localtime", "passwd", "group", "nsswitch.conf",
                                             "hosts", "resolv.conf", "ssl"}
    assert set(seen.pop("/run").split()) <= {"systemd"}, "what PID 1 makes for every unit: no socket"
    assert not any(v.strip() for v in seen.values()), seen
    reached = json.loads((top / "reached").read_text())
    # What it was told but "not allowed" must be "not there" or "read only".
    harmless = ("[Errno 2]", "[Errno 30]")
    left = {what: rest for what, words in reached.items()
            if (rest := [w for w in words if not any(h in w for h in harmless)])}
    # Names on the way to its own mount, and the programs that everybody may read.
    for what in ("store", "store's log", "runtimes", "passwords", "instances", "overlays"):
        assert set(left.pop(what, [])) <= {"list", "enter"}, what
    assert set(left.pop("programs")) <= {"list", "enter", "see", "read"}
    assert left == {}


# Symbolic links, planted by root while nothing runs: what an attacker would need to stand there.

@pytest.fixture
def canary(tmp_path_factory):
    """A directory outside that must stay as it is."""
    top = tmp_path_factory.mktemp("canary")
    (top / "file").write_text("untouched\n")
    os.chmod(top, 0o751)
    yield top
    assert (top / "file").read_text() == "untouched\n"
    assert sorted(p.name for p in top.iterdir()) == ["file"]
    assert (top.stat().st_uid, oct(top.stat().st_mode)) == (0, "0o40751")


@contextlib.contextmanager
def replaced(place, target):
    aside = place.with_name(place.name + ".aside")
    if place.exists() and not place.is_symlink():
        place.rename(aside)
    place.symlink_to(target)
    try:
        yield
    finally:
        if place.is_symlink():
            place.unlink()
        elif place.exists() and aside.exists():
            run("rm", "-rf", place)
        if aside.exists():
            aside.rename(place)


@pytest.mark.parametrize("place, answer", [
    ("runtime/link", "LayerRejected"),
    ("runtime/link/layers", "LayerRejected"),
    ("runtime/link/layers/upper", "LayerRejected"),
    ("runtime/link/layers/work", None),  # made afresh for each mount: the link itself goes
    ("runtime/link/merged", "LayerRejected"),
    ("instances/link", "LayerRejected"),
    ("instances/link/config", "LayerRejected"),
    ("instances/link/config/left4dead2", "LayerRejected"),
    ("instances/link/config/left4dead2/cfg", "LayerRejected"),
    ("instances/link/config/left4dead2/cfg/server.cfg", None),  # replaced by the new file
    ("instances/link/instance.env", None),
    ("overlays/ID", "LayerRejected"),
    ("overlays/ID/1", "LayerRejected"),
])
def test_a_link_where_a_mount_opens_something_is_refused_or_harmless(root, instance, overlay, canary, place, answer):
    overlay("link")
    instance("link", Overlays=f"[objectpath '{path_of('overlay', 'link')}']")
    root.instance("link", "Mount")
    root.instance("link", "Unmount")
    path = STATE / place.replace("ID", str(root.get("overlay", "link")["Id"]))
    target = canary / "file" if path.name in ("server.cfg", "instance.env") else canary
    with replaced(path, target):
        try:
            root.instance("link", "Mount")
            told = None
        except BusError as error:
            told = error.short
        assert told == answer
        if told is None:
            root.instance("link", "Unmount")


@pytest.mark.parametrize("place", ["overlays/ID", "cache/ID"])
def test_a_link_where_a_build_opens_something_fails_the_build(root, overlay, canary, place):
    overlay("link")
    with replaced(STATE / place.replace("ID", str(root.get("overlay", "link")["Id"])), canary):
        job = root.wait_job(root.overlay("link", "Build")[0])
        assert job["State"] == "failed", job
    assert root.get("overlay", "link")["Generation"] == 1


OF_INSTANCE = ["runtime/.trash", "runtime/link", "runtime/link/layers", "runtime/link/layers/upper",
               "runtime/link/layers/work", "runtime/link/merged", "instances/.trash", "instances/link",
               "instances/link/config", "instances/link/instance.env"]
OF_OVERLAY = ["overlays/.trash", "overlays/ID", "overlays/ID/1", "cache/.trash", "cache/ID"]


def end_by_itself(client, job):
    """A deletion ended, well or not; what it left in the trash goes at the service's next start."""
    assert job["State"] in ("done", "failed") and (job["State"] == "done" or job["Message"]), job
    run("systemctl", "restart", "left4me-hostd.service")
    wait_quiet(client)
    assert trash() == []


@pytest.mark.parametrize("member", ["Reset", "Delete"])
@pytest.mark.parametrize("place", OF_INSTANCE)
def test_a_link_where_an_instance_is_deleted_is_harmless(root, instance, canary, place, member):
    instance("link")
    root.instance("link", "Mount")
    (STATE / "runtime/link/merged/written").write_text("x")
    root.instance("link", "Unmount")
    with replaced(STATE / place, canary):
        job = root.wait_job(root.instance("link", member)[0])
    end_by_itself(root, job)


@pytest.mark.parametrize("place", OF_OVERLAY)
def test_a_link_where_an_overlay_is_deleted_is_harmless(root, overlay, canary, place):
    overlay("link", "echo > file; echo > /cache/file")
    there = STATE / place.replace("ID", str(root.get("overlay", "link")["Id"]))
    with replaced(there, canary):
        job = root.wait_job(root.overlay("link", "Delete")[0])
    end_by_itself(root, job)
    if there.parts[-1] != ".trash" and path_of("overlay", "link") not in root.objects():
        remove(there)  # what was set aside belongs to nothing now


@pytest.mark.parametrize("place", ["overlays/ID", "overlays/ID/2"])
def test_a_link_where_old_generations_are_deleted_is_harmless(root, overlay, canary, place):
    overlay("link")
    for n in range(2):
        build(root, "link", f"echo {n} > file")
    wait_quiet(root)
    place = STATE / place.replace("ID", str(root.get("overlay", "link")["Id"]))
    with replaced(place, canary):
        root.overlay("link", "Configure", settings(KeepGenerations="uint32 1"))
        wait_quiet(root)
    job = jobs_of(root, "link", "prune")[-1]
    end_by_itself(root, job)


def test_a_link_left_in_a_generation_is_followed_by_nobody_on_the_host(root, overlay, canary):
    """Links are content: they are sealed as links, and mean something only inside the mount."""
    overlay("inside", f"ln -s {canary} out; ln -s / root; ln -s .. up; mkdir d; ln -s ../out d/again")
    assert root.get("overlay", "inside")["Files"] == 4
