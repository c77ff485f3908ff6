# SPDX-License-Identifier: LGPL-2.1-or-later
"""The crash matrix, where the whole host dies: the service halts at a fault point, and everything is killed around it.
Scenarios and outcomes are those of tests/integration/faults.py; each point is taken in the first scenario that has it."""
import os
import pathlib
import sys

import pytest

sys.path.append(str(pathlib.Path(__file__).parents[1] / "integration"))
from faultrows import ROWS  # noqa: E402  pylint: disable=wrong-import-position

# A crash costs a boot. What the sanitizers could find is in the service's own start, which the inner matrix has as often.
FIRST = [row for row in ROWS if row.point.startswith("PUBLISH")] if os.environ.get("LEFT4ME_TEST_SANITIZE") else list({row.point: row for row in reversed(ROWS)}.values())[::-1]
IMPORT = "from faultrows import Row\nfrom faults import *\n"


@pytest.fixture(scope="module")
def tried(host):
    rows = []
    yield rows
    host.python(IMPORT + "clean_up(root)")
    print(f"\ncrash matrix: the host crashed at {len(rows)} fault points")


@pytest.mark.parametrize("row", FIRST, ids=str)
def test_crashed(host, tried, row):
    before = host.python(IMPORT + f"result = strike(root, {row!r}, 'stop')")
    host.crash()
    outcome = host.python(IMPORT + "assert_settled(root, 60)\nresult = SCENARIOS[scenario].look(root, before)",
                          scenario=row.scenario, before=before)
    assert outcome in row.crashed.split()
    tried.append(row.point)
