# SPDX-License-Identifier: LGPL-2.1-or-later
"""Which generation is current: back to one that is kept, and an empty one; and how many are kept."""
import os

import pytest
from builds import (NO_OPTIONS, build_now, current_dir, held, jobs_of, listener, overlay_dir, tree_digest,  # noqa: F401
                    wait_quiet)
from conftest import SMALL_GAME, BusError, build, path_of, run
from servers import host_conf, merged, overlay_paths, settings


def numbers(client, name):
    return [g[0] for g in client.get("overlay", name)["Generations"]]


def revert(client, name, number):
    client.overlay(name, "Revert", f"(uint64 {number}, @a{{sv}} {{}})")


def refused(call, *arguments):
    """The error that the call ends with."""
    with pytest.raises(BusError) as caught:
        call(*arguments)
    return caught.value


@pytest.fixture
def three(root, overlay):
    """The overlay `maps` with generations 1, 2 and 3, all kept."""
    overlay("maps", "echo 1 > left4dead2.txt")
    root.overlay("maps", "Configure", settings(KeepGenerations="uint32 3"))
    for n in (2, 3):
        build_now(root, "maps", f"echo {n} > left4dead2.txt; echo > more-{n}")
    assert numbers(root, "maps") == [1, 2, 3]
    return "maps"


# Revert

def test_revert_makes_a_kept_generation_current(root, ada, listener, instance, three):
    instance("alpha", Overlays=overlay_paths(three))
    root.instance("alpha", "Mount")
    before = root.get("overlay", three)
    listener.signals(0)
    revert(ada, three, 1)
    now = root.get("overlay", three)
    first = now["Generations"][0]
    assert (now["Generation"], now["BuiltAt"], now["Size"], now["Digest"]) == first
    assert (now["Digest"], now["Files"]) == tree_digest(current_dir(root, three)) and now["Files"] == 1
    assert (now["State"], now["Generations"], now["LastJob"]) == ("ready", before["Generations"], before["LastJob"])
    assert root.get("instance", "alpha")["Outdated"]
    told = {}
    for path, _interface, member, arguments in listener.signals(0.5):
        if member == "PropertiesChanged":
            told.setdefault(path, {}).update(arguments[1])
    assert told[path_of("overlay", three)]["Generation"] == 1
    assert told[path_of("instance", "alpha")]["Outdated"] is True
    assert (merged("alpha") / "left4dead2.txt").read_text() == "3\n", "what is mounted stays"
    root.instance("alpha", "Unmount")
    root.instance("alpha", "Mount")
    assert (merged("alpha") / "left4dead2.txt").read_text() == "1\n"
    revert(ada, three, 3)
    assert root.get("instance", "alpha")["Outdated"]
    run("systemctl", "restart", "left4me-hostd.service")
    assert root.get("overlay", three) == before


def test_revert_to_what_is_current_changes_nothing(root, three):
    before = root.get("overlay", three)
    revert(root, three, 3)
    assert root.get("overlay", three) == before


def test_the_newest_are_kept_after_a_revert_and_after_the_next_build(root, three):
    revert(root, three, 1)
    root.overlay(three, "Configure", settings(KeepGenerations="uint32 2"))
    wait_quiet(root)
    assert numbers(root, three) == [1, 3] and sorted(os.listdir(overlay_dir(root, three))) == ["1", "3"]
    build_now(root, three, "echo 4 > left4dead2.txt")
    wait_quiet(root)
    assert numbers(root, three) == [3, 4] and root.get("overlay", three)["Generation"] == 4
    revert(root, three, 3)
    assert build_now(root, three, "echo 4 > left4dead2.txt")["Message"] == "", "it differs from what is current"
    assert root.get("overlay", three)["Generation"] == 5


def test_revert_finds_the_current_one_at_previous(root, three):
    revert(root, three, 1)
    build_now(root, three, "cat /previous/left4dead2.txt > was")
    assert (current_dir(root, three) / "was").read_text() == "1\n"


@pytest.mark.parametrize("number", [0, 4, 2**64 - 1])
def test_revert_to_what_is_not_kept(root, three, number):
    before = root.get("overlay", three)
    error = refused(revert, root, three, number)
    assert error.short == "NoSuchGeneration" and f'"{three}"' in error.message and str(number) in error.message, error
    assert root.get("overlay", three) == before


def test_revert_and_wipe_while_at_work(root, held):
    job = root.get_all(held("maps"))
    for member, body in (("Revert", "(uint64 1, @a{sv} {})"), ("Wipe", NO_OPTIONS)):
        error = refused(root.overlay, "maps", member, body)
        assert error.short == "Busy" and f"Job {job['Id']} (build)" in error.message, error
    deletion, = root.overlay("maps", "Delete")
    root.job(job["Id"], "Cancel")
    root.wait_job(deletion)


# Wipe

def test_wipe_publishes_what_an_empty_build_would(root, ada, overlay, instance):
    overlay("empty", "true")
    sealed = root.get("overlay", "empty")
    overlay("maps", "echo 1 > left4dead2.txt")
    instance("alpha", Overlays=overlay_paths("maps"))
    root.instance("alpha", "Mount")
    ada.overlay("maps", "Wipe")
    now = root.get("overlay", "maps")
    assert {k: now[k] for k in ("Digest", "Size", "Files")} == {k: sealed[k] for k in ("Digest", "Size", "Files")}
    assert now["Digest"] == tree_digest(current_dir(root, "maps"))[0]
    assert (now["State"], now["Generation"], numbers(root, "maps")) == ("ready", 2, [1, 2])
    assert root.get("instance", "alpha")["Outdated"]
    facts = [overlay_dir(root, name, n).lstat() for name, n in (("maps", 2), ("empty", 1))]
    assert len({(f.st_mode, f.st_uid, f.st_gid) for f in facts}) == 1 and os.listdir(current_dir(root, "maps")) == []
    ada.overlay("maps", "Wipe")
    assert root.get("overlay", "maps") == now, "it is empty already"
    revert(ada, "maps", 1)
    assert (current_dir(root, "maps") / "left4dead2.txt").exists()
    build_now(root, "maps", "echo 3 > left4dead2.txt")
    assert root.get("overlay", "maps")["Generation"] == 3


def test_wipe_of_one_that_was_never_built(root, overlay, instance):
    overlay("maps", built=False)
    root.overlay("maps", "Wipe")
    now = root.get("overlay", "maps")
    assert (now["State"], now["Generation"], now["Files"]) == ("ready", 1, 0)
    instance("alpha", Overlays=overlay_paths("maps"))
    root.instance("alpha", "Mount")
    assert [job for job in jobs_of(root, "maps") if job["Kind"] != "delete-overlay" and not job["FinishedAt"]] == []


# How many are kept

def test_the_game_keeps_one_unless_it_is_told_otherwise(root, game):
    with host_conf(root, "KeepGenerations=3"):
        for n in range(3):
            build(root, "game", f"{SMALL_GAME}\necho {n} > n")
        wait_quiet(root)
        assert len(numbers(root, "game")) == 1
        root.overlay("game", "Configure", settings(KeepGenerations="uint32 2"))
        for n in range(3, 6):
            build(root, "game", f"{SMALL_GAME}\necho {n} > n")
        wait_quiet(root)
        assert len(numbers(root, "game")) == 2
        root.overlay("game", "Configure", settings(KeepGenerations="uint32 0"))
    wait_quiet(root)
    assert numbers(root, "game") == [root.get("overlay", "game")["Generation"]]
    assert build(root, "game", SMALL_GAME)["State"] == "done"
