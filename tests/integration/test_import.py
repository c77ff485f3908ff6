# SPDX-License-Identifier: LGPL-2.1-or-later
"""Overlays whose files are imported: each kind of archive, what is refused, the descriptor, the slot, and a daemon that is
killed."""
import contextlib
import io
import itertools
import os
import pathlib
import re
import shutil
import signal
import sqlite3
import stat
import struct
import tarfile
import time
import zipfile

import pytest
from builds import (ask_build, current_dir, go_on, held, jobs_of, listener, overlay_dir, tree_digest,  # noqa: F401
                    wait_quiet, wait_state)
from conftest import CHALLENGE, DENIED, STATE, BusError, daemon_pid, delete_overlay, path_of, run, text, unit, wait_for
from servers import host_conf, merged, overlay_paths, settings
from test_recovery import assert_nothing_is_left, kill_daemon

FILE, DIRECTORY, LINK, HARD_LINK = tarfile.REGTYPE, tarfile.DIRTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE
NOWHERE = "(handle 0, @a{sv} {})"


def tar(*entries, mode="w", form=tarfile.PAX_FORMAT):
    """A tar of (name, content as bytes or a type, more of its fields as a dictionary)."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode=mode, format=form) as archive:
        for name, content, *fields in entries:
            info = tarfile.TarInfo(name)
            for key, value in (fields[0] if fields else {}).items():
                setattr(info, key, value)
            if isinstance(content, tuple):
                info.type, info.linkname = content
            else:
                info.size = len(content)
            archive.addfile(info, io.BytesIO(content) if info.isreg() else None)
    return out.getvalue()


def zipped(*entries):
    """A zip of (name, content, mode with the kind of file)."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content, *mode in entries:
            info = zipfile.ZipInfo(name)
            info.create_system, info.external_attr = 3, (mode[0] if mode else 0o100644) << 16
            archive.writestr(info, content)
    return out.getvalue()


def vpk(version=1, content=b"\0" * 100):
    return struct.pack("<III", 0x55aa1234, version, 4) + bytes(16 if version == 2 else 0) + content


class Files:
    """An overlay of the kind `files`."""

    def __init__(self, client, name, scratch):
        self.client, self.name, self.scratch, self.file = client, name, scratch, None
        self.numbers = itertools.count()
        self.first_job = max((job["Id"] for job in jobs_of(client, name)), default=0) + 1
        client.manager("CreateOverlay", f"('{name}', 'files', @a{{sv}} {{}})")

    def get(self):
        return self.client.get("overlay", self.name)

    def ask(self, archive, client=None, fd=None, **options):
        """Asks for an import of these bytes, or of a descriptor; returns the job's path."""
        if fd is None:
            self.file = self.scratch / f"archive-{next(self.numbers)}"
            self.file.write_bytes(archive)
            self.file.chmod(0o644)
            fd = {"path": str(self.file)}
        body = ", ".join(f"'{key}': <{value}>" for key, value in options.items())
        return (client or self.client).overlay(self.name, "Import", f"(handle 0, @a{{sv}} {{{body}}})", fd=fd)[0]

    def take(self, archive, **more):
        """Imports; returns the job's properties when it has ended."""
        return self.client.wait_job(self.ask(archive, **more))

    def tree(self):
        """Path -> content, target or None for a directory, of the current generation; names are bytes."""
        top, found = os.fsencode(current_dir(self.client, self.name)), {}
        for directory, directories, files in os.walk(top):
            for name in directories + files:
                path = os.path.join(directory, name)
                mode = os.lstat(path).st_mode
                found[os.path.relpath(path, top)] = (
                    os.readlink(path) if stat.S_ISLNK(mode) else None if stat.S_ISDIR(mode)
                    else pathlib.Path(os.fsdecode(path)).read_bytes())
        return found

    def imports(self):
        """Properties of its imports; others of this name may have been there before."""
        return [job for job in jobs_of(self.client, self.name, "import") if job["Id"] >= self.first_job]

    def mode(self, path):
        return stat.S_IMODE((current_dir(self.client, self.name) / path).lstat().st_mode)


