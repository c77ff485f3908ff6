# SPDX-License-Identifier: LGPL-2.1-or-later
"""What an instance is given: settings are taken together or not at all, ports belong to one instance alone, and what is
set arrives in the server at its next start."""
import contextlib
import json

import pytest
from conftest import STATE, BusError, Client, delete_instance, mounted, path_of, run, text

from servers import (allowed_ports, argv, heard, host_conf, is_enabled, is_marked, mark_mount, merged, mount_unit,
                     overlay_paths, server_unit, settings, stored_ports, until)

NONE = "@a{sv} {}"


def instances(client):
    return {path: shown for path, shown in client.objects().items() if "/instance/" in path}


# (settings, error, what the message has in it). Each stands beside a description that would be fine.
REFUSED = {
    "port 0": ({"Port": "uint16 0"}, "InvalidSetting", "Port"),
    "port below": ({"Port": "uint16 27014"}, "InvalidSetting", "27014"),
    "port above": ({"Port": "uint16 27315"}, "InvalidSetting", "27315"),
    "port of another type": ({"Port": "27020"}, "InvalidSetting", "Port"),
    "unknown key": ({"Colour": "'red'"}, "InvalidSetting", "Colour"),
    "key in small letters": ({"port": "uint16 27020"}, "InvalidSetting", "port"),
    "property that is not set": ({"Enabled": "true"}, "InvalidSetting", "Enabled"),
    "argument with a blank": ({"Arguments": "['+map', 'a b']"}, "InvalidSetting", "blank"),
    "argument for the shell": ({"Arguments": "['$(reboot)']"}, "InvalidSetting", "$"),
    "argument with a quote": ({"Arguments": "['\"']"}, "InvalidSetting", '"'),
    "argument that is empty": ({"Arguments": "['']"}, "InvalidSetting", "empty"),
    "argument that sets a port": ({"Arguments": "['-port', '27900']"}, "InvalidSetting", "Configure"),
    "argument that sets an address": ({"Arguments": "['+ip', '127.0.0.1']"}, "InvalidSetting", "ListenAddress"),
    "argument with a secret": ({"Arguments": "['+rcon_password', 'x']"}, "InvalidSetting", "SetConfig"),
    "no such overlay": ({"Overlays": overlay_paths("nowhere")}, "NoSuchOverlay", "nowhere"),
    "the game as an overlay": ({"Overlays": overlay_paths("game")}, "InvalidSetting", "game"),
    "an overlay twice": ({"Overlays": overlay_paths("plain", "plain")}, "InvalidSetting", "plain"),
    "a path of no overlay": ({"Overlays": "[objectpath '/org/left4me/Host1']"}, "InvalidSetting", "/org/left4me/Host1"),
    "description of two lines": ({"Description": "'one\\ntwo'"}, "InvalidSetting", "description"),
    "description too long": ({"Description": text("x" * 257)}, "InvalidSetting", "257"),
    "too many arguments": ({"Arguments": str([f"+a{n}" for n in range(65)])}, "InvalidSetting", "SetConfig"),
}


@pytest.fixture
def plain(overlay):
    overlay("plain", built=False)


@pytest.mark.parametrize("what", REFUSED)
def test_refused_settings_change_nothing(root, ada, plain, instance, what):
    values, error_name, word = REFUSED[what]
    values = {"Description": "'fine'", **values}
    instance("set", Arguments="['+map', 'c1m1']", Overlays=overlay_paths("plain"))
    before, ports = instances(root), stored_ports()
    root.watch()
    root.signals()
    for member, body in (("Configure", None), ("CreateInstance", "set-2")):
        with pytest.raises(BusError) as error:
            if body:
                ada.manager(member, f"('{body}', {settings(**values)[1:-2]})")
            else:
                ada.instance("set", member, settings(**values))
        assert error.value.short == error_name and word in error.value.message, (member, error.value)
    assert instances(root) == before and stored_ports() == ports
    assert [s for s in root.signals() if "/instance/" in str(s)] == []


