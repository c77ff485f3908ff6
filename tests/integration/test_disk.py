# SPDX-License-Identifier: LGPL-2.1-or-later
"""What builds may take of the disk, and how it is given back."""
import pytest
from builds import build_now, cache_dir, held, trash  # noqa: F401
from conftest import CHALLENGE, BusError, run


# The cache is wiped

def test_wipe_cache_empties_the_cache_alone(root, overlay):
    overlay("maps", "echo built > file; mkdir -p /cache/locked; echo kept | tee /cache/kept > /cache/locked/x; chmod 0 /cache/locked")
    before = root.get("overlay", "maps")
    job = root.wait_job(root.overlay("maps", "WipeCache")[0])
    assert (job["State"], job["Result"], job["Kind"]) == ("done", "success", "wipe-cache"), job
    assert not cache_dir(root, "maps").exists() and trash() == []
    assert root.get("overlay", "maps") == before
    job = root.wait_job(root.overlay("maps", "WipeCache")[0])
    assert job["State"] == "done", "where nothing is, nothing is to be done"
    job = build_now(root, "maps", "set -e; [ -z \"$(ls -A /cache)\" ]; echo again > /cache/kept; cp /previous/file .")
    assert job["State"] == "done", job
    run("l4d2ctl", "overlay", "wipe-cache", "maps")
    assert not cache_dir(root, "maps").exists()


def test_wipe_cache_waits_for_the_build_and_is_one_job(root, ada, otto, held):
    build = held("maps", "[ -e /cache/at-hold ] && echo built > built")
    wipe, = ada.overlay("maps", "WipeCache")
    assert root.overlay("maps", "WipeCache") == (wipe,)
    with pytest.raises(BusError) as caught:
        otto.overlay("maps", "WipeCache")
    assert caught.value.name == CHALLENGE
    assert root.get_all(wipe)["State"] == "queued" and len(root.get_all(wipe)["Requesters"]) == 2
    cache_dir(root, "maps").joinpath("go-on").touch()  # at-hold stays
    assert root.wait_job(build)["State"] == "done"
    assert root.wait_job(wipe)["State"] == "done"
    assert not cache_dir(root, "maps").exists()
