# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the tests of builds and deletions share: builds that wait until they are told to go on, and what is on disk."""
import contextlib
import hashlib
import json
import os
import pathlib
import pwd
import shutil
import stat

import pytest
from conftest import STATE, BusError, Client, delete_overlay, path_of, run, text, wait_for

NO_OPTIONS = "(@a{sv} {},)"
STAGING = pathlib.Path("/run/left4me/staging")
ENDED = ("done", "failed", "cancelled", "interrupted")

# The first lines of a script: it waits until it is told to go on.
HOLD = """
echo > /cache/at-hold
until [ -e /cache/go-on ]; do sleep 0.02; done
rm /cache/go-on
"""


# The first lines of a Python program that makes i386's system calls, which systemd filters apart: `low` puts bytes where
# 32 bits reach, and returns the address and the memory.
I386 = r"""
import ctypes, mmap, os, tempfile
libc = ctypes.CDLL(None, use_errno=True)
libc.mmap.restype = ctypes.c_void_p
def low(content, protection=mmap.PROT_READ | mmap.PROT_WRITE, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS, fd=-1):
    address = libc.mmap(None, 4096, protection, flags | 0x40, fd, 0)  # MAP_32BIT
    memory = (ctypes.c_char * 4096).from_address(address)
    if content:
        memory[:len(content)] = content
    return address, memory
with tempfile.TemporaryFile() as file:
    # push rbx; mov eax, edi; mov ebx, esi; xchg ecx, edx; int 0x80; pop rbx; cdqe; ret
    file.write(bytes.fromhex("53 89f8 89f3 87ca cd80 5b 4898 c3").ljust(4096, b"\0"))
    file.flush()
    enter = ctypes.CFUNCTYPE(ctypes.c_long, *[ctypes.c_int] * 4)(
        low(b"", mmap.PROT_READ | mmap.PROT_EXEC, mmap.MAP_PRIVATE, file.fileno())[0])
def i386_call(number, *arguments):
    result = enter(number, *[*arguments, 0, 0, 0][:3])
    if result < 0:
        raise OSError(-result, os.strerror(-result))
    return result
"""


def left4me():
    return pwd.getpwnam("left4me").pw_uid


def set_script(client, name, script):
    client.overlay(name, "SetScript", f"({text(script)}, @a{{sv}} {{}})")


def ask_build(client, name, script=None):
    """Asks for a build; returns the job's path."""
    if script is not None:
        set_script(client, name, script)
    return client.overlay(name, "Build")[0]


def build_now(client, name, script=None, seconds=60):
    """Builds an overlay that is there; returns the job's properties when it has ended."""
    return client.wait_job(ask_build(client, name, script), seconds)


def inside(client, overlay, program):
    """Runs a Python program as the build of a new overlay; it prints JSON. Returns that."""
    overlay("inside", built=False)
    return inside_build(client, "inside", program)


def inside_build(client, name, program):
    """The same as the next build of an overlay that is there."""
    now = build_now(client, name, f"cat > /tmp/p.py <<'END'\n{program}\nEND\npython3 /tmp/p.py > facts; rm -rf own\n", 120)
    assert now["State"] == "done", (now, run("journalctl", f"LEFT4ME_JOB={now['Id']}", "--output=cat").stdout)
    return json.loads((current_dir(client, name) / "facts").read_text())


def overlay_dir(client, name, *more):
    return STATE.joinpath("overlays", str(client.get("overlay", name)["Id"]), *map(str, more))


def cache_dir(client, name):
    return STATE / "cache" / str(client.get("overlay", name)["Id"])


def current_dir(client, name):
    return overlay_dir(client, name, client.get("overlay", name)["Generation"])


def wait_state(client, job, *states, seconds=20):
    """Waits until the job is in one of these states; returns its properties."""
    def ask():
        properties = client.get_all(job)
        assert properties["State"] in states or properties["State"] not in ENDED, properties
        return properties if properties["State"] in states else None
    return wait_for(ask, seconds, f"{job} {states}")


def wait_held(client, name, seconds=20):
    """Waits until the overlay's build is at HOLD."""
    wait_for((cache_dir(client, name) / "at-hold").exists, seconds, f"the build of {name} at its hold")


def go_on(client, name):
    """Lets the overlay's build go on from HOLD."""
    cache = cache_dir(client, name)
    (cache / "at-hold").unlink()
    mark = cache / "go-on.new"
    mark.touch()
    os.chown(mark, left4me(), left4me())
    mark.rename(cache / "go-on")


def processes_of(user):
    """Pids of the user's processes."""
    uid = str(pwd.getpwnam(user).pw_uid)
    found = []
    for status in pathlib.Path("/proc").glob("[0-9]*/status"):
        try:
            if f"\nUid:\t{uid}\t" in status.read_text():
                found.append(int(status.parent.name))
        except (FileNotFoundError, ProcessLookupError):
            pass
    return found


