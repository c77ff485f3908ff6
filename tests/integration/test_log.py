# SPDX-License-Identifier: LGPL-2.1-or-later
"""ReadLog of an instance: what its server prints, line by line as printed, over all its runs, and nothing of anybody else's."""
import pytest
from conftest import CHALLENGE, BusError, delete_instance, path_of, polkit_rule, run, text, wait_for
from servers import game_after, merged, overlay_paths, server_unit
from test_job_log import printed, read


def read_log(client, name, cursor="", most=0):
    """One answer of ReadLog: the lines as tuples with bytes, the cursor for the next call, whether it is the end."""
    lines, following, end = client.instance(name, "ReadLog", f"({text(cursor)}, uint32 {most})")
    return [(at, priority, bytes(line), own) for at, priority, line, own in lines], following, end


def read_whole_log(client, name, most=0):
    found, cursor, end = [], "", False
    while not end:
        lines, cursor, end = read_log(client, name, cursor, most)
        found += lines
    return found


@pytest.fixture
def printing(root, overlay, instance):
    """Makes and starts instances whose server prints what these lines of shell do; returns when it has printed "ready".
    It begins when what systemd says of its start is there, which may come later than what it prints."""
    def make(name, lines):
        overlay(name, game_after(f"until [[ -e left4dead2/go ]]; do sleep 0.05; done\n{lines}\necho ready"))
        instance(name, Overlays=overlay_paths(name))
        root.instance(name, "Start")
        wait_for(lambda: any(line.startswith(b"Started left4me-server@") for line in printed(read_whole_log(root, name))), 20,
                 f"systemd's words about {name}")
        (merged(name) / "left4dead2/go").touch()
        wait_for(lambda: b"ready" in printed(read_whole_log(root, name)), 20, f"the lines of {name}")
    return make


def test_a_log_is_what_the_server_printed(root, printing):
    printing("loud", "echo one; printf 'caf\\xe9 \\033[1m\\xff\\tx\\n'; echo '<3>an error'; seq 2500")
    run("journalctl", "--sync")
    lines = read_whole_log(root, "loud")
    begin = printed(lines).index(b"one")
    own = [line for line in printed(lines)[begin:] if b"left4me" not in line]
    assert own[:3] == [b"one", b"caf\xe9 \033[1m\xff\tx", b"an error"], own[:3]
    assert [line[1] for line in lines if line[2] == b"an error"] == [3]
    assert own[3:] == [b"%d" % n for n in range(1, 2501)] + [b"ready"]
    assert lines == read_whole_log(root, "loud", 777)
    last, cursor, end = read_log(root, "loud", lines[-2][3])
    assert (last, cursor, end) == ([lines[-1]], lines[-1][3], True)
    root.instance("loud", "Restart")
    wait_for(lambda: printed(read_log(root, "loud", cursor, 5000)[0]).count(b"one") == 1, what="the next run's lines")
    about = b"\n".join(printed(read_log(root, "loud", cursor)[0]))
    assert b"Stopped" in about or b"Stopping" in about, "systemd's words too"


def test_an_earlier_instance_of_that_name_is_not_in_it(root, printing):
    printing("again", "echo of the first")
    delete_instance(root, "again")
    printing("again", "echo of the second")
    lines = printed(read_whole_log(root, "again"))
    assert b"of the second" in lines and b"of the first" not in lines


def test_who_may_read_one_log_reads_no_other(root, sam, printing, overlay):
    printing("mine", "echo for sam")
    printing("other", "echo secret")
    job = root.get_all(root.get("overlay", "other")["LastJob"])["Id"]
    foreign = [line[3] for line in read_whole_log(root, "other")] + [line[3] for line in read(root, job)[0]]
    last = run("journalctl", "--unit=left4me-hostd", "--lines=1", "--show-cursor", "--output=cat").stdout
    foreign += [last.rpartition("cursor: ")[2].strip(), "kept:1", "", "s=x;i=1", f"_SYSTEMD_UNIT={server_unit('other')}"]
    with polkit_rule("""polkit.addRule(function(action, subject) {
            if (action.id == "org.left4me.host1.read-logs" && action.lookup("instance") == "mine" && subject.user == "sam")
                return polkit.Result.YES;
        });"""):
        assert b"for sam" in wait_for(lambda: printed(read_whole_log(sam, "mine")), what="the rule")
        for cursor in foreign:
            try:
                lines = printed(read_log(sam, "mine", cursor)[0])
            except BusError as refusal:
                assert refusal.short == "CursorGone", (cursor, refusal)
            else:
                assert cursor == "" and b"secret" not in b"".join(lines), cursor
        for kind, name in (("instance", "other"), ("job", job)):
            with pytest.raises(BusError) as refusal:
                sam.raw(path_of(kind, name), f"org.left4me.Host1.{kind.capitalize()}", "ReadLog", "('', uint32 0)")
            assert refusal.value.name == CHALLENGE
