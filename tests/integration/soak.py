# SPDX-License-Identifier: LGPL-2.1-or-later
"""Twenty clients with different rights make random calls for a long time, while clients, servers, builds and the service
itself are killed; again and again all is let come to rest, and looked at: store, systemd, kernel and bus must agree, and the
service hold no more descriptors, memory and mounts than before. `tests/host soak MINUTES [--seed N]` runs it.

A seed gives the same calls and kills in the same order; how they meet in time is up to the machine."""
import argparse
import collections
import contextlib
import os
import pathlib
import random
import re
import signal
import sys
import time

from builds import wait_quiet
from busfuzz import Wire, descriptors
from conftest import (IFACE, PATH, SMALL_GAME, BusError, Client, build, daemon_pid, delete_instance, delete_overlay, make_users,
                      path_of, run, text)
from faults import HOSTD, assert_settled, complaints, mount_table, start_service
from gi.repository import Gio, GLib
from servers import SANITIZED, merged, open_files, overlay_paths, server_unit, settings

CLIENTS = 20
ROUND_SEC = 20
MEMORY_MAX = 16  # MiB that the service may have more at rest than when it was first at rest
FILES_MAX = 4  # descriptors; GLib opens some when they are first needed
USERS = ["root", "root", "ada", "ada", "ada", "otto", "otto", "sam", "left4me"]
INSTANCES = [f"soak-{n}" for n in range(6)]
OVERLAYS = [f"soak-{n}" for n in range(5)]
SCRIPTS = ["echo $RANDOM > file", "echo same > file", "exit 3",
           "for i in {1..50}; do echo X_PROGRESS=$i%; echo STATUS=$i; done; echo > file", "sleep 3; echo late > file",
           "head --bytes=3M /dev/urandom > big; cp big /cache/", "mkfifo pipe", "kill -9 $$",
           "mkdir -p left4dead2/cfg; echo $RANDOM > left4dead2/cfg/motd; ln -s motd left4dead2/cfg/other"]
NONE = "(@a{sv} {},)"

# Member of an instance, an overlay or a job -> its arguments, and how often it is called beside the others.
INSTANCE_CALLS = {"Start": (NONE, 6), "Stop": (NONE, 5), "Restart": (NONE, 3), "Mount": (NONE, 2), "Unmount": (NONE, 2),
                  "Reset": (NONE, 1), "Delete": (NONE, 1), "GetConfig": ("", 1), "ReadLog": ("('', uint32 10)", 2),
                  "OpenLog": ("({'Follow': <true>},)", 2), "SetConfig": ("('hostname Friday', @a{sv} {})", 2), "Configure": (None, 3)}
OVERLAY_CALLS = {"Build": (NONE, 8), "SetScript": (None, 4), "Import": (None, 2), "Wipe": (NONE, 1), "WipeCache": (NONE, 1),
                 "Delete": (NONE, 1), "GetScript": ("", 1), "Revert": (None, 1), "Configure": (None, 2)}
JOB_CALLS = {"Cancel": (NONE, 2), "ReadLog": ("('', uint32 10)", 1), "OpenLog": ("({'Format': <'json'>},)", 1)}
TABLES = {"Instance": INSTANCE_CALLS, "Overlay": OVERLAY_CALLS, "Job": JOB_CALLS}


