# SPDX-License-Identifier: LGPL-2.1-or-later
"""Faults from below: a disk that is full, a store that cannot be written or is damaged, a journal that is away, a systemd
that refuses. Who calls is told, or waits; nothing is lost; and all is well again when the cause is gone."""
import contextlib
import os
import pathlib
import shutil

import pytest
from builds import HOLD, ask_build, build_now, cache_dir, go_on, held, left4me, set_script, wait_held  # noqa: F401
from conftest import PATH, SMALL_GAME, STATE, BusError, build, daemon_pid, run, start_again, text, unit, wait_for
from faults import HOSTD, assert_settled, store_rows
from test_errors import refused

FILLER = STATE / "filler"


def start_anew():
    run("systemctl", "stop", HOSTD)
    run("systemctl", "start", HOSTD)


@pytest.fixture
def small(root):
    """The service on a disk of 24 MiB of its own, with a game, an overlay and an instance."""
    run("systemctl", "stop", HOSTD)
    run("mount", "-t", "tmpfs", "-o", "size=24m,mode=0710", "tmpfs", STATE)
    run("systemd-tmpfiles", "--create")
    conf = pathlib.Path("/etc/left4me/host.conf.d/99-small.conf")
    conf.parent.mkdir(parents=True, exist_ok=True)
    conf.write_text("[Host]\nKeepFree=0\n")
    run("systemctl", "start", HOSTD)
    assert build(root, "game", SMALL_GAME)["State"] == "done"
    assert build(root, "maps", "echo map > map")["State"] == "done"
    root.manager("CreateInstance", "('small', @a{sv} {})")
    yield
    run("systemctl", "stop", HOSTD)
    conf.unlink()
    run("umount", "--recursive", STATE)
    run("systemctl", "start", HOSTD)


@contextlib.contextmanager
def full():
    with FILLER.open("wb", buffering=0) as filler, contextlib.suppress(OSError):
        while True:
            filler.write(bytes(4096))
    try:
        yield
    finally:
        FILLER.unlink()


def everything(root):
    """What all objects say, without what a restart of the service changes."""
    return {path: interfaces for path, interfaces in root.objects().items()}


def test_a_full_disk_refuses_every_change(root, small):
    changes = [
        (root.manager, "CreateInstance", "('another', @a{sv} {})"),
        (root.manager, "CreateOverlay", "('another', 'script', @a{sv} {})"),
        (root.overlay, "maps", "SetScript", f"({text('#' * 60000)}, @a{{sv}} {{}})"),
        (root.overlay, "maps", "Configure", "({'Description': <'another'>},)"),
        (root.overlay, "maps", "Build"), (root.overlay, "maps", "Wipe"), (root.overlay, "maps", "Delete"),
        (root.instance, "small", "Configure", "({'Arguments': <['+another']>},)"),
        (root.instance, "small", "SetConfig", f"({text('x' * 60000)}, @a{{sv}} {{}})"),
        (root.instance, "small", "Start"), (root.instance, "small", "Mount"), (root.instance, "small", "Reset"),
        (root.instance, "small", "Delete")]
    before, scripts = everything(root), root.overlay("maps", "GetScript", "")
    with full():
        for call, *arguments in changes:
            assert refused(call, *arguments) == "NoSpace", arguments
        assert everything(root) == before and root.overlay("maps", "GetScript", "") == scripts
        start_anew()
        assert everything(root) == before, "the store has the same"
    for call, *arguments in changes[3:5] + changes[9:10]:
        call(*arguments)
    assert_settled(root)
    assert root.get("overlay", "maps")["Description"] == "another" and root.get("instance", "small")["ActiveState"] == "active"
    root.instance("small", "Stop")


