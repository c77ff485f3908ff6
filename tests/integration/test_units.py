# SPDX-License-Identifier: LGPL-2.1-or-later
"""The units as systemd sees them: nothing to complain about, as little exposed as they can be, and the service in the
host's own mount namespace."""
import json
import os
import pathlib
import re

import pytest
from conftest import STATE, SYSTEMD, daemon_pid, run, unit, wait_for

from servers import SANITIZED, mount_unit, server_unit

UNITS = pathlib.Path("/usr/lib/systemd/system")


@pytest.fixture
def running(root, instance):
    instance("units")
    root.instance("units", "Start")
    return "units"


def our_units(name):
    """Every unit that this tree installs, templates as those of the instance."""
    found = [path.name for pattern in ("left4me-*", "l4d2-*") for path in UNITS.glob(pattern) if path.is_file()]
    assert len(found) >= 5, found
    return sorted(unit_name.replace("@.", f"@{name}.") for unit_name in found)


def test_verify_has_nothing_to_say(root, running):
    for name in our_units(running):
        done = run("systemd-analyze", "verify", "--man=no", name, check=False)
        assert (done.returncode, done.stdout + done.stderr) == (0, ""), name
        assert unit(name, "LoadState")["LoadState"] == "loaded", name


def exposure(name):
    words = run("systemd-analyze", "security", "--no-pager", name).stdout.splitlines()[-1]
    return float(re.search(r"Overall exposure level for .*: ([0-9.]+)", words)[1])


@pytest.fixture
def building(root, overlay):
    """The unit of a build that runs."""
    overlay("long", built=False)
    root.overlay("long", "SetScript", "('until [ -e /cache/go ]; do sleep 0.05; done', @a{sv} {})")
    path = root.overlay("long", "Build")[0]
    job = wait_for(lambda: (lambda j: j if j["State"] == "running" and j["Unit"] else None)(root.get_all(path)))
    wait_for(lambda: unit(job["Unit"], "SubState")["SubState"] == "running")
    yield job["Unit"]
    (STATE / "cache" / str(root.get("overlay", "long")["Id"]) / "go").touch()
    assert root.wait_job(path)["State"] == "done"


def test_exposure(root, running, building, figure):
    limits = {"left4me-hostd.service": 4.5, mount_unit(running): 3.0, server_unit(running): 1.3,
              building: 1.1 if SYSTEMD >= 257 else 1.2, building.replace(".service", "-watch.service"): 1.1}
    if SANITIZED:
        limits["left4me-hostd.service"] = 4.7  # tests/host lets it call ptrace(2), to look for leaks
    for name, limit in limits.items():
        level = exposure(name)
        figure(f"systemd-analyze security {name}: {level} (systemd {SYSTEMD})")
        assert 0 < level <= limit, name


# What keeps a build from a perfect score, as systemd-analyze names it.
MISSING_IN_BUILD = {
    "PrivateNetwork=": "a build downloads",
    "RestrictAddressFamilies=~AF_(INET|INET6)": "a build downloads",
    "IPAddressDeny=": "a build may reach every address but this host's and its networks'; only a list of allowed ones counts",
    "DeviceAllow=": "ProtectClock= makes the list, of one device that can be read and that PrivateDevices= hides",
    "UMask=": "modes are part of what a script makes, and of the digest; nobody reaches its files by path",
}
if SYSTEMD < 257:
    MISSING_IN_BUILD["PrivateTmp="] = "its /tmp and /var/tmp are in its memory: the switch would put them on the host's disk"
if pathlib.Path("/lib/ld-linux.so.2").exists():
    MISSING_IN_BUILD["SystemCallArchitectures="] = "steamcmd is an i386 program"


def test_what_a_build_lacks_has_a_reason(building):
    table = json.loads(run("systemd-analyze", "security", "--no-pager", "--json=short", building).stdout)
    assert len(table) > 70
    assert {row["name"] for row in table if float(row.get("exposure") or 0) > 0} == MISSING_IN_BUILD.keys()


def test_service_and_mount_unit_are_in_the_hosts_mount_namespace(root, running):
    of_host = os.readlink("/proc/1/ns/mnt")
    assert os.readlink(f"/proc/{daemon_pid()}/ns/mnt") == of_host
    assert os.readlink(f"/proc/{unit(server_unit(running), 'MainPID')['MainPID']}/ns/mnt") != of_host
    # What the mount unit runs is gone too soon to look at; none of these may be set on it.
    private = unit(mount_unit(running), "PrivateTmp", "PrivateDevices", "ProtectSystem", "ProtectHome", "PrivateMounts",
                   "ProtectKernelTunables", "ProtectKernelModules", "ProtectKernelLogs", "ProtectControlGroups",
                   "ProtectProc", "ProcSubset", "PrivateIPC", "PrivateNetwork", "ReadOnlyPaths", "InaccessiblePaths",
                   "BindPaths", "BindReadOnlyPaths", "TemporaryFileSystem", "DynamicUser", "RootDirectory")
    assert set(private.values()) <= {"no", "", "default", "all"}, private


def test_order_of_units(root, running):
    """A stop must not wait for the service, and the service for no stop; a server needs its mount."""
    for name in (server_unit(running), mount_unit(running)):
        related = unit(name, "After", "Before", "Requires", "BindsTo", "Requisite", "PartOf")
        assert "left4me-hostd" not in str(related), (name, related)
    server = unit(server_unit(running), "After", "BindsTo")
    assert mount_unit(running) in server["BindsTo"].split() and mount_unit(running) in server["After"].split()
    assert unit(mount_unit(running), "StopWhenUnneeded")["StopWhenUnneeded"] == "yes"
    assert unit(server_unit(running), "Slice")["Slice"] == "l4d2-game.slice"
