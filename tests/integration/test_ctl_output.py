# SPDX-License-Identifier: LGPL-2.1-or-later
"""What l4d2ctl shows: tables that fit a terminal, colours, the pager, and JSON for programs."""
import json
import os
import pathlib
import re
import signal
import unicodedata

import pytest

from conftest import build, daemon_pid, delete_instance, delete_overlay, path_of, run, wait_for
from servers import overlay_paths
from terminals import Terminal, at_terminal, plain

LONG = "Freitags ab acht: Ölmühle, ゲームの夜, and a name that no terminal has room for " + "x" * 100
GREEN, RED = "\x1b[0;1;32m", "\x1b[0;1;31m"


@pytest.fixture(scope="module")
def shown(root, game):
    """Objects with long and wide names."""
    instances = {"out-a": f"'Description': <'{LONG}'>, 'Overlays': <{overlay_paths('out-maps', 'out-broken')}>",
                 "out-a-name-that-is-32-chars-long": "'Description': <'short'>"}
    build(root, "out-maps", "echo > left4dead2.txt")
    build(root, "out-broken", "exit 3")
    for name, settings in instances.items():
        root.manager("CreateInstance", f"('{name}', @a{{sv}} {{{settings}}})")
    yield
    for name in instances:
        delete_instance(root, name)
    for name in ("out-maps", "out-broken"):
        delete_overlay(root, name)


def width(line):
    return sum(0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in line)


def ctl(*words, user="sam", **kwargs):
    return run("l4d2ctl", *words, user=user, **kwargs)


@pytest.mark.parametrize("columns", [60, 80, 200])
@pytest.mark.parametrize("words", [["list"], ["overlay", "list"], ["job", "list"], ["can"]])
def test_tables_fit_the_terminal(shown, columns, words):
    status, output = at_terminal("l4d2ctl", *words, user="sam", columns=columns)
    lines = plain(output).splitlines()
    assert status == 0 and len(lines) > 3
    assert max(map(width, lines)) <= columns, lines
    assert lines[-1].endswith(" listed.") and lines[-2] == ""


def test_the_widest_column_gives_way_first(shown):
    narrow = plain(at_terminal("l4d2ctl", "list", user="sam", columns=120)[1])
    line = next(line for line in narrow.splitlines() if line.startswith("out-a "))
    assert "…" in line and "inactive (dead)" in line, line
    wide = plain(at_terminal("l4d2ctl", "list", user="sam", columns=300)[1])
    assert LONG in wide and "…" not in wide
    assert LONG in plain(at_terminal("l4d2ctl", "list", user="sam", columns=80, COLUMNS="300")[1])


def test_what_is_no_terminal_gets_it_whole_and_plain(shown):
    output = ctl("list", env={"PATH": "/usr/bin", "COLUMNS": "40", "TERM": "xterm"}).stdout
    assert LONG in output and "\x1b" not in output


def test_the_legend_counts_and_can_be_left_out(shown):
    lines = ctl("overlay", "list").stdout.splitlines()
    assert lines[0].startswith("NAME") and lines[-1] == f"{len(lines) - 3} overlays listed."
    bare = ctl("--no-legend", "overlay", "list").stdout.splitlines()
    assert len(bare) == len(lines) - 3 and not bare[0].startswith("NAME")


@pytest.mark.parametrize("env, coloured", [({}, True), ({"NO_COLOR": "1"}, False), ({"SYSTEMD_COLORS": "0"}, False),
                                           ({"SYSTEMD_COLORS": "1", "NO_COLOR": "1"}, True), ({"TERM": "dumb"}, False)])
def test_colours_follow_the_variables(shown, env, coloured):
    output = at_terminal("l4d2ctl", "overlay", "list", user="sam", **env)[1]
    assert (GREEN + "ready" in output) == coloured, output
    assert ("\x1b" in output) == coloured, output


def test_colours_can_be_had_without_a_terminal(shown):
    assert GREEN in ctl("overlay", "list", env={"PATH": "/usr/bin", "SYSTEMD_COLORS": "1"}).stdout


def test_what_is_wrong_is_red(shown):
    assert RED + "failed" in at_terminal("l4d2ctl", "overlay", "list", user="sam")[1]
    assert RED + "●" in at_terminal("l4d2ctl", "overlay", "show", "out-broken", user="sam")[1]


