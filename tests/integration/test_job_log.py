# SPDX-License-Identifier: LGPL-2.1-or-later
"""What a job prints: how far it says it is, its log from the journal, and the last 64 KiB of it when the journal has let go."""
import os
import signal
import socket
import sqlite3
import time

import pytest
from builds import ask_build, build_now, go_on, held, listener, set_script  # noqa: F401
from conftest import CHALLENGE, STATE, BusError, daemon_pid, run, text, unit, wait_for
from test_recovery import kill_daemon

KEPT = 64 * 1024
RATE = 4  # signals a second


def read(client, number, cursor="", most=0):
    """One answer of ReadLog: the lines as tuples with bytes, the cursor for the next call, whether it is the end."""
    lines, following, end = client.job(number, "ReadLog", f"({text(cursor)}, uint32 {most})")
    return [(at, priority, bytes(line), own) for at, priority, line, own in lines], following, end


def read_all(client, number, most=0):
    found, cursor, end = [], "", False
    while not end:
        lines, cursor, end = read(client, number, cursor, most)
        assert lines or end
        found += lines
    return found


def printed(lines):
    return [line[2] for line in lines]


def refused(client, number, cursor):
    with pytest.raises(BusError) as refusal:
        read(client, number, cursor)
    return refusal.value.short


def number_of(client, job):
    return client.get_all(job)["Id"]


def is_kept(number):
    with sqlite3.connect(STATE / "host.db") as store:
        return store.execute("SELECT count(*) FROM job_log WHERE job = ?", (number,)).fetchone()[0] == 1


def wait_kept(number):
    wait_for(lambda: is_kept(number), 30, f"the log of job {number} put aside")


def let_journal_go():
    """Everything that is in the journal by now is gone from it; files younger than a second would stay."""
    time.sleep(1.1)
    run("journalctl", "--rotate", "--vacuum-time=1s")


def told(signals, job):
    """What PropertiesChanged told of Progress and ProgressText, in order."""
    changes = [s[3][1] for s in signals if s[0] == job and s[2] == "PropertiesChanged"]
    return [c for c in changes if "Progress" in c or "ProgressText" in c]


# Progress

def test_progress_is_told_four_times_a_second_and_the_last_always(root, overlay, listener):
    """Ten thousand lines in some seconds, and a last one right at the end."""
    overlay("maps", built=False)
    set_script(root, "maps", """
        for i in {1..20}; do
            for j in {100..599}; do echo "X_PROGRESS=$i.$j%"; done
            sleep 0.1
        done
        echo STATUS=the last; echo X_PROGRESS=99.5%""")
    began = time.monotonic()
    job = ask_build(root, "maps")
    done = root.wait_job(job)
    wait_for(lambda: root.get_all(job)["Progress"] == 0.995, what="the last number")
    changes = told(listener.signals(1), job)
    took = time.monotonic() - began
    assert 3 <= len(changes) <= took * RATE + 1, (len(changes), took)
    merged = {name: value for change in changes for name, value in change.items()}
    assert (merged["Progress"], merged["ProgressText"]) == (0.995, "the last")
    assert [c["Progress"] for c in changes if "Progress" in c] == sorted(c["Progress"] for c in changes if "Progress" in c)
    assert done["State"] == "done"


def test_progress_of_a_job_that_says_nothing_is_unknown(root, overlay):
    overlay("maps", "echo 'X_PROGRESS=101%'; echo ' STATUS=no'; echo X_PROGRESS=nan%; echo built > built")
    job = root.get_all(root.get("overlay", "maps")["LastJob"])
    wait_kept(job["Id"])
    assert (job["Progress"], job["ProgressText"]) == (-1, "")


def test_a_text_goes_to_everybody_without_its_tricks(root, held, listener):
    job = held("maps", r"""printf 'STATUS=\033[2J\233a\xe2\x80\xae%s\n' "$(printf 'x%.0s' {1..1000})"; sleep 0.5""")
    go_on(root, "maps")
    root.wait_job(job)
    shown = wait_for(lambda: root.get_all(job)["ProgressText"], what="the text")
    assert shown.startswith("\ufffd[2J\ufffda\ufffdxxx") and 253 <= len(shown.encode()) <= 256, shown
    assert told(listener.signals(1), job)[-1]["ProgressText"] == shown


