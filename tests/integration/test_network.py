# SPDX-License-Identifier: LGPL-2.1-or-later
"""The network of builds: the internet, by address and by name, and nothing nearer; and that no unix socket of anybody
else's can be reached, by two walls that are tried one by one."""
import contextlib
import ctypes
import json
import pathlib
import socket
import subprocess

import pytest
from builds import (I386, current_dir, go_on, held, i386_loader, inside, inside_build,  # noqa: F401
                    program_replaced)
from conftest import run
from servers import dropin


@contextlib.contextmanager
def internet():
    """A network namespace that stands for the internet and for networks behind this host: 203.0.113.7 and
    2001:db8:1::7 stand for public addresses, the others are private ones; the host's own are 198.51.100.1 and
    2001:db8:2::1."""
    far = ["203.0.113.7/32", "10.9.9.9/32", "172.20.9.9/32", "192.168.99.9/32", "100.64.9.9/32", "169.254.9.9/32"]
    far6 = ["2001:db8:1::7/128", "fd09::9/128"]
    run("ip", "netns", "add", "far")
    try:
        run("ip", "link", "add", "near", "type", "veth", "peer", "name", "far", "netns", "far")
        for where, device, v4, v6 in ((["ip"], "near", "198.51.100.1/30", "2001:db8:2::1/64"),
                                      (["ip", "-n", "far"], "far", "198.51.100.2/30", "2001:db8:2::2/64")):
            run(*where, "address", "add", v4, "dev", device)
            run(*where, "address", "add", v6, "dev", device, "nodad")
            run(*where, "link", "set", device, "up")
        run("ip", "-n", "far", "link", "set", "lo", "up")
        for address in far + far6:
            run("ip", "-n", "far", "address", "add", address, "dev", "lo", *(["nodad"] if ":" in address else []))
            run("ip", "route", "add", address, "via", "2001:db8:2::2" if ":" in address else "198.51.100.2")
        yield [a.partition("/")[0] for a in far + far6]
    finally:
        run("ip", "netns", "delete", "far")
        run("ip", "link", "delete", "near", check=False)


ANSWERER = r"""
import socket, sys, threading
def tcp():
    server = socket.create_server(("::", 7777), family=socket.AF_INET6, dualstack_ipv6=True)
    while True:
        server.accept()[0].sendall(b"hello")
def udp(address):  # one socket for each address: an answer must come from where it was asked
    server = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM)
    server.bind((address, 7777))
    while True:
        server.sendto(b"hello", server.recvfrom(100)[1])
for address in sys.argv[1:]:
    threading.Thread(target=udp, args=[address], daemon=True).start()
print("ready", flush=True)
tcp()
"""

ASK = r"""
import json, socket, sys
from concurrent.futures import ThreadPoolExecutor
def ask(target):
    kind, address = target
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM if kind == "tcp" else socket.SOCK_DGRAM) as s:
        s.settimeout(2)
        try:
            s.connect((address, 7777))
            if kind == "udp":
                s.send(b"hi")
            return s.recv(100).decode()
        except OSError as error:
            return type(error).__name__
targets = [(k, a) for k in ("tcp", "udp") for a in ADDRESSES]
with ThreadPoolExecutor(len(targets)) as pool:
    print(json.dumps({f"{k} {a}": answer for (k, a), answer in zip(targets, pool.map(ask, targets))}))
"""


def unfiltered_addresses():
    return dropin("left4me-job-.service", "Service", "IPAddressDeny=")


