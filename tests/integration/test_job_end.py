# SPDX-License-Identifier: LGPL-2.1-or-later
"""Builds that are ended from outside: how they are told, and that none of them ever counts as done."""
import os
import pathlib
import signal
import time

import pytest
from builds import (HOLD, ask_build, build_now, cache_dir, current_dir, held, overlay_dir, processes_of,  # noqa: F401
                    set_script, wait_held, wait_quiet)
from conftest import run, unit, wait_for
from servers import settings

PROGRAM = pathlib.Path("/usr/libexec/left4me/left4me-tree")

# What a script does when it is told to end.
OBEDIENT = "trap 'echo told > /cache/told; exit 0' TERM\n"
DEAF = "trap '' TERM INT HUP\n"
FAILING = "trap 'echo told > /cache/told; exit 3' TERM\n"
WAIT = "echo half > file; touch /cache/at-hold; while :; do sleep 0.02; done\n"


@pytest.fixture
def maps(root, overlay):
    """An overlay with a generation that must outlive every end of a build."""
    overlay("maps", "echo kept > kept")
    before = root.get("overlay", "maps")
    yield "maps"
    wait_quiet(root)
    now = root.get("overlay", "maps")
    assert (now["Generation"], now["Digest"]) == (before["Generation"], before["Digest"])
    assert os.listdir(overlay_dir(root, "maps")) == [str(before["Generation"])], "what was half made is deleted"


def begin(root, name, script):
    """Builds; returns the job's properties when the script has come to where it waits."""
    (cache_dir(root, name) / "at-hold").unlink(missing_ok=True)
    job = ask_build(root, name, script)
    wait_held(root, name)
    return {**root.get_all(job), "path": job}


def was_told(root, name):
    return (cache_dir(root, name) / "told").exists()


@pytest.mark.parametrize("script", [OBEDIENT, FAILING, ""], ids=["ends well", "fails", "says nothing"])
def test_a_cancelled_script_is_told_and_its_build_is_cancelled(root, maps, script):
    job = begin(root, maps, script + WAIT)
    root.job(job["Id"], "Cancel")
    now = root.wait_job(job["path"])
    assert (now["State"], now["Result"]) == ("cancelled", "cancelled"), now
    assert was_told(root, maps) == bool(script)


def test_a_cancelled_script_that_is_deaf_is_killed(root, maps):
    job = begin(root, maps, DEAF + f"setsid bash -c \"{DEAF.strip()}; while :; do sleep 1; done\" &\n" + WAIT)
    begun = time.monotonic()
    root.job(job["Id"], "Cancel")
    assert root.get_all(job["path"])["State"] == "running"
    now = root.wait_job(job["path"])
    assert (now["State"], now["Result"]) == ("cancelled", "cancelled"), now
    assert time.monotonic() - begun > 4.9, "the time that it has to end by itself"
    assert processes_of("l4d2-sandbox-0") == []


@pytest.mark.parametrize("script,state", [(OBEDIENT, "stopped"), (FAILING, "exit-code"), (DEAF, "stopped"), ("", "stopped")],
                         ids=["ends well", "fails", "deaf", "says nothing"])
def test_a_build_whose_unit_is_stopped_is_not_done(root, maps, script, state):
    job = begin(root, maps, script + WAIT)
    run("systemctl", "stop", job["Unit"])
    now = root.wait_job(job["path"])
    assert (now["State"], now["Result"]) == ("failed", state) and job["Unit"] in now["Message"], now


@pytest.mark.parametrize("name", ["TERM", "HUP", "KILL"])
def test_a_build_that_is_killed_is_not_done(root, maps, name):
    """systemd takes the first two for a clean end. SIGINT is left out: bash goes on when its child does not die of it."""
    job = begin(root, maps, WAIT)
    run("systemctl", "kill", f"--signal={name}", job["Unit"])
    now = root.wait_job(job["path"])
    number = signal.Signals[f"SIG{name}"].value
    assert (now["State"], now["Result"], now["ExitStatus"]) == ("failed", "signal", number), now


def test_a_build_whose_unit_is_stopped_while_the_service_is_away_is_not_done(root, maps):
    """systemd forgets such a unit, so the build has its turn again."""
    job = begin(root, maps, "[ ! -e /cache/told ] || exit 3\n" + OBEDIENT + WAIT)
    run("systemctl", "stop", "left4me-hostd.service")
    run("systemctl", "stop", job["Unit"])
    assert was_told(root, maps)
    now = root.wait_job(job["path"])
    assert (now["State"], now["ExitStatus"]) == ("failed", 3), now


def test_a_script_that_ends_well_at_its_time_limit_is_not_done(root, maps):
    root.overlay(maps, "Configure", settings(TimeLimit="uint64 1500000"))
    now = build_now(root, maps, OBEDIENT + WAIT)
    assert (now["State"], now["Result"]) == ("failed", "timeout"), now
    for words in ("1.5 s", "TimeLimit of the overlay", "BuildTimeLimitSec of host.conf"):
        assert words in now["Message"], now
    assert was_told(root, maps)
    root.overlay(maps, "Configure", settings(TimeLimit="uint64 0"))


@pytest.fixture
def slow_program(root):
    """The service's own program never ends, and no unit of a job has more than two seconds."""
    real, conf = PROGRAM.with_name("left4me-tree.real"), pathlib.Path("/run/systemd/system/left4me-job-.service.d/test.conf")
    PROGRAM.rename(real)
    PROGRAM.write_text("#!/bin/bash\nexec sleep 1000\n")
    PROGRAM.chmod(0o755)
    conf.parent.mkdir(parents=True)
    conf.write_text("[Service]\nRuntimeMaxSec=2\n")
    run("systemctl", "daemon-reload")
    yield
    real.rename(PROGRAM)
    conf.unlink()
    conf.parent.rmdir()
    run("systemctl", "daemon-reload")
    run("systemctl", "restart", "left4me-hostd.service")  # deletes what could not be deleted
    wait_quiet(root)


def test_what_follows_a_script_and_what_deletes_has_a_time_limit(root, overlay, slow_program):
    overlay("slow", built=False)
    for job, hint in ((ask_build(root, "slow", "echo > file"), "the seal"),
                      (root.overlay("slow", "Delete")[0], "when it is started next")):
        now = root.wait_job(job)
        assert (now["State"], now["Result"]) == ("failed", "timeout"), now
        assert "time limit of 2 s" in now["Message"] and hint in now["Message"], now