@pytest.fixture
def scratch(tmp_path_factory):
    """A directory that everybody may enter."""
    path = pathlib.Path("/var/tmp/left4me-import")
    path.mkdir(mode=0o755, exist_ok=True)
    yield path
    shutil.rmtree(path)


@pytest.fixture
def files(root, scratch):
    yield Files(root, "files", scratch)
    wait_quiet(root)
    delete_overlay(root, "files")


@pytest.fixture
def filled(root, files):
    """With a generation that must outlive every failure."""
    assert files.take(tar(("kept", b"kept\n")))["State"] == "done"
    before = files.get()
    yield files
    wait_quiet(root)
    now = files.get()
    for key in ("Generation", "Digest", "Size", "Files", "BuiltAt", "Generations"):
        assert now[key] == before[key], key
    assert files.tree() == {b"kept": b"kept\n"}
    assert os.listdir(overlay_dir(root, "files")) == [str(before["Generation"])], "what failed is deleted"


def refused(call, *arguments, **more):
    with pytest.raises(BusError) as caught:
        call(*arguments, **more)
    return caught.value


# The kind

def test_kinds_are_not_mixed(root, files, overlay):
    overlay("maps", "echo > file")
    assert (files.get()["Kind"], files.get()["State"]) == ("files", "empty")
    for call in (lambda: ask_build(root, "files"), lambda: root.overlay("files", "SetScript", "('echo', @a{sv} {})"),
                 lambda: root.overlay("maps", "Import", NOWHERE, fd={"memfd": "x"})):
        error = refused(call)
        assert error.short == "InvalidSetting" and "kind" in error.message and "overlay" in error.message.lower(), error
    assert files.imports() == []
    assert refused(root.manager, "CreateOverlay", "('other', 'zip', @a{sv} {})").short == "InvalidSetting"


# Each kind of archive

TREE = (("d", (DIRECTORY, "")), ("d/f", b"content\n", {"mode": 0o600}), ("d/run.sh", b"#!/bin/sh\n", {"mode": 0o700}),
        ("./e/g", b""), ("l", (LINK, "d/f")), ("d/up", (LINK, "../e/g")))
SEEN = {b"d": None, b"d/f": b"content\n", b"d/run.sh": b"#!/bin/sh\n", b"e": None, b"e/g": b"", b"l": b"d/f",
        b"d/up": b"../e/g"}


@pytest.mark.parametrize("mode", ["w", "w:gz", "w:bz2", "w:xz"])
def test_tar(root, files, instance, mode):
    job = files.take(tar(*TREE, mode=mode))
    assert (job["State"], job["Result"], job["Kind"], job["Message"]) == ("done", "success", "import", ""), job
    assert files.tree() == SEEN
    assert [files.mode(p) for p in ("d", "e", "d/f", "d/run.sh", "e/g")] == [0o755, 0o755, 0o644, 0o755, 0o644]
    now = files.get()
    assert (now["Digest"], now["Files"]) == tree_digest(current_dir(root, "files"))
    assert (now["State"], now["Generation"], now["LastJob"]) == ("ready", 1, path_of("job", job["Id"]))
    if mode == "w":
        instance("alpha", Overlays=overlay_paths("files"))
        root.instance("alpha", "Mount")
        assert (merged("alpha") / "l").read_text() == "content\n"
        facts = (current_dir(root, "files") / "d/f").stat()
        assert facts.st_uid == (STATE / "runtime/alpha/layers/upper").stat().st_uid, "the servers' user"


def test_zip(files):
    entries = (("d/f", "content\n"), ("run.sh", "#!/bin/sh\n", 0o100755), ("größe", ""), ("d/up", "../run.sh", 0o120777))
    assert files.take(zipped(*entries))["State"] == "done"
    assert files.tree() == {b"d": None, b"d/f": b"content\n", b"run.sh": b"#!/bin/sh\n", "größe".encode(): b"",
                            b"d/up": b"../run.sh"}
    assert (files.mode("run.sh"), files.mode("d/f")) == (0o755, 0o644)


