# SPDX-License-Identifier: LGPL-2.1-or-later
"""Calls that nobody in his right mind makes, and a connection that sends them as they are. What can be called is taken from the
introspection, so that what is new there is called too."""
import collections
import contextlib
import ctypes
import fcntl
import os
import pathlib
import pwd
import random
import re
import select
import socket
import struct
import tarfile
import time

from conftest import IFACE, PATH
from gi.repository import Gio, GLib

BUS = ("org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus")
SOCKET = "/run/dbus/system_bus_socket"
INTROSPECT = "org.freedesktop.DBus.Introspectable"
NAMES = (pathlib.Path(__file__).parents[2] / "dbus/names.h").read_text()
RETURN, ERROR = 2, 3  # types of messages
REPLY_SERIAL, ERROR_NAME = 5, 4  # fields of their headers
ANSWER_SEC = 60  # the service promises 20


@contextlib.contextmanager
def as_user(user):
    """The bus looks at who connects, when he does."""
    entry = pwd.getpwnam(user)
    groups = os.getgroups()
    os.setgroups([entry.pw_gid])
    os.setegid(entry.pw_gid)
    os.seteuid(entry.pw_uid)
    try:
        yield entry.pw_uid
    finally:
        os.seteuid(0)
        os.setegid(0)
        os.setgroups(groups)


def read_fields(message):
    """The fields of a message's header that are numbers or strings."""
    fields, at, end = {}, 16, 16 + struct.unpack_from("<I", message, 12)[0]
    while at < end:
        at += -at % 8
        code, kind = message[at], chr(message[at + 2])
        at += 4
        if kind == "g":
            at += 1 + message[at] + 1
            continue
        at += -at % 4
        number, = struct.unpack_from("<I", message, at)
        at += 4
        fields[code] = number
        if kind in "so":
            fields[code] = message[at:at + number].decode()
            at += number + 1
    return fields


class Wire:
    """A user's connection to the bus. `answers` counts what came by the error's name, "" for success; `lost` counts the
    calls that went with a connection which the bus has closed."""

    def __init__(self, user):
        self.user = user
        self.answers = collections.Counter()
        self.lost = 0
        self.connect()

    def connect(self):
        self.serial, self.waiting, self.buffer = 0, {}, b""
        self.socket = socket.socket(socket.AF_UNIX)
        with as_user(self.user) as uid:
            self.socket.connect(SOCKET)
        self.socket.sendall(b"\0AUTH EXTERNAL %s\r\nNEGOTIATE_UNIX_FD\r\nBEGIN\r\n" % str(uid).encode().hex().encode())
        while self.buffer.count(b"\r\n") < 2:
            self.buffer += self.socket.recv(1)
        assert b"AGREE_UNIX_FD" in self.buffer, self.buffer
        self.buffer = b""
        self.send(Gio.DBusMessage.new_method_call(*BUS, "Hello"))
        self.finish()
        self.answers.subtract([""])

    def close(self):
        self.socket.close()

    def send(self, message, damage=None):
        """damage: takes the bytes and changes some."""
        self.serial += 1
        message.set_serial(self.serial)
        blob = bytearray(message.to_blob(Gio.DBusCapabilityFlags.UNIX_FD_PASSING))
        if damage:
            damage(blob)
        descriptors = message.get_unix_fd_list()
        fds = descriptors.peek_fds() if descriptors and descriptors.get_length() else []
        try:
            sent = socket.send_fds(self.socket, [blob], fds)
            self.socket.sendall(blob[sent:])
        except (BrokenPipeError, ConnectionResetError):
            self.renew()
            return
        if not message.get_flags() & Gio.DBusMessageFlags.NO_REPLY_EXPECTED:
            self.waiting[self.serial] = (time.monotonic(), message)

    def renew(self):
        self.lost += len(self.waiting)
        self.close()
        self.connect()

    def receive(self, seconds=0):
        """Takes what has come. Returns: whether there was anything."""
        if not select.select([self.socket], [], [], seconds)[0]:
            return False
        try:
            data, ancillary, _flags, _sender = self.socket.recvmsg(1 << 18, socket.CMSG_SPACE(16 * 4))
        except ConnectionResetError:
            data, ancillary = b"", []
        for _level, _kind, fds in ancillary:
            for fd, in struct.iter_unpack("i", fds):
                os.close(fd)
        if not data:
            self.renew()
            return True
        self.buffer += data
        while len(self.buffer) >= 16:
            body, = struct.unpack_from("<I", self.buffer, 4)
            fields, = struct.unpack_from("<I", self.buffer, 12)
            size = 16 + fields + -fields % 8 + body
            if len(self.buffer) < size:
                break
            self.take(self.buffer[:size])
            self.buffer = self.buffer[size:]
        return True

    def take(self, message):
        if message[1] not in (RETURN, ERROR):
            return
        fields = read_fields(message)
        if self.waiting.pop(fields[REPLY_SERIAL], None):
            self.answers[fields.get(ERROR_NAME, "")] += 1

    def finish(self, window=0):
        """Waits until no more than so many calls wait for an answer."""
        while len(self.waiting) > window:
            if not self.receive(1):
                asked, message = min(self.waiting.values(), key=lambda call: call[0])
                assert time.monotonic() - asked < ANSWER_SEC, f"no answer: {message.print_(0)[:4000]}"

    def drop(self):
        """Forgets the answers that are missing."""
        self.lost += len(self.waiting)
        self.waiting = {}


