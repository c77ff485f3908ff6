# SPDX-License-Identifier: LGPL-2.1-or-later
"""Who can reach what by path: the uids of servers and builds reach no layer, cache, configuration nor the store; and a
symbolic link that stands all the same where root opens something leads nowhere."""
import contextlib
import os
import pathlib
import pwd

import pytest

from conftest import STATE, BusError, path_of, run, wait_for

UIDS = ["left4me", "l4d2-sandbox-0", "l4d2-sandbox-15", "sam"]


@pytest.fixture
def arena(root, instance, overlay):
    overlay("reach", "mkdir left4dead2; echo secret > left4dead2/layer.txt; echo kept > /cache/kept.txt")
    instance("reach", Overlays=f"[objectpath '{path_of('overlay', 'reach')}']")
    root.instance("reach", "SetConfig", "('rcon_password secret', @a{sv} {})")
    root.instance("reach", "Start")
    return root.get("overlay", "reach")["Id"]


def places(number):
    """Every place that holds something of somebody's: a directory and a file in it."""
    return {
        "store": (STATE, STATE / "host.db"),
        "store's log": (STATE, STATE / "host.db-wal"),
        "generation": (STATE / f"overlays/{number}/1/left4dead2", STATE / f"overlays/{number}/1/left4dead2/layer.txt"),
        "overlays": (STATE / "overlays", STATE / f"overlays/{number}/1/left4dead2/layer.txt"),
        "cache": (STATE / f"cache/{number}", STATE / f"cache/{number}/kept.txt"),
        "upper": (STATE / "runtime/reach/layers/upper", STATE / "runtime/reach/layers/upper/written"),
        "work": (STATE / "runtime/reach/layers/work", STATE / "runtime/reach/layers/work/work"),
        "environment": (STATE / "instances/reach", STATE / "instances/reach/instance.env"),
        "configuration": (STATE / "instances/reach/config/left4dead2/cfg",
                          STATE / "instances/reach/config/left4dead2/cfg/server.cfg"),
        "trash": (STATE / "overlays/.trash", STATE / "overlays/.trash/x"),
        "staging": (pathlib.Path("/run/left4me/staging"), pathlib.Path("/run/left4me/staging/x")),
    }


@pytest.mark.parametrize("user", UIDS)
def test_nobody_reaches_anything_by_path(arena, user):
    (STATE / "runtime/reach/merged/written").write_text("by the server\n")
    for what, (directory, file) in places(arena).items():
        assert directory.is_dir(), (what, directory)
        for command in (["ls", directory], ["cat", file], ["stat", file / "x"],
                        ["sh", "-c", f"echo changed > '{file}'"], ["mkdir", directory / "new"],
                        ["rm", "-rf", "--", directory / "no-such"], ["ln", "-s", "/etc", directory / "link"],
                        ["chmod", "777", directory]):
            done = run(*command, user=user, check=False)
            if command[0] == "rm":
                assert not (directory / "no-such").exists()
                continue
            assert done.returncode != 0, (what, user, command, done.stdout)
        if directory != STATE:
            assert run("ls", directory, user=user, check=False).stderr.strip().endswith("Permission denied"), what


def test_the_server_reaches_its_files_through_the_mount_alone(arena):
    merged = STATE / "runtime/reach/merged"
    assert run("cat", merged / "left4dead2/layer.txt", user="left4me").stdout == "secret\n"
    assert run("cat", merged / "left4dead2/cfg/server.cfg", user="left4me").stdout == "rcon_password secret"
    run("sh", "-c", f"echo mine > {merged}/left4dead2/layer.txt", user="left4me")
    assert (STATE / f"overlays/{arena}/1/left4dead2/layer.txt").read_text() == "secret\n", "the generation stays"
    assert (STATE / "runtime/reach/layers/upper/left4dead2/layer.txt").read_text() == "mine\n"
    for user in ("l4d2-sandbox-0", "sam"):
        assert run("ls", merged, user=user, check=False).returncode != 0, user


PRYING_GAME = r"""
mkdir -p left4dead2/cfg
cat > srcds_run <<'END'
#!/bin/bash
cd "$(dirname "$0")"
{ for place in /var/lib/left4me/host.db /var/lib/left4me/overlays /var/lib/left4me/cache /var/lib/left4me/instances \
      /var/lib/left4me/runtime/pry/layers /etc/shadow /etc/left4me /home /root /run/left4me /proc/1/environ; do
      if ls "$place" >/dev/null 2>&1 && [ -n "$(ls -A "$place" 2>/dev/null)" ] && cat "$place" >/dev/null 2>&1 || ls -A "$place" 2>/dev/null | grep -q .
      then echo "reached $place"; else echo "nothing at $place"; fi
  done; ls -A /var/lib/left4me /var/lib/left4me/runtime; } > seen
mv seen seen.whole
trap 'exit 0' INT TERM
exec {nothing}<> <(:)
while :; do read -r -u $nothing -t 1000; done
END
chmod 755 srcds_run
"""