def test_each_setting_may_be_set_alone(root, ada, plain, instance):
    instance("set", Description="'one'", Arguments="['+a']")
    start = root.get("instance", "set")
    for key, value, shown in (("Description", "'two'", "two"), ("Arguments", "['+b', '2']", ["+b", "2"]),
                              ("Overlays", overlay_paths("plain"), [path_of("overlay", "plain")]),
                              ("Port", "uint16 27200", 27200), ("Arguments", "@as []", []),
                              ("Overlays", overlay_paths(), [])):
        before = root.get("instance", "set")
        ada.instance("set", "Configure", settings(**{key: value}))
        after = root.get("instance", "set")
        assert after[key] == shown
        changed = {k for k in after if after[k] != before[k]}
        assert changed == ({"Port", "Address"} if key == "Port" else {key}), changed
    assert start["Port"] != 27200 and root.get("instance", "set")["Address"] == "0.0.0.0:27200"


@pytest.mark.parametrize("name", ["", "-a", "_a", "A", "a.b", "a/b", "ä", "a" * 33, "a\n"])
def test_names_that_are_none(root, ada, name):
    before = instances(root)
    with pytest.raises(BusError) as error:
        ada.manager("CreateInstance", f"({text(name)}, {NONE})")
    assert error.value.short == "InvalidName", error.value
    assert instances(root) == before


def test_longest_name_works_and_is_taken(root, instance):
    name = instance("0" + "a_-9" * 7 + "xyz")
    assert len(name) == 32
    root.instance(name, "Start")
    assert root.get("instance", name)["ActiveState"] == "active"
    with pytest.raises(BusError) as error:
        root.manager("CreateInstance", f"('{name}', {NONE})")
    assert error.value.short == "NameTaken" and name in error.value.message


# Ports

def test_ports_are_a_set_inside_the_range(root, instance):
    first, last = root.get_all("/org/left4me/Host1")["PortRange"]
    for name in ("p1", "p2", "p3"):
        instance(name)
    ports = [port for name in ("p1", "p2", "p3") for port in stored_ports(name).values()]
    assert len(ports) == len(set(ports)) == 9 and all(first <= port <= last for port in ports), ports
    assert [root.get("instance", n)["Port"] for n in ("p1", "p2", "p3")] == [stored_ports(n)[0] for n in ("p1", "p2", "p3")]
    assert sorted(ports)[:1] == [min(stored_ports())], "the lowest free ones are given"


def test_port_of_another_is_taken(root, ada, instance):
    instance("p1")
    instance("p2", Port="uint16 27100")
    assert root.get("instance", "p2")["Port"] == 27100
    for port in stored_ports("p1").values():
        before = root.get("instance", "p2"), stored_ports("p2")
        with pytest.raises(BusError) as error:
            ada.instance("p2", "Configure", settings(Description="'x'", Port=f"uint16 {port}"))
        assert error.value.short == "PortTaken" and "p1" in error.value.message, error.value
        assert (root.get("instance", "p2"), stored_ports("p2")) == before
        with pytest.raises(BusError) as error:
            ada.manager("CreateInstance", f"('p3', {{'Port': <uint16 {port}>}})")
        assert error.value.short == "PortTaken" and "p1" in error.value.message, error.value
    assert path_of("instance", "p3") not in root.objects()


def test_deleted_instance_gives_its_ports_back(root, instance):
    instance("p1", Port="uint16 27150")
    ports = set(stored_ports("p1").values())
    delete_instance(root, "p1")
    assert not ports & set(stored_ports())
    instance("p2", Port="uint16 27150")


@pytest.fixture
def crowd(clients):
    """Connections of their own: root, ada and two more of ada's."""
    more = [Client("ada"), Client("ada")]
    yield [clients("root"), clients("ada"), *more]
    for client in more:
        client.close()


def create_calls(names, options=NONE):
    return [Client.question("/org/left4me/Host1", "org.left4me.Host1.Manager", "CreateInstance",
                            f"('{name}', {options})") for name in names]


def all_at_once(crowd, calls):
    """Every client sends its calls without waiting; returns the answers of each."""
    for client, own in zip(crowd, calls):
        client.send(do="sequence", calls=own, window=len(own))
    return [json.loads(client.process.stdout.readline())["answers"] for client in crowd]


