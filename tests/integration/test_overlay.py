# SPDX-License-Identifier: LGPL-2.1-or-later
"""Overlays: what can be set, their script, their generations, who uses them, and their end."""
import os
import sqlite3
import threading

import pytest
from builds import (NO_OPTIONS, ask_build, build_now, current_dir, held, jobs_of, listener, overlay_dir,  # noqa: F401
                    set_script, tree_digest, trash, wait_quiet, wait_state)
from conftest import IFACE, STATE, BusError, Client, delete_overlay, path_of, run, text, wait_for
from servers import host_conf, merged, overlay_paths, settings

NONE = "@a{sv} {}"


def generations(client, name):
    return [g[0] for g in client.get("overlay", name)["Generations"]]


def refused(call, *arguments):
    """The short name of the error that the call ends with."""
    with pytest.raises(BusError) as caught:
        call(*arguments)
    assert caught.value.message, "an error has a sentence"
    return caught.value.short


# What can be set

def test_create_shows_all_settings(ada, overlay):
    overlay("maps", built=False)
    made = ada.get("overlay", "maps")
    assert made["Id"] > 0
    del made["Id"]
    assert made == {"Name": "maps", "Description": "", "Kind": "script", "State": "empty", "Generation": 0,
                    "Generations": [], "Size": 0, "Files": 0, "Digest": "", "BuiltAt": 0, "TimeLimit": 0, "SizeLimit": 0, "FileLimit": 0,
                    "KeepGenerations": 0, "LastJob": "/", "UsedBy": []}
    assert ada.manager("GetOverlay", "('maps',)") == (path_of("overlay", "maps"),)


def test_create_with_settings_and_configure(root, ada, listener):
    options = "{'Description': <'All the maps'>, 'TimeLimit': <uint64 5000000>, 'KeepGenerations': <uint32 3>}"
    made, = ada.manager("CreateOverlay", f"('maps', 'script', {options})")
    try:
        assert made == path_of("overlay", "maps")
        added = wait_for(lambda: [s for s in listener.signals() if s[2] == "InterfacesAdded" and s[3][0] == made])
        assert added[0][3][1][IFACE + ".Overlay"]["Description"] == "All the maps"

        ada.overlay("maps", "Configure", settings(Description="'Some maps'", KeepGenerations="uint32 5"))
        now = ada.get("overlay", "maps")
        assert (now["Description"], now["TimeLimit"], now["KeepGenerations"]) == ("Some maps", 5000000, 5)
        heard = wait_for(lambda: [s for s in listener.signals() if s[2] == "PropertiesChanged" and s[0] == made])
        assert heard[0][3][1]["Description"] == "Some maps"
    finally:
        delete_overlay(root, "maps")
    gone = wait_for(lambda: [s for s in listener.signals() if s[2] == "InterfacesRemoved" and s[3][0] == made])
    assert IFACE + ".Overlay" in gone[0][3][1]


BAD_SETTINGS = {
    "TimeLimit too long": "{'TimeLimit': <uint64 86400000001>}",
    "SizeLimit too small": "{'SizeLimit': <uint64 1048575>}",
    "SizeLimit too large": "{'SizeLimit': <uint64 17592186044417>}",
    "FileLimit too large": "{'FileLimit': <uint64 10000001>}",
    "KeepGenerations too many": "{'KeepGenerations': <uint32 17>}",
    "of another type": "{'KeepGenerations': <'many'>}",
    "unknown": "{'Colour': <'red'>}",
    "not to be set": "{'Generation': <uint64 1>}",
    "a description of two lines": "{'Description': <'one\\ntwo'>}",
    "one good and one bad": "{'Description': <'good'>, 'KeepGenerations': <uint32 17>}",
}


@pytest.mark.parametrize("options", BAD_SETTINGS.values(), ids=BAD_SETTINGS)
def test_bad_settings_change_nothing(root, overlay, options):
    overlay("maps", built=False)
    before = root.get("overlay", "maps")
    assert refused(root.overlay, "maps", "Configure", f"({options},)") == "InvalidSetting"
    assert root.get("overlay", "maps") == before
    assert refused(root.manager, "CreateOverlay", f"('second', 'script', {options})") == "InvalidSetting"
    assert path_of("overlay", "second") not in root.objects()


