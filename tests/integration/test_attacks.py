# SPDX-License-Identifier: LGPL-2.1-or-later
"""Builds and servers that try to get out: the table of attacks.py, and what takes more than a line."""
import json
import os
import pathlib
import pwd
import shutil

import attacks
import pytest
from builds import cache_dir, current_dir, go_on, held, i386_loader, inside_build, processes_of  # noqa: F401
from conftest import PATH, STATE, BusError, daemon_pid, mounted, run, unit, wait_for
from servers import dropin, game_after, overlay_paths, server_unit

SET_UID = pathlib.Path("/usr/local/bin/left4me-test-as-root")


@pytest.fixture
def host(root, instance, overlay, held):
    """What the table aims at: another overlay, an instance that runs, a build at work, a program of the host that makes
    root of whoever may become it."""
    overlay("other", "echo secret > layer; echo > /cache/file")
    instance("other", Overlays=overlay_paths("other"))
    root.instance("other", "SetConfig", "('rcon_password secret', @a{sv} {})")
    root.instance("other", "Start")
    building = root.get_all(held("beside"))
    shutil.copy("/usr/bin/id", SET_UID)
    SET_UID.chmod(0o4755)
    journal = pathlib.Path("/var/log/journal") / pathlib.Path("/etc/machine-id").read_text().strip() / "system.journal"
    facts = {
        "layer": str(current_dir(root, "other") / "layer"), "cache": str(cache_dir(root, "other")),
        "staging": "/run/left4me/staging", "journal": str(journal), "set-uid": str(SET_UID),
        "server uid": pwd.getpwnam("left4me").pw_uid, "slot uid": pwd.getpwnam("l4d2-sandbox-9").pw_uid,
        "port": root.get_all(PATH)["PortRange"][1], "daemon": daemon_pid(), "server": int(unit(server_unit("other"), "MainPID")["MainPID"]),
        "build": int(unit(building["Unit"], "MainPID")["MainPID"]),
    }
    for name in ("layer", "cache", "staging", "journal"):
        assert os.path.exists(facts[name]), name
    assert run(SET_UID, "-u", user="sam").stdout == "0\n"
    yield facts
    SET_UID.unlink()


def unharmed(facts):
    """Whether what the attempts were aimed at is still there, and nothing is where sandboxes have their root."""
    return (all(os.path.exists(f"/proc/{facts[name]}") for name in ("daemon", "server", "build"))
            and not list(pathlib.Path("/run/left4me/sandbox-root").rglob("x")))


def test_from_inside_a_build(root, host, overlay, figure):
    overlay("attack", "echo > kept")
    endings = inside_build(root, "attack", attacks.program("build", "/overlay/own", host))
    assert not attacks.judge("build", endings)
    assert unharmed(host)
    figure(f"attempts to get out of a build: {len(endings)}")


def test_from_inside_a_build_where_i386_programs_can_run(root, host, overlay):
    overlay("attack", "echo > kept")
    with i386_loader():
        endings = inside_build(root, "attack", attacks.program("build", "/overlay/own", host))
    assert not attacks.judge("build", endings, has_i386=True)
    assert unharmed(host)


def test_most_attempts_get_through_without_the_protection(root, host, overlay):
    overlay("attack", "echo > kept")
    with dropin("left4me-job-.service", "Service", *attacks.UNPROTECTED):
        endings = inside_build(root, "attack", attacks.program("build", "/overlay/own", host))
    stopped = {what: endings[what] for what in attacks.CONTROLS if not endings[what].startswith("got through")}
    assert not stopped
    assert attacks.judge("build", endings), "and the table says so"
    assert unharmed(host)


ATTACKING_GAME = game_after("python3 left4dead2/attacks.py > endings.new 2> errors; mv endings.new endings")


def test_from_inside_a_server(root, host, instance, overlay, figure):
    program = attacks.program("server", str(STATE / "runtime/attack/merged/own"), host)
    overlay("attack", f"{ATTACKING_GAME}cat > left4dead2/attacks.py <<'END'\n{program}\nEND\n")
    instance("attack", Overlays=overlay_paths("attack"))
    root.instance("attack", "Start")
    upper = STATE / "runtime/attack/layers/upper"
    wait_for((upper / "endings").exists, 60, "the server's report")
    endings = json.loads((upper / "endings").read_text() or (upper / "errors").read_text())
    assert not attacks.judge("server", endings)
    assert unharmed(host)
    figure(f"attempts to get out of a server: {len(endings)}")


