# SPDX-License-Identifier: LGPL-2.1-or-later
"""Generations that are being filled have a project quota where the filesystem has that, as this machine's does."""
import ctypes
import fcntl
import os
import struct

from builds import HOLD, ask_build, build_now, cache_dir, current_dir, go_on, overlay_dir, trash, wait_held, wait_quiet
from conftest import PATH, STATE, run
from servers import settings
from test_import import files, scratch, tar  # noqa: F401

MIB = 1 << 20
NOTHING = (0, 0)
LIBC = ctypes.CDLL(None, use_errno=True)


def attributes(path):
    """Number of the project, and whether what is made in a directory inherits it."""
    fd = os.open(path, os.O_RDONLY)
    try:
        flags, _, _, project, _ = struct.unpack("IIIII8x", fcntl.ioctl(fd, 0x801c581f, bytes(28)))  # FS_IOC_FSGETXATTR
    finally:
        os.close(fd)
    return project, bool(flags & 0x200)


def quota(project):
    """Limits of a project, and what it has: each is bytes and files."""
    answer = ctypes.create_string_buffer(72)
    fd = os.open(STATE, os.O_RDONLY)
    try:
        assert LIBC.syscall(443, fd, 0x80000702, project, answer) == 0, os.strerror(ctypes.get_errno())  # Q_GETQUOTA
    finally:
        os.close(fd)
    hard, _, space, files_hard, _, files, _, _ = struct.unpack_from("8Q", answer.raw)  # noqa: F811
    return (hard << 10, files_hard), (space, files)


# It ends well, whatever became of what it wrote.
WRITE = HOLD + """
for n in $(seq 25); do head --bytes=8M /dev/zero > $n; done
du --summarize --block-size=1 . > /cache/took
"""


def test_a_build_cannot_get_beyond_it(root, overlay, figure):
    """Its watcher sleeps meanwhile; at the end it looks once more."""
    assert "project-quota" in root.get_all(PATH)["Features"]
    overlay("maps", built=False)
    root.overlay("maps", "Configure", settings(SizeLimit=f"uint64 {32 * MIB}", FileLimit="uint64 100"))
    path = ask_build(root, "maps", WRITE)
    wait_held(root, "maps", 60)
    project, is_inherited = attributes(overlay_dir(root, "maps", 1))
    limits = quota(project)[0]
    watcher = f"left4me-job-{root.get_all(path)['Id']}-watch.service"
    run("systemctl", "kill", "--signal=SIGSTOP", watcher)
    go_on(root, "maps")
    job = root.wait_job(path, 120)
    assert is_inherited and limits == (48 * MIB, 1100)
    took = int((cache_dir(root, "maps") / "took").read_text().split()[0])
    figure(f"a build with a limit of 32 MiB that writes 200 MiB unwatched had {took / MIB:.1f} MiB")
    assert 32 * MIB < took <= 48 * MIB
    assert (job["State"], job["Result"]) == ("failed", "disk-limit") and "SizeLimit" in job["Message"], job
    wait_quiet(root, 60)
    assert trash() == [] and quota(project) == (NOTHING, NOTHING)


CHANGE = """
python3 - <<'END' > changed
import errno, fcntl, os, struct
os.mkdir("own")
for flags, project in ((0x200, 0), (0x200, 77), (0, None)):  # a project of nobody's, another, and no inheritance
    for path in ("/overlay", "own"):
        fd = os.open(path, os.O_RDONLY)
        now = struct.unpack("IIIII8x", fcntl.ioctl(fd, 0x801c581f, bytes(28)))
        wanted = struct.pack("IIIII8x", flags, 0, 0, now[3] if project is None else project, 0)
        try:
            fcntl.ioctl(fd, 0x401c5820, wanted)  # FS_IOC_FSSETXATTR
            print("got through")
        except OSError as error:
            print(errno.errorcode[error.errno])
END
"""


def test_it_is_the_generations_own_and_goes_with_it(root, overlay):
    overlay("maps", CHANGE)
    first = current_dir(root, "maps")
    assert (first / "changed").read_text().split() == ["EINVAL"] * 6
    project = attributes(first)[0]
    assert project >= 1 << 31 and attributes(first / "own") == (project, True)
    limits, has = quota(project)
    assert limits == NOTHING and has == (root.get("overlay", "maps")["Size"], 3), "a finished one needs none"
    assert build_now(root, "maps", "cp -a /previous/. .; echo > second")["State"] == "done"
    second = attributes(current_dir(root, "maps"))[0]
    assert second != project and quota(second)[1][1] == 4
    root.overlay("maps", "Revert", "(uint64 1, @a{sv} {})")
    assert current_dir(root, "maps") == first
    root.wait_job(root.overlay("maps", "Delete")[0], 60)
    assert quota(project)[1] == quota(second)[1] == NOTHING
    overlay("maps", built=False)  # to be deleted


def test_an_import_has_one_too(root, files):  # noqa: F811
    assert files.take(tar(("kept", b"kept\n")))["State"] == "done"
    project = attributes(current_dir(root, "files"))[0]
    assert files.take(tar(("new", b"new\n")))["State"] == "done"
    assert files.tree() == {b"kept": b"kept\n", b"new": b"new\n"}
    second = attributes(current_dir(root, "files") / "kept")[0]
    assert second not in (0, project) and quota(second)[0] == NOTHING