@pytest.mark.parametrize("name", ["", "Upper", "-first", "a" * 33, "two words", "a/b", "..", "ü"])
def test_names_that_are_refused(root, name):
    assert refused(root.manager, "CreateOverlay", f"({text(name)}, 'script', {NONE})") == "InvalidName"


def test_create_is_refused(root, overlay):
    overlay("maps", built=False)
    first = root.get("overlay", "maps")
    assert refused(root.manager, "CreateOverlay", f"('maps', 'script', {NONE})") == "NameTaken"
    assert root.get("overlay", "maps") == first
    assert refused(root.manager, "CreateOverlay", f"('other', 'zip', {NONE})") == "InvalidSetting"
    assert refused(root.manager, "GetOverlay", "('other',)") == "NoSuchOverlay"
    assert refused(root.overlay, "other", "Build") == "NoSuchOverlay"


# The script

def test_script_is_kept_as_it_is(root, ada, overlay):
    overlay("maps", built=False)
    script = "# Größe ≤ 1\n\techo \"$HOME\" '\\'\r\n\n"
    set_script(ada, "maps", script)
    assert ada.overlay("maps", "GetScript", "") == (script,)
    run("systemctl", "restart", "left4me-hostd.service")
    assert ada.overlay("maps", "GetScript", "") == (script,)


def test_script_has_a_limit(root, overlay):
    overlay("maps", "echo first", built=False)
    longest = "#" * (1024 * 1024)
    set_script(root, "maps", longest)
    assert root.overlay("maps", "GetScript", "") == (longest,)
    assert refused(set_script, root, "maps", longest + "#") == "InvalidSetting"
    assert root.overlay("maps", "GetScript", "") == (longest,)


def test_no_signal_and_no_property_carries_the_script(sam, listener, overlay):
    overlay("maps", "echo secret-word > file")
    heard = wait_for(lambda: [s for s in listener.signals(0.5) if s[0].endswith("/maps")])
    assert heard and "secret-word" not in repr(heard)
    assert "secret-word" not in repr(sam.objects())


def test_build_without_script_is_not_ready(root):
    root.manager("CreateOverlay", f"('scriptless', 'script', {NONE})")
    try:
        assert refused(root.overlay, "scriptless", "Build") == "NotReady"
        assert jobs_of(root, "scriptless", "build") == []
    finally:
        delete_overlay(root, "scriptless")


# Generations

def test_state_words(root, held):
    job = held("maps")
    assert root.get("overlay", "maps")["State"] == "building"
    root.job(root.get_all(job)["Id"], "Cancel")
    wait_state(root, job, "cancelled")
    now = root.get("overlay", "maps")
    assert (now["State"], now["Generation"], now["LastJob"]) == ("failed", 0, job)
    assert build_now(root, "maps", "echo > file")["State"] == "done"
    assert root.get("overlay", "maps")["State"] == "ready"
    assert build_now(root, "maps", "exit 1")["State"] == "failed"
    now = root.get("overlay", "maps")
    assert now["State"] == "failed" and now["Generation"] > 0, "what was built before is still current"
    again = held("maps")
    assert root.get("overlay", "maps")["State"] == "building"
    root.job(root.get_all(again)["Id"], "Cancel")


def test_a_state_is_told(ada, listener, overlay):
    overlay("maps", "echo > file", built=False)
    job = ada.wait_job(ask_build(ada, "maps"))
    assert job["State"] == "done"
    told = {"overlay": [], "job": []}

    def heard_all():
        for path, _interface, member, arguments in listener.signals():
            for kind in told:
                if member == "PropertiesChanged" and f"/{kind}/" in path and "State" in arguments[1]:
                    told[kind].append(arguments[1]["State"])
        return told["overlay"][-1:] == ["ready"] and told["job"][-1:] == ["done"]
    wait_for(heard_all)
    assert set(told["overlay"]) == {"building", "ready"}, told
    assert "running" in told["job"], told


def test_a_generation_is_what_was_built(root, overlay):
    overlay("maps", "mkdir -p a/b; echo one > a/b/file; ln -s b/file a/link; printf %5000s > 'odd\nname'; "
                    "chmod 700 a; ln a/b/file hard")
    now = root.get("overlay", "maps")
    digest, files = tree_digest(current_dir(root, "maps"))
    assert (now["Digest"], now["Files"]) == (digest, files) and files == 4
    on_disk = int(run("du", "--summarize", "--block-size=1", current_dir(root, "maps")).stdout.split()[0])
    assert now["Size"] == on_disk
    assert now["Generations"] == [(now["Generation"], now["BuiltAt"], now["Size"], now["Digest"])]