def by_7z(scratch, *options, kind="7z"):
    source, made = scratch / "source", scratch / f"made.{kind}"
    source.mkdir(exist_ok=True)
    (source / "f").write_text("content\n")
    (source / "run.sh").write_text("#!/bin/sh\n")
    (source / "run.sh").chmod(0o755)
    run(shutil.which("7zz") or "7z", "a", *options, made, ".", cwd=source)
    return made.read_bytes()


def test_7z_and_zstd(files, scratch):
    assert files.take(by_7z(scratch))["State"] == "done"
    assert files.tree() == {b"f": b"content\n", b"run.sh": b"#!/bin/sh\n"}
    assert (files.mode("run.sh"), files.mode("f")) == (0o755, 0o644)
    if shutil.which("zstd"):
        (scratch / "t").write_bytes(tar(("z", b"z")))
        run("zstd", "-q", scratch / "t")
        assert files.take((scratch / "t.zst").read_bytes(), Replace="true")["State"] == "done"


def test_names_are_bytes(files):
    entries = [("nät\n", b"1"), ("bad\udcff", b"2")]
    assert files.take(tar(*entries))["State"] == "done"
    assert files.take(tar(("raw\udcfe", b"3"), form=tarfile.USTAR_FORMAT))["State"] == "done"
    assert files.tree() == {"nät\n".encode(): b"1", b"bad\xff": b"2", b"raw\xfe": b"3"}


def test_hard_links(files):
    assert files.take(tar(("a", b"one"), ("d/b", (HARD_LINK, "a")), ("a", (HARD_LINK, "a"))))["State"] == "done"
    assert files.tree() == {b"a": b"one", b"d": None, b"d/b": b"one"}
    assert files.take(tar(("a", b"two"), ("c", (HARD_LINK, "./d/b"))))["State"] == "done"
    assert files.tree() == {b"a": b"two", b"d": None, b"d/b": b"one", b"c": b"one"}


def test_sparse_files(files, scratch):
    with open(scratch / "sparse", "wb") as out:
        out.truncate(50 << 20)
        out.seek(1 << 20)
        out.write(b"data")
    run("tar", "--create", "--sparse", "--file", scratch / "t", "--directory", scratch, "sparse")
    assert files.take((scratch / "t").read_bytes())["State"] == "done"
    content = files.tree()[b"sparse"]
    assert len(content) == 50 << 20 and content[1 << 20:][:4] == b"data" and content.count(b"\0") == (50 << 20) - 4
    assert files.get()["Size"] < 5 << 20
    assert files.take(tar(("other", b"")))["State"] == "done"
    assert files.tree()[b"sparse"] == content and files.get()["Size"] < 5 << 20, "the copy has the holes too"


# Into what is there

def test_an_import_goes_over_what_is_there_or_replaces_it(root, files, listener):
    files.take(tar(("a", b"1"), ("d/b", b"2", {"mode": 0o755}), ("l", (LINK, "a"))))
    first = files.get()
    assert files.take(tar(("a", b"one"), ("d/c", b"3"), ("l", b"no link")))["State"] == "done"
    assert files.tree() == {b"a": b"one", b"d": None, b"d/b": b"2", b"d/c": b"3", b"l": b"no link"}
    assert files.mode("d/b") == 0o755
    root.overlay("files", "Revert", "(uint64 1, @a{sv} {})")
    assert files.get()["Digest"] == first["Digest"] and files.tree()[b"a"] == b"1", "a generation never changes"
    job = files.take(tar(("a", b"1")))
    assert "Nothing changed" in job["Message"] and files.get()["Generation"] == 1
    assert files.take(tar(("only", b"4")), Replace="true")["State"] == "done"
    assert files.tree() == {b"only": b"4"}
    assert files.take(tar(("more", b"5")), Replace="false")["State"] == "done"
    assert set(files.tree()) == {b"only", b"more"}
    told = [s[3][1]["State"] for s in listener.signals(0.5)
            if s[0] == path_of("overlay", "files") and s[2] == "PropertiesChanged" and "State" in s[3][1]]
    assert {"building", "ready"} == set(told), told


