# SPDX-License-Identifier: LGPL-2.1-or-later
"""The crash matrix, where the service alone is killed: at each row of faultrows.py."""
import os

import pytest
from conftest import daemon_pid, figures, run

from faultrows import AROUND, ROWS
from faults import SCENARIOS, assert_settled, clean_up, go_on_from_halt, listed_points, start_service, strike

# The sanitizers have each point once: they take twice as long.
TRIED = list({row.point: row for row in reversed(ROWS)}.values()) if os.environ.get("LEFT4ME_TEST_SANITIZE") else ROWS


def test_every_point_has_a_row():
    assert sorted(listed_points()) == sorted({row.point for row in ROWS})


@pytest.fixture(scope="module")
def tried(root):
    """The points that were reached."""
    points = []
    yield points
    clean_up(root)
    figures.append(f"crash matrix: the service was killed at {len(points)} steps, {len(set(points))} fault points")


@pytest.mark.parametrize("row", TRIED, ids=str)
def test_killed(root, tried, row):
    before = strike(root, row, "kill")
    start_service(root)
    SCENARIOS[row.scenario].go_on(root)
    assert_settled(root, outcome=(lambda: SCENARIOS[row.scenario].look(root, before), row.killed.split()))
    tried.append(row.point)


@pytest.mark.parametrize("row", AROUND, ids=str)
def test_systemd_executes_itself_anew(root, tried, row):
    """While the service halts at a point: it does not notice, and all ends as if nothing had been."""
    before, pid = strike(root, row, "stop"), daemon_pid()
    run("systemctl", "daemon-reexec")
    go_on_from_halt()
    assert_settled(root, outcome=(lambda: SCENARIOS[row.scenario].look(root, before), [row.undisturbed]))
    assert daemon_pid() == pid
