# SPDX-License-Identifier: LGPL-2.1-or-later
"""A bus client that the tests start as some user. It reads a question a line from standard input and answers a line,
in JSON; values cross as GVariant text, so that every type of the bus does."""
import hashlib
import json
import os
import pathlib
import resource
import select
import sys
import time

from gi.repository import Gio, GLib

NAME = "org.left4me.Host1"
POLKIT = ("org.freedesktop.PolicyKit1", "/org/freedesktop/PolicyKit1/Authority", "org.freedesktop.PolicyKit1.Authority")
BUS = ("org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus")
PROMPTER = "/org/left4me/Test/Prompter"
PROMPTER_XML = """<node><interface name="org.freedesktop.PolicyKit1.AuthenticationAgent">
  <method name="BeginAuthentication">
    <arg type="s" direction="in"/><arg type="s" direction="in"/><arg type="s" direction="in"/>
    <arg type="a{ss}" direction="in"/><arg type="s" direction="in"/><arg type="a(sa{sv})" direction="in"/>
  </method>
  <method name="CancelAuthentication"><arg type="s" direction="in"/></method>
</interface></node>"""

bus = Gio.DBusConnection.new_for_address_sync(
    os.environ.get("DBUS_SYSTEM_BUS_ADDRESS", "unix:path=/run/dbus/system_bus_socket"),
    Gio.DBusConnectionFlags.AUTHENTICATION_CLIENT | Gio.DBusConnectionFlags.MESSAGE_BUS_CONNECTION, None, None)
signals = []
pipes = []  # descriptors that came with answers, -1 when closed
begun = {}  # id of a call made by `begin` -> its answer, or None
prompts = {}  # cookie -> (what it says, the invocation that waits for the answer)


def remember(_bus, _sender, path, interface, member, arguments):
    signals.append([path, interface, member, arguments.print_(True)])


def spin(seconds):
    loop = GLib.MainLoop()
    GLib.timeout_add(int(seconds * 1000), loop.quit)
    loop.run()


def spin_until(question, seconds):
    """Returns whether the question came true in time."""
    late = []
    timer = GLib.timeout_add(int(seconds * 1000), lambda: late.append(True))
    while not late and not question():
        GLib.MainContext.default().iteration(True)
    if not late:
        GLib.source_remove(timer)
    return not late


def parse(body):
    return GLib.Variant.parse(None, body, None, None) if body else None


def as_answer(error):
    name = Gio.DBusError.get_remote_error(error)
    return {"error": name or f"local.{error.domain}.{error.code}",
            "message": error.message.removeprefix(f"GDBus.Error:{name}: ")}


def open_descriptor(what):
    """A descriptor to be sent: of a file, of a memory file that holds this text of bytes, or of a pipe."""
    if "path" in what:
        return os.open(what["path"], what.get("flags", os.O_RDONLY))
    if "memfd" in what:
        fd = os.memfd_create("sent")
        os.write(fd, what["memfd"].encode("latin-1"))
        return fd
    return os.pipe()[0]


def send(q, answered):
    """Sends a call without waiting; `answered` gets what `call` would have returned."""
    descriptors = Gio.UnixFDList.new_from_array([open_descriptor(q["fd"])]) if "fd" in q else None
    flags = Gio.DBusCallFlags.ALLOW_INTERACTIVE_AUTHORIZATION if q.get("interactive") else Gio.DBusCallFlags.NONE

    def done(_bus, result):
        try:
            reply, descriptors = bus.call_with_unix_fd_list_finish(result)
            pipes.extend(descriptors.steal_fds() if descriptors else [])
            answered({"reply": reply.print_(True), "pipe": len(pipes) - 1})
        except GLib.Error as error:
            answered(as_answer(error))

    bus.call_with_unix_fd_list(q.get("name", NAME), q["path"], q["interface"], q["member"], parse(q["body"]), None, flags,
                               int(q.get("timeout", 30) * 1000), descriptors, None, done)


def call(q):
    taken = []
    send(q, taken.append)
    while not taken:
        GLib.MainContext.default().iteration(True)
    return taken[0]


def burst(q):
    """Sends the same call `count` times, with at most `window` unanswered, and counts the answers by error name ("" for
    success)."""
    counts = {}
    sent = 0

    def answered(answer):
        name = answer.get("error", "")
        counts[name] = counts.get(name, 0) + 1

    while sum(counts.values()) < q["count"]:
        while sent < q["count"] and sent - sum(counts.values()) < q.get("window", q["count"]):
            send({"timeout": 60, **q}, answered)
            sent += 1
        GLib.MainContext.default().iteration(True)
    return {"counts": counts, "pipes": len(pipes)}


def shout(q):
    """Sends the same call `count` times and wants no answer; `fds` descriptors go with each."""
    for _ in range(q["count"]):
        message = Gio.DBusMessage.new_method_call(NAME, q["path"], q["interface"], q["member"])
        message.set_flags(Gio.DBusMessageFlags.NO_REPLY_EXPECTED |
                          (Gio.DBusMessageFlags.ALLOW_INTERACTIVE_AUTHORIZATION if q.get("interactive") else Gio.DBusMessageFlags.NONE))
        if q["body"]:
            message.set_body(parse(q["body"]))
        if q.get("fds"):
            descriptors = Gio.UnixFDList.new()
            for _ in range(q["fds"]):
                descriptors.append(0)
            message.set_unix_fd_list(descriptors)
        bus.send_message(message, Gio.DBusSendMessageFlags.NONE)
    bus.flush_sync(None)
    return {}


