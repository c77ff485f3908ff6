# SPDX-License-Identifier: LGPL-2.1-or-later
"""l4d2ctl logs and job log: in each form, followed over restarts of server and service, and what is refused."""
import json
import pty
import signal
import subprocess
import os
import time

import pytest
from builds import go_on, held  # noqa: F401
from conftest import run, start_again, wait_for
from test_follow import bytes_of, objects, saying  # noqa: F401
from test_job_log import printed, read_all, wait_kept
from test_log import printing, read_whole_log  # noqa: F401
from test_l4d2ctl import ctl, refused
from test_recovery import kill_daemon
from terminals import Terminal, at_terminal


class Following:
    """The tool while it runs, as an operator or another user."""

    def __init__(self, *words, user="otto", env=None):
        self.process = subprocess.Popen(["setpriv", "--reuid", user, "--regid", user, "--init-groups", "l4d2ctl", *words],
                                        stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=env)
        os.set_blocking(self.process.stdout.fileno(), False)
        self.said = b""

    def until(self, word):
        def look():
            self.said += self.process.stdout.read() or b""
            return word in self.said
        try:
            wait_for(look, 30, f"the word {word}")
        except AssertionError as error:
            raise AssertionError(f"{self.said[-1000:]!r}") from error
        return self.said

    def end(self):
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(10)


def raw(*words):
    return subprocess.run(["l4d2ctl", *words], capture_output=True, check=True).stdout


def test_a_log_in_each_form(root, printing):
    printing("forms", r"printf 'caf\xe9 \033[1m\n'; echo '{\"\\'; seq 20")
    run("journalctl", "--sync")
    lines = printed(read_whole_log(root, "forms"))
    assert raw("logs", "forms", "-o", "cat").splitlines() == lines
    assert [bytes_of(o) for o in objects(raw("logs", "forms", "--output=json"))] == lines
    short = raw("logs", "forms").splitlines()
    assert [line[16:] for line in short] == lines and short[0][9:10] == b":" and short[0][12:13] == b":"
    assert raw("logs", "forms", "-n", "2", "-o", "cat") == b"20\nready\n"
    assert raw("logs", "forms", "-n", "0") == b""


def test_a_part_of_a_log(root, saying):
    say = saying("parts")
    following = Following("logs", "parts", "-f", "--since=yesterday", "-o", "cat")
    following.until(b"ready\n")
    say(b"first")
    following.until(b"first\n")
    time.sleep(2)  # times of the command line are whole seconds
    between = f"@{int(time.time())}"
    say(b"second")
    assert b"first\nsecond\n" in following.until(b"second\n")
    following.end()
    def part(*words):
        return raw("logs", "parts", "-o", "cat", *words)
    assert part("--since", between) == b"second\n" == part("-S", "now", "-n", "1", "-S", between)
    assert part("--until", between, "-n", "1") == b"first\n"
    assert part("-S", "1h ago", "-U", between).endswith(b"ready\nfirst\n") and part("-S", "-1d") == part("-S", "yesterday") == part()
    assert part("-p", "info") == part("--priority=7") == part() and part("-p", "err") == b""


def test_a_terminal_gets_nothing_that_it_obeys(root, printing):
    printing("odd", r"printf 'a\tb\033[2Jc\233d\n'")
    for form in ("cat", "short", "json"):
        ours, theirs = pty.openpty()
        subprocess.run(["l4d2ctl", "--no-pager", "logs", "odd", "-o", form], stdout=theirs, check=True)
        os.close(theirs)
        said = b""
        try:
            while more := os.read(ours, 65536):
                said += more
        except OSError:
            pass
        os.close(ours)
        assert b"ready" in said and not set(said) & (set(range(32)) - {10, 13}), said
        assert b"\x9b" not in said, "which begins a command where no UTF-8 is spoken"


def test_a_whole_log_is_paged(root, printing):
    printing("paged", "seq 20")
    pager = {"user": "otto", "SYSTEMD_PAGER": "sed s/^/paged:/"}
    assert "paged:20" in at_terminal("l4d2ctl", "logs", "paged", "-o", "cat", **pager)[1]
    job = root.get_all(root.get("overlay", "paged")["LastJob"])["Id"]
    assert "paged:" in at_terminal("l4d2ctl", "job", "log", job, **pager)[1]
    following = Terminal("l4d2ctl", "logs", "paged", "-f", "-o", "cat", **pager)
    assert "paged:" not in following.wait_text("ready")
    following.send("\x03")
    following.end()


def test_following_over_restarts(root, saying):
    say = saying("talk")
    following = Following("logs", "talk", "-f", "-o", "cat", "-n", "1")
    following.until(b"ready\n")
    say(b"one")
    following.until(b"one\n")
    kill_daemon()
    say(b"two")
    following.until(b"two\n")
    root.instance("talk", "Restart")
    say(b"three")
    following.until(b"three\n")
    start_again("systemd-journald.service")
    run("systemctl", "restart", "left4me-hostd")
    say(b"four")
    said = following.until(b"four\n").splitlines()
    assert [line for line in said if line in (b"one", b"two", b"three", b"four")] == [b"one", b"two", b"three", b"four"]
    assert said[0] == b"ready", "the last line is the first"
    assert following.end() == -signal.SIGINT


def test_the_followed_ends(root, saying, held):
    saying("talk")
    instance = Following("logs", "talk", "--follow")
    instance.until(b"ready")
    root.instance("talk", "Stop")
    root.wait_job(root.instance("talk", "Delete")[0])
    assert instance.process.wait(20) == 0 and b"Stopped" in instance.until(b"Stopped")

    job = held("maps", "echo the last")
    number = root.get_all(job)["Id"]
    following = Following("job", "log", str(number), "-f", "-n", "1000", "-o", "cat")
    following.until(b"left4me-job")
    go_on(root, "maps")
    assert following.process.wait(20) == 0
    wait_kept(number)
    assert following.until(b"the last\n").splitlines() == printed(read_all(root, number))


def test_a_log_whose_last_line_is_gone_goes_on(root, saying):
    say = saying("talk")
    following = Following("logs", "talk", "-f", "-o", "json")
    following.until(b'"ready"')
    run("systemctl", "stop", "left4me-hostd")
    start_again("systemd-journald.service")
    run("journalctl", "--rotate", "--vacuum-size=1")
    say(b"after")
    run("systemctl", "start", "left4me-hostd")
    assert json.loads(following.until(b'"after"}\n').splitlines()[-1])["MESSAGE"] == "after"
    following.end()
    assert b"may be missing" in following.process.stderr.read()


@pytest.mark.parametrize("words", [["logs"], ["logs", "a", "b"], ["logs", "forms", "-n", "few"], ["logs", "forms", "-o", "long"],
                                   ["logs", "forms", "-S", "soon"], ["logs", "forms", "-U", "-1h", "-f"], ["logs", "forms", "-p", "loud"],
                                   ["logs", "forms", "-S", "25:00"], ["logs", "forms", "--until=2026-02-30x"], ["list", "-S", "now"],
                                   ["list", "-f"], ["status", "--lines=3"], ["job", "log", "1", "2", "-f"], ["job", "log", "x"]])
def test_bad_words(game, words):
    refused(*words, status=2)


def test_refusals(root, instance):
    instance("mine")
    assert "nowhere" in refused("logs", "nowhere")
    assert "authentication" in refused("logs", "mine", user="sam").lower()
    assert "no job" in refused("job", "log", "123456789").lower()
    assert ctl("logs", "mine", user="otto").stdout == ""