def test_another_process_cannot_speak_for_a_build(root, held):
    """By journald's socket any field can be sent, but not those that it sets itself."""
    job = held("maps", "echo X_PROGRESS=50%")
    number, name = number_of(root, job), root.get_all(job)["Unit"]
    fields = {"MESSAGE": "STATUS=forged", "LEFT4ME_JOB": number, "UNIT": name, "_SYSTEMD_UNIT": name, "_PID": 1,
              "SYSLOG_IDENTIFIER": f"left4me-job-{number}", "_TRANSPORT": "stdout"}
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as journald:
        journald.sendto("".join(f"{k}={v}\n" for k, v in fields.items()).encode(), "/run/systemd/journal/socket")
    run("systemd-run", "--wait", "--unit=left4me-job-forger", f"--property=LogExtraFields=LEFT4ME_JOB={number}",
        f"--property=SyslogIdentifier=left4me-job-{number}", "echo", "STATUS=forged")
    run("journalctl", "--sync")
    assert "STATUS=forged" in run("journalctl", f"LEFT4ME_JOB={number}", "--output=cat").stdout, "they are there"
    go_on(root, "maps")
    root.wait_job(job)
    wait_for(lambda: root.get_all(job)["Progress"] == 0.5, what="its own number")
    assert root.get_all(job)["ProgressText"] == ""
    assert b"STATUS=forged" not in printed(read_all(root, number))
    wait_kept(number)


def test_a_service_that_comes_back_finds_the_progress(root, held):
    job = held("maps", "echo STATUS=halfway; echo X_PROGRESS=50%; echo > /cache/printed\n"
               "until [ -e /cache/end ]; do sleep 0.02; done; rm /cache/end /cache/printed; echo X_PROGRESS=100%")
    cache = STATE / "cache" / str(root.get("overlay", "maps")["Id"])
    go_on(root, "maps")
    wait_for((cache / "printed").exists, what="the lines")
    kill_daemon()
    wait_for(lambda: (lambda p: (p["Progress"], p["ProgressText"]) == (0.5, "halfway"))(root.get_all(job)), what="both")
    (cache / "end").touch()
    os.chown(cache / "end", *(cache / "printed").stat()[4:6])
    assert root.wait_job(job)["State"] == "done"
    wait_for(lambda: root.get_all(job)["Progress"] == 1, what="the last number")


# The log

def test_the_log_is_read_on_by_cursor(root, held):
    job = held("maps", "for i in {1..2500}; do echo line $i; done")
    number = number_of(root, job)
    set_script(root, "maps", "echo other")
    first, cursor, end = read(root, number)
    assert end and first, "systemd's own lines of the start"
    assert read(root, number, cursor) == ([], cursor, True), "there is no more by now"
    go_on(root, "maps")
    root.wait_job(job)
    wait_kept(number)
    more, cursor, end = read(root, number, cursor)
    assert len(more) == 1000 and not end and cursor == more[-1][3]
    rest, cursor, end = read(root, number, cursor, 2000)
    assert len(rest) == 1000 and not end, "1000 are the most"
    rest += read(root, number, cursor)[0]
    lines = first + more + rest
    own = [line for line in printed(lines) if line.startswith(b"line ")]
    assert own == [b"line %d" % i for i in range(1, 2501)]
    assert lines == read_all(root, number, 777) and [line[0] for line in lines] == sorted(line[0] for line in lines)
    assert f"left4me-job-{number}-seal.service".encode() in b"\n".join(printed(lines)), "the seal's too"
    last = read(root, number, lines[-2][3])
    assert last == ([lines[-1]], lines[-1][3], True)


def test_a_line_is_what_was_printed_with_its_priority(root, overlay):
    overlay("maps", r"""printf '<3>an error\n'; printf 'caf\xe9 \033[1m\xff\tx\n' >&2; printf 'no newline'""")
    job = root.get_all(root.get("overlay", "maps")["LastJob"])
    wait_kept(job["Id"])
    lines = [(p, line) for at, p, line, _ in read_all(root, job["Id"]) if job["StartedAt"] <= at <= job["FinishedAt"]]
    own = [line for line in lines if b"left4me-job" not in line[1]]
    assert sorted(own) == sorted([(3, b"an error"), (6, b"caf\xe9 \033[1m\xff\tx"), (6, b"no newline")]), lines