def test_digest_is_of_the_content(root, overlay):
    overlay("maps", built=False)
    seen = {}
    for word, script in {"first": "echo one > a; chmod 644 a; mkdir d", "later": "mkdir d; echo one > a; chmod 644 a",
                         "content": "echo two > a; chmod 644 a; mkdir d", "mode": "echo one > a; chmod 755 a; mkdir d",
                         "name": "echo one > b; chmod 644 b; mkdir d", "empty": ""}.items():
        if script:
            assert build_now(root, "maps", script)["State"] == "done"
            seen[word] = root.get("overlay", "maps")["Digest"]
    assert seen["first"] == seen["later"]
    assert len(set(seen.values())) == 4, seen


def test_a_build_that_changes_nothing_publishes_nothing(root, listener, instance, overlay):
    script = "mkdir -p a/empty; echo one > a/file; ln -s file a/link; chmod 750 a; ln a/file b"
    overlay("maps", script)
    instance("alpha", Overlays=overlay_paths("maps"))
    root.instance("alpha", "Mount")
    before = root.get("overlay", "maps")
    listener.signals(0)
    equal = ("set -e; cp /previous/b b; mkdir a; ln -s file a/link; cp b a/file; mkdir a/empty; chmod 750 a; "
             "touch -d @1 a/file a a/empty")
    for which in (script, equal, "cp --archive /previous/. ."):
        job = build_now(root, "maps", which)
        assert (job["State"], job["Result"], job["ExitStatus"]) == ("done", "success", 0), job
        assert "Nothing changed" in job["Message"] and "generation 1" in job["Message"], job
        assert root.get("overlay", "maps") == {**before, "LastJob": path_of("job", job["Id"])}
    assert not root.get("instance", "alpha")["Outdated"]
    told = [s[3][1] for s in listener.signals(0.5) if s[2] == "PropertiesChanged"]
    assert not [t for t in told if "Outdated" in t or "Generation" in t], told
    wait_quiet(root)
    assert os.listdir(overlay_dir(root, "maps")) == ["1"], "what it made is deleted"

    assert build_now(root, "maps", "exit 1")["State"] == "failed"
    assert root.get("overlay", "maps")["State"] == "failed"
    assert "Nothing changed" in build_now(root, "maps", script)["Message"]
    assert root.get("overlay", "maps")["State"] == "ready"

    for n, change in enumerate(("chmod 640 a/file", "rmdir a/empty", "ln -sf ./file a/link", "mv b c", "echo > a/file")):
        assert build_now(root, "maps", f"{script}; {change}")["Message"] == "", change
        assert root.get("overlay", "maps")["Generation"] == 7 + n, change
        assert root.get("instance", "alpha")["Outdated"]


def test_numbers_only_grow(root, overlay):
    overlay("maps", "echo 1 > file")
    numbers = [root.get("overlay", "maps")["Generation"]]
    for script in ("echo 2 > file", "exit 1", "echo 3 > file"):
        build_now(root, "maps", script)
        numbers.append(root.get("overlay", "maps")["Generation"])
    run("systemctl", "restart", "left4me-hostd.service")
    build_now(root, "maps", "echo 4 > file")
    numbers.append(root.get("overlay", "maps")["Generation"])
    assert numbers == [1, 2, 2, 4, 5], "the number of a build that failed is not given again"


def test_ids_are_never_used_again(root):
    ids = []
    for _ in range(3):
        root.manager("CreateOverlay", f"('maps', 'script', {NONE})")
        ids.append(root.get("overlay", "maps")["Id"])
        delete_overlay(root, "maps")
    run("systemctl", "restart", "left4me-hostd.service")
    root.manager("CreateOverlay", f"('maps', 'script', {NONE})")
    ids.append(root.get("overlay", "maps")["Id"])
    delete_overlay(root, "maps")
    assert ids == sorted(set(ids)), ids