def test_twenty_at_once_share_no_port(root, crowd):
    names = [[f"many-{c}-{n}" for n in range(5)] for c in range(4)]
    try:
        answers = all_at_once(crowd, [create_calls(own) for own in names])
        assert all("reply" in answer for own in answers for answer in own), answers
        ports = [port for own in names for name in own for port in stored_ports(name).values()]
        assert len(ports) == 60 and len(set(ports)) == 60, sorted(ports)
        shown = [root.get("instance", name)["Port"] for own in names for name in own]
        assert len(set(shown)) == 20
    finally:
        for name in sum(names, []):
            delete_instance(root, name)


def test_one_of_many_gets_the_port_that_all_want(root, crowd):
    names = [[f"want-{c}"] for c in range(4)]
    try:
        answers = all_at_once(crowd, [create_calls(own, "{'Port': <uint16 27111>}") for own in names])
        outcomes = sorted(answer.get("error", "") for own in answers for answer in own)
        assert outcomes == [""] + ["org.left4me.Host1.Error.PortTaken"] * 3, answers
        assert stored_ports().count(27111) == 1
        assert sum(path_of("instance", own[0]) in root.objects() for own in names) == 1
    finally:
        for own in names:
            with contextlib.suppress(BusError):
                delete_instance(root, own[0])


def test_range_that_is_used_up(root, instance):
    instance("outside", Port="uint16 27100")
    root.watch()
    root.signals()
    with host_conf(root, "PortRange=40000-40006"):
        assert root.get_all("/org/left4me/Host1")["PortRange"] == (40000, 40006)
        changes = [a[1] for p, _, m, a in root.signals() if m == "PropertiesChanged" and p == "/org/left4me/Host1"]
        assert any(change.get("PortRange") == (40000, 40006) for change in changes), changes
        instance("p1")
        instance("p2")
        assert sorted([*stored_ports("p1").values(), *stored_ports("p2").values()]) == list(range(40000, 40006))
        before = instances(root)
        for options in (NONE, "{'Port': <uint16 40006>}"):
            with pytest.raises(BusError) as error:
                root.manager("CreateInstance", f"('p3', {options})")
            assert error.value.short == "PortTaken" and "40000-40006" in error.value.message, error.value
        assert instances(root) == before
        assert root.get("instance", "outside")["Port"] == 27100, "who has ports keeps them"
        with pytest.raises(BusError) as error:
            root.instance("outside", "Configure", settings(Port="uint16 27101"))
        assert error.value.short == "InvalidSetting"


# What reaches the server

def test_arguments_and_ports_arrive_in_the_server(root, instance):
    instance("args", Port="uint16 27190", Arguments="['+map', 'c1m1_hotel', '-tickrate', '100', '+exec', 'a=b,c:d']")
    root.instance("args", "Start")
    ports = stored_ports("args")
    pid = root.get("instance", "args")["MainPID"]
    # The interpreter, the script, and what the script got.
    assert argv(pid)[1:] == [
        str(merged("args") / "srcds_run"), "-game", "left4dead2", "-norestart", "-strictportbind", "-ip", "0.0.0.0",
        "-port", "27190", "+tv_port", str(ports[1]), "+clientport", str(ports[2]),
        "+map", "c1m1_hotel", "-tickrate", "100", "+exec", "a=b,c:d"]
    assert allowed_ports(root, "args") == {(protocol, port) for protocol in ("udp", "tcp") for port in ports.values()}


def test_configure_while_running_waits_for_a_restart(root, ada, overlay, instance):
    overlay("news", "echo new > news.txt")
    instance("news", Arguments="['+one']")
    root.instance("news", "Start")
    before = root.get("instance", "news")
    assert not before["Outdated"]
    mark_mount("news")
    ada.instance("news", "Restart")
    assert is_marked("news") and argv(root.get("instance", "news")["MainPID"])[-1] == "+one"

    root.watch()
    root.signals()
    ada.instance("news", "Configure", settings(Arguments="['+two']", Overlays=overlay_paths("news"), Port="uint16 27181"))
    heard(root, "news", Outdated=True, Arguments=["+two"], Port=27181, Overlays=[path_of("overlay", "news")])
    running = root.get("instance", "news")
    assert running["Outdated"] and running["ActiveState"] == "active" and is_marked("news")
    assert argv(running["MainPID"])[-1] == "+one" and running["Layers"] == before["Layers"]
    assert not (merged("news") / "news.txt").exists()

    ada.instance("news", "Restart")
    after = root.get("instance", "news")
    assert not after["Outdated"] and "news" in mounted() and not is_marked("news"), after
    assert after["Layers"][0][0] == path_of("overlay", "news") and (merged("news") / "news.txt").exists()
    assert argv(after["MainPID"])[-1] == "+two" and "27181" in argv(after["MainPID"])

    mark_mount("news")
    ada.instance("news", "Restart")
    assert is_marked("news"), "nothing was outdated any more"
    ada.instance("news", "Configure", settings(Description="'no matter to the server'"))
    assert not root.get("instance", "news")["Outdated"]


