# SPDX-License-Identifier: LGPL-2.1-or-later
"""l4d2ctl monitor: a line, or an object, for what happens."""
import contextlib
import json
import pwd
import re
import subprocess

from conftest import build, run, start_again, wait_for


@contextlib.contextmanager
def monitor(tmp_path, *options):
    """Runs it as a user with no rights; gives a function that returns what it has said, in lines."""
    said = tmp_path / "monitor"
    account = pwd.getpwnam("sam")
    with open(said, "wb") as out:
        process = subprocess.Popen(["l4d2ctl", "monitor", *options], stdout=out, stderr=out, user=account.pw_uid,
                                   group=account.pw_gid)
    try:
        yield lambda: said.read_text().splitlines()
    finally:
        process.terminate()
        process.wait(10)


def heard(lines, pattern):
    return wait_for(lambda: next((line for line in lines() if re.search(pattern, line)), None), 20, pattern)


def test_a_line_for_each_thing_that_happens(root, game, instance, tmp_path):
    instance("mon-old")
    with monitor(tmp_path) as lines:
        def begin():  # it says nothing of what is there already
            run("l4d2ctl", "configure", "mon-old", "Arguments=+a 1")
            run("l4d2ctl", "mount", "mon-old")
            run("l4d2ctl", "unmount", "mon-old")
            return lines()
        wait_for(begin, 20, "the first line")
        assert "added" not in "".join(lines()) and re.match(r"\d\d:\d\d:\d\d instance mon-old: inactive", lines()[0])
        instance("mon-new")
        heard(lines, "instance mon-new: added, inactive")
        root.instance("mon-new", "Start")
        heard(lines, r"instance mon-new: active \(running\), mounted")
        assert build(root, "mon-maps", "echo X_PROGRESS=50%; sleep 1; echo > left4dead2.txt")["State"] == "done"
        heard(lines, r"job \d+: added, build mon-maps: queued")
        heard(lines, r"job \d+: build mon-maps: running 50%")
        heard(lines, r"job \d+: build mon-maps: done")
        heard(lines, "overlay mon-maps: ready, generation 1")
        run("l4d2ctl", "overlay", "delete", "mon-maps")
        heard(lines, "overlay mon-maps: removed")
        start_again("left4me-hostd.service")
        heard(lines, "left4me-hostd is away")
        heard(lines, "left4me-hostd is back")


def test_an_object_for_each_with_json(root, game, instance, tmp_path):
    instance("mon-old")
    with monitor(tmp_path, "--json=short") as lines:
        heard(lines, '"Change":"ready"')
        first = [json.loads(line) for line in lines()]
        assert any(o.get("Instance", {}).get("Name") == "mon-old" and o["Change"] == "added" for o in first)
        assert any("Manager" in o for o in first)
        root.instance("mon-old", "Mount")
        heard(lines, '"Change":"changed".*"Mounted":true')
        last = json.loads(lines()[-1])
        assert set(last["Instance"]) == set(root.get("instance", "mon-old")) and last["Time"] > 1e15


def test_bad_words(users):
    assert run("l4d2ctl", "monitor", "arena", check=False).returncode == 2
    assert run("l4d2ctl", "monitor", "--json=yes", check=False).returncode == 2
