# SPDX-License-Identifier: LGPL-2.1-or-later
"""The asynchronous half of libleft4me-host, through a front end of one event loop (tests/client/library-client.c)."""
import os
import pathlib
import re
import subprocess

import pytest

from conftest import delete_instance, delete_overlay, run, wait_for

CLIENT = pathlib.Path("/usr/src/left4me-build/tests/client/library-client")


class Library:
    """The front end, as a user; `said` is what it has printed."""

    def __init__(self, out, user, *arguments, env=None):
        self.out = out
        out.touch()
        self.process = subprocess.Popen(["setpriv", "--reuid", user, "--regid", user, "--init-groups", CLIENT, *arguments],
                                        stdin=subprocess.PIPE, stdout=out.open("a"), text=True, env=env)

    def ask(self, line):
        print(line, file=self.process.stdin, flush=True)

    @property
    def said(self):
        return self.out.read_text().splitlines()

    def heard(self, pattern, seconds=30, after=0):
        """Waits for a line that matches as a whole; returns the first."""
        return wait_for(lambda: next(filter(re.compile(pattern).fullmatch, self.said[after:]), None), seconds, f"'{pattern}' in {self.out}")

    def answer(self, line, seconds=30):
        """What becomes of a call."""
        after = len(self.said)
        self.ask(line)
        what = " ".join(line.split()[:2])
        return self.heard(re.escape(what) + ": .*", seconds, after).removeprefix(what + ": ")

    def forget(self):
        """What was said up to now is not heard any more."""
        os.truncate(self.out, 0)

    def end(self):
        self.process.stdin.close()
        return self.process.wait(20)


@pytest.fixture
def library(tmp_path):
    made = []

    def make(user="ada", *arguments):
        made.append(Library(tmp_path / f"said-{len(made)}", user, *arguments))
        return made[-1]

    yield make
    for each in made:
        assert each.end() == 0, each.said


@pytest.fixture
def clean(root):
    yield
    delete_instance(root, "libby")
    delete_overlay(root, "libmaps")


def test_each_kind_of_answer(library, game, root, clean):
    ada = library()
    assert ada.answer("create libby") == "done"
    assert ada.answer("set-config libby hostname libby") == "done"
    assert ada.answer("get-config libby") == "hostname libby"
    assert ada.answer("start libby") == "done"
    assert root.get("instance", "libby")["ActiveState"] == "active"
    assert ada.answer("instance libby") == "active"
    assert ada.answer("can libby") == "yes"
    assert ada.answer("manager -") == root.get_all("/org/left4me/Host1")["Version"]
    assert int(ada.answer("list -").split()[0]) >= 1
    assert ada.answer("stop libby") == "done"
    job = re.fullmatch(r"job (\d+)", ada.answer("delete libby"))[1]
    assert ada.answer(f"wait {job}") == "done"
    assert ada.answer(f"job {job}") == "done"


@pytest.mark.parametrize("call", ["start", "instance", "overlay", "get-config", "build"])
def test_a_failure_brings_its_sentence(library, game, call):
    said = library().answer(f"{call} nowhere")
    assert re.fullmatch(r'-2 There is no (instance|overlay) "nowhere".*', said), said


def test_a_log_is_opened(library, root, instance):
    instance("libby")
    root.instance("libby", "Start")
    ada = library()
    wait_for(lambda: ada.answer("open-log libby").startswith("3 started: "), what="the server's line")
    assert ada.answer("open-log nowhere").startswith("-2 There is no instance")
    assert library("sam").answer("open-log libby").startswith("-13 ")


def test_a_refusal_is_told_as_such(library, game, instance):
    instance("libby")
    assert library("sam").answer("start libby").startswith("-13 ")


def test_many_calls_are_under_way_at_once(library, game):
    ada = library()
    for n in range(50):
        ada.ask(f"float overlay nowhere{n}")
    for n in range(50):
        ada.heard(rf"overlay nowhere{n}: -2 .*nowhere{n}.*")


