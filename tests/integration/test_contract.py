# SPDX-License-Identifier: LGPL-2.1-or-later
"""The running service, dbus/*.xml, the gate's table, the polkit actions and the bus policy say the same."""
import re
import xml.etree.ElementTree as ET

import pytest

from conftest import DENIED, IFACE, PATH, BusError, build, delete_overlay, path_of, run
from gatetable import ACTION, ROWS, TREE

INTROSPECTABLE = "org.freedesktop.DBus.Introspectable"
EMITS = "org.freedesktop.DBus.Property.EmitsChangedSignal"
# Design: who may do what without a rule.
DEFAULTS = {"inspect": "yes", "read-logs": "auth_admin_keep", "read-secrets": "auth_admin_keep",
            "run-instance": "auth_admin_keep", "manage-instance": "auth_admin_keep", "mount-instance": "auth_admin",
            "build-overlay": "auth_admin_keep", "manage-overlay": "auth_admin_keep", "manage-jobs": "auth_admin_keep",
            "tune-host": "auth_admin"}


@pytest.fixture(name="objects")
def objects_of_each_kind(root, instance, overlay):
    """Paths of one object of each kind, by the last word of its interface."""
    instance("contract")
    overlay("contract", built=False)
    job = build(root, "contract", "true")
    return {"Manager": PATH, "Instance": path_of("instance", "contract"), "Overlay": path_of("overlay", "contract"),
            "Job": path_of("job", job["Id"])}


def interfaces(xml):
    """Each interface's members with all that callers rely on."""
    def annotations(element):
        return {a.get("name"): a.get("value") for a in element.findall("annotation")}

    def arguments(element, default):
        return [(a.get("name"), a.get("type"), a.get("direction", default)) for a in element.findall("arg")]

    found = {}
    for interface in ET.fromstring(xml).findall("interface"):
        members = found[interface.get("name")] = {}
        for method in interface.findall("method"):
            members["method", method.get("name")] = arguments(method, "in"), annotations(method)
        for signal in interface.findall("signal"):
            members["signal", signal.get("name")] = arguments(signal, "out"), annotations(signal)
        for prop in interface.findall("property"):
            notes = annotations(prop)
            emits = notes.pop(EMITS, "true")
            members["property", prop.get("name")] = prop.get("type"), prop.get("access"), emits, notes
    return found


def introspect(client, path):
    return client.raw(path, INTROSPECTABLE, "Introspect")[0]


def written():
    files = sorted((TREE / "dbus").glob("*.xml"))
    assert len(files) == 4
    return {name: members for file in files for name, members in interfaces(file.read_text()).items()}


def walk(client, path="/"):
    """Everything that introspection shows from the root on."""
    xml = introspect(client, path)
    yield path, xml
    for node in ET.fromstring(xml).findall("node"):
        yield from walk(client, f"{path.rstrip('/')}/{node.get('name')}")


def test_service_introspects_to_the_xml(root, objects):
    for kind, path in objects.items():
        shown = interfaces(introspect(root, path))
        assert shown[f"{IFACE}.{kind}"] == written()[f"{IFACE}.{kind}"]
        ours = [name for name in shown if name.startswith(IFACE)]
        assert ours == [f"{IFACE}.{kind}"], "an object has one interface of ours"


def test_busctl_shows_the_xml(objects):
    for kind, path in objects.items():
        xml = run("busctl", "introspect", "--xml-interface", IFACE, path).stdout
        assert interfaces(xml)[f"{IFACE}.{kind}"] == written()[f"{IFACE}.{kind}"]


def test_nothing_is_settable_and_nothing_privileged():
    for interface, members in written().items():
        for (kind, name), said in members.items():
            if kind == "property":
                assert said[1] == "read", (interface, name)
            assert not said[-1], (interface, name, "an annotation that nobody knows")


def test_every_member_has_a_row_and_every_row_a_member(root, objects):
    signatures, seen = {}, set()
    for path, xml in walk(root):
        seen.add(path)
        for interface, members in interfaces(xml).items():
            for (kind, name), said in members.items():
                if kind == "method":
                    taken = "".join(t for _, t, direction in said[0] if direction == "in")
                    signatures[interface, name] = taken
    assert seen >= set(objects.values())
    assert {(row.interface, row.member): row.signature for row in ROWS} == signatures
    assert len(signatures) == len(ROWS), "a row stands there twice"


