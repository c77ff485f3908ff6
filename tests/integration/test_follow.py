# SPDX-License-Identifier: LGPL-2.1-or-later
"""OpenLog: a log as a pipe, in both forms, with all options; followed over whatever happens to it; and by a thousand at once."""
import contextlib
import json
import os
import pathlib
import select
import signal
import time

import pytest
from builds import go_on, held  # noqa: F401
from conftest import CHALLENGE, ERROR, IFACE, BusError, Client, daemon_pid, path_of, polkit_rule, run, start_again, text, wait_for
from servers import host_conf, merged, open_files
from test_job_log import read_all, wait_kept
from test_log import printed, printing, read_log, read_whole_log  # noqa: F401
from test_recovery import kill_daemon

# Prints what the files say_* have, one after another, and then the next.
SAYS = """
while :; do
    for f in left4dead2/say_*; do [[ -e $f ]] && cat "$f" && rm "$f"; done
    read -r -u $nothing -t 0.05
done
"""


class Pipe:
    """A log opened by a client."""

    def __init__(self, client, path, **options):
        self.client = client
        kind = path.split("/")[4].capitalize()
        body = ", ".join(f"'{key}': <{value}>" for key, value in options.items())
        answer = client.ask(**client.question(path, f"{IFACE}.{kind}", "OpenLog", f"(@a{{sv}} {{{body}}},)"))
        client.unpack(answer)
        self.number = answer["pipe"]
        self.ended = False

    def read(self, until=None, seconds=20):
        """What comes until the bytes `until` have come, or the end."""
        (answer,) = self.client.ask(do="pipes", pipes=[self.number], seconds=seconds,
                                    until=until.decode("latin-1") if until else None)["pipes"]
        self.ended = answer["ended"]
        found = answer["read"].encode("latin-1")
        assert self.ended or (until and until in found), found[-500:]
        return found

    def nothing_comes(self, seconds=0.5):
        (answer,) = self.client.ask(do="pipes", pipes=[self.number], seconds=seconds, until=None)["pipes"]
        return answer["read"] == "" and not answer["ended"]

    def close(self):
        self.client.ask(do="close", pipes=[self.number])


def follow(client, name, **options):
    return Pipe(client, path_of("instance", name), Follow="true", **options)


def objects(found):
    return [json.loads(line) for line in found.splitlines()]


def bytes_of(line):
    message = line["MESSAGE"]
    return message.encode() if isinstance(message, str) else bytes(message)


@pytest.fixture
def saying(root, printing):
    """Makes an instance whose server says what it is told to say; returns how."""
    def make(name):
        printing(name, "exec {nothing}<> <(:)\necho ready\n" + SAYS)

        def say(*lines):
            new = merged(name) / "left4dead2/new"
            new.write_bytes(b"".join(line + b"\n" for line in lines))
            os.chmod(new, 0o644)
            os.chown(new, *os.stat(merged(name))[4:6])
            new.rename(new.with_name(f"say_{time.monotonic_ns()}"))
        return say
    return make