def test_a_cancelled_call_is_not_told(library, game, root, clean):
    ada = library()
    ada.ask("cancel create libby")
    assert ada.answer("instance nowhere").startswith("-2")
    assert not [line for line in ada.said if line.startswith("create")]
    root.get("instance", "libby")  # it was done all the same


def test_leaving_with_calls_under_way(library, game):
    ada = library()
    ada.ask("float get-config nowhere")
    ada.ask("float wait 999999")
    ada.ask("watch")
    ada.ask("unwatch")
    ada.ask("leave")
    ada.heard("left")


def test_objects_come_change_and_go(library, game, root, clean):
    sam = library("sam")
    sam.ask("watch")
    sam.heard("ready ")
    assert "added overlay game ready " in sam.said and re.search(r"^added manager \d+$", "\n".join(sam.said), re.M)
    sam.forget()
    ada = library()
    ada.answer("create libby")
    sam.heard("added instance libby inactive")
    ada.answer("start libby")
    sam.heard("changed instance libby active")
    ada.answer("stop libby")
    sam.heard("changed instance libby inactive")
    job = ada.answer("delete libby").split()[1]
    sam.heard(f"added job {job} .*")
    sam.heard("removed instance libby inactive")
    sam.heard(f"changed job {job} done .*")
    sam.ask("unwatch")
    sam.heard("unwatched")
    sam.forget()
    ada.answer("create libby")
    assert sam.answer("instance libby") == "inactive"
    assert not [line for line in sam.said if line.startswith("added")]


def test_a_restart_of_the_service_is_stated_and_nothing_flickers(library, game, root, instance):
    instance("libby")
    sam = library("sam")
    sam.ask("watch")
    sam.heard("ready ")
    sam.forget()
    run("systemctl", "restart", "left4me-hostd.service")
    sam.heard("ready ")
    said = sam.said
    assert said[0] == "away left4me-hostd has left the bus."
    sam.heard(r"changed manager \d+")
    assert {"changed instance libby inactive", "changed overlay game ready "} < set(said)
    assert not [line for line in said if line.startswith(("added", "removed"))], said
    root.instance("libby", "Configure", "({'Description': <'there'>},)")
    sam.heard("changed instance libby inactive")


def test_a_service_that_cannot_answer_is_asked_again(library, game, overlay):
    overlay("libmaps", built=False)
    sam = library("sam")
    run("systemctl", "mask", "--runtime", "--now", "polkit.service")
    try:
        sam.ask("watch")
        sam.heard("away .*(polkit|authorization).*")
    finally:
        run("systemctl", "unmask", "--runtime", "polkit.service")
    sam.heard("ready ")
    assert [line.split()[0] for line in sam.said].count("away") == 1
    assert "added overlay libmaps empty " in sam.said


def test_what_came_and_went_while_the_service_was_away(library, game, root, instance, overlay):
    overlay("libmaps", built=False)
    instance("libby")
    sam = library("sam")
    sam.ask("watch")
    sam.heard("ready ")
    run("kill", "-STOP", sam.process.pid)
    delete_instance(root, "libby")
    run("systemctl", "restart", "left4me-hostd.service")
    instance("libbier")
    sam.forget()
    run("kill", "-CONT", sam.process.pid)
    sam.heard("removed instance libby .*")
    sam.heard("added instance libbier inactive")


def test_a_job_is_followed_to_its_end(library, game, root, overlay):
    overlay("libmaps", "echo X_PROGRESS=50%; sleep 2", built=False)
    sam, ada = library("sam"), library()
    sam.ask("watch")
    sam.heard("ready ")
    job = ada.answer("build libmaps").split()[1]
    ada.ask(f"float wait {job}")
    ada.ask(f"wait-here {job}")
    sam.heard(f"added job {job} .*")
    sam.heard(f"changed job {job} running 0.50")
    sam.heard("changed manager [1-9]")
    sam.heard(f"changed job {job} done .*")
    ada.heard(f"wait {job}: done")
    ada.heard(f"wait-here {job}: done")
    sam.heard("changed overlay libmaps ready .*")
