# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the tests that run inside the throwaway host share: users, bus clients that are these users, a small game, and clean-up.

The tests talk to the real service over the real bus, as root or as a user of one of the groups:
    root   uid 0                  ada   left4me-admins
    otto   left4me-operators      sam   in no group
"""
import contextlib
import json
import os
import pathlib
import pwd
import re
import subprocess
import sys
import time

import pytest
from gi.repository import GLib

HERE = pathlib.Path(__file__).parent
PATH = "/org/left4me/Host1"
IFACE = "org.left4me.Host1"
ERROR = IFACE + ".Error."
DENIED = "org.freedesktop.DBus.Error.AccessDenied"
CHALLENGE = "org.freedesktop.DBus.Error.InteractiveAuthorizationRequired"
STATE = pathlib.Path("/var/lib/left4me")
USERS = {"ada": "left4me-admins", "otto": "left4me-operators", "sam": None}

# A game that starts at once, prints what it was given, and ends when asked to.
SMALL_GAME = r"""
mkdir -p left4dead2/cfg
cat > srcds_run <<'END'
#!/bin/bash
cd "$(dirname "$0")"
echo "started: $*"
trap 'echo asked to stop; exit 0' INT TERM
exec {nothing}<> <(:)
while :; do read -r -u $nothing -t 1000; done
END
chmod 755 srcds_run
echo original > left4dead2/readme.txt
"""


def pytest_addoption(parser):
    parser.addoption("--calls", type=int, default=2000, help="how many calls test_fuzz.py makes")
    parser.addoption("--seed", type=int, default=time.time_ns() % 10 ** 9, help="which calls it makes")


class BusError(Exception):
    def __init__(self, name, message):
        super().__init__(f"{name}: {message}")
        self.name = name
        self.message = message

    @property
    def short(self):
        return self.name.removeprefix(ERROR)


def run(*command, check=True, user=None, **kwargs):
    """Runs a command, as a user where given; returns the CompletedProcess with text output."""
    if user:
        command = ("setpriv", "--reuid", user, "--regid", str(pwd.getpwnam(user).pw_gid), "--init-groups", *command)
    done = subprocess.run([str(c) for c in command], text=True, capture_output=True, check=False, **kwargs)
    if check and done.returncode:
        raise AssertionError(f"{command} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
    return done


SYSTEMD = int(re.search(r"\d+", run("systemctl", "--version").stdout)[0])


def wait_for(question, seconds=10, what="it"):
    """Asks until the answer is true; returns the answer. Most of the time it does not ask, or on a slow machine what is
    asked for would take the longer."""
    end = time.monotonic() + seconds
    while True:
        asked = time.monotonic()
        answer = question()
        if answer:
            return answer
        now = time.monotonic()
        assert now < end, f"{what} did not come true within {seconds} s"
        time.sleep(max(0.02, 4 * (now - asked)))


def path_of(kind, name):
    """The object path of an instance, overlay or job, encoded as sd_bus_path_encode() does."""
    label = "".join(c if c.isascii() and (c.isalpha() or (c.isdigit() and n)) else f"_{ord(c):02x}"
                    for n, c in enumerate(str(name)))
    return f"{PATH}/{kind}/{label}"


class Client:
    """A connection to the bus that belongs to a user."""

    def __init__(self, user):
        self.user = user
        command = [sys.executable, str(HERE / "agent.py")]
        if user != "root":
            gid = str(pwd.getpwnam(user).pw_gid)
            command = ["setpriv", "--reuid", user, "--regid", gid, "--init-groups", *command]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def ask(self, **question):
        self.process.stdin.write(json.dumps(question) + "\n")
        self.process.stdin.flush()
        return self.answer()

    def answer(self):
        line = self.process.stdout.readline()
        assert line, f"the bus client of {self.user} ended"
        return json.loads(line)

    def send(self, **question):
        """Asks without waiting; `receive` gives the answer."""
        self.process.stdin.write(json.dumps(question) + "\n")
        self.process.stdin.flush()

    def receive(self):
        return self.unpack(self.answer())

    def begin(self, call_id, question):
        """Sends the call of `question`, and does not wait: the connection can do other things meanwhile."""
        self.ask(**{**question, "do": "begin", "id": call_id})

    def end(self, call_id, seconds=30):
        """The answer to what began; raises BusError, of the name local.waiting when there is none in time."""
        return self.unpack(self.ask(do="end", id=call_id, seconds=seconds))

    @staticmethod
    def unpack(answer):
        if "error" in answer:
            raise BusError(answer["error"], answer["message"])
        return GLib.Variant.parse(None, answer["reply"], None, None).unpack()

    @staticmethod
    def question(path, interface, member, body="", **more):
        return {"do": "call", "path": path, "interface": interface, "member": member, "body": body, **more}

    def raw(self, path, interface, member, body="", **more):
        """A call with its arguments as GVariant text; returns the reply's tuple, or raises BusError."""
        return self.unpack(self.ask(**self.question(path, interface, member, body, **more)))

    def manager(self, member, body="", **more):
        return self.raw(PATH, IFACE + ".Manager", member, body, **more)

    def instance(self, name, member, body="(@a{sv} {},)", **more):
        return self.raw(path_of("instance", name), IFACE + ".Instance", member, body, **more)

    def overlay(self, name, member, body="(@a{sv} {},)", **more):
        return self.raw(path_of("overlay", name), IFACE + ".Overlay", member, body, **more)

    def job(self, job_id, member, body="(@a{sv} {},)", **more):
        return self.raw(path_of("job", job_id), IFACE + ".Job", member, body, **more)

    def get_all(self, path):
        kind = path.removeprefix(PATH).strip("/").partition("/")[0].capitalize() or "Manager"
        return self.raw(path, "org.freedesktop.DBus.Properties", "GetAll", f"('{IFACE}.{kind}',)")[0]

    def get(self, kind, name):
        """All properties of an object, as a dictionary."""
        return self.get_all(path_of(kind, name))

    def objects(self):
        return self.raw(PATH, "org.freedesktop.DBus.ObjectManager", "GetManagedObjects")[0]

    def wait_job(self, job_path, seconds=120):
        """Waits for a job's end; returns its properties."""
        return wait_for(lambda: (lambda p: p if p["FinishedAt"] else None)(self.get_all(job_path)), seconds, job_path)

    def watch(self):
        self.ask(do="watch")

    def signals(self, seconds=0.1):
        """What was heard since `watch` or the last call: [path, interface, member, arguments as a tuple]."""
        heard = self.ask(do="signals", seconds=seconds)["signals"]
        return [[p, i, m, GLib.Variant.parse(None, a, None, None).unpack()] for p, i, m, a in heard]

    def close(self):
        self.process.stdin.close()
        self.process.wait(10)


