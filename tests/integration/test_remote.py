# SPDX-License-Identifier: LGPL-2.1-or-later
"""Another machine's service, by ssh: a real sshd on this one's loopback, and a user who logs in as another."""
import os
import json
import pathlib
import pwd
import subprocess
import time

import pytest

from conftest import delete_instance, run, start_again, unit, wait_for
from test_ctl_logs import Following
from test_follow import saying  # noqa: F401
from test_library import Library
from test_log import printing  # noqa: F401

PORT = "2222"
SSHD = pathlib.Path("/run/sshd")


@pytest.fixture(scope="module")
def sshd(users):
    """sam has a key with which he may log in as ada and as himself."""
    home = pathlib.Path("/home/sam/.ssh")
    run("mkdir", "-p", home, SSHD)
    if not (home / "id_ed25519").exists():
        run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", home / "id_ed25519")
    key = pathlib.Path("/etc/ssh/ssh_host_ed25519_key.pub").read_text()
    (home / "known_hosts").write_text(f"[127.0.0.1]:{PORT} {key}")
    run("chown", "-R", "sam:sam", home)
    for user in ("ada", "sam"):
        into = pathlib.Path(f"/home/{user}/.ssh/authorized_keys")
        run("install", "-D", "-o", user, "-g", user, home / "id_ed25519.pub", into)
    server = subprocess.Popen(["/usr/sbin/sshd", "-D", "-p", PORT, "-o", "ListenAddress=127.0.0.1", "-o", "StrictModes=no",
                               "-o", "UsePAM=yes", "-E", "/var/log/sshd-test.log"], stdin=subprocess.DEVNULL)
    wait_for(lambda: not run("ssh", "-p", PORT, "ada@127.0.0.1", "true", user="sam", env=HOME, check=False).returncode,
             20, "a login")
    yield server
    server.terminate()
    server.wait(10)


HOME = {"HOME": "/home/sam", "PATH": "/usr/bin:/bin"}


def ctl(*words, to="ada@127.0.0.1:" + PORT, **kwargs):
    return run("l4d2ctl", "-H", to, *words, user="sam", env=HOME, **kwargs)


def logins():
    return pathlib.Path("/var/log/sshd-test.log").read_text().count("Accepted publickey for ada")


def test_what_counts_is_who_logs_in(sshd, game, root):
    try:
        ctl("create", "farther")
        ctl("start", "farther")
        assert "active (running)" in ctl("status", "farther").stdout
        refused = ctl("stop", "farther", to=f"sam@127.0.0.1:{PORT}", check=False)
        assert refused.returncode == 1 and "authentication" in refused.stderr.lower()
        ctl("stop", "farther")
        assert root.get("instance", "farther")["ActiveState"] == "inactive"
        accepted = run("journalctl", "-o", "cat", "--output-fields=LEFT4ME_UID", "LEFT4ME_MEMBER=Start",
                       "LEFT4ME_OBJECT=/org/left4me/Host1/instance/farther", "LEFT4ME_EVENT=accepted").stdout.split()
        assert accepted and set(accepted) == {str(pwd.getpwnam("ada").pw_uid)}
    finally:
        delete_instance(root, "farther")


def test_no_file_goes_there(sshd, root):
    root.manager("CreateOverlay", "('farfiles', 'files', @a{sv} {})")
    try:
        refused = ctl("overlay", "import", "farfiles", "/etc/hostname", check=False)
        assert refused.returncode == 1 and "on the host itself" in refused.stderr
    finally:
        root.wait_job(root.overlay("farfiles", "Delete")[0])


def test_logs_come_without_files(sshd, root, instance):
    instance("faraway")
    root.instance("faraway", "Start")
    wait_for(lambda: "started: " in ctl("logs", "faraway", "-o", "cat").stdout, what="the server's line")
    assert ctl("logs", "faraway", "-o", "cat").stdout == run("l4d2ctl", "logs", "faraway", "-o", "cat").stdout
    for words in (["-n", "3", "-o", "cat"], ["-n", "0"], ["-n", "1"], ["-S", "yesterday", "-n", "2", "-p", "info"], ["-U", "yesterday"],
                  ["-p", "err"]):
        assert ctl("logs", "faraway", *words).stdout == run("l4d2ctl", "logs", "faraway", *words).stdout
    refused = ctl("logs", "faraway", "-o", "json", check=False)
    assert refused.returncode == 2 and "--output=json does not work with --host" in refused.stderr