def test_a_disk_that_is_full_when_a_build_ends(root, small):
    """Its end is known to nobody but the service, until there is space again."""
    set_script(root, "maps", "echo new > map\n" + HOLD)
    job = ask_build(root, "maps")
    number = root.get_all(job)["Id"]
    wait_held(root, "maps")
    with full():
        go_on(root, "maps")
        ended = root.wait_job(job)
        assert (ended["State"], ended["Result"]) == ("failed", "store") and "Free space" in ended["Message"], ended
        assert store_rows(f"SELECT state FROM job WHERE id = {number}") == [("running",)]
        assert root.get("overlay", "maps")["Generation"] == 1
    wait_for(lambda: store_rows(f"SELECT state, result FROM job WHERE id = {number}") == [("failed", "store")],
             what="the end in the store")
    assert_settled(root)
    assert build_now(root, "maps", "echo new > map")["State"] == "done" and root.get("overlay", "maps")["Generation"] == 3
    assert_settled(root)


def test_a_build_that_fills_the_disk(root, small):
    ended = build_now(root, "maps", "head -c 100M /dev/zero > large")
    assert (ended["State"], ended["Result"]) == ("failed", "exit-code"), ended
    assert_settled(root)
    assert shutil.disk_usage(STATE).free > 16 << 20, "what it had made is gone"
    assert build_now(root, "maps", "echo another > map")["State"] == "done"


def test_a_store_on_a_disk_that_is_read_only(root, overlay):
    overlay("kept")
    before = root.get("overlay", "kept")
    run("systemctl", "stop", HOSTD)
    run("mount", "--bind", STATE, STATE)
    run("mount", "-o", "remount,bind,ro", STATE)
    try:
        assert run("systemctl", "start", HOSTD, check=False).returncode != 0
        wait_for(lambda: "Read-only file system" in unit(HOSTD, "StatusText")["StatusText"], what="the reason")
    finally:
        run("umount", STATE)
    wait_for(daemon_pid, what="the service, by itself")
    assert root.get("overlay", "kept") == before


@pytest.fixture
def damaged(root, overlay):
    """The store is not what SQLite wrote. Gives its bytes; it is whole again afterwards."""
    overlay("kept")
    run("systemctl", "stop", HOSTD)
    store, copy = STATE / "host.db", STATE / "host.db.copy"
    shutil.copy2(store, copy)
    with store.open("r+b") as file:
        file.seek(20)
        file.write(os.urandom(200))
    yield store.read_bytes()
    copy.rename(store)
    assert root.get("overlay", "kept")["Generation"] == 1, "it is there again with the store, by the next call"


def test_a_damaged_store_is_kept_and_said(root, damaged):
    assert run("systemctl", "start", HOSTD, check=False).returncode != 0
    status = unit(HOSTD, "StatusText", "ActiveState", "ExecMainStatus")
    assert status["ActiveState"] == "failed" and status["ExecMainStatus"] == "65", status
    for said in (status["StatusText"], run("journalctl", "-u", HOSTD, "-p", "crit", "-n", "1", "-o", "cat").stdout):
        assert "host.db is damaged" in said and "restore it from a backup" in said, said
    assert (STATE / "host.db").read_bytes() == damaged
    assert not (STATE / "host.db-wal").exists()


def test_a_new_store_gives_nobody_what_lies_there(root, overlay):
    """Whoever moves a damaged store away begins anew, beside what the old one knew: it is kept."""
    overlay("old", "echo old > file")
    number = root.get("overlay", "old")["Id"]
    old = STATE / f"overlays/{number}/1/file"
    files = [STATE / f"host.db{end}" for end in ("", "-wal", "-shm")]
    run("systemctl", "stop", HOSTD)
    for file in files:
        if file.exists():
            file.rename(f"{file}.old")
    run("systemctl", "start", HOSTD)
    try:
        assert f"{STATE}/overlays/{number}" in root.get_all(PATH)["UnknownDirectories"]
        assert build(root, "new", "echo new > file")["State"] == "done"
        assert root.get("overlay", "new")["Id"] > number
        root.wait_job(root.overlay("new", "Delete")[0])
        assert old.read_text() == "old\n"
    finally:
        run("systemctl", "stop", HOSTD)
        for file in files:
            file.unlink(missing_ok=True)
            if pathlib.Path(f"{file}.old").exists():
                pathlib.Path(f"{file}.old").rename(file)
        run("systemctl", "start", HOSTD)
    assert root.get("overlay", "old")["Id"] == number and old.read_text() == "old\n"


