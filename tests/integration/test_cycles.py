# SPDX-License-Identifier: LGPL-2.1-or-later
"""Many starts and stops: each unmounts at the first try, and none leaves anything behind."""
import os
import pathlib
import time

from conftest import daemon_pid, mounted, run, wait_for

from servers import is_dead, mount_unit, open_files

CYCLES = int(os.environ.get("LEFT4ME_TEST_CYCLES", "200"))


def resident_kib(pid):
    lines = pathlib.Path(f"/proc/{pid}/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("VmRSS")).split()[1])


def cycle(root, name):
    """One start and one stop; returns how long each took. An EBUSY would be the Stop's error."""
    began = time.monotonic()
    root.instance(name, "Start")
    started = time.monotonic()
    assert mounted().count(name) == 1
    root.instance(name, "Stop")
    stopped = time.monotonic()
    assert name not in mounted()
    return started - began, stopped - started


def test_cycles(root, instance, figure):
    name = instance("cycles")
    for _ in range(5):
        cycle(root, name)
    pid = daemon_pid()
    files, memory, since = open_files(pid), resident_kib(pid), time.time()
    table = pathlib.Path("/proc/1/mountinfo").read_text()

    took = [cycle(root, name) for _ in range(CYCLES)]

    assert pathlib.Path("/proc/1/mountinfo").read_text() == table
    assert daemon_pid() == pid
    wait_for(lambda: open_files(pid) <= files, what=f"{files} open files at most")
    assert is_dead(name)
    said = run("journalctl", f"--since=@{since:.3f}", "-u", "left4me-hostd", "-u", mount_unit(name), "-o", "cat").stdout
    assert "busy" not in said.lower() and "failed" not in said.lower(), said
    starts, stops = sorted(s for s, _ in took), sorted(s for _, s in took)
    figure(f"{CYCLES} starts and stops: start {starts[CYCLES // 2] * 1000:.0f} ms (slowest {starts[-1] * 1000:.0f}), "
           f"stop {stops[CYCLES // 2] * 1000:.0f} ms (slowest {stops[-1] * 1000:.0f}), no EBUSY, "
           f"{open_files(pid)} open files as before, {resident_kib(pid) - memory:+d} KiB")


def test_cycles_of_several_at_once(root, clients, instance):
    names = [instance(f"cycles-{n}") for n in range(4)]
    pid = daemon_pid()
    table = pathlib.Path("/proc/1/mountinfo").read_text()
    for _ in range(CYCLES // 10 + 1):
        for member in ("Start", "Stop"):
            calls = [root.question(f"/org/left4me/Host1/instance/{name.replace('-', '_2d')}",
                                   "org.left4me.Host1.Instance", member, "(@a{sv} {},)") for name in names]
            answers = root.ask(do="sequence", calls=calls, window=len(calls))["answers"]
            assert all("reply" in answer for answer in answers), answers
            assert sorted(set(names) & set(mounted())) == (names if member == "Start" else [])
    assert pathlib.Path("/proc/1/mountinfo").read_text() == table
    assert daemon_pid() == pid