def descriptors():
    """One of every sort."""
    fifo = pathlib.Path("/run/left4me-test-fifo")
    fifo.unlink(missing_ok=True)
    os.mkfifo(fifo)
    (unheard, unfed), (sent, _) = os.pipe(), os.pipe()
    os.close(unfed)
    deaf, unread = os.pipe()
    os.close(deaf)
    tar = os.memfd_create("tar")
    with os.fdopen(os.dup(tar), "wb") as file, tarfile.open(fileobj=file, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("one"))
    sealed = os.memfd_create("sealed", os.MFD_ALLOW_SEALING)
    os.write(sealed, bytes(4096))
    fcntl.fcntl(sealed, fcntl.F_ADD_SEALS, fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_WRITE)
    near, far = socket.socketpair()
    far.close()
    libc = ctypes.CDLL(None)
    return [unheard, sent, unread, tar, sealed, os.memfd_create("empty"), os.open(fifo, os.O_RDWR | os.O_NONBLOCK),
            near.detach(), socket.socket().detach(), libc.eventfd(0, 0), libc.epoll_create1(0), libc.inotify_init(),
            libc.timerfd_create(1, 0), os.pidfd_open(os.getpid()),
            *[os.open(path, flags) for path, flags in (
                ("/", os.O_DIRECTORY), ("/etc/passwd", os.O_PATH), ("/", os.O_PATH), ("/etc/passwd", os.O_RDONLY),
                ("/proc/self/mem", os.O_RDWR), ("/proc/self/maps", os.O_RDONLY), ("/proc/self/ns/mnt", os.O_RDONLY),
                ("/dev/zero", os.O_RDONLY), ("/dev/null", os.O_WRONLY), ("/tmp", os.O_TMPFILE | os.O_WRONLY))]]


def members_at(bus, path):
    """(interface, method, signature of its arguments) and, by name, the types of properties, of the object there."""
    node = Gio.DBusNodeInfo.new_for_xml(bus.raw(path, INTROSPECT, "Introspect")[0])
    methods = [(i.name, m.name, "".join(a.signature for a in m.in_args)) for i in node.interfaces for m in i.methods]
    return methods, {p.name: p.signature for i in node.interfaces for p in i.properties}


STRINGS = [
    "", "a", "-", "A", "..", "../..", "/", ".", "%s%n%d", "$(reboot)", "a b", "a=b", "\n", "\x1b[2J", "\x7f", "\u202e",
    "\u2028", "\ufffd", "é", "\U0010ffff", "x" * 32, "x" * 33, "x" * 257, "y" * 70000, "0", "-1", "18446744073709551616",
    "kept:1", "kept:0", "kept:-1", "kept:99999999999999999999", "s=0;i=1;b=0;m=0;t=0;x=0", "s=" + "f" * 4000, "cat", "json",
    "map.vpk", "../map.vpk", "game", IFACE + ".Instance", IFACE + ".Manager", "org.freedesktop.DBus.Properties", "exit 1",
    "echo > file; echo X_PROGRESS=50%; echo STATUS=half", "+map", "-port", "+rcon_password"]