def test_what_nobody_knows_in_the_place_of_a_generation(root, overlay):
    overlay("maps")
    place = STATE / f"overlays/{root.get('overlay', 'maps')['Id']}/2"
    place.mkdir()
    (place / "file").write_text("somebody's\n")
    for _ in range(2):
        ended = build_now(root, "maps", "echo new > file")
        assert (ended["State"], ended["Result"]) == ("failed", "unknown-directory") and str(place) in ended["Message"], ended
    assert refused(root.overlay, "maps", "Wipe") == "InUse"
    assert root.get_all(PATH)["UnknownDirectories"] == [str(place)]
    start_anew()
    assert (place / "file").read_text() == "somebody's\n"
    run("rm", "-r", place)
    assert build_now(root, "maps")["State"] == "done" and root.get("overlay", "maps")["Generation"] == 2


def test_what_nobody_knows_in_the_place_of_a_trash(root, overlay):
    overlay("maps")
    (last,), = store_rows("SELECT seq FROM sqlite_sequence WHERE name = 'job'")
    place = STATE / f"cache/.trash/{last + 1}"
    place.mkdir()
    (place / "file").write_text("somebody's\n")
    ended = root.wait_job(root.overlay("maps", "Delete")[0])
    assert (ended["State"], ended["Result"]) == ("failed", "unknown-directory"), ended
    start_anew()
    assert (place / "file").read_text() == "somebody's\n"
    assert root.wait_job(root.overlay("maps", "Delete")[0])["State"] == "done"
    run("rm", "-r", place)


def test_a_unit_that_systemd_refuses_fails_its_job(root, overlay):
    overlay("maps")
    run("systemctl", "stop", "l4d2-build.slice")
    run("systemctl", "mask", "--runtime", "l4d2-build.slice")
    try:
        ended = build_now(root, "maps", "echo new > file")
        assert ended["State"] == "failed" and "l4d2-build.slice" in ended["Message"], ended
    finally:
        run("systemctl", "unmask", "--runtime", "l4d2-build.slice")
    assert build_now(root, "maps")["State"] == "done"
    assert_settled(root)


def test_a_journal_that_is_started_again(root, held):  # noqa: F811
    job = held("loud", "echo after the restart; echo > file")
    number = root.get_all(job)["Id"]
    start_again("systemd-journald.service")
    go_on(root, "loud")
    assert root.wait_job(job)["State"] == "done"
    run("journalctl", "--sync")
    lines = root.job(number, "ReadLog", "('', uint32 100)", timeout=30)[0]
    assert any(bytes(line[2]).startswith(b"after the restart") for line in lines), lines
    found = run("journalctl", "LEFT4ME_EVENT=finished", "-n", "5", "-o", "cat").stdout
    root.overlay("loud", "Configure", "({'Description': <'loud'>},)")
    run("journalctl", "--sync")
    assert run("journalctl", "LEFT4ME_EVENT=finished", "-n", "5", "-o", "cat").stdout != found, "the audit goes on"


def test_a_journal_without_space(root, instance):
    """What cannot be noted keeps nothing from going on; and it is noted again as soon as it can be."""
    instance("quiet")
    place = pathlib.Path("/var/log/journal")
    run("mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", place)
    try:
        start_again("systemd-journald.service")
        root.instance("quiet", "Start")
        assert build(root, "quiet", "seq 10000; echo > file")["State"] == "done"
        root.instance("quiet", "Stop")
    finally:
        run("umount", "--lazy", place)
        start_again("systemd-journald.service")
        run("journalctl", "--flush")  # back from /run, where it went
    root.wait_job(root.overlay("quiet", "Delete")[0])
    run("journalctl", "--sync")
    assert "Delete of quiet" in run("journalctl", "LEFT4ME_EVENT=accepted", "-n", "3", "-o", "cat").stdout
