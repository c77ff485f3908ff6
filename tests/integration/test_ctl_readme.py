# SPDX-License-Identifier: LGPL-2.1-or-later
"""The transcript in README.md, run again by somebody who has just been made an administrator."""
import pathlib
import re
import textwrap

import pytest

from conftest import SMALL_GAME, delete_instance, delete_overlay, run
from terminals import at_terminal, plain

README = pathlib.Path(__file__).parents[2] / "README.md"


@pytest.fixture
def newcomer(root, monkeypatch):
    """In a directory with the two scripts."""
    run("useradd", "--create-home", "--groups", "left4me-admins", "nell", check=False)
    home = pathlib.Path("/home/nell")
    (home / "install-game.sh").write_text(SMALL_GAME)
    (home / "maps.sh").write_text("echo a map > left4dead2.vpk\n")
    monkeypatch.chdir(home)
    yield "nell"
    delete_instance(root, "friday")
    delete_overlay(root, "maps")


def shape(lines):
    """Lines without what another machine or another day has otherwise."""
    text = "\n".join(line.split("\r")[-1] for line in lines)
    text = re.sub(r"done[.:].*", "done.", re.sub(r"\d+(\.\d+)?[BKMGTs]?\b", "0", text)).replace("s listed", " listed")
    return [line.split() for line in text.splitlines() if line and not line.startswith("game ")]


def test_the_transcript_of_the_readme(newcomer):
    start = "    $ l4d2ctl"
    transcript = textwrap.dedent(start + README.read_text().partition(start)[2].partition("\n\n`l4d2ctl")[0])
    steps = re.split(r"^\$ l4d2ctl ", transcript, flags=re.M)[1:]
    assert len(steps) > 5
    for step in steps:
        command, *wanted = step.splitlines()
        status, shown = at_terminal("l4d2ctl", *command.split(), user=newcomer, columns=90)
        said = shape(plain(shown).splitlines())
        assert status == 0 and all(line in said for line in shape(wanted)), (command, said)
