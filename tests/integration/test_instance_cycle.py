# SPDX-License-Identifier: LGPL-2.1-or-later
"""The whole life of an instance, as a member of each group: each gets what the polkit rules give."""
import pytest
from conftest import CHALLENGE, BusError, delete_instance, mounted, path_of, text

from servers import is_marked, mark_mount, merged, overlay_paths, settings, until

NONE = "@a{sv} {}"


@pytest.fixture
def name(root):
    yield "cycle"
    delete_instance(root, "cycle")


def test_admin_has_the_whole_cycle(root, ada, game, overlay, name):
    overlay("maps", "mkdir left4dead2; echo 'of maps' > left4dead2/map.txt")
    assert ada.manager("CreateInstance", f"('{name}', {NONE})") == (path_of("instance", name),)
    assert ada.manager("GetInstance", f"('{name}',)") == (path_of("instance", name),)
    ada.instance(name, "Configure", settings(Description="'For Friday'", Overlays=overlay_paths("maps"),
                                             Arguments="['+map', 'c1m1']"))
    ada.instance(name, "SetConfig", f"('hostname Friday', {NONE})")
    assert ada.instance(name, "GetConfig", "") == ("hostname Friday",)

    ada.instance(name, "Mount")
    assert name in mounted() and ada.get("instance", name)["Mounted"]
    assert (merged(name) / "left4dead2/map.txt").read_text() == "of maps\n"
    ada.instance(name, "Unmount")
    assert name not in mounted() and not ada.get("instance", name)["Mounted"]

    ada.instance(name, "Start")
    first = ada.get("instance", name)
    assert (first["ActiveState"], first["SubState"], first["Result"]) == ("active", "running", "success"), first
    assert first["Enabled"] and first["Mounted"] and first["MainPID"] > 1 and first["StartedAt"] > 0, first
    assert first["Description"] == "For Friday" and first["Arguments"] == ["+map", "c1m1"], first
    assert [path for path, _ in first["Layers"]] == [path_of("overlay", "maps"), path_of("overlay", "game")], first
    mark_mount(name)
    ada.instance(name, "Restart")
    second = ada.get("instance", name)
    assert second["ActiveState"] == "active" and second["MainPID"] not in (0, first["MainPID"]), second
    assert is_marked(name), "a restart without news keeps the mount"

    ada.instance(name, "Stop")
    down = ada.get("instance", name)
    assert (down["ActiveState"], down["Result"], down["Message"]) == ("inactive", "success", ""), down
    assert not down["Enabled"] and not down["Mounted"] and down["Layers"] == [], down
    assert down["MainPID"] == 0 and down["StartedAt"] == 0, down
    assert name not in mounted()

    job = ada.wait_job(ada.instance(name, "Reset")[0])
    assert job["State"] == "done" and job["Kind"] == "reset-instance", job
    assert ada.instance(name, "GetConfig", "") == ("hostname Friday",), "a reset keeps the configuration"
    assert ada.get("instance", name)["Description"] == "For Friday"
    job = ada.wait_job(ada.instance(name, "Delete")[0])
    assert job["State"] == "done" and job["Kind"] == "delete-instance", job
    assert path_of("instance", name) not in root.objects()


# Everything that changes an instance or reads its secret, except what an operator may.
NOT_AN_OPERATORS = [
    ("Configure", settings(Description="'mine'")), ("SetConfig", f"('mine', {NONE})"), ("GetConfig", ""),
    ("Mount", f"({NONE},)"), ("Unmount", f"({NONE},)"), ("Reset", f"({NONE},)"), ("Delete", f"({NONE},)"),
]
RUN = [(member, f"({NONE},)") for member in ("Start", "Restart", "Stop")]


def refused(client, name, calls):
    """Each call is answered with a challenge, since nobody can be asked here."""
    for member, body in calls:
        with pytest.raises(BusError) as error:
            client.instance(name, member, body)
        assert error.value.name == CHALLENGE, (member, error.value)
    with pytest.raises(BusError) as error:
        client.manager("CreateInstance", f"('{name}-2', {NONE})")
    assert error.value.name == CHALLENGE, error.value


def everything(root, name):
    return (root.get("instance", name), root.instance(name, "GetConfig", ""), name in mounted(),
            [path for path in root.objects() if "/instance/" in path])


def test_operator_may_start_and_stop_and_nothing_else(root, otto, instance):
    instance("cycle")
    root.instance("cycle", "SetConfig", f"('rcon_password hunter2', {NONE})")
    before = everything(root, "cycle")
    refused(otto, "cycle", NOT_AN_OPERATORS)
    assert everything(root, "cycle") == before

    otto.instance("cycle", "Start")
    assert otto.get("instance", "cycle")["ActiveState"] == "active"
    pid = root.get("instance", "cycle")["MainPID"]
    mark_mount("cycle")
    refused(otto, "cycle", NOT_AN_OPERATORS)
    assert root.get("instance", "cycle")["MainPID"] == pid and is_marked("cycle")
    otto.instance("cycle", "Restart")
    assert otto.get("instance", "cycle")["MainPID"] not in (0, pid)
    otto.instance("cycle", "Stop")
    assert otto.get("instance", "cycle")["ActiveState"] == "inactive" and "cycle" not in mounted()


def test_stranger_may_look_and_nothing_else(root, sam, instance):
    instance("cycle", Description=text("visible"))
    before = everything(root, "cycle")
    refused(sam, "cycle", NOT_AN_OPERATORS + RUN)
    assert everything(root, "cycle") == before
    root.instance("cycle", "Start")
    running = until(root, "cycle", ActiveState="active")
    refused(sam, "cycle", NOT_AN_OPERATORS + RUN)
    assert root.get("instance", "cycle") == running

    assert sam.get("instance", "cycle") == running
    assert sam.objects()[path_of("instance", "cycle")]["org.left4me.Host1.Instance"] == running
    assert sam.manager("GetInstance", "('cycle',)") == (path_of("instance", "cycle"),)