def test_a_pipe_has_what_was_printed(root, printing):
    printing("odd", r"printf 'caf\xe9 \033[1m\xff\tx\n'; echo 'caf\u00e9 \"quoted\" \\'; echo '<3>an error'")
    run("journalctl", "--sync")
    lines = read_whole_log(root, "odd")
    path = path_of("instance", "odd")
    assert Pipe(root, path).read() == b"".join(line + b"\n" for line in printed(lines))
    found = objects(Pipe(root, path, Format="'json'").read())
    assert [(int(o["__REALTIME_TIMESTAMP"]), int(o["PRIORITY"]), bytes_of(o), o["__CURSOR"]) for o in found] == lines
    assert isinstance(found[printed(lines).index(b"caf\xe9 \033[1m\xff\tx")]["MESSAGE"], list)
    at = [line[2] for line in lines].index(b"an error")
    own = b"an error\n"
    assert Pipe(root, path, Priority="uint32 3").read() == own
    assert Pipe(root, path, Priority="uint32 3", Lines="uint32 5").read() == own
    assert Pipe(root, path, Lines="uint32 0").read() == b""
    last = b"".join(line + b"\n" for line in printed(lines)[-2:])
    assert Pipe(root, path, Lines="uint32 2").read() == last
    assert Pipe(root, path, Cursor=text(lines[-3][3])).read() == last
    assert Pipe(root, path, Cursor=text(lines[-1][3])).read() == b""
    assert Pipe(root, path, Cursor=text(lines[0][3]), Lines="uint32 2").read() == last
    assert Pipe(root, path, Cursor=text(lines[-2][3]), Lines="uint32 2").read() == printed(lines)[-1] + b"\n"
    moment = lines[at][0]  # journald reads what is printed at once at one time
    then = b"".join(line[2] + b"\n" for line in lines if line[0] == moment)
    assert Pipe(root, path, Since=f"uint64 {moment}", Until=f"uint64 {moment}").read() == then
    before = [line for line in lines if line[0] < moment]
    assert Pipe(root, path, Until=f"uint64 {moment - 1}", Lines="uint32 1").read() == before[-1][2] + b"\n"
    assert Pipe(root, path, Since=f"uint64 {lines[-1][0] + 1}").read() == b""


WRONG_OPTIONS = [{"Format": "'short'"}, {"Format": "true"}, {"Follow": "1"}, {"Priority": "uint32 8"}, {"Lines": "-1"},
                 {"Match": "'_UID=0'"}, {"Until": "uint64 1", "Follow": "true"}, {"Cursor": text("s" * 1025)}]
WRONG_CURSORS = ["s=x", "kept:1", "_SYSTEMD_UNIT=init.scope"]


def test_options_that_are_wrong_are_refused_by_name(root, instance):
    instance("plain")
    for options in WRONG_OPTIONS + [{"Cursor": text(cursor)} for cursor in WRONG_CURSORS]:
        with pytest.raises(BusError) as refusal:
            Pipe(root, path_of("instance", "plain"), **options)
        if "Cursor" in options and options not in WRONG_OPTIONS:
            assert refusal.value.short == "CursorGone", options
        else:
            assert refusal.value.short == "InvalidSetting" and list(options)[0] in refusal.value.message, refusal.value
    assert Pipe(root, path_of("instance", "plain")).read() == b"", "nothing was printed yet"


READS_MINE = """polkit.addRule(function(action, subject) {
    if (action.id == "org.left4me.host1.read-logs" && action.lookup("instance") == "mine" && subject.user == "sam")
        return polkit.Result.YES;
});"""


def test_who_may_open_one_log_gets_nothing_of_others(root, sam, saying, overlay):
    mine, other = saying("mine"), saying("other")
    other(b"secret")
    wait_for(lambda: b"secret" in printed(read_whole_log(root, "other")), what="the secret")
    job = root.get("overlay", "mine")["LastJob"]
    foreign = [line[3] for line in read_whole_log(root, "other")]
    with polkit_rule(READS_MINE):
        pipe = wait_for(lambda: follow(sam, "mine", Format="'json'"), what="the rule")
        for cursor in foreign:
            with pytest.raises(BusError) as refusal:
                follow(sam, "mine", Cursor=text(cursor))
            assert refusal.value.short == "CursorGone"
        for path in (path_of("instance", "other"), root.get("overlay", "other")["LastJob"], job):
            with pytest.raises(BusError) as refusal:
                Pipe(sam, path)
            assert refusal.value.name == CHALLENGE
        for lines in range(0, 9):
            assert b"secret" not in Pipe(sam, path_of("instance", "mine"), Lines=f"uint32 {lines}").read()
        other(b"secret again")
        mine(b"the last")
        assert b"secret" not in pipe.read(b'"the last"')
        # Whatever a process sends to journald, it is of its own unit.
        run("systemd-run", "--wait", "--unit=forger", "bash", "-c",
            "logger --journald <<<$'MESSAGE=forged\\nUNIT=left4me-server@mine.service\\n_SYSTEMD_UNIT=left4me-server@mine.service'")
        run("journalctl", "--sync")
        assert "forged" in run("journalctl", "-u", "forger", "--output=cat").stdout
        mine(b"really the last")
        assert b"forged" not in pipe.read(b'"really the last"')


