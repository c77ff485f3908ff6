# SPDX-License-Identifier: LGPL-2.1-or-later
"""Instances over the end of their host, clean or not: what was started comes up at the first try, what was stopped
stays down, and what was in between is one or the other."""
import time

import pytest

SMALL = "assert build(root, 'game', SMALL_GAME)['State'] == 'done'"
CREATE = """
for name in names:
    root.manager("CreateInstance", f"('{name}', @a{{sv}} {{}})")
"""
DELETE = """
for name in names:
    delete_instance(root, name)
"""

# What store, systemd, kernel and the object say of each.
LOOK = """
result = {}
for name in names:
    shown = root.get("instance", name)
    server, mount = (unit(u, "ActiveState", "SubState", "Result", "NRestarts") for u in (server_unit(name), mount_unit(name)))
    boot = run("journalctl", "-b", "-u", server_unit(name), "-u", mount_unit(name), "-o", "cat").stdout
    result[name] = {"enabled": shown["Enabled"], "linked": is_enabled(name), "state": shown["ActiveState"],
                    "server": server["ActiveState"], "mount": mount["ActiveState"], "mounted": shown["Mounted"],
                    "in table": mounted().count(name), "restarts": shown["NRestarts"], "result": shown["Result"],
                    "message": shown["Message"], "outdated": shown["Outdated"], "layers": len(shown["Layers"]),
                    "starts": boot.count("Starting left4me-server@") , "failures": boot.count("ailed"), "port": shown["Port"],
                    "argv": argv(shown["MainPID"]) if shown["MainPID"] else []}
"""

UP = {"enabled": True, "linked": True, "state": "active", "server": "active", "mount": "active", "mounted": True,
      "in table": 1, "restarts": 0, "result": "success", "message": "", "outdated": False, "layers": 1}
DOWN = {"enabled": False, "linked": False, "state": "inactive", "server": "inactive", "mount": "inactive",
        "mounted": False, "in table": 0, "restarts": 0, "result": "success", "message": "", "outdated": False, "layers": 0}
AT_BOOT = {"starts": 1, "failures": 0}


def is_like(shown, wanted):
    return all(shown[key] == value for key, value in wanted.items())


@pytest.fixture
def instances(host):
    made = []

    def make(*names):
        made.extend(names)
        host.python(SMALL + CREATE, names=names)
    yield make
    host.python(DELETE, names=made)


def of_last_boot(host, *units):
    """What systemd and the units said while the host went down."""
    words = [word for name in units for word in ("-u", name)]
    return host.run("journalctl", "-b", "-1", "-o", "cat", "--no-pager", *words)


def settled(host, *names):
    """Looks again and again until each instance is wholly up or wholly down."""
    end = time.monotonic() + 30
    while True:
        shown = host.python(LOOK, names=names)
        unclear = {name: one for name, one in shown.items() if not is_like(one, UP) and not is_like(one, DOWN)}
        if not unclear:
            return shown
        assert time.monotonic() < end, unclear


def test_reboot(host, instances):
    instances("up", "down", "hand", "moved")
    host.python("""
for name in ("up", "down", "moved"):
    root.instance(name, "Start")
root.instance("down", "Stop")
root.instance("hand", "Mount")
root.instance("moved", "Configure", settings(Port="uint16 27290", Arguments="['+late']"))
(merged("up") / "left4dead2/written.txt").write_text("kept")
""")
    host.reboot()
    shown = settled(host, "up", "down", "hand", "moved")
    assert is_like(shown["up"], {**UP, **AT_BOOT}), shown["up"]
    assert is_like(shown["down"], {**DOWN, "starts": 0}), shown["down"]
    assert is_like(shown["hand"], {**DOWN, "starts": 0}), "a reboot takes what was mounted by hand"
    assert is_like(shown["moved"], {**UP, **AT_BOOT, "port": 27290}), shown["moved"]
    assert "27290" in shown["moved"]["argv"] and shown["moved"]["argv"][-1] == "+late", shown["moved"]
    assert host.python("""
result = [(merged("up") / "left4dead2/written.txt").read_text(), ("udp", 27290) in allowed_ports(root, "moved")]
""") == ["kept", True]
    said = of_last_boot(host, "left4me-mount@up.service", "left4me-server@up.service")
    assert "Stopped left4me-server@up" in said and "Stopped left4me-mount@up" in said, said
    assert "ailed" not in said, said
    host.python("""
root.instance("up", "Stop")
root.instance("down", "Start")
""")
    host.reboot()
    shown = settled(host, "up", "down")
    assert is_like(shown["up"], {**DOWN, "starts": 0}) and is_like(shown["down"], {**UP, **AT_BOOT}), shown