def test_a_cursor_of_another_log_gives_nothing(root, overlay):
    overlay("maps", "echo mine")
    overlay("other", "echo secret")
    mine, other = [root.get_all(root.get("overlay", name)["LastJob"])["Id"] for name in ("maps", "other")]
    for number in (mine, other):
        wait_kept(number)
    foreign = run("journalctl", "--unit=left4me-hostd", "--lines=1", "--show-cursor", "--output=cat").stdout
    earlier, later = [[line[3] for line in read_all(root, number)] for number in (mine, other)]
    assert {refused(root, other, cursor) for cursor in earlier} == {"CursorGone"}
    cursors = later + [foreign.rpartition("cursor: ")[2].strip(), "kept:99", "kept:-1"]
    assert len(cursors) > 5
    assert {refused(root, mine, cursor) for cursor in cursors} == {"CursorGone"}
    assert b"secret" not in b"".join(printed(read_all(root, mine)))


def test_who_may_read_it(root, otto, sam, overlay):
    overlay("maps", "echo for operators")
    number = root.get_all(root.get("overlay", "maps")["LastJob"])["Id"]
    wait_kept(number)
    assert b"for operators" in printed(read_all(otto, number))
    with pytest.raises(BusError) as refusal:
        read(sam, number)
    assert refusal.value.name == CHALLENGE
    said = run("l4d2ctl", "job", "log", number, user="otto").stdout
    assert "for operators\n" in said and said.count("\n") == len(read_all(otto, number))
    assert run("l4d2ctl", "job", "log", number, user="sam", check=False).returncode == 1


def test_the_last_64_kib_stay_when_the_journal_has_let_go(root, overlay):
    """Of a build, of one that failed, and of a deletion; over a restart of the service too."""
    overlay("maps", r"for i in {1..1500}; do echo line $i of a build that says what it does; done; printf 'caf\xe9\n'")
    built = root.get_all(root.get("overlay", "maps")["LastJob"])["Id"]
    failed = build_now(root, "maps", "echo this went wrong; exit 3")["Id"]
    overlay("gone")
    deleted = root.wait_job(root.overlay("gone", "Delete")[0])["Id"]
    others = (failed, deleted)
    for number in (built, *others):
        wait_kept(number)
    before = {number: read_all(root, number) for number in (built, *others)}
    assert all(before.values())
    let_journal_go()
    for _ in range(2):
        after = read_all(root, built)
        size = sum(len(line) + 1 for line in printed(after))
        assert KEPT - 200 < size <= KEPT, size
        assert [line[:3] for line in after] == [line[:3] for line in before[built]][-len(after):]
        assert b"caf\xe9" in printed(after)
        for number in others:
            assert [line[:3] for line in read_all(root, number)] == [line[:3] for line in before[number]]
        assert "this went wrong\n" in run("l4d2ctl", "job", "log", failed, "-f", "-n", "9", "-o", "cat").stdout, "a pipe has them"
        assert after == read_all(root, built, 700) and len(after) > 1000
        assert read(root, built, after[-1][3]) == ([], after[-1][3], True)
        assert refused(root, built, before[built][-1][3]) == "CursorGone", "a cursor of the journal's"
        assert refused(root, built, f"kept:{len(after) + 1}") == "CursorGone"
        kill_daemon()


def test_the_last_line_is_always_kept(root, overlay):
    """journald reads what is printed with a delay, and much is printed here right before the end."""
    overlay("maps", built=False)
    for n in range(4):
        job = build_now(root, "maps", f"seq --format='line %.0f' 9000; echo the very last {n}; exit 1")
        assert job["State"] == "failed", job
        wait_kept(job["Id"])
        with sqlite3.connect(STATE / "host.db") as store:
            (kept,) = store.execute("SELECT lines FROM job_log WHERE job = ?", (job["Id"],)).fetchone()
        assert b"line 9000" in kept and b"the very last %d" % n in kept


def test_a_service_killed_before_it_has_put_the_log_aside_does_so_later(root, held):
    """journald is stopped at the job's end, so that the service must wait for the last lines, and is killed meanwhile."""
    job = held("maps", "echo after the hold")
    number = number_of(root, job)
    journald = int(unit("systemd-journald.service", "MainPID")["MainPID"])
    os.kill(journald, signal.SIGSTOP)
    try:
        go_on(root, "maps")
        assert root.wait_job(job)["State"] == "done"
        time.sleep(0.3)
        assert not is_kept(number)
        os.kill(daemon_pid(), signal.SIGKILL)
    finally:
        os.kill(journald, signal.SIGCONT)
    wait_kept(number)
    assert root.get_all(job)["State"] == "done"
    let_journal_go()
    assert b"after the hold" in printed(read_all(root, number))