NUMBERS = [0, 1, 2, 7, 8, 16, 17, 127, 128, 255, 256, 1023, 1024, 27015, 27016, 32767, 32768, 65535, 1 << 20, 10 ** 6, 2 ** 31 - 1,
           2 ** 31, 2 ** 32 - 1, 2 ** 32, 2 ** 44, 2 ** 53, 2 ** 62, 2 ** 63 - 1, 2 ** 63, 2 ** 64 - 1]
DOUBLES = [0.0, -0.0, 1.0, -1.0, 0.5, 1e308, 5e-324, float("inf"), float("-inf"), float("nan")]
INTEGERS = {"y": 8, "n": 16, "q": 16, "i": 32, "u": 32, "x": 64, "t": 64}
BASIC = "ybnqiuxtdsogh"
PATHS = ["/", "/a", "/org", "/org/left4me", "/org/freedesktop/DBus", "/" + "/".join("a" * 1000), PATH, *[PATH + below for below in (
    "/x", "/instance", "/instance/_", "/instance/_00", "/instance/a_00", "/job", "/job/_", "/job/_30", "/job/_31", "/job/_2d1",
    "/job/_30_31", "/job/_318446744073709551616", "/overlay/_ff", "/overlay/_2e_2e", "/overlay/a/b", "/overlay/" + "_61" * 2000)]]


def split_signature(signature):
    """The single types that stand in it."""
    parts, part, depth = [], "", 0
    for letter in signature:
        part += letter
        depth += (letter in "({") - (letter in ")}")
        if depth == 0 and letter != "a":
            parts.append(part)
            part = ""
    return parts


class Values:
    """Values of a seed's. `names`, `words` and `paths` are those that mean something to the service, `options` the types of
    what can stand in a dictionary of options."""

    def __init__(self, seed, names, words, paths, options):
        self.random = random.Random(seed)
        self.names, self.words, self.paths, self.options = names, words, paths, options

    def is_so(self, chance):
        return self.random.random() < chance

    def string(self):
        if self.is_so(0.9):
            return self.random.choice(self.random.choice((self.names, self.names, self.words, STRINGS)))
        return "".join(chr(self.random.choice((self.random.randrange(1, 128), self.random.randrange(1, 0xd800))))
                       for _ in range(self.random.choice((1, 3, 40, 300))))

    def path(self):
        return self.random.choice(self.paths if self.is_so(0.7) else PATHS)

    def signature(self, levels=3):
        """Of one value of whatever type."""
        kind = self.random.choice(BASIC + "vvaa({") if levels else self.random.choice(BASIC)
        if kind == "a":
            return "a" + self.signature(levels - 1)
        if kind == "(":
            return "(" + "".join(self.signature(levels - 1) for _ in range(self.random.randrange(1, 4))) + ")"
        if kind == "{":
            return "a{" + self.random.choice(BASIC) + self.signature(levels - 1) + "}"
        return kind

    def integer(self, bits, is_signed):
        number = self.random.choice(NUMBERS) % (1 << bits)
        return number - (1 << bits) if is_signed and number >> bits - 1 else number

    def basic(self, kind):
        if kind in INTEGERS:
            return GLib.Variant(kind, self.integer(INTEGERS[kind], kind in "nix"))
        value = {"b": lambda: self.is_so(0.5), "d": lambda: self.random.choice(DOUBLES), "s": self.string, "o": self.path,
                 "g": self.signature, "h": lambda: self.random.choice((0, 0, 0, 0, 0, 1, 2, -1, 2 ** 31 - 1))}[kind]()
        return GLib.Variant.new_handle(value) if kind == "h" else GLib.Variant(kind, value)

    def option(self):
        """An entry of a{sv}: mostly one that some method knows."""
        key = self.random.choice(list(self.options)) if self.is_so(0.9) else self.string()
        kind = self.options.get(key, "s") if self.is_so(0.8) else self.signature()
        return GLib.Variant.new_dict_entry(GLib.Variant("s", key), GLib.Variant.new_variant(self.of(kind)))

    def of(self, kind):
        """A value of this type."""
        if kind == "v":
            value = self.of(self.signature(1))
            for _ in range(self.random.randrange(1, 25) if self.is_so(0.1) else 1):
                value = GLib.Variant.new_variant(value)
            return value
        if kind == "a{sv}":
            entries = [self.option() for _ in range(self.random.choice((0, 0, 0, 1, 1, 2, 3, 40)))]
            return GLib.Variant.new_array(GLib.VariantType("{sv}"), entries)
        if kind[0] == "a":
            count = self.random.choice((0, 1, 1, 2, 3, 70)) if len(kind) < 8 else 1
            return GLib.Variant.new_array(GLib.VariantType(kind[1:]), [self.of(kind[1:]) for _ in range(count)])
        if kind[0] == "(":
            return GLib.Variant.new_tuple(*[self.of(part) for part in split_signature(kind[1:-1])])
        if kind[0] == "{":
            return GLib.Variant.new_dict_entry(*[self.of(part) for part in split_signature(kind[1:-1])])
        return self.basic(kind)

    def body(self, signature):
        """Arguments, mostly of this signature."""
        if self.is_so(0.25):
            signature = "".join(self.signature() for _ in range(self.random.randrange(0, 4)))
        return self.of(f"({signature})")


