# SPDX-License-Identifier: LGPL-2.1-or-later
"""l4d2ctl's verbs of several steps: status, install, initialize, overlay edit. Their good path, refusals and bad words."""
import os
import pathlib

import pytest

from conftest import SMALL_GAME, build, delete_instance, delete_overlay, run
from terminals import at_terminal, plain


def ctl(*words, user="ada", **kwargs):
    return run("l4d2ctl", *words, user=user, **kwargs)


def env(**more):
    return {"PATH": os.environ["PATH"], **more}


# ---- status ----

def test_status_shows_layers_and_what_is_outdated(root, game, instance, overlay):
    overlay("verb-maps")
    instance("verbs")
    ctl("configure", "verbs", "Overlays=verb-maps")
    assert "Layers: not mounted" in ctl("status", "verbs").stdout
    ctl("start", "verbs")
    said = ctl("status", "verbs", user="sam").stdout
    game_now = root.get("overlay", "game")["Generation"]
    assert f"Layers: verb-maps (generation 1)\n              game (generation {game_now})\n" in said, said
    assert "active (running)" in said and "s ago" in said and "Outdated" not in said
    assert build(root, "verb-maps", "echo other > left4dead2.txt")["State"] == "done"
    said = ctl("status", "verbs", user="sam").stdout
    assert "Outdated: verb-maps has generation 2 now" in said and "l4d2ctl restart verbs" in said
    ctl("configure", "verbs", "Overlays=")
    assert "its overlays are game alone now" in ctl("status", "verbs", user="sam").stdout
    ctl("restart", "verbs")
    ctl("configure", "verbs", "Arguments=+sv_lan 1")
    assert "Outdated: its settings were changed" in ctl("status", "verbs", user="sam").stdout
    status, shown = at_terminal("l4d2ctl", "status", "verbs", "nowhere", user="sam")
    assert status == 1 and "\x1b[0;1;32m●" in shown and "nowhere" in shown


def test_status_has_what_systemd_counts(root, instance):
    instance("verbs")
    ctl("start", "verbs")
    said = ctl("status", "verbs", user="sam").stdout
    unit = root.get("instance", "verbs")["Unit"]
    counted = run("systemctl", "show", "--property=CPUUsageNSec", "--value", unit).stdout.strip()
    assert ("CPU: " in said) == counted.isdigit(), (said, counted)


def test_status_ends_with_the_log_for_those_who_may_read_it(root, instance):
    instance("verbs")
    ctl("start", "verbs")
    lines = ctl("status", "verbs").stdout.split("\n\n")[1].splitlines()
    assert 0 < len(lines) <= 10 and any("started: " in line for line in lines), lines
    said = ctl("status", "verbs", user="sam")
    assert "The log is not shown: reading it needs more rights" in said.stdout and not said.stderr


# ---- install, initialize ----

def test_install_builds_the_game(game, root, tmp_path):
    before = ctl("overlay", "get-script", "game").stdout
    assert before == SMALL_GAME
    try:
        said = ctl("install", "-", input=SMALL_GAME + "echo more > left4dead2/more.txt\n").stdout
        assert "build game" in said and "done" in said
        assert ctl("overlay", "get-script", "game").stdout.endswith("more.txt\n")
        assert "Nothing changed" in ctl("install").stdout
    finally:
        ctl("install", "-", input=before)
    assert "No such file" in ctl("install", "/no/such/file", check=False).stderr
    refused = ctl("install", user="sam", check=False)
    assert refused.returncode == 1 and "authentication" in refused.stderr.lower()
    assert ctl("install", "a", "b", check=False).returncode == 2