def test_old_generations_are_deleted_by_a_job(root, overlay):
    overlay("pruned", "echo 1 > file")
    root.overlay("pruned", "Configure", settings(KeepGenerations="uint32 3"))
    for n in range(2, 6):
        build_now(root, "pruned", f"echo {n} > file")
    wait_quiet(root)
    assert generations(root, "pruned") == [3, 4, 5]
    assert sorted(os.listdir(overlay_dir(root, "pruned"))) == ["3", "4", "5"]
    prunes = jobs_of(root, "pruned", "prune")[-2:]
    assert len(prunes) == 2 and all(j["State"] == "done" and j["Requesters"] == [] for j in prunes), prunes

    root.overlay("pruned", "Configure", settings(KeepGenerations="uint32 1"))
    wait_quiet(root)
    assert generations(root, "pruned") == [5] and os.listdir(overlay_dir(root, "pruned")) == ["5"]


def test_the_host_says_how_many_are_kept(root, overlay):
    overlay("maps", "echo 1 > file")
    for n in (2, 3):
        build_now(root, "maps", f"echo {n} > file")
    wait_quiet(root)
    assert generations(root, "maps") == [2, 3]
    with host_conf(root, "KeepGenerations=1"):
        wait_quiet(root)
        assert generations(root, "maps") == [3]


def test_a_mounted_generation_is_kept(root, instance, overlay):
    overlay("maps", "echo 1 > left4dead2.txt")
    root.overlay("maps", "Configure", settings(KeepGenerations="uint32 1"))
    instance("alpha", Overlays=overlay_paths("maps"))
    root.instance("alpha", "Mount")
    assert (path_of("overlay", "maps"), 1) in root.get("instance", "alpha")["Layers"]
    for n in (2, 3):
        build_now(root, "maps", f"echo {n} > left4dead2.txt")
    wait_quiet(root)
    assert generations(root, "maps") == [1, 3]
    assert root.get("instance", "alpha")["Outdated"]
    assert (merged("alpha") / "left4dead2.txt").read_text() == "1\n", "what is mounted never changes"
    root.instance("alpha", "Unmount")
    wait_for(lambda: generations(root, "maps") == [3], what="the old generation's end")
    wait_quiet(root)
    assert os.listdir(overlay_dir(root, "maps")) == ["3"]


def test_mounted_and_kept_are_counted_apart(root, instance, overlay):
    overlay("maps", "echo 1 > left4dead2.txt")
    instance("alpha", Overlays=overlay_paths("maps"))
    root.instance("alpha", "Mount")
    for n in (2, 3, 4):
        build_now(root, "maps", f"echo {n} > left4dead2.txt")
    wait_quiet(root)
    assert generations(root, "maps") == [1, 3, 4], "mounted, the newest other one, current"


def test_a_generation_appears_as_a_whole(root, overlay):
    """Whoever reads the properties while builds end sees a generation with all that belongs to it, files too."""
    overlay("maps", built=False)
    root.overlay("maps", "Configure", settings(KeepGenerations="uint32 16"))
    set_script(root, "maps", "for i in {1..50}; do echo $RANDOM > $i; done; echo > last")
    seen, end, reader = {}, threading.Event(), Client("sam")
    directory = overlay_dir(root, "maps")

    def read():
        while not end.is_set():
            now = reader.get("overlay", "maps")
            if now["Generation"]:
                files = len(os.listdir(directory / str(now["Generation"])))
                seen.setdefault(now["Generation"], set()).add(
                    (now["Digest"], now["Files"], now["BuiltAt"], now["Size"],
                     (now["Generation"], now["BuiltAt"], now["Size"], now["Digest"]) in now["Generations"], files))

    thread = threading.Thread(target=read)
    thread.start()
    try:
        for _ in range(8):
            assert build_now(root, "maps")["State"] == "done"
    finally:
        end.set()
        thread.join()
        reader.close()
    assert len(seen) >= 6, seen
    for number, facts in seen.items():
        (digest, files, _built, _size, is_listed, on_disk), = facts
        assert is_listed and files == on_disk == 51, (number, facts)
        assert (digest, files) == tree_digest(directory / str(number))


# Who uses it

def test_used_by(root, listener, instance, overlay):
    overlay("maps")
    overlay("plugins")
    instance("alpha", Overlays=overlay_paths("maps", "plugins"))
    instance("beta")
    alpha, beta = path_of("instance", "alpha"), path_of("instance", "beta")

    def used_by(name):
        return root.get("overlay", name)["UsedBy"]

    assert (used_by("maps"), used_by("plugins")) == ([alpha], [alpha])
    assert {alpha, beta} <= set(used_by("game"))
    listener.signals(0)
    root.instance("beta", "Configure", settings(Overlays=overlay_paths("maps")))
    root.instance("alpha", "Configure", settings(Overlays=overlay_paths("plugins")))
    assert (used_by("maps"), used_by("plugins")) == ([beta], [alpha])
    told = [s[3][1]["UsedBy"] for s in listener.signals(0.5)
            if s[0] == path_of("overlay", "maps") and s[2] == "PropertiesChanged" and "UsedBy" in s[3][1]]
    assert told[-1] == [beta], told