# What is refused

DEEP = "/".join("d" * 129) + "/f"
HOSTILE = {
    "absolute": ([("/etc/left4me", b"")], "/etc/left4me", "absolute"),
    "up": ([("a/../../x", b"")], "a/../../x", '".."'),
    "up within": ([("a/../x", b"")], "a/../x", '".."'),
    "through a link": ([("l", (LINK, "d")), ("l/x", b"")], "l/x", "symbolic link"),
    "through a link to be": ([("d/f", b""), ("l", (LINK, "d")), ("l/f", (HARD_LINK, "d/f"))], "l/f", "symbolic link"),
    "absolute link": ([("l", (LINK, "/etc"))], "l", "leads out"),
    "link out": ([("a/l", (LINK, "../../x"))], "a/l", "leads out"),
    "link out by another": ([("a", (LINK, ".")), ("l", (LINK, "a/.."))], "l", "leads out"),
    "link to nothing that can be": ([("l", (LINK, "t" * 5000))], "l", "cannot be"),
    "hard link out": ([("h", (HARD_LINK, "../../x"))], "h", '".."'),
    "absolute hard link": ([("h", (HARD_LINK, "/etc/passwd"))], "h", "absolute"),
    "hard link to nothing": ([("h", (HARD_LINK, "nothing"))], "h", "no file"),
    "hard link to a link": ([("l", (LINK, "kept")), ("d/h", (HARD_LINK, "l"))], "d/h", "no file"),
    "character device": ([("c", (tarfile.CHRTYPE, ""))], "c", "device"),
    "block device": ([("b", (tarfile.BLKTYPE, ""))], "b", "device"),
    "pipe": ([("p", (tarfile.FIFOTYPE, ""))], "p", "pipe"),
    "set-user-id": ([("s", b"", {"mode": 0o4755})], "s", "set-user-id"),
    "set-group-id": ([("s", (DIRECTORY, ""), {"mode": 0o2755})], "s", "set-group-id"),
    "too deep": ([(DEEP, b"")], "d/d/d", "deeper"),
    "long name": ([("n" * 256, b"")], "nnn", "too long"),
    "a file in a file": ([("kept/x", b"")], "kept/x", "a file already"),
    "a file for a directory": ([("d/x", b""), ("d", b"")], "d", "directory"),
    "no name": ([(".", b"")], ".", "top"),
}