def test_inside_a_server_nothing_else_is_in_sight(root, instance, overlay):
    overlay("pry", PRYING_GAME)
    instance("pry", Overlays=f"[objectpath '{path_of('overlay', 'pry')}']")
    root.instance("pry", "Start")
    seen = STATE / "runtime/pry/merged/seen.whole"
    wait_for(seen.exists, what="the server's report")
    report = seen.read_text()
    assert report.count("nothing at") >= 10 and "reached /" not in report.replace("reached /proc/1/environ", ""), report
    assert report.split("/var/lib/left4me:\n")[1] == "runtime\n\n/var/lib/left4me/runtime:\npry\n", report


# Symbolic links, planted by root while nothing runs: what an attacker would need to stand there.

@pytest.fixture
def canary(tmp_path_factory):
    """A directory outside that must stay as it is."""
    top = tmp_path_factory.mktemp("canary")
    (top / "file").write_text("untouched\n")
    os.chmod(top, 0o751)
    yield top
    assert (top / "file").read_text() == "untouched\n"
    assert sorted(p.name for p in top.iterdir()) == ["file"]
    assert (top.stat().st_uid, oct(top.stat().st_mode)) == (0, "0o40751")


@contextlib.contextmanager
def replaced(place, target):
    aside = place.with_name(place.name + ".aside")
    if place.exists() and not place.is_symlink():
        place.rename(aside)
    place.symlink_to(target)
    try:
        yield
    finally:
        if place.is_symlink():
            place.unlink()
        elif place.exists() and aside.exists():
            run("rm", "-rf", place)
        if aside.exists():
            aside.rename(place)


@pytest.mark.parametrize("place, answer", [
    ("runtime/link", "LayerRejected"),
    ("runtime/link/layers", "LayerRejected"),
    ("runtime/link/layers/upper", "LayerRejected"),
    ("runtime/link/layers/work", None),  # made afresh for each mount: the link itself goes
    ("runtime/link/merged", "LayerRejected"),
    ("instances/link", "LayerRejected"),
    ("instances/link/config", "LayerRejected"),
    ("instances/link/config/left4dead2", "LayerRejected"),
    ("instances/link/config/left4dead2/cfg", "LayerRejected"),
    ("instances/link/config/left4dead2/cfg/server.cfg", None),  # replaced by the new file
    ("instances/link/instance.env", None),
    ("overlays/ID", "LayerRejected"),
    ("overlays/ID/1", "LayerRejected"),
])
def test_a_link_where_a_mount_opens_something_is_refused_or_harmless(root, instance, overlay, canary, place, answer):
    overlay("link")
    instance("link", Overlays=f"[objectpath '{path_of('overlay', 'link')}']")
    root.instance("link", "Mount")
    root.instance("link", "Unmount")
    path = STATE / place.replace("ID", str(root.get("overlay", "link")["Id"]))
    target = canary / "file" if path.name in ("server.cfg", "instance.env") else canary
    with replaced(path, target):
        try:
            root.instance("link", "Mount")
            told = None
        except BusError as error:
            told = error.short
        assert told == answer
        if told is None:
            root.instance("link", "Unmount")


@pytest.mark.parametrize("place", ["overlays/ID", "cache/ID"])
def test_a_link_where_a_build_opens_something_fails_the_build(root, overlay, canary, place):
    overlay("link")
    with replaced(STATE / place.replace("ID", str(root.get("overlay", "link")["Id"])), canary):
        job = root.wait_job(root.overlay("link", "Build")[0])
        assert job["State"] == "failed", job
    assert root.get("overlay", "link")["Generation"] == 1


@pytest.mark.parametrize("place", ["runtime/link/layers/upper", "runtime/link/layers", "runtime/link"])
def test_a_link_where_a_reset_opens_something_is_harmless(root, instance, canary, place):
    instance("link")
    root.instance("link", "Mount")
    root.instance("link", "Unmount")
    with replaced(STATE / place, canary):
        root.wait_job(root.instance("link", "Reset")[0])


def test_a_link_left_in_a_generation_is_followed_by_nobody_on_the_host(root, overlay, canary):
    """Links are content: they are sealed as links, and mean something only inside the mount."""
    overlay("inside", f"ln -s {canary} out; ln -s / root; ln -s .. up; mkdir d; ln -s ../out d/again")
    assert root.get("overlay", "inside")["Files"] == 4
