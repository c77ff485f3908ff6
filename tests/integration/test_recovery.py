# SPDX-License-Identifier: LGPL-2.1-or-later
"""The daemon is killed or absent in the middle of jobs: it takes up what runs, records what ended, and leaves nothing behind."""
import contextlib
import os
import pathlib
import signal
import sqlite3

import pytest

from conftest import IFACE, PATH, STATE, BusError, build, daemon_pid, delete_overlay, path_of, run, text, unit, wait_for
from builds import listener  # noqa: F401

WAITS = 'echo waiting > waiting; while [ ! -e /cache/go ]; do sleep 0.05; done; echo "$RANDOM" > result; exit {status}\n'


@pytest.fixture
def waiting(root):
    """A build that runs until it is let go: (job path, its unit, let go)."""
    root.manager("CreateOverlay", "('wait', 'script', @a{sv} {})")
    number = root.get("overlay", "wait")["Id"]

    def begin(status=0):
        root.overlay("wait", "SetScript", f"({text(WAITS.format(status=status))}, @a{{sv}} {{}})")
        job = root.overlay("wait", "Build")[0]
        name = f"left4me-job-{root.get_all(job)['Id']}.service"
        wait_for(lambda: any((STATE / f"overlays/{number}").glob("*/waiting")), what="the script")
        return job, name, lambda: (STATE / f"cache/{number}/go").touch()

    yield begin
    (STATE / f"cache/{number}/go").touch()
    for path, interfaces in root.objects().items():
        job = interfaces.get(IFACE + ".Job")
        if job and not job["FinishedAt"]:
            root.wait_job(path)
    delete_overlay(root, "wait")


def kill_daemon():
    """Killed at once; systemd and the bus bring it back."""
    pid = daemon_pid()
    os.kill(pid, signal.SIGKILL)
    wait_for(lambda: daemon_pid() not in (0, pid), what="another daemon")
    wait_for(lambda: unit("left4me-hostd.service", "ActiveState")["ActiveState"] == "active")


def assert_nothing_is_left(root, planted=()):
    def is_clean():
        return not any(i.get(IFACE + ".Job", {"FinishedAt": 1})["FinishedAt"] == 0 for i in root.objects().values())
    wait_for(is_clean, 20, "the end of all jobs")
    wait_for(lambda: not os.listdir("/run/left4me/staging"), what="an empty staging")
    for tree in ("overlays", "cache", "runtime"):
        assert set((STATE / tree / ".trash").iterdir()) <= set(planted), tree
    assert run("systemctl", "list-units", "--all", "--plain", "--no-legend", "left4me-job-*").stdout == ""
    for path, interfaces in root.objects().items():
        overlay = interfaces.get(IFACE + ".Overlay")
        directory = STATE / f"overlays/{overlay['Id']}" if overlay else None
        if directory and directory.exists():
            there = sorted(p.name for p in directory.iterdir() if p not in planted)
            assert there == sorted(str(g[0]) for g in overlay["Generations"]), path


def test_a_daemon_killed_during_a_build_takes_the_same_unit_up(root, waiting):
    job, name, go = waiting()
    before = unit(name, "InvocationID", "MainPID")
    kill_daemon()
    assert root.get_all(job)["State"] == "running"
    assert unit(name, "InvocationID", "MainPID") == before
    go()
    done = root.wait_job(job)
    assert (done["State"], done["Result"]) == ("done", "success"), done
    assert root.get("overlay", "wait")["Generation"] == 1
    assert_nothing_is_left(root)


@pytest.mark.parametrize("status, state", [(0, "done"), (3, "failed")])
def test_a_build_that_ends_while_the_daemon_is_away_is_recorded(root, waiting, status, state):
    job, name, go = waiting(status)
    run("systemctl", "stop", "left4me-hostd.service")
    go()
    wait_for(lambda: unit(name, "SubState")["SubState"] in ("exited", "failed"), what="the end of the script")
    done = root.wait_job(job)
    assert (done["State"], done["ExitStatus"]) == (state, status), done
    assert root.get("overlay", "wait")["Generation"] == (1 if status == 0 else 0)
    assert_nothing_is_left(root)


def test_a_daemon_killed_over_and_over_loses_no_build(root, waiting):
    """Every 30 ms or so through the life of ten builds: each ends, and the last one is current."""
    job, name, go = waiting()
    go()
    for n in range(10):
        pid = daemon_pid()
        if pid:
            os.kill(pid, signal.SIGKILL)
        run("systemctl", "start", "left4me-hostd.service", check=False)
        try:
            job = root.overlay("wait", "Build")[0]
        except BusError:
            continue
    done = root.wait_job(job, 60)
    assert done["State"] == "done", done
    assert_nothing_is_left(root)


