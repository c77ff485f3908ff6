# SPDX-License-Identifier: LGPL-2.1-or-later
"""l4d2ctl: each verb as a person types it, its refusals, and what it makes of bad words."""
import os
import pathlib
import struct
import zipfile

import pytest

from conftest import run


def ctl(*words, user="ada", **kwargs):
    return run("l4d2ctl", *words, user=user, **kwargs)


def refused(*words, status=1, user="ada", **kwargs):
    """Runs it expecting this exit status; returns what it said."""
    done = ctl(*words, user=user, check=False, **kwargs)
    assert done.returncode == status, done
    assert done.stderr.strip(), "a refusal says why"
    return done.stderr


@pytest.fixture
def arena(game):
    """An instance and an overlay on it, made and taken away with the tool alone."""
    ctl("overlay", "create", "ctlmaps", "Description=more maps")
    ctl("overlay", "set-script", "ctlmaps", "-", input="echo a map > left4dead2.vpk\n")
    ctl("overlay", "build", "ctlmaps")
    ctl("create", "ctl", "Overlays=ctlmaps", "Arguments=+map c1m1 +sv_lan 0")
    yield "ctl"
    ctl("stop", "ctl", check=False)
    ctl("unmount", "ctl", check=False)
    ctl("delete", "ctl", check=False)
    ctl("overlay", "delete", "ctlmaps")


def test_a_server_from_nothing_to_running_and_back(arena, root):
    ctl("set-config", arena, "-", input="hostname ctl\n")
    assert ctl("get-config", arena).stdout == "hostname ctl\n"
    ctl("start", arena)
    assert "active (running)" in ctl("status", arena).stdout
    assert root.get("instance", arena)["Arguments"] == ["+map", "c1m1", "+sv_lan", "0"]
    ctl("configure", arena, "Description=the old arena")
    assert "the old arena" in ctl("list").stdout
    ctl("restart", arena)
    ctl("stop", arena)
    assert root.get("instance", arena)["ActiveState"] == "inactive"
    ctl("mount", arena, user="root")
    assert root.get("instance", arena)["Mounted"]
    ctl("unmount", arena, user="root")
    ctl("reset", arena)


def test_overlay_and_job_verbs(arena):
    assert "ctlmaps" in ctl("overlay", "list").stdout
    assert "ready" in ctl("overlay", "show", "ctlmaps").stdout
    assert "left4dead2.vpk" in ctl("overlay", "get-script", "ctlmaps").stdout
    ctl("overlay", "configure", "ctlmaps", "KeepGenerations=1")
    number = ctl("overlay", "build", "ctlmaps", "--no-wait").stdout.strip().split()[-1].strip(".")
    ctl("job", "wait", number)
    assert "done" in ctl("job", "show", number).stdout
    assert number in ctl("job", "list").stdout
    refused("job", "cancel", number)


def test_overlay_generations(arena):
    ctl("overlay", "wipe", "ctlmaps")
    assert "Current: generation 2" in ctl("overlay", "show", "ctlmaps").stdout
    ctl("overlay", "revert", "ctlmaps", "1")
    assert "Current: generation 1" in ctl("overlay", "show", "ctlmaps").stdout
    assert "Nothing changed" in ctl("overlay", "build", "ctlmaps").stdout
    assert "no generation 7" in refused("overlay", "revert", "ctlmaps", "7")
    refused("overlay", "revert", "ctlmaps", "latest", status=2)


def test_overlay_import(root, tmp_path):
    archive, vpk = tmp_path / "maps.zip", tmp_path / "map.vpk"
    with zipfile.ZipFile(archive, "w") as out:
        out.writestr("left4dead2/readme.txt", "read me")
    vpk.write_bytes(struct.pack("<III", 0x55aa1234, 1, 0))
    for path in (archive, vpk):
        path.chmod(0o644)
    for path in (tmp_path, *tmp_path.parents[:-2]):
        path.chmod(0o755)
    ctl("overlay", "create", "ctlfiles", "--kind=files", "KeepGenerations=3")
    try:
        assert "files" in ctl("overlay", "show", "ctlfiles").stdout
        assert "import ctlfiles" in ctl("overlay", "import", "ctlfiles", archive).stdout
        ctl("overlay", "import", "ctlfiles", vpk)
        assert root.get("overlay", "ctlfiles")["Files"] == 2
        ctl("overlay", "import", "--replace", "ctlfiles", vpk)
        now = root.get("overlay", "ctlfiles")
        top = pathlib.Path(f"/var/lib/left4me/overlays/{now['Id']}/{now['Generation']}")
        assert [p.name for p in top.rglob("*") if p.is_file()] == ["map.vpk"]
        assert "no tar" in refused("overlay", "import", "ctlfiles", "/etc/passwd")
        assert "No such file" in refused("overlay", "import", "ctlfiles", "/no/such/file")
        assert "no script" in refused("overlay", "build", "ctlfiles")
        refused("overlay", "create", "other", "--kind=zip", status=2)
        refused("overlay", "build", "ctlfiles", "--replace", status=2)
        refused("overlay", "list", "--kind=files", status=2)
    finally:
        ctl("overlay", "delete", "ctlfiles")


def test_a_build_that_fails_ends_the_tool_with_its_reason(arena):
    ctl("overlay", "set-script", "ctlmaps", "-", input="exit 7\n")
    said = refused("overlay", "build", "ctlmaps")
    assert "status 7" in said and "l4d2ctl job log" in said


def test_refusals_name_the_object(arena):
    assert "nowhere" in refused("start", "nowhere")
    assert "ctl" in refused("create", "ctl")
    assert "authentication" in refused("start", arena, user="sam").lower()
    assert "Prot" in refused("configure", arena, "Prot=27015", status=2)


@pytest.mark.parametrize("words", [["frobnicate"], ["--frobnicate"], ["start"], ["overlay", "frob"],
                                   ["job", "wait"], ["job", "wait", "seven"], ["create"]])
def test_bad_words_are_refused_as_usage(game, words):
    done = ctl(*words, check=False)
    assert done.returncode == 2 and done.stderr, done


def test_help_fits_a_screen_and_version_is_the_services(root):
    assert 5 < len(ctl("--help").stdout.splitlines()) <= 60
    assert root.get_all("/org/left4me/Host1")["Version"] in ctl("--version").stdout


def test_can_says_what_each_user_may_do(arena):
    assert "start" in ctl("can", user="otto").stdout.lower()


def test_the_manual_pages_are_there():
    for page in ("man1/l4d2ctl.1", "man3/libleft4me-host.3", "man5/left4me-host.conf.5", "man5/org.left4me.Host1.5",
                 "man8/left4me-hostd.8"):
        assert any(os.path.exists(f"/usr/share/man/{page}{end}") for end in ("", ".gz")), page