def test_new_generation_makes_outdated_until_restart(root, overlay, instance):
    overlay("gen", "echo 1 > gen.txt")
    instance("gen", Overlays=overlay_paths("gen"))
    root.instance("gen", "Start")
    root.watch()
    overlay("gen", "echo 2 > gen.txt")
    heard(root, "gen", Outdated=True)
    assert (merged("gen") / "gen.txt").read_text() == "1\n", "a mounted layer never changes"
    old = root.get("instance", "gen")["Layers"]
    root.instance("gen", "Restart")
    assert (merged("gen") / "gen.txt").read_text() == "2\n"
    now = root.get("instance", "gen")
    assert not now["Outdated"] and now["Layers"][0][1] > old[0][1] and now["Layers"][1:] == old[1:]


def test_port_configured_while_running_works_at_a_start_that_is_not_ours(root, instance):
    """As at a boot: systemd starts the server, and the ports that it may bind are those it is told to."""
    instance("later", Port="uint16 27170")
    root.instance("later", "Start")
    root.instance("later", "Configure", settings(Port="uint16 27171"))
    run("systemctl", "restart", server_unit("later"))
    assert "27170" in argv(until(root, "later", ActiveState="active")["MainPID"]), "the mount stayed, and the environment"
    assert ("udp", 27170) in allowed_ports(root, "later")
    run("systemctl", "stop", mount_unit("later"))
    run("systemctl", "start", server_unit("later"))
    assert "27171" in argv(until(root, "later", ActiveState="active", Outdated=False)["MainPID"])
    allowed = allowed_ports(root, "later")
    assert ("udp", 27171) in allowed and ("udp", 27170) not in allowed, allowed


def test_another_listen_address_is_taken_up_by_a_restart(root, instance):
    instance("addr")
    root.instance("addr", "Start")
    port = root.get("instance", "addr")["Port"]
    root.watch()
    root.signals()
    with host_conf(root, "ListenAddress=127.0.0.1"):
        heard(root, "addr", Address=f"127.0.0.1:{port}", Outdated=True)
        root.instance("addr", "Restart")
        shown = root.get("instance", "addr")
        assert not shown["Outdated"] and "127.0.0.1" in argv(shown["MainPID"])
    assert root.get("instance", "addr")["Outdated"]


def test_config_stands_in_the_mount_after_it_not_before(root, ada, overlay, instance):
    overlay("cfg", "mkdir -p left4dead2/cfg; echo 'of the overlay' > left4dead2/cfg/server.cfg")
    instance("conf", Overlays=overlay_paths("cfg"))
    file = merged("conf") / "left4dead2/cfg/server.cfg"
    root.instance("conf", "Start")
    assert file.read_text() == "of the overlay\n", "no configuration of its own hides nothing"
    assert ada.instance("conf", "GetConfig", "") == ("",)

    words = 'hostname "Ä"\nrcon_password hunter2\n'
    root.watch()
    root.signals()
    ada.instance("conf", "SetConfig", f"({text(words)}, {NONE})")
    _, told = heard(root, "conf", Outdated=True)
    assert "hunter2" not in str(told) and "hunter2" not in str(root.objects()), "no signal and no property carries it"
    assert ada.instance("conf", "GetConfig", "") == (words,)
    assert file.read_text() == "of the overlay\n"
    mark_mount("conf")
    ada.instance("conf", "Restart")
    assert file.read_text() == words and not is_marked("conf")
    assert (file.owner(), file.group(), file.stat().st_mode & 0o777) == ("left4me", "left4me", 0o640)

    ada.instance("conf", "SetConfig", f"({text(words)}, {NONE})")
    assert not root.get("instance", "conf")["Outdated"], "the same text is no news"
    ada.instance("conf", "SetConfig", f"('', {NONE})")
    ada.instance("conf", "Restart")
    assert file.read_text() == "of the overlay\n"


