# SPDX-License-Identifier: LGPL-2.1-or-later
"""What README.md says of an installation: the build that users get, with the commands that stand there."""
import os
import pathlib
import re
import subprocess

import pytest

TREE = pathlib.Path(__file__).parents[2]
FORMAT = re.search(r'sscanf\(line, "(.*?)"', (TREE / "daemon/fault.c").read_text())[1]  # what arms a fault point is read by


def run(*command, **more):
    done = subprocess.run([str(c) for c in command], text=True, capture_output=True, check=False, stdin=subprocess.DEVNULL, **more)
    assert done.returncode == 0, f"{command} ended with {done.returncode}:\n{done.stdout}{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """A directory with all that the commands install; the tree gets a build directory of its own."""
    place = tmp_path_factory.mktemp("readme")
    lines = [line.partition("#")[0].split() for line in (TREE / "README.md").read_text().splitlines()
             if re.match(r"    meson (setup|install) ", line)]
    assert [line[:2] for line in lines] == [["meson", "setup"], ["meson", "install"]], lines
    for line in lines:
        assert "build" in line, line
        run(*[place / "build" if word == "build" else word for word in line], cwd=TREE,
            env={**os.environ, "DESTDIR": str(place / "root")})
    return place / "root"


def test_users_get_no_fault_points(installed):
    """Nobody can end or halt the service that is installed by a file."""
    hostd = (installed / "usr/libexec/left4me/left4me-hostd").read_bytes()
    assert b"org.left4me.Host1" in hostd and FORMAT.encode() not in hostd


def test_the_command_line_runs_on_the_library_that_is_installed(installed):
    libraries = next(installed.rglob("libleft4me-host.so.0")).parent
    said = run(installed / "usr/bin/l4d2ctl", "--version", env={"LD_LIBRARY_PATH": str(libraries)})
    assert said.startswith("l4d2ctl "), said