# What is left for others to fall for; what goes wrong in a deletion is in test_delete.py, the links there in test_reach.py

TRICKS = r"""
mkdir left4dead2
ln -s /etc left4dead2/cfg
ln -s /var/lib/left4me/overlays merged
ln -s ../../../../../etc/shadow shadow
ln -s loop loop
echo text > one
ln one two
"""


def test_links_in_a_generation_trick_nobody(root, instance, overlay):
    overlay("tricks", TRICKS)
    before = root.get("overlay", "tricks")
    told = inside_build(root, "tricks", r"""
import json, os, subprocess
def answer(path, mode):
    try:
        return open(path, mode).read(1)
    except OSError as error:
        return error.errno
subprocess.run(["cp", "-a", "/previous/.", "."], check=True)
print(json.dumps([answer("/previous/left4dead2/cfg/planted", "w"), answer("left4dead2/cfg/planted", "w"),
                  answer("/previous/shadow", "r"), os.path.exists("merged")]))
""")
    assert told == [30, 30, 2, False], "links mean what they mean in the sandbox"
    instance("tricked", Overlays=overlay_paths("tricks"))
    root.instance("tricked", "SetConfig", "('hostname Friday', @a{sv} {})")
    root.instance("tricked", "Start")
    top = STATE / "runtime/tricked/merged/left4dead2/cfg"
    assert not top.is_symlink() and (top / "server.cfg").read_text() == "hostname Friday", "the configuration lies above"
    assert not pathlib.Path("/etc/server.cfg").exists() and not pathlib.Path("/etc/planted").exists()
    assert root.get("overlay", "tricks")["Files"] == before["Files"] + 1, "and the build's own answer"


def test_a_server_that_makes_its_layer_unfit_is_healed_by_a_reset(root, instance):
    instance("unfit")
    root.instance("unfit", "Start")
    merged = STATE / "runtime/unfit/merged"
    run("python3", "-c", f"import os; os.setxattr('{merged}', 'user.fuseoverlayfs.opaque', b'y')", user="left4me")
    root.instance("unfit", "Stop")
    with pytest.raises(BusError) as caught:
        root.instance("unfit", "Start")
    assert caught.value.short == "LayerRejected" and "Reset" in caught.value.message, caught.value
    assert root.wait_job(root.instance("unfit", "Reset")[0])["State"] == "done"
    root.instance("unfit", "Start")


# Their end

SURVIVORS = r"""
import os, signal, sys
for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
    signal.signal(number, signal.SIG_IGN)
def stay():
    while True:
        signal.pause()
made = 0
try:
    for made in range(300):
        if os.fork() == 0:
            os.setsid()
            try:
                os.fork()
            finally:
                stay()
except BlockingIOError:  # as many as it may have
    pass
open(sys.argv[1], "w").write(str(made))
"""


def test_a_build_of_many_processes_ends_whole(root, instance, held):
    """Six hundred, in three hundred sessions, where no limit stops them; each deaf to everything but SIGKILL."""
    instance("beside")
    root.instance("beside", "Start")
    server = root.get("instance", "beside")["MainPID"]
    job = held("many", f"cat > /tmp/p.py <<'END'\n{SURVIVORS}\nEND\npython3 /tmp/p.py /cache/made; sleep 1000")
    go_on(root, "many")
    wait_for((cache_dir(root, "many") / "made").exists, 60, "many processes")
    slot = root.get_all(job)
    assert len(processes_of("l4d2-sandbox-0")) > 100
    root.overlay("many", "Configure", "({'Description': <'meanwhile'>},)")
    root.job(slot["Id"], "Cancel")
    assert root.wait_job(job)["State"] == "cancelled"
    assert processes_of("l4d2-sandbox-0") == []
    assert root.get("instance", "beside")["MainPID"] == server


def test_nothing_of_a_server_goes_on_after_its_stop(root, instance, overlay):
    overlay("lasting", f"cat > p.py <<'END'\n{SURVIVORS}\nEND\n{game_after('python3 p.py made')}")
    instance("lasting", Overlays=overlay_paths("lasting"))
    with dropin(server_unit("lasting"), "Service", "TimeoutStopSec=2s"):
        root.instance("lasting", "Start")
        wait_for((STATE / "runtime/lasting/layers/upper/made").exists, 60, "many processes")
        assert processes_of("left4me")
        root.instance("lasting", "Stop")
    assert processes_of("left4me") == []
    assert "lasting" not in mounted()