# Following

def test_followers_hear_at_once_and_over_everything(root, saying):
    """Stop and start of the server, restart and rotation of the journal."""
    say = saying("talk")
    tail, whole = follow(root, "talk", Lines="uint32 0"), follow(root, "talk", Format="'json'")
    whole.read(b'"ready"')
    assert tail.nothing_comes()
    say(b"one", b"caf\xe9")
    assert tail.read(b"\xe9\n") == b"one\ncaf\xe9\n"
    root.instance("talk", "Restart")
    assert b"Stopp" in tail.read(b"Started"), "which may come behind what the server prints first"
    say(b"two")
    tail.read(b"two\n")
    run("journalctl", "--rotate")
    say(b"three")
    assert tail.read(b"three\n") == b"three\n"
    start_again("systemd-journald.service")
    say(b"four")
    assert tail.read(b"four\n") == b"four\n"
    for _ in range(3):
        say(b"and on")
        assert tail.read(b"and on\n") == b"and on\n"
        run("journalctl", "--rotate", "--vacuum-size=1")
    say(b"five")
    assert tail.read(b"five\n") == b"five\n"
    words = [bytes_of(o) for o in objects(whole.read(b'"five"')) if "MESSAGE" in o]
    assert [w for w in words if w in (b"one", b"caf\xe9", b"two", b"three", b"four", b"and on", b"five")] == [
        b"one", b"caf\xe9", b"two", b"three", b"four", b"and on", b"and on", b"and on", b"five"]
    root.instance("talk", "Stop")
    tail.read(b"Stopped")
    root.wait_job(root.instance("talk", "Delete")[0])
    tail.read()
    assert tail.ended


def test_a_log_with_nothing_in_it_yet_is_followed(root, instance):
    instance("fresh")
    pipes = [follow(root, "fresh", **more) for more in ({}, {"Lines": "uint32 0"}, {"Since": "uint64 1"})]
    assert all(pipe.nothing_comes(0.2) for pipe in pipes)
    root.instance("fresh", "Start")
    found = [pipe.read(b"started: ") for pipe in pipes]
    assert found[1].startswith(found[0][:20]) and found[2].startswith(found[0][:20]), "from the first line on"


def test_a_follower_of_a_job_comes_to_its_end(root, held):
    job = held("maps", "seq 3000; echo the last")
    number = root.get_all(job)["Id"]
    pipes = [Pipe(root, job, Follow="true", **more) for more in ({}, {"Lines": "uint32 0"}, {"Format": "'json'"})]
    assert pipes[1].nothing_comes()
    go_on(root, "maps")
    found = [pipe.read() for pipe in pipes]
    wait_kept(number)
    whole = printed(read_all(root, number))
    assert found[0].splitlines() == whole and [bytes_of(o) for o in objects(found[2])] == whole
    assert found[0].endswith(found[1]) and b"\n3000\n" in found[1] and b"\nthe last\n" in found[1]
    assert Pipe(root, job, Follow="true").read() == found[0], "there is nothing to wait for any more"


def test_one_who_lost_the_service_goes_on_behind_the_last_line(root, saying):
    say = saying("talk")
    pipe = follow(root, "talk", Format="'json'")
    last = objects(pipe.read(b'"ready"'))[-1]["__CURSOR"]
    kill_daemon()
    pipe.read()
    assert pipe.ended
    say(b"meanwhile")
    again = follow(root, "talk", Format="'json'", Cursor=text(last))
    assert [bytes_of(o) for o in objects(again.read(b'"meanwhile"'))] == [b"meanwhile"]