@pytest.mark.parametrize("change", [contextlib.nullcontext, unfiltered_addresses], ids=["filtered", "not-filtered"])
def test_the_internet_and_nothing_nearer(root, overlay, figure, change):
    with internet() as far, contextlib.ExitStack() as stack:
        near = {"127.0.0.1", "127.9.9.9", "::1", "198.51.100.1", "2001:db8:2::1"}
        beside = {"198.51.100.2", "2001:db8:2::2"}
        for prefix, addresses in (["ip", "netns", "exec", "far"], {*far, *beside}), ([], near):
            process = subprocess.Popen([*prefix, "python3", "-c", ANSWERER, *addresses], stdout=subprocess.PIPE, text=True)
            stack.callback(process.wait)
            stack.callback(process.kill)
            assert process.stdout.readline() == "ready\n"
        program = f"ADDRESSES = {[*far, *near, *beside, '0.0.0.0']}\n{ASK}"
        outside = json.loads(run("python3", "-c", program).stdout)
        assert set(outside.values()) == {"hello"}, f"everything answers whoever is not filtered: {outside}"
        with change():
            answers = inside(root, overlay, program)
    assert answers.keys() == outside.keys()
    if change is unfiltered_addresses:
        assert answers == outside, "and so it does in a build without the filter"
        return
    public = {f"{kind} {address}" for kind in ("tcp", "udp") for address in ("203.0.113.7", "2001:db8:1::7")}
    assert {k for k, v in answers.items() if v == "hello"} == public, answers
    figure(f"attempts to reach this host and its networks from a build: {len(answers) - len(public)}")


def test_an_address_that_comes_during_a_build_is_out_of_reach_of_the_next(root, held, figure):
    """What may be reached is known when a build starts: the one that runs meanwhile can reach it."""
    address = "203.0.113.99"
    program = f"ADDRESSES = ['{address}']\n{ASK}"
    script = f"cat > /tmp/p.py <<'END'\n{program}\nEND\npython3 /tmp/p.py > facts\n"
    job = held("early", script)
    with contextlib.ExitStack() as stack:
        run("ip", "address", "add", f"{address}/32", "dev", "lo")
        stack.callback(run, "ip", "address", "delete", f"{address}/32", "dev", "lo")
        process = subprocess.Popen(["python3", "-c", ANSWERER, address], stdout=subprocess.PIPE, text=True)
        stack.callback(process.wait)
        stack.callback(process.kill)
        assert process.stdout.readline() == "ready\n"
        go_on(root, "early")
        assert root.wait_job(job)["State"] == "done"
        early = json.loads((current_dir(root, "early") / "facts").read_text())
        assert inside_build(root, "early", program) == {f"tcp {address}": "TimeoutError", f"udp {address}": "PermissionError"}
    figure(f"an address that came to the host during a build answered that build: {early}")


# Names

# Answers for maps.example, and for nothing else; on port 80 it says so in HTTP.
NAME_SERVER = r"""
import http.server, socket, threading
ADDRESSES = {1: socket.inet_aton("203.0.113.7"), 28: socket.inet_pton(socket.AF_INET6, "2001:db8:1::7")}
def names():
    server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    server.bind(("203.0.113.7", 53))
    while True:
        question, sender = server.recvfrom(512)
        end = question.index(b"\0", 12) + 5
        found = ADDRESSES.get(int.from_bytes(question[end - 4:end - 2], "big")) if b"\4maps\7example\0" in question else None
        answer = b"\xc0\x0c" + question[end - 4:end] + (60).to_bytes(4, "big") + len(found).to_bytes(2, "big") + found if found else b""
        header = question[:2] + (b"\x81\x80" if b"\4maps\7example\0" in question else b"\x81\x83")
        server.sendto(header + b"\0\1" + (b"\0\1" if found else b"\0\0") + b"\0\0\0\0" + question[12:end] + answer, sender)
class Page(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"a map\n")
class Server(http.server.ThreadingHTTPServer):
    address_family = socket.AF_INET6
threading.Thread(target=names, daemon=True).start()
server = Server(("::", 80), Page)
print("ready", flush=True)
server.serve_forever()
"""

LOOK_UP = r"""
import json, socket, subprocess, urllib.request
def shell(command):
    done = subprocess.run(["bash", "-c", command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    return done.stdout.strip()
def unknown():
    try:
        return socket.getaddrinfo("nobody.example", 80)
    except socket.gaierror as error:
        return error.errno == socket.EAI_NONAME
def pair():  # as programs do that look names up in a thread
    near, far = socket.socketpair()
    near.sendall(b"word")
    return far.recv(4).decode()
print(json.dumps({
    "getaddrinfo": sorted({a[4][0] for a in socket.getaddrinfo("maps.example", 80)}),
    "getent": sorted(set(shell("getent ahosts maps.example").split()) & {"203.0.113.7", "2001:db8:1::7"}),
    "not there": unknown(),
    "bash": shell("exec 3<>/dev/tcp/maps.example/80 && printf 'GET / HTTP/1.0\r\n\r\n' >&3 && tail -n 1 <&3"),
    "python": urllib.request.urlopen("http://maps.example/").read().decode(),
    "pair": pair(),
}))
"""


