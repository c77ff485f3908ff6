# SPDX-License-Identifier: LGPL-2.1-or-later
"""A bus client that the tests start as some user. It reads a question a line from standard input and answers a line,
in JSON; values cross as GVariant text, so that every type of the bus does."""
import json
import os
import sys

from gi.repository import Gio, GLib

NAME = "org.left4me.Host1"
bus = Gio.DBusConnection.new_for_address_sync(
    os.environ.get("DBUS_SYSTEM_BUS_ADDRESS", "unix:path=/run/dbus/system_bus_socket"),
    Gio.DBusConnectionFlags.AUTHENTICATION_CLIENT | Gio.DBusConnectionFlags.MESSAGE_BUS_CONNECTION, None, None)
signals = []


def remember(_bus, _sender, path, interface, member, arguments):
    signals.append([path, interface, member, arguments.print_(True)])


def spin(seconds):
    loop = GLib.MainLoop()
    GLib.timeout_add(int(seconds * 1000), loop.quit)
    loop.run()


def call(q):
    body = GLib.Variant.parse(None, q["body"], None, None) if q["body"] else None
    flags = Gio.DBusCallFlags.ALLOW_INTERACTIVE_AUTHORIZATION if q.get("interactive") else Gio.DBusCallFlags.NONE
    try:
        reply = bus.call_sync(q.get("name", NAME), q["path"], q["interface"], q["member"], body, None, flags,
                              int(q.get("timeout", 30) * 1000), None)
        return {"reply": reply.print_(True)}
    except GLib.Error as error:
        name = Gio.DBusError.get_remote_error(error)
        Gio.DBusError.strip_remote_error(error)
        return {"error": name or f"local.{error.domain}.{error.code}", "message": error.message}


def burst(q):
    """Sends the same call `count` times without waiting, then counts the answers by error name ("" for success)."""
    body = GLib.Variant.parse(None, q["body"], None, None) if q["body"] else None
    counts, left = {}, q["count"]
    loop = GLib.MainLoop()

    def answered(_bus, result):
        nonlocal left
        name = ""
        try:
            bus.call_finish(result)
        except GLib.Error as error:
            name = Gio.DBusError.get_remote_error(error) or "local"
        counts[name] = counts.get(name, 0) + 1
        left -= 1
        if left == 0:
            loop.quit()

    for _ in range(q["count"]):
        bus.call(NAME, q["path"], q["interface"], q["member"], body, None, Gio.DBusCallFlags.NONE,
                 int(q.get("timeout", 60) * 1000), None, answered)
    loop.run()
    return {"counts": counts}


def answer(q):
    if q["do"] == "call":
        return call(q)
    if q["do"] == "burst":
        return burst(q)
    if q["do"] == "watch":
        bus.signal_subscribe(NAME, None, None, None, None, Gio.DBusSignalFlags.NONE, remember)
        return {"unique": bus.get_unique_name()}
    if q["do"] == "signals":
        spin(q.get("seconds", 0.05))
        taken = signals[:]
        signals.clear()
        return {"signals": taken}
    return {"unique": bus.get_unique_name()}


for line in sys.stdin:
    print(json.dumps(answer(json.loads(line))), flush=True)