def test_standard_interfaces_are_those_that_the_table_has(root, objects):
    shown = {name for path in objects.values() for name in interfaces(introspect(root, path))}
    assert shown == {row.interface for row in ROWS}


def test_a_member_without_a_row_is_refused(root):
    for interface, member in (("org.freedesktop.DBus.Peer", "Pong"), (IFACE + ".Manager", "can"),
                              ("org.freedesktop.DBus.Properties", "Start"), ("org.freedesktop.DBus", "Hello"),
                              (IFACE + ".Instance.Start", "Start")):
        with pytest.raises(BusError) as refused:
            root.raw(PATH, interface, member)
        assert refused.value.name == "org.freedesktop.DBus.Error.UnknownMethod"


def test_polkit_has_the_designed_actions_and_defaults():
    shown = {}
    for block in run("pkaction", "--verbose").stdout.split("\n\n"):
        lines = block.strip().splitlines()
        if lines and lines[0].startswith(ACTION):
            told = dict(line.strip().split(":", 1) for line in lines[1:] if ":" in line)
            assert told["description"].strip() and told["message"].strip()
            shown[lines[0].rstrip(":").removeprefix(ACTION)] = [
                told[f"implicit {who}"].strip() for who in ("any", "inactive", "active")]
    assert shown == {action: [default] * 3 for action, default in DEFAULTS.items()}


def test_table_uses_known_actions_as_designed():
    covers = {}
    for row in ROWS:
        if row.interface.startswith(IFACE):
            covers.setdefault(row.action, set()).add(row.interface.rpartition(".")[2] + "." + row.member)
        else:
            assert row.action == "inspect" and not row.changes
    assert covers == {
        "inspect": {"Manager.GetInstance", "Manager.GetOverlay", "Manager.GetJob", "Manager.Can"},
        "read-secrets": {"Instance.GetConfig", "Overlay.GetScript"},
        "run-instance": {"Instance.Start", "Instance.Stop", "Instance.Restart"},
        "manage-instance": {"Manager.CreateInstance", "Instance.Configure", "Instance.SetConfig", "Instance.Reset",
                            "Instance.Delete"},
        "mount-instance": {"Instance.Mount", "Instance.Unmount"},
        "build-overlay": {"Overlay.Build"},
        "manage-overlay": {"Manager.CreateOverlay", "Overlay.SetScript", "Overlay.Configure", "Overlay.Delete"},
        "manage-jobs": {"Job.Cancel"},
        "tune-host": {"Manager.Reload"},
    }
    for row in ROWS:
        assert row.changes == row.signature.endswith("a{sv}"), "what changes something ends in its options"


@pytest.mark.parametrize("user", ["ada", "sam", "left4me", "left4me-web", "nobody"])
def test_only_root_may_be_the_service(clients, user):
    ask = {"name": "org.freedesktop.DBus", "path": "/org/freedesktop/DBus", "interface": "org.freedesktop.DBus"}
    for name in (IFACE, IFACE + ".Manager"):
        answer = clients(user).ask(do="call", member="RequestName", body=f"('{name}', uint32 3)", **ask)
        assert answer.get("error") == DENIED, answer


def documented_options():
    """(interface, method, signature of the arguments before the options, {key: type})"""
    found = []
    for file in sorted((TREE / "dbus").glob("*.xml")):
        text = file.read_text()
        for name, members in interfaces(text).items():
            for (kind, member), said in members.items():
                arguments = [a for a in said[0] if a[2] == "in"] if kind == "method" else []
                if not arguments or arguments[-1][:2] != ("options", "a{sv}"):
                    continue
                comment = re.search(rf"^ +{member}:\n(.*?)-->", text, re.M | re.S)[1]
                listed = re.search(r"@options: (.*?)\.\n", comment, re.S)[1]
                keys = dict(re.findall(r"(\w+) \(([a-z()]+)\)", listed))
                found.append((name, member, [a[1] for a in arguments[:-1]], keys))
    return found


VALUES = {"s": "'contract'", "q": "uint16 27310", "as": "['+map', 'c1m1_hotel']", "ao": "@ao []",
          "t": "uint64 60000000", "u": "uint32 3"}
OTHER_TYPE = {"s": "1", "q": "'27310'", "as": "'+map'", "ao": "['x']", "t": "uint32 1", "u": "true"}