def test_initialize_makes_what_can_start(game, root, overlay):
    overlay("verb-new", built=False)
    overlay("verb-old")
    try:
        said = ctl("initialize", "verbs", "Overlays=verb-new,verb-old").stdout
        assert "build verb-new" in said and "verb-old" not in said and "game" not in said
        now = root.get("instance", "verbs")
        assert not now["Mounted"] and now["ActiveState"] == "inactive"
        ctl("start", "verbs")
        assert "verbs" in ctl("initialize", "verbs", check=False).stderr
        assert ctl("initialize", "other", "Overlays=verb-new", user="sam", check=False).returncode == 1
        assert ctl("initialize", "other", "Colour=red", check=False).returncode == 2
    finally:
        delete_instance(root, "verbs")


def test_initialize_needs_a_game(root):
    delete_overlay(root, "game")
    try:
        refused = ctl("initialize", "verbs", check=False)
        assert refused.returncode == 1 and "l4d2ctl install" in refused.stderr
        assert "verbs" not in ctl("list").stdout
    finally:
        delete_instance(root, "verbs")
        assert build(root, "game", SMALL_GAME)["State"] == "done"


# ---- overlay edit ----

@pytest.fixture
def edited(root):
    root.manager("CreateOverlay", "('verb-edit', 'script', @a{sv} {})")
    ctl("overlay", "set-script", "verb-edit", "-", input="echo one > left4dead2.txt\n")
    yield "verb-edit"
    delete_overlay(root, "verb-edit")


def edit(*words, editor, tmp, **kwargs):
    return ctl("overlay", "edit", *words, env=env(EDITOR=editor, TMPDIR=str(tmp)), **kwargs)


@pytest.fixture
def tmp(tmp_path):
    """A directory of everybody's, with a name that a shell would take for more."""
    place = pathlib.Path("/tmp/ctl edit; true")
    place.mkdir(mode=0o1777, exist_ok=True)
    place.chmod(0o1777)
    yield place
    run("rm", "-r", place)


def test_edit_stores_what_changed_and_says_how_to_build(edited, tmp, root):
    said = edit(edited, editor="sed -i s/one/two/", tmp=tmp).stdout
    assert "l4d2ctl overlay build verb-edit" in said
    assert ctl("overlay", "get-script", edited).stdout == "echo two > left4dead2.txt\n"
    assert root.get("overlay", edited)["Generation"] == 0
    assert "as it was" in edit(edited, editor="true", tmp=tmp).stdout
    assert "build verb-edit" in edit(edited, "--build", editor="sed -i s/two/three/", tmp=tmp).stdout
    assert root.get("overlay", edited)["Generation"] == 1
    assert list(tmp.iterdir()) == []


def test_the_draft_is_private_and_kept_when_it_cannot_be_stored(edited, tmp):
    seen = edit(edited, editor="stat -c '%U %a' \"$L4D2CTL_DRAFT\" \"${L4D2CTL_DRAFT%/*}\" >&2; :", tmp=tmp).stderr
    assert seen == "ada 600\nada 700\n"
    meanwhile = "printf 'echo mine\\n' >\"$L4D2CTL_DRAFT\"; printf 'echo theirs\\n' | l4d2ctl overlay set-script verb-edit -; :"
    refused = edit(edited, editor=meanwhile, tmp=tmp, check=False)
    assert refused.returncode == 1 and "somebody else" in refused.stderr
    (kept,) = tmp.rglob("verb-edit.sh")
    assert kept.read_text() == "echo mine\n" and str(kept) in refused.stderr
    assert ctl("overlay", "get-script", edited).stdout == "echo theirs\n"


def test_edit_is_refused_with_a_reason(edited, tmp):
    failed = edit(edited, editor="false", tmp=tmp, check=False)
    assert failed.returncode == 1 and "stays as it was" in failed.stderr
    assert "nowhere" in edit("nowhere", editor="true", tmp=tmp, check=False).stderr
    assert edit(edited, editor="true", tmp=tmp, user="sam", check=False).returncode == 1
    assert edit(editor="true", tmp=tmp, check=False).returncode == 2
    assert list(tmp.iterdir()) == []
    assert "as it was" in plain(at_terminal("l4d2ctl", "overlay", "edit", edited, VISUAL="true", EDITOR="false")[1])
