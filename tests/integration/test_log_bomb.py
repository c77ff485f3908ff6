# SPDX-License-Identifier: LGPL-2.1-or-later
"""A build that prints 100 MiB beside a server that prints too, while calls are made: what of all that is in the journal, and
how long after. What was decided with these figures is in left4me-hostd(8)."""
import json
import statistics
import time

import pytest
from builds import ask_build
from conftest import run, unit, wait_for
from servers import overlay_paths, server_unit

MIB = 1024 * 1024
BOMBS = {"short": f"yes {'x' * 99} | head -c {100 * MIB}", "long": f"base64 -w 48000 /dev/urandom | head -c {100 * MIB}"}

# Says a hundred times a second how long it is since it spoke last, in milliseconds: printing blocks when the journal is full.
TICKING_GAME = r"""
cat > srcds_run <<'END'
#!/usr/bin/python3
import signal, sys, time
signal.signal(signal.SIGINT, lambda *_: sys.exit(0))
number, last = 0, time.monotonic()
while True:
    now = time.monotonic()
    print("tick", number, round(1000 * (now - last)), flush=True)
    number, last = number + 1, now
    time.sleep(0.01)
END
chmod 755 srcds_run
"""


def printed(name):
    """The lines of a unit."""
    return run("journalctl", f"_SYSTEMD_UNIT={name}", "_TRANSPORT=stdout", "--output=cat").stdout.splitlines()


def audited(mark):
    """What the audit trail has of a call, found by the field that nothing but the service can send for it."""
    lines = run("journalctl", "_SYSTEMD_UNIT=left4me-hostd.service", f"LEFT4ME_ON_BEHALF_OF={mark}", "--output=json").stdout
    return [json.loads(line)["LEFT4ME_EVENT"] for line in lines.splitlines()]


def seconds_to_audit(client, mark):
    began = time.monotonic()
    client.overlay("bomb", "Configure", f"({{'Description': <'{mark}'>, 'OnBehalfOf': <'{mark}'>}},)")
    wait_for(lambda: audited(mark) == ["accepted", "finished"], 60, f"the audit of {mark}")
    return time.monotonic() - began


@pytest.mark.parametrize("kind", BOMBS)
def test_all_others_lines_are_kept(root, overlay, instance, figure, kind):
    overlay("ticking", TICKING_GAME)
    instance("beside", Overlays=overlay_paths("ticking"))
    root.instance("beside", "Start")
    overlay("bomb", built=False)
    job = ask_build(root, "bomb", BOMBS[kind])
    marks, delays = [], []
    while not root.get_all(job)["FinishedAt"]:
        marks.append(f"{kind}-{time.time()}")
        delays.append(seconds_to_audit(root, marks[-1]))
        time.sleep(0.1)
    now = root.get_all(job)
    assert now["State"] == "done" and len(marks) > 2, (now, marks)
    assert unit(server_unit("beside"), "NRestarts", "ActiveState") == {"NRestarts": "0", "ActiveState": "active"}
    root.instance("beside", "Stop")
    run("journalctl", "--sync")
    assert all(audited(mark) == ["accepted", "finished"] for mark in marks), "and stays"
    ticks = [list(map(int, line.split()[1:])) for line in printed(server_unit("beside")) if line.startswith("tick ")]
    last_start = max(n for n, tick in enumerate(ticks) if tick[0] == 0)
    ticks = ticks[last_start:]
    assert [number for number, _ in ticks] == list(range(len(ticks))), "no line of the server's is missing"
    lines = printed(f"left4me-job-{now['Id']}.service")
    figure(f"log bomb of {kind} lines: 100 MiB in {(now['FinishedAt'] - now['StartedAt']) / 1e6:.1f} s, kept {len(lines)} lines, "
           f"{sum(map(len, lines)) / MIB:.1f} MiB; {len(marks)} calls audited after {statistics.median(delays):.2f} s, "
           f"at most {max(delays):.2f} s; the server beside waited {max(pause for _, pause in ticks)} ms at most")


LOUD_GAME = r"""
cat > srcds_run <<'END'
#!/bin/bash
trap 'exit 0' INT
seq 60000
exec {nothing}<> <(:)
while :; do read -r -u $nothing -t 1000; done
END
chmod 755 srcds_run
"""


def test_no_line_of_a_server_is_dropped(root, overlay, instance):
    """Of so many lines journald's default limit keeps a good half."""
    overlay("countless", LOUD_GAME)
    instance("countless", Overlays=overlay_paths("countless"))
    root.instance("countless", "Start")

    def lines():
        run("journalctl", "--sync")
        return printed(server_unit("countless"))
    wait_for(lambda: "60000" in lines(), 60, "the last line")
    assert lines() == [str(n) for n in range(1, 60001)]
