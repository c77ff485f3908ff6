# SPDX-License-Identifier: LGPL-2.1-or-later
"""How l4d2ctl waits for a job: the bar on a terminal, lines elsewhere, and what Ctrl-C asks."""
import subprocess

import pytest

from builds import HOLD, go_on, jobs_of, set_script, wait_held, wait_state
from conftest import delete_overlay, path_of, run, wait_for
from terminals import Terminal, plain

TALK = "echo X_PROGRESS=40%\necho STATUS=fetching the maps, all of them, one after another and the next\n"
INTERRUPT = "\x03"


@pytest.fixture
def talking(root, users):
    """An overlay whose build says how far it is and waits."""
    root.manager("CreateOverlay", "('ctl-slow', 'script', @a{sv} {})")
    set_script(root, "ctl-slow", TALK + HOLD + "echo a map > left4dead2.vpk")
    yield "ctl-slow"
    for job in jobs_of(root, "ctl-slow", "build"):
        if not job["FinishedAt"]:
            root.job(job["Id"], "Cancel")
    delete_overlay(root, "ctl-slow")


def build(overlay, user="ada", **how):
    return Terminal("l4d2ctl", "overlay", "build", overlay, user=user, **how)


def last_job(root, overlay):
    return jobs_of(root, overlay, "build")[-1]


@pytest.mark.parametrize("columns", [60, 80, 200])
def test_a_terminal_has_a_bar_that_fits(root, talking, columns):
    terminal = build(talking, columns=columns)
    seen = terminal.wait_text("left  fetc")
    assert "build ctl-slow  [########------------]  40%  " in seen
    wait_held(root, talking)
    go_on(root, talking)
    status, rest = terminal.end()
    bars = plain(seen + rest).split("\r")
    assert status == 0 and max(map(len, bars[:-1])) < columns, bars
    assert plain(rest).splitlines()[-1].split("\r")[-1].startswith("Job ") and "done" in rest


def test_elsewhere_there_are_lines(root, talking, tmp_path):
    with open(tmp_path / "said", "w+", encoding="utf-8") as said:
        process = subprocess.Popen(["l4d2ctl", "overlay", "build", talking], stdout=said)
        wait_for(lambda: "ctl-slow:  40% fetching" in (tmp_path / "said").read_text(), 20, "a line")
        wait_held(root, talking)
        go_on(root, talking)
        assert process.wait(30) == 0
    text = (tmp_path / "said").read_text()
    assert "\x1b" not in text and "\r" not in text and text.count("fetching") == 1
    assert run("l4d2ctl", "-q", "overlay", "build", "game", check=False).stdout == ""


def test_the_last_line_that_it_printed_is_shown_to_those_who_may_read_it(root, talking):
    set_script(root, talking, "while sleep 0.3; do echo hello from inside; done &\n" + HOLD)
    terminal = build(talking)
    terminal.wait_text("hello from inside")
    terminal.send(INTERRUPT + "l\n")
    terminal.end()


def test_ctrl_c_asks_and_leaves_the_job_running(root, talking):
    terminal = build(talking)
    terminal.wait_text("40%")
    terminal.send(INTERRUPT)
    terminal.wait_text("[l/c/w]")
    terminal.send("w\n")
    terminal.wait_text("40%")
    terminal.send(INTERRUPT)
    terminal.wait_text("[l/c/w]")
    terminal.send("l\n")
    status, shown = terminal.end()
    assert status == 3 and f"l4d2ctl job wait {last_job(root, talking)['Id']}" in shown
    assert last_job(root, talking)["State"] == "running"


def test_a_second_ctrl_c_leaves_it_too_and_c_cancels(root, talking):
    terminal = build(talking)
    terminal.wait_text("40%")
    terminal.send(INTERRUPT)
    terminal.wait_text("[l/c/w]")
    terminal.send(INTERRUPT)
    assert terminal.end()[0] == 3
    job = last_job(root, talking)
    assert job["State"] == "running"
    terminal = Terminal("l4d2ctl", "job", "wait", job["Id"], user="ada")
    terminal.wait_text("40%")
    terminal.send(INTERRUPT)
    terminal.wait_text("[l/c/w]")
    terminal.send("c\n")
    status, shown = terminal.end()
    assert status == 1 and "cancelled" in shown
    wait_state(root, path_of("job", job["Id"]), "cancelled")


def test_a_shell_goes_on_beside_it(root, talking):
    terminal = Terminal("bash", "--norc", "-i", PS1="")
    terminal.send(f"l4d2ctl overlay build {talking} &\n")
    terminal.wait_text("40%")
    terminal.send("sleep 3\n")
    wait_for(lambda: run("pgrep", "-P", terminal.pid, "-x", "sleep", check=False).stdout, what="a command that reads nothing")
    terminal.send("echo $((6 * 7)) typed\n")
    terminal.wait_text("42 typed")
    wait_held(root, talking)
    go_on(root, talking)
    terminal.wait_text("done")
    terminal.send("exit\n")
    terminal.end()


def test_the_service_may_be_restarted_meanwhile(root, talking):
    terminal = build(talking)
    terminal.wait_text("40%")
    run("systemctl", "restart", "left4me-hostd")
    wait_held(root, talking)
    go_on(root, talking)
    assert terminal.end()[0] == 0


def test_a_job_that_is_not_there(users):
    done = run("l4d2ctl", "job", "wait", "999999", check=False)
    assert done.returncode == 1 and "999999" in done.stderr
