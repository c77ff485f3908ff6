# SPDX-License-Identifier: LGPL-2.1-or-later
"""Reload: settings that are valid are taken up and told; those that are not leave the old ones, and say file and key."""
import contextlib
import pathlib

import pytest

from conftest import IFACE, PATH, BusError, Client, path_of, wait_for
from servers import host_conf

FILE = pathlib.Path("/etc/left4me/host.conf.d/98-broken.conf")


@contextlib.contextmanager
def broken(content):
    FILE.parent.mkdir(parents=True, exist_ok=True)
    FILE.write_bytes(content)
    try:
        yield
    finally:
        FILE.unlink()


@pytest.mark.parametrize("content, words", [
    (b"[Host]\nJobSlots=many\n", ["JobSlots"]),
    (b"[Host]\nJobSlots=17\n", ["JobSlots"]),
    (b"[Host]\nJobSlots=2\nMaxPendingCallsPerUser=0\n", ["MaxPendingCallsPerUser"]),
    (b"[Host]\nPortRange=1-2-3\n", ["PortRange"]),
    (b"[Host]\nNoSuchSetting=1\n", ["NoSuchSetting"]),
    (b"[Other]\nJobSlots=2\n", ["Other"]),
    (b"JobSlots=2\n", []),
    (b"[Host]\nJobSlots=\xff\n", []),
    (b"[Host]\nJob\xffSlots=2\n", []),
    (b"[\xffHost]\nJobSlots=2\n", []),
], ids=lambda value: repr(value)[:30] if isinstance(value, bytes) else "")
def test_broken_settings_leave_the_old_ones(root, content, words):
    wait_for(lambda: "ip-filter" in root.get_all(PATH)["Features"], what="all features, after a start")
    before = root.get_all(PATH)
    listener = Client("root")
    listener.watch()
    with broken(content):
        with pytest.raises(BusError) as refusal:
            root.manager("Reload", "(@a{sv} {},)", timeout=10)
        assert refusal.value.short == "InvalidSetting", refusal.value
        for word in [str(FILE), *words]:
            assert word in refusal.value.message, refusal.value
    assert root.get_all(PATH) == before
    assert [s for s in listener.signals() if s[2] == "PropertiesChanged" and "JobSlots" in s[3][1]] == []
    listener.close()


def test_a_limit_counts_from_its_reload_on(root, instance):
    """Of calls that wait: one user's, with a limit of one."""
    instance("reload")
    sam = Client("sam")
    start = {"path": path_of("instance", "reload"), "interface": IFACE + ".Instance", "member": "Start", "body": "(@a{sv} {},)"}
    with host_conf(root, "MaxPendingCallsPerUser=1"):
        assert root.get_all(PATH)["MaxPendingCallsPerUser"] == 1
        counts = sam.ask(do="burst", count=50, **start)["counts"]
        assert counts["org.freedesktop.DBus.Error.LimitsExceeded"] > 25, counts
    counts = sam.ask(do="burst", count=50, **start)["counts"]
    assert "org.freedesktop.DBus.Error.LimitsExceeded" not in counts, counts
    sam.close()