def sequence(q):
    """Sends calls in their order without waiting for answers, but with at most `window` unanswered: a bus lets no
    connection have more than some."""
    answers = [None] * len(q["calls"])
    sent = answered = 0

    def keep(n, value):
        nonlocal answered
        answers[n] = value
        answered += 1

    while answered < len(answers):
        while sent < len(answers) and sent - answered < q["window"]:
            send(q["calls"][sent], lambda value, n=sent: keep(n, value))
            sent += 1
        GLib.MainContext.default().iteration(True)
    return {"answers": answers}


def register_prompter(pid):
    """Makes this process the one that polkit asks when a call of that process, its own or another, needs a password."""
    def called(_bus, _sender, _path, _interface, member, arguments, invocation):
        if member == "CancelAuthentication":
            prompts.pop(arguments.unpack()[0], None)
            invocation.return_value(None)
            return
        action, message, _icon, details, cookie, identities = arguments.unpack()
        identity = arguments.get_child_value(5).get_child_value(0).print_(True) if identities else None
        prompts[cookie] = ({"action": action, "message": message, "details": details, "cookie": cookie,
                            "identity": identity}, invocation)

    interface = Gio.DBusNodeInfo.new_for_xml(PROMPTER_XML).interfaces[0]
    bus.register_object(PROMPTER, interface, called, None, None)
    start = int(pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19])
    subject = f"('unix-process', {{'pid': <uint32 {pid}>, 'start-time': <uint64 {start}>, 'uid': <{os.getuid()}>}})"
    bus.call_sync(*POLKIT, "RegisterAuthenticationAgent", parse(f"({subject}, 'C', '{PROMPTER}')"), None, 0, 10000, None)
    return {}


def decide(q):
    """Tells polkit how a prompt ended: "yes" (root has told polkit before), or dismissed."""
    _, invocation = prompts.pop(q["cookie"])
    if q["yes"]:
        invocation.return_value(None)
    else:
        invocation.return_dbus_error("org.freedesktop.PolicyKit1.Error.Cancelled", "dismissed")
    return {}


def begin(q):
    begun[q["id"]] = None
    send(q, lambda value: begun.__setitem__(q["id"], value))
    bus.flush_sync(None)
    return {}


def end(q):
    if not spin_until(lambda: begun[q["id"]], q.get("seconds", 30)):
        return {"error": "local.waiting", "message": "there is no answer yet"}
    return begun.pop(q["id"])


def emit(q):
    """Sends a signal to one name alone."""
    bus.emit_signal(q["to"], q["path"], q["interface"], q["member"], parse(q["body"]))
    bus.flush_sync(None)
    return {}


def own(q):
    """Takes the service's name while the service is away, and listens to what is sent to it."""
    bus.signal_subscribe(None, None, None, None, None, Gio.DBusSignalFlags.NO_MATCH_RULE, remember)
    return {"reply": bus.call_sync(*BUS, "RequestName", parse(f"('{NAME}', uint32 4)"), None, 0, 10000, None).print_(True)}


def read_pipes(q):
    """Reads pipes at the same time, each until it has brought `until` or has ended, and at most so long. Answers, of each
    pipe, what was read, or with `digest` a digest of it and the number of its lines, and whether it has ended."""
    found = {number: bytearray() for number in q["pipes"]}
    ended, poller, late = set(), select.poll(), time.monotonic() + q["seconds"]
    numbers = {pipes[number]: number for number in found}
    for fd in numbers:
        poller.register(fd, select.POLLIN)
    while numbers and time.monotonic() < late:
        for fd, _ in poller.poll(50):
            more = os.read(fd, 1 << 16)
            number = numbers[fd]
            found[number] += more
            if not more:
                ended.add(number)
            if not more or (q["until"] and q["until"].encode("latin-1") in found[number][-len(more) - len(q["until"]):]):
                poller.unregister(fd)
                del numbers[fd]
    return {"pipes": [{"ended": number in ended, **({"digest": hashlib.sha256(data).hexdigest(), "lines": data.count(b"\n")}
                                                    if q.get("digest") else {"read": data.decode("latin-1")})}
                      for number, data in found.items()]}


def close_pipes(q):
    for number in q["pipes"]:
        os.close(pipes[number])
        pipes[number] = -1
    return {}


def answer(q):
    what = q["do"]
    if what == "call":
        return call(q)
    if what == "burst":
        return burst(q)
    if what == "pipes":
        return read_pipes(q)
    if what == "close":
        return close_pipes(q)
    if what == "shout":
        return shout(q)
    if what == "sequence":
        return sequence(q)
    if what == "begin":
        return begin(q)
    if what == "end":
        return end(q)
    if what == "prompter":
        return register_prompter(q.get("pid", os.getpid()))
    if what == "prompts":
        spin(q["seconds"])
        return {"prompts": [said for said, _ in prompts.values()]}
    if what == "decide":
        return decide(q)
    if what == "emit":
        return emit(q)
    if what == "own":
        return own(q)
    if what == "watch":
        bus.signal_subscribe(NAME, None, None, None, None, Gio.DBusSignalFlags.NONE, remember)
        return {"unique": bus.get_unique_name()}
    if what == "signals":
        spin(q.get("seconds", 0.05))
        taken = signals[:]
        signals.clear()
        return {"signals": taken}
    return {"unique": bus.get_unique_name()}


resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
for line in sys.stdin:
    print(json.dumps(answer(json.loads(line))), flush=True)