def test_a_cursor_may_be_spelled_in_another_way(root, saying):
    say = saying("talk")
    last = objects(follow(root, "talk", Format="'json'").read(b'"ready"'))[-1]["__CURSOR"]
    fields = last.split(";")
    cursors = [";".join(f for f in fields if f[0] != "x"), ";".join(reversed(fields)), last + ";q=1"]
    pipes = [follow(root, "talk", Cursor=text(cursor)) for cursor in cursors]
    before = seconds_at_work()
    assert all(pipe.nothing_comes() for pipe in pipes)
    assert seconds_at_work() - before < 0.5, "it is at rest"
    assert all(read_log(root, "talk", cursor) == ([], last, True) for cursor in cursors)
    say(b"next")
    assert [pipe.read(b"next\n") for pipe in pipes] == [b"next\n"] * 3


def test_one_who_stops_reading_stalls_alone_and_loses_nothing(root, ada, saying, figure):
    """10,000 lines are more than pipe and feed hold."""
    say = saying("talk")
    stalled, other, json_one = follow(ada, "talk", Lines="uint32 0"), follow(root, "talk", Lines="uint32 0"), follow(
        ada, "talk", Lines="uint32 0", Format="'json'")
    before = memory()
    lines = [b"line %d of many" % n for n in range(10000)]
    say(*lines, b"end")
    assert other.read(b"end\n", 60).splitlines() == [*lines, b"end"]
    figure(f"a reader that stopped 10,000 lines ago: {memory() - before} KiB more in the service")
    assert stalled.read(b"end\n", 60).splitlines() == [*lines, b"end"]
    assert [bytes_of(o) for o in objects(json_one.read(b'"end"', 60))] == [*lines, b"end"]
    say(b"next")
    assert stalled.read(b"next\n") == b"next\n"


def test_what_the_journal_let_go_of_is_told_as_missing(root, saying):
    say = saying("talk")
    pipe, plain = follow(root, "talk", Lines="uint32 0", Format="'json'"), follow(root, "talk", Lines="uint32 0")
    say(*[b"line %d" % n for n in range(8000)])
    wait_for(lambda: b"line 7999" in printed(read_whole_log(root, "talk")), 30, "the lines")
    time.sleep(1.1)
    run("journalctl", "--rotate", "--vacuum-time=1s")
    say(b"after")
    found = objects(pipe.read(b'"after"'))
    gaps = [n for n, o in enumerate(found) if "MISSED_AFTER" in o]
    assert len(gaps) == 1, gaps
    before, gap, behind = found[gaps[0] - 1], found[gaps[0]], found[gaps[0] + 1]
    assert [bytes_of(o) for o in found[:gaps[0]]] == [b"line %d" % n for n in range(gaps[0])] and gaps[0] > 100
    assert (gap["MISSED_AFTER"], gap["MISSED_BEFORE"]) == (before["__REALTIME_TIMESTAMP"], behind["__REALTIME_TIMESTAMP"])
    assert [bytes_of(o) for o in found[gaps[0] + 1:]] == [b"after"]
    assert plain.read(b"after\n").endswith(b"\nafter\n")


def test_who_begins_behind_a_line_is_told_since_when_lines_are_missing(root, saying):
    say = saying("talk")
    run("journalctl", "--sync")
    last = read_whole_log(root, "talk")[-1]
    pipe = follow(root, "talk", Cursor=text(last[3]), Format="'json'")
    assert pipe.nothing_comes()
    os.kill(daemon_pid(), signal.SIGSTOP)
    try:
        say(b"lost")
        time.sleep(1.1)
        run("journalctl", "--rotate", "--vacuum-time=1s")
        say(b"after")
    finally:
        os.kill(daemon_pid(), signal.SIGCONT)
    gap, line = objects(pipe.read(b'"after"}\n'))
    assert (gap["MISSED_AFTER"], gap["MISSED_BEFORE"]) == (str(last[0]), line["__REALTIME_TIMESTAMP"])