def test_a_daemon_killed_while_sealing_seals_again(root):
    """10,000 files keep the seal busy long enough to be met."""
    root.manager("CreateOverlay", "('seal', 'script', @a{sv} {})")
    script = "for d in $(seq 20); do mkdir $d; (cd $d; seq 500 | xargs touch); done\n"
    root.overlay("seal", "SetScript", f"({text(script)}, @a{{sv}} {{}})")
    try:
        job = root.overlay("seal", "Build")[0]
        seal = f"left4me-job-{root.get_all(job)['Id']}-seal.service"
        wait_for(lambda: unit(seal, "ActiveState")["ActiveState"] in ("activating", "active"), 30, "the seal")
        kill_daemon()
        done = root.wait_job(job, 60)
        assert done["State"] == "done", done
        assert root.get("overlay", "seal")["Files"] == 10000
        assert_nothing_is_left(root)
    finally:
        delete_overlay(root, "seal")


def test_a_daemon_killed_during_a_deletion_ends_it(root):
    build(root, "gone", "for d in $(seq 20); do mkdir $d; (cd $d; seq 500 | xargs touch); done\n")
    number = root.get("overlay", "gone")["Id"]
    job = root.overlay("gone", "Delete")[0]
    wait_for(lambda: root.get_all(job)["State"] == "running", what="the deletion")
    kill_daemon()
    assert root.wait_job(job, 60)["State"] == "done"
    assert not (STATE / f"overlays/{number}").exists() and not (STATE / f"cache/{number}").exists()
    with pytest.raises(BusError) as refusal:
        root.manager("GetOverlay", "('gone',)")
    assert refusal.value.short == "NoSuchOverlay"
    assert_nothing_is_left(root)


def test_a_unit_that_somebody_stopped_is_no_success(root, waiting):
    job, name, _ = waiting()
    run("systemctl", "stop", name)
    done = root.wait_job(job)
    assert done["State"] == "failed" and done["Message"], done
    assert_nothing_is_left(root)


@pytest.fixture
def unknown(root, overlay):
    """Directories and a file where each kind of thing lies, that belong to nothing; some look as if they did."""
    overlay("known")
    known, (following,) = root.get("overlay", "known")["Id"], store_row("SELECT next_generation FROM overlay WHERE name = 'known'")
    job, = store_row("SELECT seq FROM sqlite_sequence WHERE name = 'job'")
    paths = [STATE / p for p in (
        "overlays/999999", f"overlays/0{known}", f"overlays/{known}x", "overlays/.hidden", f"overlays/{known}/{following}",
        f"overlays/{known}/notes", "cache/999999", "instances/nobody", "runtime/nobody", f"overlays/.trash/{job + 1000}",
        "runtime/.trash/mine")]
    for path in paths:
        path.mkdir()
        (path / "file").write_text("somebody's\n")
    (STATE / "cache/a\nline").write_text("")
    yield paths
    run("rm", "-r", STATE / "cache/a\nline", *paths)


def store_row(question):
    with contextlib.closing(sqlite3.connect(f"file:{STATE}/host.db?mode=ro", uri=True)) as store:
        return store.execute(question).fetchone()


def test_what_nobody_knows_is_reported_and_kept(root, unknown, listener):
    shown = sorted(map(str, unknown)) + [f"{STATE}/cache/a\\nline"]
    root.manager("Reload", "(@a{sv} {},)")
    assert sorted(shown) == root.get_all(PATH)["UnknownDirectories"]
    assert [a[1]["UnknownDirectories"] for p, _, m, a in listener.signals() if p == PATH and "UnknownDirectories" in a[1]] == [
        sorted(shown)]
    since = run("date", "+%s").stdout.strip()
    kill_daemon()
    assert sorted(shown) == root.get_all(PATH)["UnknownDirectories"], "the same after a start"
    assert_nothing_is_left(root, unknown)
    log = run("journalctl", "--unit=left4me-hostd", "--output=cat", f"--since=@{since}").stdout
    status = run("l4d2ctl", "status").stdout
    for path in shown:
        assert f"Nobody knows {path}; it is kept" in log and f"{path} (kept" in status, path
    assert all((path / "file").read_text() == "somebody's\n" for path in unknown)
    assert (STATE / "cache/a\nline").exists()
    run("rm", "-r", unknown[0])
    root.manager("Reload", "(@a{sv} {},)")
    assert str(unknown[0]) not in root.get_all(PATH)["UnknownDirectories"]
    unknown[0].mkdir()


def test_staging_of_a_job_that_is_no_more_is_swept(root):
    left = pathlib.Path("/run/left4me/staging/999999/overlay")
    left.mkdir(parents=True)
    run("mount", "--bind", "/usr/share", left)
    kill_daemon()
    root.get_all("/org/left4me/Host1")
    assert not left.parent.exists()
    assert "staging/999999" not in pathlib.Path("/proc/1/mountinfo").read_text()