def test_long_output_is_paged(shown):
    terminal = Terminal("l4d2ctl", "can", user="sam", rows=20, SYSTEMD_PAGER="less")
    terminal.wait_text("lines 1-")
    terminal.send("q")
    assert terminal.end()[0] in (0, -13)  # the pager ended before the tool had written all
    marked = at_terminal("l4d2ctl", "list", user="sam", PAGER="sed s/^/paged:/", SYSTEMD_PAGER="sed s/^/by-systemd:/")[1]
    assert "by-systemd:NAME" in plain(marked) and "paged:" not in marked
    assert "\x1b" in marked, "colours stay in a pager"
    for words in (["--no-pager", "list"], ["list"]):
        pager = {} if words == ["list"] else {"SYSTEMD_PAGER": "sed s/^/paged:/"}
        assert "paged:" not in at_terminal("l4d2ctl", *words, user="sam", **pager)[1]


def test_a_sentence_is_seen_in_a_pager_too_and_the_status_stays(shown):
    for words in (["status", "out-a", "nowhere"], ["overlay", "show", "out-maps", "nowhere"]):
        status, output = at_terminal("l4d2ctl", *words, user="sam", SYSTEMD_PAGER="sed s/^/paged:/")
        assert status == 1 and re.search("paged:.*nowhere", plain(output)), output


@pytest.mark.parametrize("words", [["list"], ["status"], ["can"], ["job", "list"], ["overlay", "show", "out-maps"]])
def test_ctrl_c_ends_it_while_the_service_does_not_answer(shown, words):
    pid = daemon_pid()
    os.kill(pid, signal.SIGSTOP)
    try:
        terminal = Terminal("l4d2ctl", *words, user="sam", SYSTEMD_PAGER="less")
        wait_for(lambda: pathlib.Path(f"/proc/{terminal.pid}/comm").read_text() == "l4d2ctl\n", what="the tool")
        terminal.read(1)  # it has asked by then
        terminal.send("\x03")
        assert terminal.end(20)[0] == -signal.SIGINT
    finally:
        os.kill(pid, signal.SIGCONT)


def test_a_terminal_that_is_not_utf_8_gets_none(shown):
    for words in (["list"], ["status", "out-a"]):
        assert plain(at_terminal("l4d2ctl", *words, user="sam", LANG="C", columns=500)[1]).isascii()
    assert "Freitags ab acht: ??lm??hle" in at_terminal("l4d2ctl", "list", user="sam", LANG="C", columns=500)[1]
    assert LONG in ctl("list", env={"PATH": "/usr/bin", "LANG": "C"}).stdout, "what is no terminal gets it as it is"


# ---- JSON ----

def as_json(*words, **kwargs):
    return json.loads(ctl(*words, "--json=short", **kwargs).stdout)


@pytest.mark.parametrize("words, kind, of", [(["list"], "instance", "out-a"), (["status", "out-a"], "instance", "out-a"),
                                             (["overlay", "list"], "overlay", "out-maps"),
                                             (["overlay", "show", "out-maps"], "overlay", "out-maps")])
def test_json_has_every_property_by_its_name(shown, root, words, kind, of):
    found = next(o for o in as_json(*words) if o["Name"] == of)
    properties = root.get(kind, of)
    assert set(found) == set(properties)
    for key, value in found.items():
        if not isinstance(value, list) and key != "LastJob":
            assert value == properties[key], key


def test_json_of_jobs_and_the_host(shown, root):
    last = as_json("overlay", "show", "out-maps")[0]["LastJob"]
    (job,) = as_json("job", "show", last)
    properties = root.get("job", last)
    assert set(job) == set(properties) and job["Subject"] == {"Overlay": "out-maps"} and job["State"] == "done"
    assert properties["Subject"] == path_of("overlay", "out-maps")
    assert job in as_json("job", "list")
    (host,) = as_json("status")
    assert set(host) == set(root.get_all("/org/left4me/Host1"))


def test_json_of_rights_and_its_forms(shown):
    answers = as_json("can", "instance/out-a", "host", user="otto")
    assert {"Object": "instance/out-a", "Method": "Start", "Answer": "yes"} in answers
    assert {"Object": "instance/out-a", "Method": "Delete", "Answer": "challenge"} in answers
    assert {a["Object"] for a in answers} == {"instance/out-a", "host"}
    assert len(ctl("list", "--json=short").stdout.splitlines()) == 1
    assert len(ctl("list", "--json=pretty").stdout.splitlines()) > 20
    assert ctl("list", "--json=off").stdout == ctl("list").stdout
    assert as_json("overlay", "show", "nowhere", check=False) == []
    assert ctl("list", "--json=xml", check=False).returncode == 2
    assert ctl("start", "out-a", "--json=short", check=False).returncode == 2
    assert "object" in ctl("can", "arena", check=False).stderr
