# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the tests of running servers share: a game that behaves as its arguments say, drop-ins that are gone
afterwards, and what the kernel, systemd and the store know of an instance."""
import contextlib
import os
import pathlib
import shutil
import signal
import sqlite3
import time

from conftest import STATE, path_of, run, unit, wait_for

# srcds_run of the overlay `odd`. Without arguments it behaves as the small game does.
ODD_SERVER = r"""
cat > srcds_run <<'END'
#!/bin/bash
cd "$(dirname "$0")"
status=0 slow=0.01
while (($#)); do
    case $1 in
    +atonce) exit "$2" ;;
    +onstop) status=$2 ;;
    +slow) slow=$2 ;;
    +deaf) trap '' INT TERM; deaf=yes ;;
    esac
    shift
done
exec {nothing}<> <(:)
[[ $deaf ]] || trap 'read -r -u $nothing -t "$slow"; exit "$status"' INT TERM
trap 'exit 3' USR1
> ready
while :; do read -r -u $nothing -t 1000; done
END
chmod 755 srcds_run
"""

def game_after(lines):
    """The script of an overlay whose srcds_run runs these lines first, and then behaves as the small game does."""
    return f"""
mkdir -p left4dead2
cat > srcds_run <<'END'
#!/bin/bash
cd "$(dirname "$0")"
{lines}
trap 'exit 0' INT TERM
exec {{nothing}}<> <(:)
while :; do read -r -u $nothing -t 1000; done
END
chmod 755 srcds_run
"""


SANITIZED = bool(os.environ.get("LEFT4ME_TEST_SANITIZE"))


def server_unit(name):
    return f"left4me-server@{name}.service"


def mount_unit(name):
    return f"left4me-mount@{name}.service"


def merged(name):
    return STATE / "runtime" / name / "merged"


def overlay_paths(*names):
    """The value of the setting Overlays, as GVariant text."""
    return "@ao [" + ", ".join(f"'{path_of('overlay', n)}'" for n in names) + "]"


def settings(**values):
    """The arguments of Configure, each value as GVariant text."""
    return "({" + ", ".join(f"'{key}': <{value}>" for key, value in values.items()) + "},)"


def mount_options(name):
    """The mount's own options in the mount table of PID 1; None where nothing is mounted."""
    for line in pathlib.Path("/proc/1/mountinfo").read_text().splitlines():
        words = line.split()
        if words[4] == str(merged(name)):
            return words[5].split(",")
    return None


# The kernel gives numbers of mounts and devices again at once, so a mount that must stay the same gets a mark that no
# other has.

def mark_mount(name):
    run("mount", "-o", "remount,bind,nodiratime", merged(name))


def is_marked(name):
    """Whether this is still the mount that was marked."""
    return "nodiratime" in (mount_options(name) or [])


def argv(pid):
    return pathlib.Path(f"/proc/{pid}/cmdline").read_text().split("\0")[:-1]


def open_files(pid):
    return len(os.listdir(f"/proc/{pid}/fd"))


def stored_ports(name=None):
    """What the store has: purpose -> port of an instance, or every port there is."""
    with contextlib.closing(sqlite3.connect(f"file:{STATE}/host.db?mode=ro", uri=True)) as store:
        if name:
            return dict(store.execute("SELECT purpose, port FROM instance_port WHERE instance = ?", (name,)))
        return [port for port, in store.execute("SELECT port FROM instance_port")]


def allowed_ports(client, name):
    """Which ports systemd lets the server bind: (protocol, port)."""
    value = client.raw(f"/org/freedesktop/systemd1/unit/left4me_2dserver_40{path_of('', name).rpartition('/')[2]}_2eservice",
                       "org.freedesktop.DBus.Properties", "Get",
                       "('org.freedesktop.systemd1.Service', 'SocketBindAllow')", name="org.freedesktop.systemd1")[0]
    return {({6: "tcp", 17: "udp"}[protocol], port) for _family, protocol, _count, port in value}


def is_enabled(name):
    """Whether systemd starts the server at boot."""
    return run("systemctl", "is-enabled", server_unit(name), check=False).stdout.strip() == "enabled"


def is_dead(name):
    """Whether the server and its mount are down in systemd, and nothing is queued for them."""
    return all(unit(u, "ActiveState")["ActiveState"] in ("inactive", "failed") and unit(u, "Job")["Job"] in ("", "0")
               for u in (server_unit(name), mount_unit(name)))


def until(client, name, seconds=10, **wanted):
    """Waits until the instance's properties are these; returns all of them."""
    def ask():
        properties = client.get("instance", name)
        return properties if all(properties[key] == value for key, value in wanted.items()) else None
    return wait_for(ask, seconds, f"{name}: {wanted}")


def heard(client, name, seconds=10, **wanted):
    """Listens to the instance's signals alone until they have told these values; returns seconds it took and what was
    told. `client.watch()` comes first."""
    told, began = {}, time.monotonic()
    while any(told.get(key) != value for key, value in wanted.items()):
        for path, _interface, member, arguments in client.signals(0.02):
            if member == "PropertiesChanged" and path == path_of("instance", name):
                told.update(arguments[1])
        assert time.monotonic() - began < seconds, f"heard {told}, not {wanted}, within {seconds} s"
    return time.monotonic() - began, told


def start_odd(client, name):
    """Starts a server of ODD_SERVER, and waits until it has come so far that it behaves as told."""
    written = STATE / "runtime" / name / "layers/upper/ready"
    written.unlink(missing_ok=True)
    client.instance(name, "Start")
    wait_for(written.exists, what=f"the server of {name}")


def send_signal(name, which):
    os.kill(int(unit(server_unit(name), "MainPID")["MainPID"]), getattr(signal, "SIG" + which))


@contextlib.contextmanager
def dropin(unit_name, section, *lines):
    """A drop-in of a unit, for as long as the block runs."""
    directory = pathlib.Path("/run/systemd/system") / f"{unit_name}.d"
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "99-test.conf").write_text("\n".join([f"[{section}]", *lines, ""]))
    run("systemctl", "daemon-reload")
    try:
        yield
    finally:
        shutil.rmtree(directory, ignore_errors=True)  # a deleted instance's are gone already
        run("systemctl", "daemon-reload")


@contextlib.contextmanager
def host_conf(client, *lines):
    """Settings of the host, for as long as the block runs."""
    file = pathlib.Path("/etc/left4me/host.conf.d/99-test.conf")
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("\n".join(["[Host]", *lines, ""]))
    client.manager("Reload", "(@a{sv} {},)")
    try:
        yield
    finally:
        file.unlink()
        client.manager("Reload", "(@a{sv} {},)")