def test_a_log_is_followed_over_a_restart_without_files(sshd, root, saying):
    say = saying("faraway")
    following = Following("-H", f"ada@127.0.0.1:{PORT}", "logs", "faraway", "-f", "-o", "cat", user="sam", env=HOME)
    following.until(b"ready\n")
    say(b"one")
    following.until(b"one\n")
    run("systemctl", "stop", "left4me-hostd")
    say(b"two")
    time.sleep(2)  # it has tried again by then
    assert unit("left4me-hostd.service", "ActiveState")["ActiveState"] == "inactive", "it starts nothing that was stopped"
    start_again("systemd-journald.service")
    run("journalctl", "--rotate", "--vacuum-size=1")
    say(b"three")
    run("systemctl", "start", "left4me-hostd")
    said = following.until(b"three\n").splitlines()
    assert said.count(b"ready") == 1 and said.count(b"one") == 1 and said.count(b"three") == 1, said
    root.instance("faraway", "Stop")
    root.wait_job(root.instance("faraway", "Delete")[0])
    assert following.process.wait(20) == 0, "the instance is gone"
    assert b"may be missing" in following.process.stderr.read()


def test_a_host_that_is_not_there_is_named(sshd):
    for to in ("ada@127.0.0.1:9", "nobody.invalid"):
        refused = ctl("list", to=to, check=False)
        assert refused.returncode == 1 and f"Cannot reach left4me-hostd on {to}: " in refused.stderr, refused


def test_a_lost_connection_ends_a_watch_and_what_waits(sshd, game, root, tmp_path, instance, overlay):
    instance("faraway")
    overlay("farmaps", "sleep 1000", built=False)
    front = Library(tmp_path / "said", "sam", f"ada@127.0.0.1:{PORT}", env=HOME)
    front.ask("watch")
    front.heard("ready ")
    assert "added instance faraway inactive" in front.said
    job = front.answer("build farmaps").split()[1]
    front.ask(f"wait {job}")
    front.heard(f"changed job {job} running .*")
    front.answer("manager -")  # so has been by now what the job's change had it ask
    run("pkill", "-P", str(front.process.pid), "ssh")
    front.heard(rf"wait {job}: -\d+ .*ada@127.0.0.1:2222.*")
    front.heard("lost The connection to the bus of ada@127.0.0.1:2222 is lost; connect again.")
    assert front.answer("instance faraway").startswith("-")
    assert front.end() == 0
    root.job(job, "Cancel")


def test_a_container(game, printing):
    printing("faraway", "seq 20")
    assert "game" in run("l4d2ctl", "-M", ".host", "overlay", "list").stdout
    whole = run("l4d2ctl", "logs", "faraway", "-o", "cat").stdout.splitlines()
    assert len(whole) > 10
    following = Following("-M", ".host", "logs", "faraway", "-f", "-o", "cat", user="root")
    last = whole[-1].encode()
    assert len(following.until(last).splitlines()) <= 10, "the last lines, as without a name"
    following.end()
    refused = run("l4d2ctl", "-M", "nowhere", "list", check=False)
    assert refused.returncode == 1 and "nowhere" in refused.stderr
    assert run("l4d2ctl", "-M", "a", "-H", "b", "start", "x", check=False).returncode == 2


def test_several_hosts_and_one_that_does_not_answer(sshd, game, root, instance):
    instance("faraway")
    here, gone = f"ada@127.0.0.1:{PORT}", "nobody.invalid"
    done = run("l4d2ctl", "-H", gone, "-H", here, "-H", here, "list", user="sam", env=HOME, check=False)
    lines = [line for line in done.stdout.splitlines() if "faraway" in line]
    assert done.returncode == 1 and done.stdout.startswith("HOST ") and len(lines) == 2, done
    assert all(line.startswith(here) for line in lines)
    assert f"Cannot reach left4me-hostd on {gone}: " in done.stderr
    done = run("l4d2ctl", "-H", here, "-H", gone, "status", "faraway", user="sam", env=HOME, check=False)
    assert done.returncode == 1 and f"Host: {here}" in done.stdout and gone in done.stderr
    instance("farend")
    for name in ("faraway", "farend"):
        root.instance(name, "Start")
    before = logins()
    done = run("l4d2ctl", "-H", here, "status", "faraway", "farend", user="sam", env=HOME)
    assert done.stdout.count("Main PID") == 2 and logins() - before == 2, "one for the service, one for systemd"
    done = run("l4d2ctl", "-H", here, "-H", here, "--json=short", "status", user="sam", env=HOME)
    assert [host["Host"] for host in json.loads(done.stdout)] == [here, here]
    front = subprocess.Popen(["setpriv", "--reuid", "sam", "--regid", str(pwd.getpwnam("sam").pw_gid), "--init-groups", "l4d2ctl",
                              "-H", gone, "-H", here, "monitor", "--json=short"], env=HOME, text=True,
                             stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    changes = (json.loads(line) for line in front.stdout)
    assert any(change["Host"] == here and change["Change"] == "ready" for change in changes)
    front.terminate()
    front.wait(10)
