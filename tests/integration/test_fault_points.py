# SPDX-License-Identifier: LGPL-2.1-or-later
"""The crash matrix, as far as the service alone is killed: at each fault point, in each scenario of faults.py."""
import pytest
from conftest import figures

from faults import MATRIX, SCENARIOS, assert_settled, clean_up, listed_points, start_service, strike


def test_every_point_has_a_row():
    assert sorted(listed_points()) == sorted({point for _scenario, point, *_ in MATRIX})


@pytest.fixture(scope="module")
def tried(root):
    """The rows whose point was reached."""
    rows = []
    yield rows
    clean_up(root)
    figures.append(f"crash matrix: the service was killed at {len(rows)} steps, "
                   f"{len({point for _name, point in rows})} fault points")


@pytest.mark.parametrize("name, point, count, outcome, _crashed", MATRIX, ids=lambda value: str(value).replace(" ", "-or-"))
def test_killed(root, tried, name, point, count, outcome, _crashed):
    before, _ = strike(root, name, point, count, "kill")
    start_service(root)
    SCENARIOS[name].go_on(root)
    assert_settled(root)
    assert SCENARIOS[name].look(root, before) in outcome.split()
    tried.append((name, point))
