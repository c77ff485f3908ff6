# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the tests share that stand outside the host, since they boot it: run by tests/host check, or by hand with
LEFT4ME_TEST_HOST (the path of tests/host) and LEFT4ME_TEST_NAME (the host's name)."""
import json
import os
import subprocess

import pytest

INSIDE = """
import json, sys
sys.path.insert(0, "/usr/src/left4me/tests/integration")
from conftest import *
from servers import *
root = Client("root")
%s
print("\\n" + json.dumps(locals().get("result")))
"""


class Host:
    """The throwaway host, from outside."""

    def __init__(self):
        self.verbs = os.environ["LEFT4ME_TEST_HOST"]
        self.name = os.environ["LEFT4ME_TEST_NAME"]

    def verb(self, verb, *arguments, timeout=240):
        done = subprocess.run([self.verbs, verb, "--name", self.name, *arguments], text=True, capture_output=True,
                              stdin=subprocess.DEVNULL, timeout=timeout, check=False)
        assert done.returncode == 0, f"tests/host {verb} {arguments} ended with {done.returncode}:\n{done.stdout}{done.stderr}"
        return done.stdout

    def run(self, *command):
        return self.verb("exec", *command)

    def python(self, code, **values):
        """Runs Python inside, with what tests there have and `root`, a client; returns what it leaves in `result`."""
        given = "\n".join(f"{key} = {value!r}" for key, value in values.items())
        return json.loads(self.run("python3", "-c", INSIDE % f"{given}\n{code}").rstrip().rpartition("\n")[2])

    def begin(self, code):
        """Starts Python inside, and waits until it has printed a line."""
        process = subprocess.Popen([self.verbs, "exec", "--name", self.name, "python3", "-c", INSIDE % code],
                                   text=True, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL)
        process.stdout.readline()
        return process

    def reboot(self):
        self.verb("reboot")

    def crash(self):
        self.verb("crash")


@pytest.fixture(scope="session")
def host():
    return Host()
