# SPDX-License-Identifier: LGPL-2.1-or-later
"""What a person would type into the throwaway host, from outside of it, and the fixtures of the tests that do so."""
import os
import subprocess
import time

import pytest

HOST = [os.environ["LEFT4ME_TEST_HOST"]]
WHICH = ["--name", os.environ["LEFT4ME_TEST_NAME"], "--release", os.environ["LEFT4ME_TEST_RELEASE"]]
if os.environ.get("LEFT4ME_TEST_SANITIZE"):
    WHICH.append("--sanitize")

GAME = r"""
mkdir -p left4dead2/cfg
cat > srcds_run <<'END'
#!/bin/bash
cd "$(dirname "$0")"
trap 'exit 0' INT TERM
exec {nothing}<> <(:)
while :; do read -r -u $nothing -t 1000; done
END
chmod 755 srcds_run
"""


def host(verb, *words, check=True, **kwargs):
    """Runs a verb of tests/host; returns the CompletedProcess with text output."""
    done = subprocess.run([*HOST, verb, *WHICH, *words], text=True, capture_output=True, check=False,
                          stdin=None if "input" in kwargs else subprocess.DEVNULL, **kwargs)
    if check and done.returncode:
        raise AssertionError(f"{verb} {words} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
    return done


def inside(*command, **kwargs):
    """Runs a command as root inside; returns its output."""
    return host("exec", *command, **kwargs).stdout


def ctl(*words, **kwargs):
    return inside("l4d2ctl", *words, **kwargs)


def get(kind, name, prop):
    """A property of an object, as busctl prints its value."""
    label = "".join(c if c.isalpha() or (c.isdigit() and n) else f"_{ord(c):02x}" for n, c in enumerate(name))
    out = inside("busctl", "get-property", "org.left4me.Host1", f"/org/left4me/Host1/{kind}/{label}",
                 f"org.left4me.Host1.{kind.capitalize()}", prop)
    return out.strip().split(" ", 1)[1].strip('"')


def wait_for(question, seconds=30, what="it"):
    end = time.monotonic() + seconds
    while True:
        answer = question()
        if answer:
            return answer
        assert time.monotonic() < end, f"{what} did not come true within {seconds} s"
        time.sleep(0.1)


def is_left_over():
    """What must never stay: staging, trash, units of jobs."""
    out = inside("sh", "-c", "ls -A /run/left4me/staging /var/lib/left4me/*/.trash; "
                             "systemctl list-units --all --plain --no-legend 'left4me-job-*'")
    return [line for line in out.splitlines() if line and not line.endswith(":")]


@pytest.fixture(scope="session")
def game():
    host("exec", "l4d2ctl", "overlay", "create", "game", check=False)
    ctl("overlay", "set-script", "game", "-", input=GAME)
    ctl("overlay", "build", "game")


@pytest.fixture
def overlay():
    """Makes overlays with a script; deletes them afterwards."""
    made = []

    def make(name, script):
        made.append(name)
        ctl("overlay", "create", name)
        ctl("overlay", "set-script", name, "-", input=script)
        return name

    yield make
    for name in made:
        ctl("overlay", "delete", name)