def call_with(client, objects, method, options):
    interface, member, before, _ = method
    values = ["'never-made'" if member.startswith("Create") else "'text'"] * len(before)
    if member == "CreateOverlay":
        values[1] = "'script'"
    body = ", ".join([*values, options]) + ("" if values else ",")
    with pytest.raises(BusError) as refused:
        client.raw(objects[interface.rpartition(".")[2]], interface, member, f"({body})")
    return refused.value


@pytest.mark.parametrize("method", documented_options(), ids=lambda m: m[0].rpartition(".")[2] + "." + m[1])
def test_documented_options_and_no_others(root, objects, method):
    before = root.objects()
    assert method[3]["OnBehalfOf"] == "s"
    refused = call_with(root, objects, method, "{'NoSuchOption': <1>}")
    assert refused.short == "InvalidSetting" and '"NoSuchOption"' in refused.message
    for key, kind in method[3].items():
        # Reading stops at the first fault, so a refusal that names the second key has taken the first.
        refused = call_with(root, objects, method, f"{{'{key}': <{VALUES[kind]}>, 'NoSuchOption': <1>}}")
        assert refused.short == "InvalidSetting" and '"NoSuchOption"' in refused.message, key
        refused = call_with(root, objects, method, f"{{'{key}': <{OTHER_TYPE[kind]}>}}")
        assert refused.short == "InvalidSetting" and f'"{key}"' in refused.message, refused
    assert root.objects() == before


def test_every_known_option_is_documented():
    known = set(re.findall(r'^\s*\{"(\w+)", "[a-z()]+", read_\w+\}', (TREE / "daemon/settings-bus.c").read_text(), re.M))
    assert known | {"OnBehalfOf"} == {key for method in documented_options() for key in method[3]}
    assert len(known) == 6


@pytest.mark.parametrize("create", [True, False], ids=["Create", "Configure"])
def test_what_can_be_set_can_be_read(root, objects, instance, overlay, request, create):
    overlay("laid", built=False)
    settings = {
        "Instance": {"Description": "A line", "Port": 27312, "Arguments": ["+map", "c2m1_highway"],
                     "Overlays": [path_of("overlay", "laid")]},
        "Overlay": {"Description": "Another", "TimeLimit": 60_000_000, "KeepGenerations": 3}}
    as_text = {"Description": "'{}'", "Port": "uint16 {}", "TimeLimit": "uint64 {}", "KeepGenerations": "uint32 {}",
               "Arguments": "@as {}", "Overlays": "@ao {}"}
    for kind, wanted in settings.items():
        options = {key: as_text[key].format(value) for key, value in wanted.items()}
        text = "{" + ", ".join(f"'{key}': <{value}>" for key, value in options.items()) + "}"
        path = objects[kind]
        if not create:
            root.raw(path, f"{IFACE}.{kind}", "Configure", f"({text},)")
        elif kind == "Instance":
            path = path_of("instance", instance("set", **options))
        else:
            path = root.manager("CreateOverlay", f"('set', 'script', {text})")[0]
            request.addfinalizer(lambda: delete_overlay(root, "set"))
        shown = root.get_all(path)
        assert {key: shown[key] for key in wanted} == wanted
        assert set(wanted) | {"OnBehalfOf"} == set(next(m for m in documented_options() if m[1] == "Configure"
                                                        and m[0] == f"{IFACE}.{kind}")[3])


def test_host_settings_are_properties(root):
    shown = root.get_all(PATH)
    keys = re.findall(r'^\s*\{"(\w+)", parse_', (TREE / "daemon/settings.c").read_text(), re.M)
    assert len(keys) == 7
    assert {key.removesuffix("Sec") for key in keys} <= set(shown)


def error_names():
    names = re.findall(r'X\(\w+, "(\w+)"', (TREE / "dbus/error-list.h").read_text())
    assert len(names) > 20
    return names


def test_documented_errors_exist():
    known = set(error_names()) | {"InteractiveAuthorizationRequired", "AccessDenied"}
    for file in (TREE / "dbus").glob("*.xml"):
        for listed in re.findall(r"Errors: (.*?)(?:-->|\n\n)", file.read_text(), re.S):
            plain = re.sub(r"\(.*?\)", "", listed, flags=re.S)
            if not plain.startswith("those of"):
                assert set(re.findall(r"\w+", plain)) <= known, (file.name, listed)