def test_a_journal_that_is_deleted_while_it_is_read(root, ada, saying):
    """Again and again, while much is printed: nobody ends, and whatever is missing is told."""
    say = saying("talk")
    reader = Client("otto")
    pipes, _ = open_many(reader, "talk", 3, "'Follow': <true>, 'Lines': <uint32 0>, 'Format': <'json'>")
    stalled, pid = follow(ada, "talk", Lines="uint32 0", Format="'json'"), daemon_pid()
    reader.send(do="pipes", pipes=pipes, seconds=60, until='"the end"')
    for part in range(6):
        say(*[b"%d" % n for n in range(part * 3000, part * 3000 + 3000)])
        run("journalctl", "--rotate", "--vacuum-size=1")
        with contextlib.suppress(BusError):
            read_log(root, "talk")
    say(b"the end")
    texts = [pipe["read"] for pipe in reader.answer()["pipes"]]
    texts.append(stalled.read(b'"the end"').decode())
    assert daemon_pid() == pid
    for found in texts:
        before, is_gap = -1, False
        for line in objects(found):
            if "MISSED_AFTER" in line:
                is_gap = True
            elif line["MESSAGE"].isdigit():
                number = int(line["MESSAGE"])
                assert number == before + 1 or (is_gap and number > before), (before, number)
                before, is_gap = number, False
        assert objects(found)[-1]["MESSAGE"] == "the end"


# Many

def memory():
    """Of the service, in KiB, without the journal's pages."""
    status = pathlib.Path(f"/proc/{daemon_pid()}/status").read_text()
    return int(status.partition("RssAnon:")[2].split()[0])


def seconds_at_work():
    ticks = pathlib.Path(f"/proc/{daemon_pid()}/stat").read_text().rpartition(")")[2].split()[11:13]
    return sum(map(int, ticks)) / os.sysconf("SC_CLK_TCK")


def threads():
    return len(os.listdir(f"/proc/{daemon_pid()}/task"))


def open_many(client, name, count, options="'Follow': <true>, 'Lines': <uint32 0>"):
    """Opens so many; returns their numbers, and how the calls were answered."""
    question = client.question(path_of("instance", name), IFACE + ".Instance", "OpenLog", f"(@a{{sv}} {{{options}}},)")
    answer = client.ask(**{**question, "do": "burst", "count": count, "window": 50})
    return list(range(answer["pipes"] - answer["counts"].get("", 0), answer["pipes"])), answer["counts"]


def test_so_many_readers_and_no_more(root, saying):
    say = saying("talk")
    reader, other = Client("otto"), Client("ada")
    pipes, counts = open_many(reader, "talk", 260)
    assert counts == {"": 256, ERROR + "LimitReached": 4}
    with pytest.raises(BusError) as refusal:
        follow(reader, "talk")
    assert refusal.value.short == "LimitReached" and "MaxLogReadersPerUser" in refusal.value.message
    follow(other, "talk", Lines="uint32 0").close()
    open_many(root, "talk", 257)
    assert root.get_all("/org/left4me/Host1")["MaxLogReadersPerUser"] == 256
    reader.ask(do="close", pipes=pipes[:1])
    wait_for(lambda: open_many(reader, "talk", 1)[1] == {"": 1}, what="room for one")
    most = open_files(daemon_pid())
    reader.process.kill()
    wait_for(lambda: open_files(daemon_pid()) <= most - 256, what="the end of the killed one's")
    say(b"one")
    follower = follow(other, "talk")
    follower.read(b"one\n")
    other.close()