class Soak:
    def __init__(self, seed):
        self.random = random.Random(seed)
        self.root = Client("root")
        self.wires = [Wire(self.random.choice(USERS)) for _ in range(CLIENTS)]
        self.done = collections.deque(maxlen=40)  # what was asked for last, for who looks for the reason
        self.archive = descriptors()[3]
        self.answers = collections.Counter()
        self.kills = collections.Counter()
        self.newest_job = 0
        self.renewed()

    # Calls

    def arguments(self, kind, member):
        overlays = overlay_paths(*self.random.sample(OVERLAYS, self.random.randrange(3)))
        return {
            ("Instance", "Configure"): self.random.choice((settings(Overlays=overlays),
                                                           settings(Arguments=f"['+x', '{self.random.randrange(9)}']"))),
            ("Overlay", "Configure"): f"({{'KeepGenerations': <uint32 {self.random.randrange(1, 4)}>}},)",
            ("Overlay", "SetScript"): f"({text(self.random.choice(SCRIPTS))}, @a{{sv}} {{}})",
            ("Overlay", "Revert"): f"(uint64 {self.random.randrange(1, 20)}, @a{{sv}} {{}})",
            ("Overlay", "Import"): "(handle 0, @a{sv} {})",
        }[kind, member]

    def pick(self):
        """Returns: path, interface, member and arguments of a call."""
        kind = self.random.choice(("Instance", "Instance", "Overlay", "Overlay", "Job", "Manager", "Read"))
        if kind == "Read":
            return PATH, "org.freedesktop.DBus.ObjectManager", "GetManagedObjects", ""
        if kind == "Manager":
            if self.random.random() < 0.5:
                return PATH, IFACE + ".Manager", "CreateInstance", f"('{self.random.choice(INSTANCES)}', @a{{sv}} {{}})"
            sort = self.random.choice(("script", "script", "files"))
            return PATH, IFACE + ".Manager", "CreateOverlay", f"('{self.random.choice(OVERLAYS)}', '{sort}', @a{{sv}} {{}})"
        name = {"Instance": lambda: self.random.choice(INSTANCES), "Overlay": lambda: self.random.choice(OVERLAYS),
                "Job": lambda: str(self.newest_job + self.random.randrange(40))}[kind]()
        table = TABLES[kind]
        member = self.random.choices(list(table), [often for _, often in table.values()])[0]
        arguments = table[member][0]
        if arguments is None:
            arguments = self.arguments(kind, member)
        return path_of(kind.lower(), name), f"{IFACE}.{kind}", member, arguments

    def call(self):
        wire = self.random.choice(self.wires)
        path, interface, member, arguments = self.pick()
        message = Gio.DBusMessage.new_method_call(IFACE, path, interface, member)
        if arguments:
            message.set_body(GLib.Variant.parse(None, arguments, None, None))
        if member == "Import":
            sent = Gio.UnixFDList.new()
            sent.append(self.archive)
            message.set_unix_fd_list(sent)
        wire.finish(4)
        wire.send(message)
        self.done.append(f"{wire.user}: {member} {path.removeprefix(PATH)} {arguments}")

    # Kills

    def forget(self, wire):
        self.answers.update({(wire.user, name): count for name, count in wire.answers.items()})

    def kill_client(self):
        n = self.random.randrange(CLIENTS)
        self.forget(self.wires[n])
        self.wires[n].close()
        self.wires[n] = Wire(self.random.choice(USERS))

    def kill_server(self):
        name = self.random.choice(INSTANCES)
        run("systemctl", "kill", f"--signal={self.random.choice(('KILL', 'SEGV', 'TERM'))}", server_unit(name), check=False)

    def kill_build(self):
        units = run("systemctl", "list-units", "--plain", "--no-legend", "left4me-job-*").stdout.split()[::5] or [None]
        unit = self.random.choice(units)
        if unit:
            run("systemctl", "kill", "--signal=KILL", unit, check=False)

    def kill_service(self):
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)
        self.renewed()

    def restart_service(self):
        run("systemctl", "restart", HOSTD)
        self.renewed()

    def renewed(self):
        start_service(self.root)
        self.pid = daemon_pid()
        self.first = {}  # what it has when it is first at rest

    def reload_systemd(self):
        run("systemctl", "daemon-reload")

    def strike(self):
        what = self.random.choices((self.kill_client, self.kill_server, self.kill_build, self.kill_service, self.restart_service,
                                    self.reload_systemd), (8, 4, 4, 1, 1, 1))[0]
        self.done.append(what.__name__)
        self.kills[what.__name__] += 1
        what()

    # Rest

    def held(self):
        status = pathlib.Path(f"/proc/{self.pid}/status").read_text()
        mounts = mount_table()
        return {"files": open_files(self.pid), "memory": int(re.search(r"VmRSS:\s+(\d+)", status)[1]) // 1024,
                "mounts": len(mounts) - sum(mounts.count(str(merged(name))) for name in INSTANCES)}

    def let_deletions_go(self):
        """An overlay's deletion waits, as long as that takes, for servers that have it mounted still: they begin anew
        without it."""
        objects = self.root.objects().values()
        jobs = [o[IFACE + ".Job"] for o in objects if IFACE + ".Job" in o]
        going = {j["Subject"] for j in jobs if j["Kind"] == "delete-overlay" and not j["FinishedAt"]}
        for instance in (o[IFACE + ".Instance"] for o in objects if IFACE + ".Instance" in o):
            if going & {path for path, _ in instance["Layers"]}:
                with contextlib.suppress(BusError):
                    self.root.instance(instance["Name"], "Restart" if instance["MainPID"] else "Unmount")

    def rest(self):
        for wire in self.wires:
            wire.finish()
        self.let_deletions_go()
        wait_quiet(self.root, 120)
        assert_settled(self.root, 120)
        assert daemon_pid() == self.pid, "the service has ended by itself"
        assert not complaints(), complaints()
        self.newest_job = max([o[IFACE + ".Job"]["Id"] for o in self.root.objects().values() if IFACE + ".Job" in o], default=0)
        held = self.held()
        self.first = self.first or held
        assert held["files"] <= self.first["files"] + FILES_MAX, (held, self.first)
        assert held["mounts"] == self.first["mounts"], (held, self.first)
        assert SANITIZED or held["memory"] <= self.first["memory"] + MEMORY_MAX, (held, self.first)
        return held

    def round(self):
        end = time.monotonic() + ROUND_SEC
        while time.monotonic() < end:
            self.call()
            for wire in self.wires:
                wire.receive()
            if self.random.random() < 0.02:
                self.strike()
            time.sleep(self.random.random() * 0.02)
        return self.rest()

    def clean_up(self):
        for wire in self.wires:
            self.forget(wire)
            wire.close()
        for name in INSTANCES:
            delete_instance(self.root, name)
        for name in OVERLAYS:
            with contextlib.suppress(BusError):
                delete_overlay(self.root, name)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("minutes", type=float)
    parser.add_argument("--seed", type=int, default=time.time_ns() % 10 ** 9)
    wanted = parser.parse_args()
    print(f"the seed is {wanted.seed}", flush=True)
    make_users()
    soak = Soak(wanted.seed)
    if path_of("overlay", "game") not in soak.root.objects():
        assert build(soak.root, "game", SMALL_GAME)["State"] == "done"
    began = time.monotonic()
    try:
        while time.monotonic() < began + wanted.minutes * 60:
            held = soak.round()
            print(f"{time.monotonic() - began:5.0f} s: {held['files']} descriptors, {held['memory']} MiB, {held['mounts']} other "
                  f"mounts", flush=True)
    except BaseException:
        print(f"it went wrong with seed {wanted.seed}, after:", *soak.done, sep="\n    ", flush=True)
        raise
    soak.clean_up()
    for (user, name), count in sorted(soak.answers.items()):
        print(f"{user:8} {name or 'done':60} {count}")
    print(", ".join(f"{what} {count}" for what, count in soak.kills.most_common()))
    print(f"all was in order for {wanted.minutes} minutes, with seed {wanted.seed}")


if __name__ == "__main__":
    sys.exit(main())