def test_what_the_server_wrote_lies_over_the_config(root, instance):
    instance("conf")
    root.instance("conf", "SetConfig", f"('one', {NONE})")
    root.instance("conf", "Mount")
    file = merged("conf") / "left4dead2/cfg/server.cfg"
    file.write_text("by the server")
    root.instance("conf", "SetConfig", f"('two', {NONE})")
    root.instance("conf", "Mount")
    assert file.read_text() == "by the server"
    root.instance("conf", "Unmount")
    root.wait_job(root.instance("conf", "Reset")[0])
    root.instance("conf", "Mount")
    assert file.read_text() == "two"


def test_config_that_is_too_long(root, ada, instance):
    instance("conf")
    longest = "x" * (256 * 1024)
    ada.instance("conf", "SetConfig", f"({text(longest)}, {NONE})")
    with pytest.raises(BusError) as error:
        ada.instance("conf", "SetConfig", f"({text(longest + 'x')}, {NONE})")
    assert error.value.short == "InvalidSetting" and str(256 * 1024) in error.value.message
    assert ada.instance("conf", "GetConfig", "") == (longest,)
    ada.instance("conf", "Mount")
    assert (merged("conf") / "left4dead2/cfg/server.cfg").stat().st_size == len(longest)


def test_first_overlay_wins(root, overlay, instance):
    for name in ("top", "middle", "bottom"):
        overlay(name, f"mkdir -p left4dead2; echo {name} > both.txt; echo {name} > {name}.txt; "
                      f"echo {name} > left4dead2/readme.txt")
    instance("order", Overlays=overlay_paths("top", "middle", "bottom"))
    root.instance("order", "Mount")
    assert (merged("order") / "both.txt").read_text() == "top\n"
    assert (merged("order") / "left4dead2/readme.txt").read_text() == "top\n", "each wins over the game"
    assert all((merged("order") / f"{name}.txt").exists() for name in ("top", "middle", "bottom"))
    root.instance("order", "Configure", settings(Overlays=overlay_paths("bottom", "top")))
    assert (merged("order") / "both.txt").read_text() == "top\n"
    root.instance("order", "Mount")
    assert (merged("order") / "both.txt").read_text() == "bottom\n"
    assert not (merged("order") / "middle.txt").exists()
    root.instance("order", "Configure", settings(Overlays=overlay_paths()))
    root.instance("order", "Mount")
    assert (merged("order") / "left4dead2/readme.txt").read_text() == "original\n"


def test_overlay_without_a_generation_is_not_ready(root, ada, overlay, instance):
    overlay("unbuilt", built=False)
    instance("waits", Overlays=overlay_paths("unbuilt"))
    for member in ("Start", "Restart", "Mount"):
        before = root.get("instance", "waits")
        with pytest.raises(BusError) as error:
            ada.instance("waits", member)
        assert error.value.short == "NotReady" and '"unbuilt"' in error.value.message, error.value
        assert root.get("instance", "waits") == before
        assert not is_enabled("waits") and "waits" not in mounted()
    overlay("unbuilt", "echo > now.txt")
    ada.instance("waits", "Start")
    assert (merged("waits") / "now.txt").exists()


def test_start_from_outside_is_not_ready_either(root, overlay, instance):
    """The mount unit asks as Start does: systemd starts no server without its layers."""
    overlay("unbuilt", built=False)
    instance("waits", Overlays=overlay_paths("unbuilt"))
    done = run("systemctl", "start", server_unit("waits"), check=False)
    assert done.returncode != 0
    shown = root.get("instance", "waits")
    assert shown["ActiveState"] == "inactive" and "unbuilt" in shown["Message"] and "waits" not in mounted(), shown
    assert not (STATE / "instances/waits/instance.env").exists()