def test_a_thousand_followers_at_once(root, saying, figure):
    """Of a server that prints a thousand lines a second, for three seconds."""
    say = saying("talk")
    with host_conf(root, "MaxLogReadersPerUser=1000"):
        reader = Client("otto")
        follow(root, "talk", Lines="uint32 0").close()
        before, with_one = memory(), threads()
        pipes, counts = open_many(reader, "talk", 1000)
        assert counts == {"": 1000}
        opened, at_work, began = memory(), seconds_at_work(), time.monotonic()
        reader.send(do="pipes", pipes=pipes, seconds=60, until="the end\n", digest=True)
        for tenth in range(30):
            say(*[b"line %d of a thousand a second, as long as lines of servers are" % n for n in range(tenth * 100, tenth * 100 + 100)])
            time.sleep(max(0, began + 0.1 * (tenth + 1) - time.monotonic()))
        most = threads()
        say(b"the end")
        found = reader.answer()["pipes"]
        took = time.monotonic() - began
        assert {(f["ended"], f["lines"]) for f in found} == {(False, 3001)} and len({f["digest"] for f in found}) == 1
        figure(f"1,000 followers of 1,000 lines a second: {opened - before} KiB more in the service, {memory() - before} KiB after; "
               f"{with_one} threads with one, {most} with all; {seconds_at_work() - at_work:.1f} s at work in {took:.1f} s")
        assert most <= with_one + 4 and memory() - before < 64 * 1024
        reader.close()
        wait_for(lambda: open_files(daemon_pid()) < 100, what="the descriptors of before")


def test_a_flood_in_a_log_that_is_followed_holds_up_nobody(root, ada, saying, figure):
    """Twenty followers, and two that do not read."""
    say = saying("flood")
    reader = Client("otto")
    pipes, _ = open_many(reader, "flood", 20)
    stopped = [follow(ada, "flood") for _ in range(2)]
    say(*[b"%d" % n for n in range(60000)], b"ends")
    reader.send(do="pipes", pipes=pipes, seconds=60, until="ends\n", digest=True)
    waits, began = [], time.monotonic()
    while not select.select([reader.process.stdout], [], [], 0.02)[0]:
        asked = time.monotonic()
        root.get("instance", "flood")
        waits.append(time.monotonic() - asked)
    took = time.monotonic() - began
    found = reader.answer()["pipes"]
    assert len({f["digest"] for f in found}) == 1 and {f["lines"] for f in found} == {60001}
    figure(f"a flood of 60,000 lines with 20 followers: {took:.1f} s; {len(waits)} calls beside it took {max(waits):.2f} s at most")
    assert max(waits) < 5
    for pipe in stopped:
        pipe.close()
    reader.close()


def test_who_reads_much_leaves_others_served(root, ada, saying, figure):
    """Hundreds of answers of a thousand lines, and hundreds of pipes that are opened and left, for one user at once."""
    say = saying("talk")
    say(*[b"line %d" % n for n in range(5000)])
    wait_for(lambda: b"line 4999" in printed(read_whole_log(root, "talk")), 30, "the lines")
    reading, opening = Client("otto"), Client("otto")
    question = reading.question(path_of("instance", "talk"), IFACE + ".Instance", "ReadLog", "('', uint32 0)")
    reading.send(**{**question, "do": "burst", "count": 200, "window": 30})
    question = opening.question(path_of("instance", "talk"), IFACE + ".Instance", "OpenLog", "({'Follow': <true>},)")
    opening.send(**{**question, "do": "burst", "count": 300, "window": 30})
    waits, answered = [], set()
    while len(answered) < 2:
        asked = time.monotonic()
        read_log(ada, "talk", most=10)
        Pipe(ada, path_of("instance", "talk"), Lines="uint32 10").close()
        waits.append(time.monotonic() - asked)
        answered.update(select.select([reading.process.stdout, opening.process.stdout], [], [], 0)[0])
    figure(f"a ReadLog and an OpenLog beside 500 of another user: {len(waits)} took {max(waits):.2f} s at most")
    assert reading.answer()["counts"] == {"": 200}
    counts = opening.answer()["counts"]
    assert counts == {"": 256, ERROR + "LimitReached": 44}, counts
    assert max(waits) < 5
    for client in (reading, opening):
        client.process.kill()
    wait_for(lambda: open_files(daemon_pid()) < 200, what="the end of all pipes")
