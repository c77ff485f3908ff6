# SPDX-License-Identifier: LGPL-2.1-or-later
"""Signals that pass for systemd's or the bus's own: the shipped policy lets none through, and where a policy does, the
service believes none."""
import contextlib
import pathlib
import time

import pytest
from builds import NO_OPTIONS, go_on, held  # noqa: F401
from conftest import IFACE, PATH, BusError, Client, daemon_pid, path_of, run, unit, wait_for
from servers import dropin, server_unit
from test_polkit_faults import hanging_polkit

SYSTEMD = "org.freedesktop.systemd1"
POLICY = """<busconfig><policy user="sam">
  <allow send_destination="org.left4me.Host1" send_type="signal" send_broadcast="false"/>
</policy></busconfig>
"""


@contextlib.contextmanager
def lenient_policy():
    """The administrator's own, which comes after the shipped one."""
    file = pathlib.Path("/etc/dbus-1/system.d/test-signals.conf")
    file.write_text(POLICY)
    run("systemctl", "reload", "dbus.service")
    try:
        yield
    finally:
        file.unlink()
        run("systemctl", "reload", "dbus.service")


@contextlib.contextmanager
def stand_in():
    """Somebody of root's who has the service's name, and tells what reaches it."""
    run("systemctl", "mask", "--runtime", "--now", "left4me-hostd.service")
    other = Client("root")
    try:
        assert other.unpack(other.ask(do="own")) == (1,)
        yield other
    finally:
        other.close()
        run("systemctl", "unmask", "--runtime", "left4me-hostd.service")
        run("systemctl", "start", "left4me-hostd.service")


def unique_name(client):
    return client.ask(do="who")["unique"]


def emit(client, path, interface, member, body, to=IFACE):
    client.ask(do="emit", to=to, path=path, interface=interface, member=member, body=body)


def heard(other, sender):
    """What reaches the stand-in of signals to its name and to its unique name; a call comes after them."""
    for to in (IFACE, unique_name(other)):
        emit(sender, "/test", "org.left4me.Test", "Forged", "()", to=to)
    other.send(do="signals", seconds=1)
    sender.raw("/", "org.freedesktop.DBus.Peer", "Ping")
    return [member for _, interface, member, _ in other.answer()["signals"] if interface == "org.left4me.Test"]


def test_the_shipped_policy_lets_through_no_signal_to_the_service_alone(root, sam):
    with stand_in() as other:
        assert heard(other, sam) == []
        with lenient_policy():
            assert heard(other, sam) == ["Forged", "Forged"], "what is refused above would arrive"
        assert heard(other, sam) == []


def unit_path(name):
    return path_of("x", name).replace(f"{PATH}/x", "/org/freedesktop/systemd1/unit")


def forge_state(sender, unit_name, **values):
    """PropertiesChanged of a unit, as systemd sends it for both interfaces."""
    given = ", ".join(f"'{key}': <{value}>" for key, value in values.items())
    for interface in ("Unit", "Service"):
        emit(sender, unit_path(unit_name), "org.freedesktop.DBus.Properties", "PropertiesChanged",
             f"('{SYSTEMD}.{interface}', @a{{sv}} {{{given}}}, @as [])")


def forge_owner(sender, name, old, new):
    emit(sender, "/org/freedesktop/DBus", "org.freedesktop.DBus", "NameOwnerChanged", f"('{name}', '{old}', '{new}')")


STOPPED = {"ActiveState": "'inactive'", "SubState": "'dead'", "Result": "'success'", "MainPID": "uint32 0"}
EXITED = {"ActiveState": "'active'", "SubState": "'exited'", "Result": "'success'", "ExecMainCode": "1", "ExecMainStatus": "0"}
FAILED = {"ActiveState": "'failed'", "SubState": "'failed'", "Result": "'oom-kill'"}


@pytest.mark.parametrize("as_owner", [False, True], ids=["as a stranger", "as systemd's new owner"])
def test_nobody_but_systemd_ends_a_build_or_a_server(root, sam, instance, held, as_owner):
    instance("forged")
    root.instance("forged", "Start")
    job = held("forged", "echo > built")
    told = ("ActiveState", "SubState", "MainPID", "Mounted", "Result")
    before = root.get("instance", "forged")
    with lenient_policy():
        if as_owner:
            forge_owner(sam, SYSTEMD, ":1.0", unique_name(sam))
            time.sleep(0.5)  # who believes it asks for all states first
        for state in (STOPPED, EXITED, FAILED):
            forge_state(sam, root.get_all(job)["Unit"], **state)
            forge_state(sam, server_unit("forged"), **state)
        emit(sam, "/org/freedesktop/systemd1", f"{SYSTEMD}.Manager", "UnitRemoved",
             f"('{server_unit('forged')}', objectpath '{unit_path(server_unit('forged'))}')")
        sam.objects()  # comes after them
        time.sleep(0.2)
        assert root.get_all(job)["State"] == "running"
        after = root.get("instance", "forged")
        assert [after[k] for k in told] == [before[k] for k in told]
    go_on(root, "forged")
    assert root.wait_job(job)["State"] == "done"


def test_nobody_but_systemd_ends_a_start(root, ada, sam, instance):
    instance("forged")
    with lenient_policy(), dropin(server_unit("forged"), "Service", "ExecStartPre=/bin/sleep 3"):
        ada.begin("start", ada.question(path_of("instance", "forged"), f"{IFACE}.Instance", "Start", NO_OPTIONS))
        jobs = wait_for(lambda: [line.split() for line in run("systemctl", "list-jobs", "--plain", "--no-legend").stdout.splitlines()
                                 if server_unit("forged") in line and "running" in line], what="systemd's job")
        number = jobs[0][0]
        emit(sam, "/org/freedesktop/systemd1", f"{SYSTEMD}.Manager", "JobRemoved",
             f"(uint32 {number}, objectpath '/org/freedesktop/systemd1/job/{number}', '{server_unit('forged')}', 'failed')")
        sam.objects()
        assert ada.end("start") == ()
    assert root.get("instance", "forged")["ActiveState"] == "active"


def test_nobody_but_the_bus_says_that_a_caller_left(root, ada, sam, instance):
    instance("forged")
    ada.get("instance", "forged")
    with lenient_policy():
        with hanging_polkit():
            ada.begin("read", ada.question(path_of("instance", "forged"), f"{IFACE}.Instance", "GetConfig"))
            time.sleep(0.5)  # its question is with polkit now
            forge_owner(sam, unique_name(ada), unique_name(ada), "")
            with pytest.raises(BusError, match="local.waiting"):
                ada.end("read", seconds=0.5)
        assert ada.end("read") == ("",)


def test_nobody_but_the_connection_itself_says_that_it_is_lost(root, sam):
    """The bus throws out who tries."""
    before, other = daemon_pid(), Client("sam")
    with lenient_policy():
        other.send(do="emit", to=IFACE, path="/org/freedesktop/DBus/Local", interface="org.freedesktop.DBus.Local",
                   member="Disconnected", body="")
        other.process.stdin.close()
        other.process.wait(10)
        root.objects()
    assert daemon_pid() == before and unit("left4me-hostd.service", "NRestarts")["NRestarts"] == "0"
