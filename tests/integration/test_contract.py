# SPDX-License-Identifier: LGPL-2.1-or-later
"""The contract on the bus: what the running service shows, dbus/*.xml, the gate's table and the polkit actions say the same."""
import pathlib
import re
import xml.etree.ElementTree as ET

import pytest

from conftest import IFACE, PATH, BusError, path_of, run

SOURCE = pathlib.Path(__file__).parents[2]
TABLE = (SOURCE / "daemon/gate-table.c").read_text()
NAMES = (SOURCE / "dbus/names.h").read_text()
STANDARD = {"IFACE_PEER": "org.freedesktop.DBus.Peer", "IFACE_INTROSPECT": "org.freedesktop.DBus.Introspectable",
            "IFACE_PROPERTIES": "org.freedesktop.DBus.Properties", "IFACE_OBJECTS": "org.freedesktop.DBus.ObjectManager"}
ACTIONS = {"inspect": "yes", "read-logs": "auth_admin_keep", "read-secrets": "auth_admin_keep",
           "run-instance": "auth_admin_keep", "manage-instance": "auth_admin_keep", "mount-instance": "auth_admin",
           "build-overlay": "auth_admin_keep", "manage-overlay": "auth_admin_keep", "manage-jobs": "auth_admin_keep",
           "tune-host": "auth_admin"}


def rows():
    """(interface, member) -> (signature, action) of the gate's table."""
    found = {}
    for iface, member, signature, action in re.findall(
            r'\{(\w+),\s+"(\w+)",\s+"([^"]*)",\s+ACTION\("([\w-]+)"\)', TABLE):
        name = STANDARD.get(iface) or f"{IFACE}.{iface.removeprefix('HOST_IFACE_').capitalize()}"
        found[name, member] = (signature, action)
    return found


@pytest.fixture
def shown(root, instance, overlay):
    """The introspection of each kind of object, as the service gives it."""
    overlay("contract")
    instance("contract")
    job = root.get("overlay", "contract")["LastJob"]
    paths = {"Manager": PATH, "Instance": path_of("instance", "contract"), "Overlay": path_of("overlay", "contract"),
             "Job": job}
    return {kind: ET.fromstring(root.raw(path, STANDARD["IFACE_INTROSPECT"], "Introspect")[0])
            for kind, path in paths.items()}


def describe(interface):
    """What an interface element says, apart from order and documentation."""
    found = {}
    for member in interface:
        if member.tag not in ("method", "property", "signal"):
            continue
        arguments = [(a.get("name"), a.get("type"), a.get("direction")) for a in member.findall("arg")]
        notes = sorted((a.get("name"), a.get("value")) for a in member.findall("annotation"))
        notes = [n for n in notes if n != ("org.freedesktop.systemd1.Privileged", "true")]
        found[member.tag, member.get("name")] = (arguments, member.get("type"), member.get("access"), notes)
    return found


@pytest.mark.parametrize("kind", ["Manager", "Instance", "Overlay", "Job"])
def test_the_service_is_what_its_xml_says(shown, kind):
    written = ET.parse(SOURCE / f"dbus/{IFACE}.{kind}.xml").getroot().find("interface")
    name = f"{IFACE}.{kind}"
    live = next(i for i in shown[kind].iter("interface") if i.get("name") == name)
    assert written.get("name") == name
    assert describe(live) == describe(written)


def test_each_member_has_a_row_and_each_row_a_member(shown):
    live = {(i.get("name"), m.get("name")): "".join(a.get("type") for a in m.findall("arg") if a.get("direction") != "out")
            for node in shown.values() for i in node.iter("interface") for m in i.findall("method")}
    table = {key: signature for key, (signature, _) in rows().items()}
    assert len(table) > 25
    assert table == live


def test_a_member_without_a_row_is_refused(root):
    with pytest.raises(BusError) as refusal:
        root.manager("Unknown", "()")
    assert refusal.value.name == "org.freedesktop.DBus.Error.UnknownMethod"


def test_the_actions_are_those_of_the_table_with_their_defaults():
    out = run("pkaction", "--verbose").stdout
    for action, default in ACTIONS.items():
        section = out.split(f"org.left4me.host1.{action}:", 1)[1].split("\n\n")[0]
        for who in ("any", "inactive", "active"):
            assert re.search(rf"implicit {who}:\s+{default}$", section, re.M), (action, who, section)
    assert {action for _, action in rows().values()} <= set(ACTIONS)


def test_only_root_may_own_the_name():
    done = run("python3", "-c", "from gi.repository import Gio, GLib\n"
               "bus = Gio.bus_get_sync(Gio.BusType.SYSTEM)\n"
               "bus.call_sync('org.freedesktop.DBus', '/org/freedesktop/DBus', 'org.freedesktop.DBus', 'RequestName',"
               " GLib.Variant('(su)', ('org.left4me.Host1', 2)), None, 0, -1, None)", user="ada", check=False)
    assert done.returncode != 0 and "AccessDenied" in done.stderr, done


def test_no_error_of_the_list_is_without_a_test():
    names = re.findall(r'X\(\w+, "(\w+)"', (SOURCE / "dbus/error-list.h").read_text())
    tests = "".join(f.read_text() for f in (SOURCE / "tests").rglob("test_*.py") if f.name != "test_contract.py")
    assert len(names) > 15
    assert [name for name in names if name not in tests] == []
