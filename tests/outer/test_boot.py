# SPDX-License-Identifier: LGPL-2.1-or-later
"""What was started comes back at boot, what was stopped does not; after a clean reboot and after a crash."""
import threading

from conftest import ctl, get, host, inside, overlay_mounts, wait_for


def restarts(name):
    return get("instance", name, "NRestarts")


def is_active(name):
    return get("instance", name, "ActiveState") == "active"


def test_reboot_brings_back_what_was_started_and_nothing_else(instance):
    instance("bootup"), instance("bootdown")
    ctl("start", "bootup", "bootdown")
    ctl("stop", "bootdown")
    host("reboot")
    wait_for(lambda: is_active("bootup"), what="the started server")
    assert restarts("bootup") == "0"
    assert overlay_mounts() == ["bootup"]
    assert get("instance", "bootdown", "ActiveState") == "inactive"
    assert (get("instance", "bootup", "Enabled"), get("instance", "bootdown", "Enabled")) == ("true", "false")
    # The way down was clean as well: the mount unit of the last boot did not fail.
    log = inside("journalctl", "--boot=-1", "--unit=left4me-mount@bootup.service", "--output=cat")
    assert "Failed" not in log, log


def test_crash_brings_back_what_was_started(instance):
    instance("crashup"), instance("crashdown")
    ctl("start", "crashup")
    host("crash")
    wait_for(lambda: is_active("crashup"), what="the started server")
    assert restarts("crashup") == "0"
    assert overlay_mounts() == ["crashup"]
    assert get("instance", "crashdown", "ActiveState") == "inactive"
    ctl("stop", "crashup")
    assert overlay_mounts() == []


def test_crash_in_the_middle_of_a_start(instance):
    """Whether the wish was written before the crash or not: the world is what the store says."""
    instance("half")
    starter = threading.Thread(target=lambda: host("exec", "l4d2ctl", "start", "half", check=False))
    starter.start()
    host("crash")
    starter.join()
    if get("instance", "half", "Enabled") == "true":
        wait_for(lambda: is_active("half"), what="the started server")
        assert overlay_mounts() == ["half"]
    else:
        assert get("instance", "half", "ActiveState") == "inactive"
        assert overlay_mounts() == []
    assert inside("systemctl", "is-enabled", "left4me-server@half.service", check=False).strip() == (
        "enabled" if get("instance", "half", "Enabled") == "true" else "disabled")


def test_servers_start_and_stop_at_boot_without_polkit(instance):
    instance("nopolkit")
    ctl("start", "nopolkit")
    inside("systemctl", "mask", "polkit.service")
    try:
        host("reboot")
        wait_for(lambda: is_active("nopolkit"), what="the started server")
        assert restarts("nopolkit") == "0"
        log = inside("journalctl", "--boot=-1", "--unit=left4me-mount@nopolkit.service", "--output=cat")
        assert "Failed" not in log, log
        inside("systemctl", "stop", "left4me-mount@nopolkit.service")
        assert overlay_mounts() == []
    finally:
        inside("systemctl", "unmask", "polkit.service")