@pytest.mark.parametrize("entries,path,reason", HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_tar_is_refused(filled, entries, path, reason):
    job = filled.take(tar(("good", b"good"), *entries))
    assert (job["State"], job["Result"], job["ExitStatus"]) == ("failed", "refused", 65), job
    assert f"refused: {path}" in job["Message"] and reason in job["Message"] and "\n" not in job["Message"], job
    assert filled.get()["State"] == "failed"


LYING = zipped(("f", "x" * 5000))
DAMAGED = {
    "nothing": (b"", "no tar, zip or 7z"),
    "text": (b"hello\n" * 1000, "no tar, zip or 7z"),
    "zeros": (bytes(1 << 20), "holds nothing"),
    "a cut tar": (tar(("f", b"x" * 5000))[:3000], "runcated"),
    "a cut gzip": (tar(("f", os.urandom(5000)), mode="w:gz")[:3000], "runcated"),
    "a cut zip": (LYING[:40], ""),
    "a zip with another checksum": (LYING[:14] + b"\1\2\3\4" + LYING[18:], ""),
    "zip up": (zipped(("../x", "")), '".."'),
    "zip absolute": (zipped(("/x", "")), "absolute"),
    "zip link out": (zipped(("l", "../x", 0o120777)), "leads out"),
    "zip set-user-id": (zipped(("s", "", 0o104755)), "set-user-id"),
}


@pytest.mark.parametrize("archive,reason", DAMAGED.values(), ids=DAMAGED)
def test_a_damaged_or_hostile_archive_is_refused(filled, archive, reason):
    job = filled.take(archive)
    if reason or job["State"] != "done":
        assert (job["State"], job["Result"]) == ("failed", "refused"), job
        assert reason in job["Message"], job


@pytest.mark.parametrize("options", [("-psecret",), ("-psecret", "-mhe=on"), ("-psecret", "-tzip")],
                         ids=["7z", "7z with its names", "zip"])
def test_encrypted_archives_are_refused(filled, scratch, options):
    job = filled.take(by_7z(scratch, *options, kind="zip" if "-tzip" in options else "7z"))
    assert (job["State"], job["Result"]) == ("failed", "refused") and "ncrypt" in job["Message"], job


def test_a_bomb_is_stopped_by_the_limit(filled, figure):
    """A sparse file of 30 GiB in a few hundred bytes."""
    fields = {"pax_headers": {"GNU.sparse.major": "1", "GNU.sparse.minor": "0", "GNU.sparse.name": "bomb",
                              "GNU.sparse.realsize": str(30 << 30)}}
    parts = b"1\n" + str((30 << 30) - 1).encode() + b"\n1\n"
    job = filled.take(tar(("GNUSparseFile.0/bomb", parts.ljust(512, b"\0") + b"x", fields)))
    assert (job["State"], job["Result"], job["ExitStatus"]) == ("failed", "disk-limit", 70), job
    assert "BuildSizeLimit" in job["Message"], job


def test_the_overlays_own_limits(root, files):
    root.overlay("files", "Configure", settings(SizeLimit="uint64 5000000", FileLimit="uint64 20"))
    assert files.take(tar(("a", bytes(4000000)), *((f"f{n}", b"1") for n in range(15))))["State"] == "done"
    assert files.take(tar(("a", bytes(3000000)), ("f1", b"2")))["State"] == "done", "what is replaced does not count"
    for archive, status, setting in ((tar(("b", bytes(2500000))), 70, "SizeLimit"),
                                     (tar(*((f"g{n}", b"") for n in range(5))), 71, "FileLimit"),
                                     (tar(("d/d/d/d/d/d", b"")), 71, "FileLimit")):
        job = files.take(archive)
        assert (job["State"], job["Result"], job["ExitStatus"]) == ("failed", "disk-limit", status), job
        assert f'{setting} of overlay "files"' in job["Message"], job
    error = refused(files.ask, tar(("b", bytes(6000000))))
    assert error.short == "InvalidSetting" and "larger" in error.message, error


def test_without_free_space_nothing_begins(root, filled):
    with host_conf(root, "KeepFree=16T"):
        assert refused(filled.ask, tar(("f", b""))).short == "NoSpace"


def test_an_import_is_watched(root, files, slow):
    job = root.get_all(files.ask(tar(("f", b"1"))))
    watcher = job["Unit"].replace(".service", "-watch.service")
    assert unit(watcher, "SubState")["SubState"] == "running"
    assert watcher in unit(job["Unit"], "BindsTo")["BindsTo"]
    run("systemctl", "kill", "--signal=KILL", watcher)
    now = root.wait_job(path_of("job", job["Id"]))
    assert (now["State"], now["Result"]) == ("failed", "watcher"), now


# A VPK

@pytest.mark.parametrize("version", [1, 2])
def test_a_vpk_is_placed_as_it_is(files, version):
    archive = vpk(version)
    assert files.take(archive, FileName="'a map (v2).vpk'")["State"] == "done"
    assert files.tree() == {b"left4dead2": None, b"left4dead2/addons": None,
                            b"left4dead2/addons/a map (v2).vpk": archive}
    assert files.take(vpk(version, b"\1" * 50), FileName="'b.vpk'")["State"] == "done"
    assert {b"left4dead2/addons/a map (v2).vpk", b"left4dead2/addons/b.vpk"} < set(files.tree())


@pytest.mark.parametrize("archive,options,reason", [
    (vpk(), {}, "FileName"), (vpk(3), {"FileName": "'m.vpk'"}, "version 3"), (vpk()[:14], {"FileName": "'m.vpk'"}, "cut off"),
    (tar(("f", b"")), {"FileName": "'m.vpk'"}, "m.vpk is no VPK"), (b"", {"FileName": "'m.vpk'"}, "no VPK")],
    ids=["without a name", "version 3", "cut off", "a tar", "nothing"])
def test_a_vpk_that_is_refused(filled, archive, options, reason):
    job = filled.take(archive, **options)
    assert (job["State"], job["Result"]) == ("failed", "refused") and reason in job["Message"], job


@pytest.mark.parametrize("name", ["", ".vpk", "a/b.vpk", "../b.vpk", "map.zip", "map.vpk.exe", "ä.vpk", "a\n.vpk", "a" * 252 + ".vpk"])
def test_a_name_of_a_vpk_that_is_refused(filled, name):
    error = refused(filled.ask, vpk(), FileName=text(name))
    assert error.short == "InvalidSetting" and "FileName" in error.message


def test_two_gibibytes_pass_beside_the_bus(root, files, scratch, figure):
    with open(scratch / "large", "wb") as out:
        out.write(vpk())
        for place in range(0, 2 << 30, 256 << 20):
            out.seek(place + (1 << 20))
            out.write(os.urandom(1 << 16))
        out.truncate((2 << 30) + 12345)
    (scratch / "large").chmod(0o644)

    def memory():
        lines = pathlib.Path(f"/proc/{daemon_pid()}/status").read_text().splitlines()
        return {k: int(v.split()[0]) for k, v in (line.split(":") for line in lines if line.startswith(("VmHWM", "VmRSS")))}

    def moved():
        return sum(int(line.split()[1]) for pid in (daemon_pid(), bus_pid())
                   for line in pathlib.Path(f"/proc/{pid}/io").read_text().splitlines()
                   if line.startswith(("rchar", "wchar")))

    before, moved_before = memory(), moved()
    job = root.wait_job(files.ask(None, fd={"path": str(scratch / "large")}, FileName="'large.vpk'"), 300)
    assert job["State"] == "done", job
    grown, passed = memory()["VmHWM"] - before["VmHWM"], moved() - moved_before
    assert grown < 16 << 10, (before, memory())
    assert passed < 16 << 20, passed
    placed = current_dir(root, "files") / "left4dead2/addons/large.vpk"
    assert placed.stat().st_size == (2 << 30) + 12345
    with open(scratch / "large", "rb") as one, open(placed, "rb") as other:
        for place in range(0, 2 << 30, 256 << 20):
            for file in (one, other):
                file.seek(place)
            assert one.read(2 << 20) == other.read(2 << 20), place
    figure(f"an import of 2 GiB: {(job['FinishedAt'] - job['StartedAt']) / 1e6:.1f} s, seal included; the daemon's peak "
           f"memory grew by {grown} KiB, it and the bus read and wrote {passed >> 10} KiB")


def test_progress_tells_how_much_was_read_and_how_fast(root, files, listener):  # noqa: F811
    path = files.ask(tar(*((f"file-{n}", b"") for n in range(30000))))
    assert root.wait_job(path, 300)["State"] == "done"
    told = [s[3][1] for s in listener.signals(1) if s[0] == path and s[2] == "PropertiesChanged"]
    progress = [change["Progress"] for change in told if "Progress" in change]
    assert progress and progress == sorted(progress) and 0 < progress[0] <= progress[-1] <= 1, told
    assert all(re.fullmatch(r"Unpacking, [0-9.]+\s[kMG]?(B|bytes) a second", change["ProgressText"])
               for change in told if change.get("ProgressText")), told


def bus_pid():
    return int(run("systemctl", "show", "--property=MainPID", "--value", "dbus.service").stdout)


# The descriptor

def test_descriptors_that_are_refused(filled, scratch):
    path = str(filled.file)
    for what in ({"pipe": True}, {"path": str(scratch)}, {"path": path, "flags": os.O_WRONLY},
                 {"path": path, "flags": os.O_PATH}, {"path": "/dev/zero"}):
        error = refused(filled.ask, None, fd=what)
        assert error.short == "InvalidSetting" and "descriptor" in error.message, (what, error)
    sparse = scratch / "sparse"
    sparse.touch()
    os.truncate(sparse, (20 << 30) + 1)
    assert "larger" in refused(filled.ask, None, fd={"path": str(sparse)}).message
    assert len(filled.imports()) == 1, "no job came of it"


def test_a_memory_file_and_a_file_that_is_gone(files):
    archive = tar(("a", b"1"))
    assert files.take(None, fd={"memfd": archive.decode("latin-1")})["State"] == "done"
    job = files.ask(tar(("b", b"2")))
    files.file.unlink()
    assert files.client.wait_job(job)["State"] == "done"
    assert set(files.tree()) == {b"a", b"b"}


def test_unknown_options(filled):
    error = refused(filled.ask, tar(("f", b"")), Repalce="true")
    assert error.short == "InvalidSetting" and "Repalce" in error.message
    assert refused(filled.ask, tar(("f", b"")), Replace="'yes'").short == "InvalidSetting"


def test_who_may_import(filled, sam, otto):
    for client in (sam, otto):
        assert refused(filled.ask, tar(("f", b"")), client=client).name in (CHALLENGE, DENIED)
    assert len(filled.imports()) == 1


# At work

@pytest.fixture
def slow():
    """The program that unpacks waits, before it begins, until this fixture is called."""
    program = pathlib.Path("/usr/libexec/left4me/left4me-unpack")
    real = program.with_suffix(".real")
    program.rename(real)
    mark = program.with_name("unpack-go")
    program.write_text(f"#!/bin/bash\nuntil [ -e {mark} ]; do sleep 0.02; done\nexec {real} \"$@\"\n")
    program.chmod(0o755)
    yield mark.touch
    mark.touch()
    wait_for(lambda: not run("systemctl", "list-units", "--plain", "--no-legend", "left4me-job-*").stdout, 30, "the jobs' end")
    real.rename(program)
    mark.unlink()


def test_an_overlay_at_work_is_busy(root, files, slow):
    job = files.ask(tar(("f", b"1")))
    facts = root.get_all(job)
    assert facts["State"] == "running" and files.get()["State"] == "building"
    name = f"Job {facts['Id']} (import)"
    for call in (lambda: files.ask(tar(("g", b"2"))), lambda: root.overlay("files", "Wipe"),
                 lambda: root.overlay("files", "Revert", "(uint64 1, @a{sv} {})")):
        error = refused(call)
        assert error.short == "Busy" and name in error.message, error
    deletion, = root.overlay("files", "Delete")
    assert root.get_all(deletion)["State"] == "queued", "it waits"
    root.job(root.get_all(deletion)["Id"], "Cancel")
    slow()
    assert root.wait_job(job)["State"] == "done" and files.tree() == {b"f": b"1"}
    deletion, = root.overlay("files", "Delete")
    assert root.wait_job(deletion)["State"] == "done"


def test_without_a_free_slot_it_is_busy(root, files, held):
    with host_conf(root, "JobSlots=1"):
        job = held("maps")
        error = refused(files.ask, tar(("f", b"1")))
        assert error.short == "Busy" and "slots" in error.message, error
        go_on(root, "maps")
        root.wait_job(job)
        wait_quiet(root)
        assert files.take(tar(("f", b"1")))["State"] == "done"
    assert len(files.imports()) == 1


def test_an_import_can_be_cancelled(root, ada, otto, files, slow):
    job = files.ask(tar(("f", b"1")), client=ada)
    facts = root.get_all(job)
    assert refused(otto.job, facts["Id"], "Cancel").name in (CHALLENGE, DENIED)
    ada.job(facts["Id"], "Cancel")
    now = root.wait_job(job)
    assert (now["State"], now["Result"]) == ("cancelled", "cancelled"), now
    assert now["Unit"] == facts["Unit"]
    wait_quiet(root)
    assert os.listdir(overlay_dir(root, "files")) == [] and files.get()["Generation"] == 0


def test_the_time_limit(root, files, slow):
    root.overlay("files", "Configure", settings(TimeLimit="uint64 1000000"))
    job = files.take(tar(("f", b"1")))
    assert (job["State"], job["Result"]) == ("failed", "timeout"), job


# The daemon

def test_a_daemon_killed_right_after_the_answer_loses_nothing(root, files, slow):
    pid = daemon_pid()
    job = files.ask(tar(("f", b"1")))
    os.kill(pid, signal.SIGKILL)
    files.file.unlink()
    wait_for(lambda: daemon_pid() not in (0, pid), what="another daemon")
    assert root.get_all(job)["State"] == "running"
    slow()
    now = root.wait_job(job)
    assert (now["State"], now["Result"]) == ("done", "success"), now
    assert files.tree() == {b"f": b"1"}
    assert_nothing_is_left(root)


def test_a_refusal_is_recorded_by_the_next_daemon(root, files, slow):
    job = files.ask(tar(("/f", b"1")))
    kill_daemon()
    slow()
    now = root.wait_job(job)
    assert (now["State"], now["Result"], now["ExitStatus"]) == ("failed", "refused", 65) and now["Unit"] in now["Message"]
    assert_nothing_is_left(root)


def test_a_daemon_killed_around_the_start_ends_each_import(root, files, figure):
    """Whatever instant it is: the job is found or was never there, and ends; nothing is left."""
    ends = {}
    for n in range(16):
        archive = tar((f"f{n}", b"1")).decode("latin-1")
        question = root.question(path_of("overlay", "files"), "org.left4me.Host1.Overlay", "Import", NOWHERE,
                                 fd={"memfd": archive})
        pid = daemon_pid()
        root.begin(n, question)
        time.sleep(0.012 * n)
        os.kill(pid, signal.SIGKILL)
        run("systemctl", "reset-failed", "left4me-hostd.service", check=False)  # many starts in a row are no failure here
        wait_for(lambda: daemon_pid() not in (0, pid), what="another daemon")
        try:
            job, = root.end(n)
        except BusError:
            job = None
        imports = files.imports()
        for one in imports:
            root.wait_job(path_of("job", one["Id"]))
        if job:
            assert root.get_all(job)["State"] == "done", "what was answered is done"
        state = "answered" if job else root.get_all(path_of("job", imports[-1]["Id"]))["State"] if imports else "nothing"
        ends[state] = ends.get(state, 0) + 1
    assert_nothing_is_left(root)
    for job in files.imports():
        assert job["State"] in ("done", "interrupted"), job
        assert job["State"] == "done" or "import it again" in job["Message"], job
    figure(f"imports whose daemon was killed within {0.012 * 15:.2f} s: {ends}")


def test_an_import_that_was_only_written_down_is_interrupted(root, files):
    """The program ended between the row and the beginning."""
    job = files.take(tar(("f", b"1")))
    run("systemctl", "stop", "left4me-hostd.service")
    with contextlib.closing(sqlite3.connect(STATE / "host.db")) as store, store:
        store.execute("UPDATE job SET state = 'queued', result = '', finished_at = 0, generation = 0 WHERE id = ?", (job["Id"],))
    now = root.wait_job(path_of("job", job["Id"]))
    assert (now["State"], now["Result"]) == ("interrupted", "service-restart") and "import it again" in now["Message"], now
    assert_nothing_is_left(root)