class Fuzz:
    """The calls of a seed."""

    def __init__(self, bus, seed, names, paths):
        """`paths`: of an object of each kind at least, and all that calls may be about."""
        found = {path: members_at(bus, path) for path in [PATH, *paths]}
        self.methods = sorted({(path[len(PATH) + 1:].partition("/")[0], *method) for path in found for method in found[path][0]})
        options = {name: kind for _, properties in found.values() for name, kind in properties.items()}
        options.update({word: self.kind_of_option(word) for word in re.findall(r'HOST_OPTION_\w+ +"(\w+)"', NAMES)})
        members = sorted({m for _, _, m, _ in self.methods} | set(options))
        self.values = Values(seed, names, members, [PATH, *paths], options)
        self.random = self.values.random
        self.descriptors = descriptors()

    @staticmethod
    def kind_of_option(word):
        return {"Replace": "b", "Follow": "b", "Since": "t", "Until": "t", "Lines": "u", "Priority": "u"}.get(word, "s")

    def close(self):
        for fd in self.descriptors:
            os.close(fd)

    def call(self):
        kind, interface, member, signature = self.random.choice(self.methods)
        path = self.values.path()
        if self.values.is_so(0.8):
            path = self.random.choice([p for p in self.values.paths if p.startswith(f"{PATH}/{kind}/")] if kind else [PATH])
        if self.values.is_so(0.02):
            member = self.random.choice(("Nothing", "Start", "Delete", "SetDescription"))
        message = Gio.DBusMessage.new_method_call(IFACE, path, interface if self.values.is_so(0.98) else None, member)
        body = self.values.body(signature)
        if body.n_children():
            message.set_body(body)
        if "h" in body.get_type_string() or self.values.is_so(0.01):
            sent = Gio.UnixFDList.new()
            for _ in range(self.random.choice((0, 1, 1, 1, 1, 2, 3))):
                sent.append(self.random.choice(self.descriptors))
            message.set_unix_fd_list(sent)
        message.set_flags(self.random.choice((0, 0, 0, 0, 0, Gio.DBusMessageFlags.NO_REPLY_EXPECTED,
                                              Gio.DBusMessageFlags.ALLOW_INTERACTIVE_AUTHORIZATION)))
        return message

    def damage(self, blob):
        """Changes some bytes, mostly of the arguments: what a bus does not look at comes through."""
        fields, = struct.unpack_from("<I", blob, 12)
        body = 16 + fields + -fields % 8
        for _ in range(self.random.choice((1, 1, 2, 8))):
            at = self.random.randrange(body if body < len(blob) and self.values.is_so(0.9) else 0, len(blob))
            blob[at] = self.random.choice((0, 1, 0x7f, 0xff, ord("v"), ord("("), self.random.randrange(256)))

    def send(self, wires, broken, count, window):
        """Makes so many calls over these connections in turn, and one in fifty, with damage, over another, which a bus may
        close; waits for the answers. Returns when each has come."""
        for n in range(count):
            if n % 50 == 49:
                broken.send(self.call(), self.damage)
                broken.receive()
                continue
            wire = wires[n % len(wires)]
            wire.send(self.call())
            wire.receive()
            wire.finish(window)
        for wire in wires:
            wire.finish()
        broken.drop()
