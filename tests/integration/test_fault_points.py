# SPDX-License-Identifier: LGPL-2.1-or-later
"""The crash matrix, where the service alone is killed: at each row of faultrows.py."""
import pytest
from conftest import figures

from faultrows import ROWS
from faults import SCENARIOS, assert_settled, clean_up, listed_points, start_service, strike


def test_every_point_has_a_row():
    assert sorted(listed_points()) == sorted({row.point for row in ROWS})


@pytest.fixture(scope="module")
def tried(root):
    """The points that were reached."""
    points = []
    yield points
    clean_up(root)
    figures.append(f"crash matrix: the service was killed at {len(points)} steps, {len(set(points))} fault points")


@pytest.mark.parametrize("row", ROWS, ids=str)
def test_killed(root, tried, row):
    before = strike(root, row, "kill")
    start_service(root)
    SCENARIOS[row.scenario].go_on(root)
    assert_settled(root)
    assert SCENARIOS[row.scenario].look(root, before) in row.killed.split()
    tried.append(row.point)
