# SPDX-License-Identifier: LGPL-2.1-or-later
"""The crash matrix, where the whole host dies: the service halts at a fault point, and everything is killed around it;
or the bus alone, which takes the service with it.
Scenarios and outcomes are those of tests/integration/faults.py; each point is taken in the first scenario that has it."""
import contextlib
import os
import pathlib
import sys

import pytest

sys.path.append(str(pathlib.Path(__file__).parents[1] / "integration"))
from faultrows import AROUND, ROWS  # noqa: E402  pylint: disable=wrong-import-position

# A crash costs a boot. What the sanitizers could find is in the service's own start, which the inner matrix has as often.
HAS_EACH = not os.environ.get("LEFT4ME_TEST_SANITIZE")
FIRST = [row for row in list({row.point: row for row in reversed(ROWS)}.values())[::-1] if HAS_EACH or row.point.startswith("PUBLISH")]
IMPORT = "from faultrows import Row\nfrom faults import *\n"


@pytest.fixture(scope="module")
def tried(host):
    rows = []
    yield rows
    host.python(IMPORT + "clean_up(root)\ndelete_instance(root, 'steady')")
    print(f"\ncrash matrix: the host crashed at {len(rows)} fault points")


@pytest.mark.parametrize("row", FIRST, ids=str)
def test_crashed(host, tried, row):
    before = host.python(IMPORT + f"result = strike(root, {row!r}, 'stop')")
    # A boot at which a wished server fails has one unit that failed, which tests/host says.
    fails = (row.scenario, row.crashed) == ("FailedStart", "failed")
    with pytest.raises(AssertionError, match="degraded") if fails else contextlib.nullcontext():
        host.crash()
    host.python(IMPORT + "assert_settled(root, 60, outcome=(lambda: SCENARIOS[scenario].look(root, before), allowed))",
                scenario=row.scenario, before=before, allowed=row.crashed.split())
    tried.append(row.point)


@pytest.mark.parametrize("row", AROUND, ids=str)
def test_bus_started_again(host, tried, row):
    """Everybody loses the bus: the service ends, comes back by itself, and finds the same as after a kill. A server that
    runs does not notice."""
    before, server = host.python(IMPORT + f"""
steady = root.objects().get(path_of("instance", "steady"))
if not steady:
    root.manager("CreateInstance", "('steady', @a{{sv}} {{}})")
    if not is_there(root, "overlay", "game"):
        assert build(root, "game", SMALL_GAME)["State"] == "done"
    root.instance("steady", "Start")
result = strike(root, {row!r}, "stop"), unit(server_unit("steady"), "MainPID", "NRestarts")
""")
    # The program that the mount's unit runs has lost the bus, too.
    lost = ["wished"] if row.point == "MOUNT_MOUNTED" else []
    now = host.python(IMPORT + """
halted = daemon_pid()
# The stop of a mount, which waits for the service, goes before the bus's.
start_again("dbus.service", "--no-block")
go_on_from_halt()
wait_for(lambda: daemon_pid() not in (0, halted), 20, what="another service")
root = Client("root")
assert_settled(root, 60, outcome=(lambda: SCENARIOS[scenario].look(root, before), allowed))
result = unit(server_unit("steady"), "MainPID", "NRestarts")
""", scenario=row.scenario, before=before, allowed=row.killed.split() + [row.undisturbed] + lost)
    assert now == server