def jobs_of(client, name, kind=None):
    """Properties of the jobs of an overlay or instance, the oldest first."""
    found = [o["org.left4me.Host1.Job"] for o in client.objects().values() if "org.left4me.Host1.Job" in o]
    subjects = (path_of("overlay", name), path_of("instance", name))
    return sorted((j for j in found if j["Subject"] in subjects and kind in (None, j["Kind"])), key=lambda j: j["Id"])


def wait_quiet(client, seconds=30):
    """Waits until no job is queued or running, and nothing is staged."""
    def quiet():
        jobs = [o["org.left4me.Host1.Job"] for o in client.objects().values() if "org.left4me.Host1.Job" in o]
        return all(j["FinishedAt"] for j in jobs) and not list(STAGING.iterdir())
    wait_for(quiet, seconds, "the end of all jobs")


def tree_digest(top):
    """The digest of a generation as tree/tree.h describes it, and how many files there are."""
    sha, files = hashlib.sha256(), 0

    def number(n):
        return n.to_bytes(8, "big")

    def entry(kind, path, relative):
        sha.update(kind + (os.lstat(path).st_mode & 0o7777).to_bytes(4, "big") + number(len(relative)) + relative)

    def walk(directory, relative):
        nonlocal files
        for name in sorted(os.listdir(directory)):
            path = directory + b"/" + name
            below = relative + (b"/" if relative else b"") + name
            mode = os.lstat(path).st_mode
            if stat.S_ISDIR(mode):
                entry(b"d", path, below)
                walk(path, below)
            elif stat.S_ISLNK(mode):
                entry(b"l", path, below)
                target = os.readlink(path)
                sha.update(number(len(target)) + target)
                files += 1
            else:
                entry(b"f", path, below)
                content = pathlib.Path(os.fsdecode(path)).read_bytes()
                sha.update(number(len(content)) + hashlib.sha256(content).digest())
                files += 1

    entry(b"d", os.fsencode(top), b"")
    walk(os.fsencode(top), b"")
    return sha.hexdigest(), files


def plant_trash(job):
    """Something in the trash as a job of that number leaves it, which a unit has to empty."""
    tree = STATE / f"overlays/.trash/{job}/0"
    tree.mkdir(parents=True)
    (tree / "file").touch()
    give_to_server(tree)


def trash():
    """What is in any trash, as paths."""
    return [p for root in ("overlays", "cache", "instances", "runtime") for p in (STATE / root / ".trash").glob("*")]


def give_to_server(path):
    """Makes a planted tree left4me's."""
    run("chown", "--recursive", "--no-dereference", "left4me:left4me", path)


def remove(path):
    """Whatever stands there."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


@contextlib.contextmanager
def program_replaced(program, script):
    """The program is this shell script, for as long as the block runs; {real} in it is the real one."""
    real, fake = program.with_suffix(".real"), pathlib.Path("/run") / f"{program.name}.fake"
    shutil.copy2(program, real)
    fake.write_text("#!/bin/bash\n" + script.format(real=real))
    fake.chmod(0o755)
    run("mount", "--bind", fake, program)
    try:
        yield
    finally:
        run("umount", program)
        real.unlink()
        fake.unlink()


@contextlib.contextmanager
def i386_loader():
    """As if i386 programs could run here."""
    file = pathlib.Path("/lib/ld-linux.so.2")
    was_there = file.exists()
    if not was_there:
        file.touch()
    try:
        yield
    finally:
        if not was_there:
            file.unlink()


@pytest.fixture
def listener():
    """A connection of its own that hears every signal from now on, and none from before."""
    client = Client("sam")
    client.watch()
    yield client
    client.close()


@pytest.fixture
def held(root):
    """Makes overlays whose build waits at HOLD, and deletes them afterwards, whatever they are at."""
    made = []

    def make(name, script="echo built > built", client=root):
        """Returns the job; it has come to HOLD."""
        if name not in made:
            root.manager("CreateOverlay", f"('{name}', 'script', @a{{sv}} {{}})")
            made.append(name)
        (cache_dir(root, name) / "at-hold").unlink(missing_ok=True)  # of a build that was cancelled there
        set_script(root, name, HOLD + script)
        job = ask_build(client, name)
        wait_held(root, name)
        return job

    yield make
    for name in made:
        for job in jobs_of(root, name, "build"):
            if not job["FinishedAt"]:
                try:
                    root.job(job["Id"], "Cancel")
                except BusError as error:
                    assert error.short == "Busy", error
        delete_overlay(root, name)