def test_crash_with_a_running_server(host, instances):
    instances("up", "down", "hand")
    host.python("""
for name in ("up", "down"):
    root.instance(name, "Start")
root.instance("down", "Stop")
root.instance("hand", "Mount")
""")
    host.crash()
    shown = settled(host, "up", "down", "hand")
    assert is_like(shown["up"], {**UP, **AT_BOOT}), shown["up"]
    assert is_like(shown["down"], {**DOWN, "starts": 0}) and is_like(shown["hand"], {**DOWN, "starts": 0}), shown
    host.python("""
for name in names:
    root.instance(name, "Start")
    root.instance(name, "Stop")
    assert name not in mounted()
""", names=["up", "down", "hand"])


# The calls are sent one after the other, so that the crash meets each somewhere else on its way.
@pytest.mark.parametrize("slow", [False, True], ids=["in a start", "in a start that takes long"])
def test_crash_during_starts(host, instances, slow):
    names = [f"s{n}" for n in range(8)]
    instances(*names)
    if slow:
        host.python("""
import pathlib
directory = pathlib.Path("/etc/systemd/system/left4me-server@.service.d")
directory.mkdir()
(directory / "99-slow.conf").write_text("[Service]\\nExecStartPre=/bin/sleep 3\\n")
run("systemctl", "daemon-reload")
""")
    try:
        process = host.begin(f"""
names = {names!r}
clients = [Client("root") for _ in names]
for client in clients:
    client.ask(do="nothing")  # each is connected when it is needed
for name, client in zip(names, clients):
    question = client.question(path_of("instance", name), IFACE + ".Instance", "Start", "(@a{{sv}} {{}},)")
    client.send(**question)
    if name == names[3]:
        print("sent", flush=True)
    time.sleep(0.05)
time.sleep(60)
""")
        host.crash()
        process.wait(30)
        shown = settled(host, *names)
        for name in names:
            assert is_like(shown[name], AT_BOOT if shown[name]["enabled"] else {"starts": 0}), (name, shown[name])
        assert is_like(shown[names[0]], UP), "the first had its wish written down long before"
    finally:
        if slow:
            host.run("rm", "-r", "/etc/systemd/system/left4me-server@.service.d")
            host.run("systemctl", "daemon-reload")
    host.python("""
for name in names:
    root.instance(name, "Start")
    root.instance(name, "Stop")
    assert name not in mounted()
""", names=names)


def test_crash_during_stops(host, instances):
    names = [f"s{n}" for n in range(8)]
    instances(*names)
    host.python("""
for name in names:
    root.instance(name, "Start")
""", names=names)
    process = host.begin(f"""
for name in {names!r}:
    root.instance(name, "Stop")
    if name == "s1":
        print("stopped", flush=True)
time.sleep(60)
""")
    host.crash()
    process.wait(30)
    shown = settled(host, *names)
    for name in names:
        assert is_like(shown[name], AT_BOOT if shown[name]["enabled"] else {"failures": 0}), (name, shown[name])
    assert is_like(shown["s0"], DOWN) and is_like(shown["s1"], DOWN), "what was answered is not undone"


def test_crash_between_the_wish_and_its_link(host, instances):
    """The store's word counts, and at a boot also for what systemd did by the link."""
    instances("wanted", "unwanted")
    host.python("""
root.instance("wanted", "Start")
run("systemctl", "disable", server_unit("wanted"))
run("systemctl", "enable", server_unit("unwanted"))
""")
    host.crash()
    host.python("""
until(root, "wanted", ActiveState="active", Mounted=True)
wait_for(lambda: is_enabled("wanted") and not is_enabled("unwanted"))
until(root, "unwanted", ActiveState="inactive", Mounted=False)
""")
    shown = settled(host, "wanted", "unwanted")
    assert is_like(shown["wanted"], UP) and is_like(shown["unwanted"], DOWN), shown


def test_boot_and_shutdown_without_polkit(host, instances):
    """Units mount and unmount as root, whom nobody asks polkit about."""
    instances("up", "down")
    host.python("""
root.instance("up", "Start")
run("systemctl", "mask", "polkit.service")
""")
    try:
        host.reboot()
        shown = settled(host, "up", "down")
        assert is_like(shown["up"], {**UP, **AT_BOOT}) and is_like(shown["down"], {**DOWN, "starts": 0}), shown
        assert host.python("""
client = Client("ada")
try:
    client.instance("down", "Start")
except BusError as error:
    result = error.short
""") == "AuthorizationUnavailable"
        host.python("""
root.instance("down", "Start")
root.instance("down", "Stop")
""")
        host.reboot()
        said = of_last_boot(host, "left4me-mount@up.service", "left4me-server@up.service")
        assert "Stopped left4me-mount@up" in said and "ailed" not in said, said
        shown = settled(host, "up", "down")
        assert is_like(shown["up"], {**UP, **AT_BOOT}) and is_like(shown["down"], {**DOWN, "starts": 0}), shown
    finally:
        host.run("systemctl", "unmask", "polkit.service")
    began = time.monotonic()
    host.python("until(Client('ada'), 'up', ActiveState='active')")
    assert time.monotonic() - began < 60