def text(value):
    """A string as GVariant text."""
    return GLib.Variant("s", value).print_(False)


def make_users():
    for user, group in USERS.items():
        run("useradd", "--create-home", user, check=False)
        if group:
            run("usermod", "--append", "--groups", group, user)


@pytest.fixture(scope="session", autouse=True)
def users():
    make_users()


@pytest.fixture(scope="session")
def clients(users):
    made = {}

    def client(user):
        if user not in made:
            made[user] = Client(user)
        return made[user]

    yield client
    for c in made.values():
        c.close()


@pytest.fixture(scope="session")
def root(clients):
    return clients("root")


@pytest.fixture(scope="session")
def ada(clients):
    return clients("ada")


@pytest.fixture(scope="session")
def otto(clients):
    return clients("otto")


@pytest.fixture(scope="session")
def sam(clients):
    return clients("sam")


def build(client, name, script):
    """Gives an overlay, made where there is none, this script and builds it; returns the job's properties."""
    with contextlib.suppress(BusError):
        client.manager("CreateOverlay", f"('{name}', 'script', @a{{sv}} {{}})")
    client.overlay(name, "SetScript", f"({text(script)}, @a{{sv}} {{}})")
    return client.wait_job(client.overlay(name, "Build")[0])


@pytest.fixture(scope="session")
def game(root):
    """The small game is the overlay `game`."""
    job = build(root, "game", SMALL_GAME)
    assert job["State"] == "done", job


@pytest.fixture
def overlay(root):
    """Makes overlays with a script, built; deletes them afterwards."""
    made = []

    def make(name, script="echo here > left4dead2.txt", built=True):
        made.append(name)
        if built:
            job = build(root, name, script)
            assert job["State"] == "done", job
        else:
            root.manager("CreateOverlay", f"('{name}', 'script', @a{{sv}} {{}})")
            root.overlay(name, "SetScript", f"({text(script)}, @a{{sv}} {{}})")

    yield make
    for name in made:
        delete_overlay(root, name)


@pytest.fixture
def instance(root, game, overlay):
    """Makes instances; stops and deletes them afterwards (before the overlays that they list)."""
    made = []

    def make(name, **settings):
        options = ", ".join(f"'{key}': <{value}>" for key, value in settings.items())
        root.manager("CreateInstance", f"('{name}', @a{{sv}} {{{options}}})")
        made.append(name)
        return name

    yield make
    for name in made:
        delete_instance(root, name)


def delete_instance(root, name):
    try:
        root.get("instance", name)
    except BusError:
        return
    run("systemctl", "reset-failed", f"left4me-server@{name}.service", check=False)
    for member in ("Stop", "Unmount"):
        with contextlib.suppress(BusError):
            root.instance(name, member)
    job = root.wait_job(root.instance(name, "Delete")[0])
    assert job["State"] == "done", job


def delete_overlay(root, name):
    try:
        job = root.wait_job(root.overlay(name, "Delete")[0])
    except BusError as error:
        assert "UnknownObject" in error.name or error.short == "NoSuchOverlay", error
        return
    assert job["State"] == "done", job


def unit(name, *properties):
    """Properties of a unit as systemctl shows them, in a dictionary."""
    out = run("systemctl", "show", name, *[f"--property={p}" for p in properties]).stdout
    return dict(line.split("=", 1) for line in out.splitlines())


def daemon_pid():
    return int(unit("left4me-hostd.service", "MainPID")["MainPID"])


def mounted():
    """Names of the instances in the kernel's mount table of PID 1."""
    lines = pathlib.Path("/proc/1/mountinfo").read_text().splitlines()
    return [line.split()[4].split("/")[-2] for line in lines
            if " - overlay " in line and line.split()[4].startswith("/var/lib/left4me/runtime/")]


@contextlib.contextmanager
def polkit_rule(text_of_rule, name="00-test.rules"):
    """A rule of the administrator's, for as long as the block runs; polkitd notices within a second or two."""
    file = pathlib.Path("/etc/polkit-1/rules.d") / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text_of_rule)
    os.chmod(file, 0o644)
    start_again("polkit.service")
    try:
        yield
    finally:
        file.unlink()
        start_again("polkit.service")


def start_again(name, *how):
    """Restarts a unit of the system's. Many starts in a row are no failure here."""
    run("systemctl", "reset-failed", name, check=False)
    run("systemctl", "restart", *how, name)


figures = []


@pytest.fixture
def figure():
    """Notes a line for the end of the run: something that was measured and is worth reading there."""
    return figures.append


def pytest_terminal_summary(terminalreporter):
    if figures:
        terminalreporter.section("measured")
        for line in figures:
            terminalreporter.write_line(line)