# Its end

def test_delete_leaves_nothing(root, overlay):
    overlay("maps", "echo > file; echo > /cache/file")
    build_now(root, "maps", "echo 2 > file")
    number = root.get("overlay", "maps")["Id"]
    assert (STATE / f"overlays/{number}").is_dir() and (STATE / f"cache/{number}/file").exists()
    job = root.wait_job(root.overlay("maps", "Delete")[0])
    assert (job["State"], job["Kind"], job["Subject"]) == ("done", "delete-overlay", path_of("overlay", "maps"))
    wait_quiet(root)
    assert not (STATE / f"overlays/{number}").exists() and not (STATE / f"cache/{number}").exists()
    assert trash() == []
    assert path_of("overlay", "maps") not in root.objects()
    with sqlite3.connect(f"file:{STATE}/host.db?mode=ro", uri=True) as store:
        for table, column in (("overlay", "id"), ("overlay_generation", "overlay")):
            assert store.execute(f"SELECT count(*) FROM {table} WHERE {column} = ?", (number,)).fetchone() == (0,)


def test_delete_of_one_that_is_listed_is_in_use(root, instance, overlay):
    overlay("maps")
    instance("alpha", Overlays=overlay_paths("maps"))
    before = root.get("overlay", "maps")
    assert refused(root.overlay, "maps", "Delete") == "InUse"
    assert refused(root.overlay, "game", "Delete") == "InUse"
    assert root.get("overlay", "maps") == before
    assert all(j["FinishedAt"] for j in jobs_of(root, "maps", "delete-overlay")), "no job is left of the refused call"


def test_delete_waits_for_the_build(root, held):
    build = held("maps")
    deletion, = root.overlay("maps", "Delete")
    assert root.get_all(deletion)["State"] == "queued"
    for member, body in (("Build", NO_OPTIONS), ("Delete", NO_OPTIONS), ("SetScript", f"('echo', {NONE})"),
                         ("Configure", settings(Description="'x'"))):
        assert refused(root.overlay, "maps", member, body) == "Busy", member
    root.job(root.get_all(build)["Id"], "Cancel")
    assert root.wait_job(deletion)["State"] == "done"
    assert root.get_all(build)["State"] == "cancelled"
    wait_quiet(root)


def test_delete_waits_for_an_old_mount(root, instance, overlay):
    overlay("maps", "echo > left4dead2.txt")
    instance("alpha", Overlays=overlay_paths("maps"))
    root.instance("alpha", "Mount")
    root.instance("alpha", "Configure", settings(Overlays="@ao []"))
    deletion, = root.overlay("maps", "Delete")
    # What is asked for later is done while it waits.
    overlay("other")
    assert root.get_all(deletion)["State"] == "queued"
    assert (merged("alpha") / "left4dead2.txt").exists()
    assert refused(root.instance, "alpha", "Configure", settings(Overlays=overlay_paths("maps"))) == "Busy"
    root.instance("alpha", "Unmount")
    assert root.wait_job(deletion)["State"] == "done"


def test_a_deletion_that_waits_can_be_cancelled(root, held):
    build = held("maps")
    deletion, = root.overlay("maps", "Delete")
    root.job(root.get_all(deletion)["Id"], "Cancel")
    assert root.get_all(deletion)["State"] == "cancelled"
    set_script(root, "maps", "echo again > file")
    root.job(root.get_all(build)["Id"], "Cancel")
    assert root.wait_job(build)["State"] == "cancelled"
    assert build_now(root, "maps")["State"] == "done"


def test_a_mount_that_was_taken_away_by_hand_lets_the_deletion_go_on(root, instance, overlay):
    overlay("maps", "echo > left4dead2.txt")
    instance("alpha", Overlays=overlay_paths("maps"))
    root.instance("alpha", "Mount")
    root.instance("alpha", "Configure", settings(Overlays="@ao []"))
    deletion, = root.overlay("maps", "Delete")
    run("umount", merged("alpha"))
    assert root.wait_job(deletion)["State"] == "done"
