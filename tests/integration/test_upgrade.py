# SPDX-License-Identifier: LGPL-2.1-or-later
"""The service is upgraded while servers and builds run: no server notices, and no build is lost."""
import os
import pathlib
import shutil
import signal

import pytest
from builds import ask_build, go_on, held, wait_state  # noqa: F401
from conftest import daemon_pid, run, unit, wait_for
from faults import assert_settled
from servers import host_conf, is_marked, mark_mount, server_unit

PROGRAM = pathlib.Path("/usr/libexec/left4me/left4me-hostd")
SERVERS = ("one", "two", "three")


def restart():
    run("systemctl", "restart", "left4me-hostd.service")


def kill():
    os.kill(daemon_pid(), signal.SIGKILL)


@pytest.fixture
def new_program():
    """Puts another file in the program's place, as a package does."""
    before = PROGRAM.with_suffix(".before")
    shutil.copy2(PROGRAM, before)

    def install():
        new = PROGRAM.with_suffix(".new")
        shutil.copy2(before, new)
        new.rename(PROGRAM)
    yield install
    before.rename(PROGRAM)


@pytest.mark.parametrize("end", [restart, kill])
def test_an_upgrade_with_servers_and_builds(root, instance, overlay, held, new_program, end):  # noqa: F811
    for name in SERVERS:
        instance(name)
        root.instance(name, "Start")
        mark_mount(name)
    servers = {name: unit(server_unit(name), "MainPID", "InvocationID", "NRestarts") for name in SERVERS}
    overlay("later", built=False)
    with host_conf(root, "JobSlots=2"):
        running = {name: held(name) for name in ("first", "second")}
        units = [f"left4me-job-{root.get_all(job)['Id']}.service" for job in running.values()]
        builds = [unit(u, "MainPID", "InvocationID") for u in units]
        queued = ask_build(root, "later")
        assert root.get_all(queued)["State"] == "queued"
        before = daemon_pid()
        new_program()
        end()

        def is_new():
            """It is systemd's own program first, which then executes ours."""
            pid = daemon_pid()
            return pid not in (0, before) and pathlib.Path(f"/proc/{pid}/exe").samefile(PROGRAM)
        wait_for(is_new, what="the new program")
        assert [unit(u, "MainPID", "InvocationID") for u in units] == builds
        assert [root.get_all(job)["State"] for job in (*running.values(), queued)] == ["running", "running", "queued"]
        for name, job in running.items():
            go_on(root, name)
            done = root.wait_job(job)
            assert (done["State"], done["Result"], root.get("overlay", name)["Generation"]) == ("done", "success", 1), done
        assert root.wait_job(queued)["State"] == "done" and root.get("overlay", "later")["Generation"] == 1
    for name, seen in servers.items():
        assert unit(server_unit(name), "MainPID", "InvocationID", "NRestarts") == seen and is_marked(name)
        assert root.get("instance", name)["MainPID"] == int(seen["MainPID"])
    assert_settled(root)