@contextlib.contextmanager
def resolv_conf(*servers):
    """The name servers of builds, for as long as the block runs."""
    file = pathlib.Path("/etc/left4me/sandbox-resolv.conf")
    before = file.read_text()
    file.write_text("".join(f"nameserver {server}\n" for server in servers))
    try:
        yield
    finally:
        file.write_text(before)


def test_names_are_found_without_unix_sockets(root, overlay):
    with internet(), resolv_conf("203.0.113.7"), contextlib.ExitStack() as stack:
        process = subprocess.Popen(["ip", "netns", "exec", "far", "python3", "-c", NAME_SERVER], stdout=subprocess.PIPE,
                                   text=True)
        stack.callback(process.wait)
        stack.callback(process.kill)
        assert process.stdout.readline() == "ready\n"
        found = inside(root, overlay, LOOK_UP)
    both = sorted(("203.0.113.7", "2001:db8:1::7"))
    assert found == {"getaddrinfo": both, "getent": both, "not there": True, "bash": "a map", "python": "a map\n",
                     "pair": "word"}


# Unix sockets

TALK = I386 + r"""
import json, os, socket, struct
NAME = b"\0left4me-test"
def native():
    with socket.socket(socket.AF_UNIX) as s:
        s.connect(NAME)
def i386():
    address, arguments = low(struct.pack("H", socket.AF_UNIX) + NAME), low(bytes(12))
    def socketcall(call, *words):
        arguments[1][:12] = struct.pack("III", *words)
        return i386_call(102, call, arguments[0])
    fd = socketcall(1, socket.AF_UNIX, socket.SOCK_STREAM, 0)
    socketcall(3, fd, address[0], 2 + len(NAME))
def told(function):  # in a process of its own, which systemd's filter of architectures kills
    near, far = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            function()
            os.write(far, b"connected")
        except OSError as error:
            os.write(far, error.strerror.encode())
        os._exit(0)
    os.close(far)
    status = os.waitpid(child, 0)[1]
    return os.read(near, 100).decode() or f"ended by signal {status & 127}"
print(json.dumps({"native": told(native), "i386": told(i386)}))
"""

NO_FAMILY, KILLED, REFUSED, CONNECTED = ("Address family not supported by protocol", "ended by signal 31",
                                         "Operation not permitted", "connected")


def confined_or(otherwise):
    """What an attempt ends in that left4me-confine alone prevents: the kernel may not know how."""
    return REFUSED if ctypes.CDLL(None).syscall(444, None, 0, 1) >= 6 else otherwise


def unfiltered_families():
    return dropin("left4me-job-.service", "Service", "RestrictAddressFamilies=")


def unconfined():
    return program_replaced(pathlib.Path("/usr/libexec/left4me/left4me-confine"), 'exec "$@"')


@pytest.mark.parametrize("changes, native, i386", [
    ([], NO_FAMILY, KILLED),
    ([i386_loader], NO_FAMILY, confined_or(CONNECTED)),
    ([i386_loader, unfiltered_families], confined_or(CONNECTED), confined_or(CONNECTED)),
    ([i386_loader, unconfined], NO_FAMILY, CONNECTED),
    ([i386_loader, unfiltered_families, unconfined], CONNECTED, CONNECTED),
], ids=["both", "i386", "no-filter", "not-confined", "neither"])
def test_each_wall_before_abstract_sockets(root, overlay, changes, native, i386):
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(socket.socket(socket.AF_UNIX))
        listener.bind("\0left4me-test")
        listener.listen()
        for change in changes:
            stack.enter_context(change())
        assert inside(root, overlay, TALK) == {"native": native, "i386": i386}
