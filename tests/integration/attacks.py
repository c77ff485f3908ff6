# SPDX-License-Identifier: LGPL-2.1-or-later
"""The table of attempts to get out of a build or out of a server.

A row is: what is tried; a Python expression that tries it; what it must end in inside a build; the same inside a server;
why. An ending is the name of an errno or of a signal, several with "|" between; None: this is not tried there, because
it is allowed there or means nothing. An attempt that returns has got through.

RUNNER runs inside, each attempt in a process of its own, and prints how each ended. What cannot be tried at all, by an
error of its own, is told as "broken", and is no row's ending."""
import json

from builds import I386
from conftest import SYSTEMD

GONE = "ENOENT"  # nothing of that name is in sight
SAME_USER = "ESRCH" if SYSTEMD >= 257 else "got through"  # servers share a user, and have processes apart from 257 on
PORT = "EPERM" if SYSTEMD >= 257 else "got through"  # Debian 12's systemd was built without BPF for this
OF_INIT = SYSTEMD < 257  # above, a server's first process is PID 1 there

ROOT = "only /usr and a few files of /etc are in its root"
FILTER = "the filter of system calls"
FAMILY = "the filter of address families"
USER = "the kernel: it is no process of its user"
TABLE = [
    # Files of the host
    ("read the store", "read('/var/lib/left4me/host.db')", GONE, GONE, ROOT),
    ("read the store's log", "read('/var/lib/left4me/host.db-wal')", GONE, GONE, ROOT),
    ("list the overlays", "os.listdir('/var/lib/left4me/overlays')", GONE, GONE, ROOT),
    ("read another overlay", "read(HOST['layer'])", GONE, GONE, ROOT),
    ("read another overlay's cache", "os.listdir(HOST['cache'])", GONE, GONE, ROOT),
    ("read an instance's environment", "read('/var/lib/left4me/instances/other/instance.env')", GONE, GONE, ROOT),
    ("read an instance's server.cfg", "read('/var/lib/left4me/instances/other/config/left4dead2/cfg/server.cfg')",
     GONE, GONE, ROOT),
    ("read an instance's files", "os.listdir('/var/lib/left4me/runtime/other/merged')", GONE, GONE, ROOT),
    ("read an instance's upper layer", "os.listdir('/var/lib/left4me/runtime/other/layers/upper')", GONE, GONE, ROOT),
    ("read another build's staging", "os.listdir(HOST['staging'])", GONE, GONE, ROOT),
    ("read the settings", "read('/etc/left4me/host.conf')", GONE, GONE, ROOT),
    ("read the passwords", "read('/etc/shadow')", GONE, GONE, ROOT),
    ("read polkit's rules", "os.listdir('/etc/polkit-1/rules.d')", GONE, GONE, ROOT),
    ("read the machine's id", "read('/etc/machine-id')", GONE, GONE, ROOT),
    ("read the journal", "read(HOST['journal'])", GONE, "EACCES", "not in sight of builds; root's and adm's alone"),
    ("list root's home", "os.listdir('/root')", "EACCES", "EACCES", "ProtectHome="),
    ("list homes", "os.listdir('/home')", GONE, "EACCES", "ProtectHome="),
    ("read the kernel's memory", "read('/proc/kcore')", GONE, GONE, "ProcSubset="),
    ("read physical memory", "read('/dev/mem')", GONE, GONE, "PrivateDevices="),
    ("read the kernel's log", "read('/dev/kmsg')", GONE, GONE, "PrivateDevices="),
    ("read the console", "read('/dev/console')", GONE, GONE, "PrivateDevices="),
    ("open a handle of a file", "call(304, -100, bytes(128), 0)", "EPERM", "EPERM", FILTER),
    # Writing elsewhere
    ("write to its root", "write('/x')", "EROFS", "EROFS", "ProtectSystem=strict"),
    ("write to /usr", "write('/usr/local/x')", "EROFS", "EROFS", "ProtectSystem=strict"),
    ("write to /etc", "write('/etc/x')", "EROFS", "EROFS", "ProtectSystem=strict"),
    ("write to /etc/passwd", "write('/etc/passwd')", "EROFS|EACCES", "EROFS|EACCES", "a read-only bind of root's"),
    ("write to /var/lib", "write('/var/lib/x')", GONE, "EROFS", "ProtectSystem=strict"),
    ("write to /run", "write('/run/x')", None, "EROFS", "read-only; a build's is its own"),
    ("write to the script", "write('/script')", "EROFS|EACCES", None, "a read-only bind of root's"),
    ("write to the former generation", "write('/previous/x')", "EROFS", None, "a read-only bind"),
    ("change the former generation", "write('/previous/kept')", "EROFS", None, "a read-only bind"),
    ("make a device in /dev", "os.mknod('/dev/x', 0o020666, os.makedev(1, 1))", "EPERM|EROFS|EACCES", "EPERM|EROFS|EACCES",
     "no CAP_MKNOD"),
    ("make a disk", "os.mknod(OWN + '/disk', 0o060666, os.makedev(8, 0))", "EPERM", "EPERM", "no CAP_MKNOD"),
    ("link the former generation's file", "os.link('/previous/kept', '/overlay/kept')", "EXDEV", None, "another mount"),
    ("link the cache into the generation", "(write('/cache/x'), os.link('/cache/x', '/overlay/x'))", "EXDEV", None,
     "another mount"),
    ("link a program of the host", "os.link('/usr/bin/su', OWN + '/su')", "EXDEV", "EXDEV", "another mount"),
    ("make a file immutable", "(write(OWN + '/i'), fcntl.ioctl(os.open(OWN + '/i', 0), 0x40086602, b'\\x10' + bytes(7)))",
     "EPERM", "EPERM", "no CAP_LINUX_IMMUTABLE"),
    ("leave its project's quota", "fcntl.ioctl(os.open(OWN, 0), 0x401c5820, struct.pack('IIIII8x', 0, 0, 0, 77, 0))", "EINVAL",
     "EINVAL", "the kernel: PrivateUsers= has another user namespace"),
    ("write more than 20 GiB", "(write(OWN + '/big'), os.truncate(OWN + '/big', 21 << 30))", "EFBIG", None, "LimitFSIZE="),
    # Other rights
    ("become root", "os.setuid(0)", "EPERM", "EPERM", "no CAP_SETUID"),
    ("become the servers' user", "os.setresuid(*[HOST['server uid']] * 3)", "EPERM|EINVAL", None, "no CAP_SETUID"),
    ("become another build's user", "os.setresuid(*[HOST['slot uid']] * 3)", "EPERM|EINVAL", "EPERM|EINVAL", "no CAP_SETUID"),
    ("join root's group", "os.setgid(0)", "EPERM", "EPERM", "no CAP_SETGID"),
    ("join groups", "os.setgroups([0])", "EPERM", "EPERM", "no CAP_SETGID"),
    ("take capabilities", "call(126, bytes.fromhex('2205082000000000'), b'\\xff' * 24)", "EPERM", "EPERM",
     "CapabilityBoundingSet="),
    ("run a set-uid program", "as_root()", "EACCES", "EACCES", "NoNewPrivileges="),
    ("make a file set-user-id", "(write(OWN + '/s'), os.chmod(OWN + '/s', 0o4755))", "EPERM", "EPERM", "RestrictSUIDSGID="),
    ("make a file set-group-id", "(write(OWN + '/s'), os.chmod(OWN + '/s', 0o2755))", "EPERM", "EPERM", "RestrictSUIDSGID="),
    ("make a directory set-group-id", "os.mkdir(OWN + '/g') or os.chmod(OWN + '/g', 0o2755)", "EPERM", "EPERM",
     "RestrictSUIDSGID="),
    ("create a file set-user-id", "os.open(OWN + '/c', os.O_CREAT, 0o4755)", "EPERM", "EPERM", "RestrictSUIDSGID="),
    ("make a node set-user-id", "os.mknod(OWN + '/n', 0o104755)", "EPERM", "EPERM", "RestrictSUIDSGID="),
    ("set-user-id by fchmodat2", "(write(OWN + '/s'), call(452, -100, bytes(OWN, 'ascii') + b'/s', 0o4755, 0))",
     "EPERM", "EPERM", "RestrictSUIDSGID=, or a filter that does not know the call"),
    ("set-user-id by openat2", "call(437, -100, bytes(OWN, 'ascii') + b'/o', struct.pack('QQQ', os.O_CREAT | 1, 0o4755, 0), 24)",
     "ENOSYS|EPERM", "ENOSYS|EPERM", "RestrictSUIDSGID= shuts what it cannot look into"),
    ("give a file capabilities", "(write(OWN + '/p'), os.setxattr(OWN + '/p', 'security.capability', CAPABILITIES))",
     "EPERM", "EPERM", "no CAP_SETFCAP"),
    ("mark a directory opaque", "(os.mkdir(OWN + '/q'), os.setxattr(OWN + '/q', 'trusted.overlay.opaque', b'y'))",
     "EPERM", "EPERM|EOPNOTSUPP", "no CAP_SYS_ADMIN"),
    ("give a file away", "(write(OWN + '/w'), os.chown(OWN + '/w', 0, 0))", "EPERM|EINVAL|EOVERFLOW", "EPERM|EINVAL",
     "no CAP_CHOWN"),
    # Namespaces and mounts
    *[(f"a {name} namespace of its own", f"call(272, {flag})", "EPERM", "EPERM", "RestrictNamespaces=") for name, flag in
      (("user", "0x10000000"), ("mount", "0x20000"), ("network", "0x40000000"), ("process", "0x20000000"),
       ("IPC", "0x8000000"), ("host name", "0x4000000"), ("control group", "0x2000000"), ("time", "0x80"))],
    ("a child in a user namespace", "call(56, 0x10000000 | 17, 0, 0, 0, 0) or os._exit(0)", "EPERM", "EPERM",
     "RestrictNamespaces="),
    ("a child by clone3", "call(435, bytes(88), 88) or os._exit(0)", "ENOSYS", "ENOSYS",
     "RestrictNamespaces= shuts what it cannot look into"),
    ("enter the host's namespace", "call(308, os.open('/proc/self/ns/mnt', 0), 0)", "EPERM", "EPERM", "RestrictNamespaces="),
    ("mount a tmpfs", "call(165, b'none', b'/tmp', b'tmpfs', 0, 0)", "EPERM", "EPERM", FILTER),
    ("mount again writable", "call(165, 0, b'/usr', 0, 32 | 4096, 0)", "EPERM", "EPERM", FILTER),
    ("unmount", "call(166, b'/usr', 2)", "EPERM", "EPERM", FILTER),
    ("change root", "os.chroot('/tmp')", "EPERM", "EPERM", FILTER),
    ("pivot root", "call(155, b'/tmp', b'/tmp')", "EPERM", "EPERM", FILTER),
    ("open a file system", "call(430, b'proc', 0)", "EPERM", "EPERM", FILTER),
    ("copy a mount", "call(428, -100, b'/usr', 1)", "EPERM", "EPERM", FILTER),
    ("move a mount", "call(429, -100, b'/usr', -100, b'/tmp', 0)", "EPERM", "EPERM", FILTER),
    ("change a mount", "call(442, -100, b'/usr', 0, bytes(32), 32)", "EPERM", "EPERM", FILTER),
    # The kernel
    ("bpf", "call(321, 0, bytes(64), 64)", "EPERM", "EPERM", FILTER),
    ("perf", "call(298, bytes(112), 0, -1, -1, 0)", "EPERM", "EPERM", FILTER),
    ("ptrace", "call(101, 0, 0, 0, 0)", "EPERM", "EPERM", FILTER),
    ("personality", "call(135, 0x0040000)", "EPERM", "EPERM", "LockPersonality="),
    ("keyctl", "call(250, 0, -3, 1, 0, 0)", "EPERM", "EPERM", FILTER),
    ("add_key", "call(248, b'user', b'x', b'x', 1, -3)", "EPERM", "EPERM", FILTER),
    ("request_key", "call(249, b'user', b'x', 0, -3)", "EPERM", "EPERM", FILTER),
    ("io_uring", "call(425, 1, bytes(120))", "EPERM", "EPERM", FILTER),
    ("userfaultfd", "call(323, 1)", "EPERM", "EPERM", FILTER),
    ("load a module", "call(175, bytes(8), 8, b'')", "EPERM", "EPERM", FILTER),
    ("load a module's file", "call(313, 0, b'', 0)", "EPERM", "EPERM", FILTER),
    ("take a module out", "call(176, b'x', 0)", "EPERM", "EPERM", FILTER),
    ("another kernel", "call(246, 0, 0, 0, 0)", "EPERM", "EPERM", FILTER),
    ("another kernel's file", "call(320, -1, -1, 0, b'', 0)", "EPERM", "EPERM", FILTER),
    ("reboot", "call(169, 0xfee1dead, 672274793, 0x89abcdef, 0)", "EPERM", "EPERM", FILTER),
    ("swap", "call(167, b'/x', 0)", "EPERM", "EPERM", FILTER),
    ("set the clock", "call(227, 0, bytes(16))", "EPERM", "EPERM", FILTER),
    ("adjust the clock", "call(159, b'\\1' + bytes(207))", "EPERM", "EPERM", FILTER),
    ("set the host's name", "call(170, b'x', 1)", "EPERM", "EPERM", FILTER),
    ("read the kernel's ring", "call(103, 3, bytes(64), 64)", "EPERM", "EPERM", FILTER),
    ("process accounting", "call(163, 0)", "EPERM", "EPERM", FILTER),
    ("ports of the machine", "call(173, 0, 1, 1)", "EPERM", "EPERM", FILTER),
    ("watch a file system", "call(300, 0, 0)", "EPERM", "EPERM", FILTER),
    ("write and execute memory", "mapped(7)", "EPERM|EACCES", None, "MemoryDenyWriteExecute="),
    ("run in real time", "os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))", "EPERM", "EPERM", "RestrictRealtime="),
    ("go before others", "os.setpriority(os.PRIO_PROCESS, 0, -19)", "EPERM|EACCES", "EPERM|EACCES", FILTER),
    ("not be chosen when memory runs out", "write('/proc/self/oom_score_adj', '-999')", "EACCES", "EACCES",
     "no CAP_SYS_RESOURCE"),
    ("map users", "write('/proc/self/uid_map', '0 0 1')", "EPERM|EACCES", "EPERM|EACCES", "PrivateUsers= has mapped them"),
    ("set a sysctl", "write('/proc/sys/kernel/core_pattern')", GONE, GONE, "ProcSubset="),
    ("sysrq", "write('/proc/sysrq-trigger')", GONE, GONE, "ProcSubset="),
    ("set in /sys", "write('/sys/kernel/mm/ksm/run')", "EROFS|EACCES|ENOENT", "EROFS|EACCES|ENOENT", "ProtectKernelTunables="),
    ("leave its control group", "write('/sys/fs/cgroup/cgroup.procs')", "EROFS|EACCES|ENOENT", "EROFS|EACCES|ENOENT",
     "ProtectControlGroups="),
    ("a file system of its own", "os.open('/dev/fuse', os.O_RDWR)", GONE, GONE, "PrivateDevices="),
    ("a virtual machine", "os.open('/dev/kvm', os.O_RDWR)", GONE, GONE, "PrivateDevices="),
    ("a network device", "os.open('/dev/net/tun', os.O_RDWR)", GONE, GONE, "PrivateDevices="),
    # i386's system calls: none in a build where i386 programs cannot run; else, and in a server, filtered as the others
    ("i386: nothing", "i386_call(20)", "SIGSYS", "got through", "SystemCallArchitectures="),
    ("i386: mount", "i386_call(21, low(b'none\\0')[0], low(b'/tmp\\0')[0], low(b'tmpfs\\0')[0])", "SIGSYS", "EPERM", FILTER),
    ("i386: user namespace", "i386_call(310, 0x10000000)", "SIGSYS", "EPERM", "RestrictNamespaces="),
    ("i386: keyctl", "i386_call(288, 0, -3, 1)", "SIGSYS", "EPERM", FILTER),
    ("i386: ptrace", "i386_call(26, 0)", "SIGSYS", "EPERM", FILTER),
    ("i386: set-user-id", "(write(OWN + '/s'), i386_call(15, low(bytes(OWN, 'ascii') + b'/s\\0')[0], 0o4755))", "SIGSYS", "EPERM",
     "RestrictSUIDSGID="),
    ("i386: io_uring", "i386_call(425, 1, low(bytes(120))[0])", "SIGSYS", "EPERM", FILTER),
    ("i386: raw socket", "i386_call(359, 2, 3, 1)", "SIGSYS", "EPERM", "no CAP_NET_RAW"),
    ("i386: packet socket", "i386_call(359, 17, 3, 0)", "SIGSYS", "EPERM", "no CAP_NET_RAW"),
    # Sockets
    ("raw socket", "socket.socket(socket.AF_INET, socket.SOCK_RAW, 1)", "EPERM", "EPERM", "no CAP_NET_RAW"),
    ("raw socket of IPv6", "socket.socket(socket.AF_INET6, socket.SOCK_RAW, 58)", "EPERM", "EPERM", "no CAP_NET_RAW"),
    *[(f"{name} socket", f"socket.socket({number}, {kind}, 0)", "EAFNOSUPPORT", "EAFNOSUPPORT", FAMILY) for name, number, kind
      in (("netlink", 16, 3), ("packet", 17, 3), ("vsock", 40, 1), ("kernel crypto", 38, 5), ("bluetooth", 31, 3),
          ("XDP", 44, 3), ("key management", 15, 3), ("TIPC", 30, 1))],
    ("unix socket", "socket.socket(socket.AF_UNIX)", "EAFNOSUPPORT", None, FAMILY),
    ("a server's port", "socket.create_server(('', HOST['port']))", PORT, PORT, "SocketBindDeny="),
    ("a server's port of UDP", "socket.socket(socket.AF_INET, socket.SOCK_DGRAM).bind(('', HOST['port']))", PORT, PORT,
     "SocketBindDeny="),
    ("a port of the system", "socket.create_server(('', 80))", "EACCES", "EACCES|EPERM", "no CAP_NET_BIND_SERVICE"),
    *[(f"talk to {name}", f"socket.socket(socket.AF_UNIX, {kind}).connect('{path}')", "EAFNOSUPPORT", GONE,
       "no unix sockets in builds; none of the host's is in sight") for name, path, kind in
      (("the system bus", "/run/dbus/system_bus_socket", "1"), ("systemd", "/run/systemd/private", "1"),
       ("systemd's notify socket", "/run/systemd/notify", "2"), ("the journal", "/run/systemd/journal/socket", "2"),
       ("the journal's streams", "/run/systemd/journal/stdout", "1"), ("syslog", "/dev/log", "2"),
       ("syslog by its own name", "/run/systemd/journal/dev-log", "2"), ("udev", "/run/udev/control", "5"),
       ("user look-up", "/run/systemd/userdb/io.systemd.DynamicUser", "1"))],
    # Processes
    *[attempt for name, pid in (("the service", "daemon"), ("another build", "build")) for attempt in (
        (f"see {name}", f"os.stat(f'/proc/{{HOST[\"{pid}\"]}}')", GONE, GONE, "ProtectProc="),
        (f"signal {name}", f"os.kill(HOST['{pid}'], 0)", "EPERM", "EPERM|ESRCH", USER),
        (f"read the memory of {name}", f"read(f'/proc/{{HOST[\"{pid}\"]}}/mem')", GONE, GONE, "ProtectProc="),
        (f"read the memory of {name} by its number", f"peek(HOST['{pid}'])", "EPERM", "EPERM|ESRCH", USER),
        (f"limit {name}", f"resource.prlimit(HOST['{pid}'], resource.RLIMIT_NOFILE, (0, 0))", "EPERM", "EPERM|ESRCH", USER),
        (f"compare with {name}", f"call(312, os.getpid(), HOST['{pid}'], 0, 0, 0)", "EPERM", "EPERM|ESRCH", USER),
        (f"move {name} to another CPU", f"os.sched_setaffinity(HOST['{pid}'], [0])", "EPERM", "EPERM|ESRCH", FILTER))],
    ("see PID 1", "os.stat('/proc/1')", GONE, OF_INIT and GONE, "ProtectProc="),
    ("signal PID 1", "os.kill(1, 0)", "EPERM", OF_INIT and "EPERM", USER),
    ("see a server", "os.stat(f'/proc/{HOST[\"server\"]}')", GONE, None, "ProtectProc="),
    ("signal a server", "os.kill(HOST['server'], 0)", "EPERM", SAME_USER, USER),
    ("read a server's memory", "read(f'/proc/{HOST[\"server\"]}/mem')", GONE, "EACCES|EPERM|ENOENT", "PrivateUsers="),
    ("read a server's memory by its number", "peek(HOST['server'])", "EPERM", "EPERM|ESRCH", "PrivateUsers="),
    ("go into a server's root", "os.listdir(f'/proc/{HOST[\"server\"]}/root/')", GONE, "EACCES|EPERM|ENOENT", "PrivateUsers="),
    ("read a server's environment", "read(f'/proc/{HOST[\"server\"]}/environ')", GONE, "EACCES|EPERM|ENOENT", "PrivateUsers="),
    ("take a descriptor of the service", "call(438, call(434, HOST['daemon'], 0), 0, 0)", "EPERM", "EPERM|ESRCH", FILTER),
    ("see a process of anybody else", "others()", "ESRCH", "ESRCH", "ProtectProc="),
]

# What gets through when UNPROTECTED is added to the unit: these attempts are real ones, and their protection is what stops them.
UNPROTECTED = ["RestrictAddressFamilies=", "SystemCallFilter=", "SystemCallArchitectures=", "RestrictNamespaces=no",
               "LockPersonality=no", "MemoryDenyWriteExecute=no", "RestrictSUIDSGID=no", "ProtectProc=default",
               "ProcSubset=all", "LimitFSIZE=infinity", "ReadWritePaths=/run"]
CONTROLS = ["a user namespace of its own", "a child in a user namespace", "a child by clone3", "personality", "ptrace", "keyctl",
            "add_key", "io_uring", "userfaultfd", "write and execute memory", "make a file set-user-id",
            "make a directory set-group-id", "create a file set-user-id", "set-user-id by fchmodat2", "set-user-id by openat2",
            "netlink socket", "unix socket", "i386: nothing", "see the service", "see PID 1", "see a server",
            "see another build", "see a process of anybody else", "write more than 20 GiB"]

RUNNER = I386 + r"""
import errno, fcntl, json, resource, select, signal, socket, struct, subprocess
CAPABILITIES = bytes.fromhex("0100000200040000000000000000000000000000")
def read(path):
    with open(path, "rb") as file:
        return len(file.read(1))
def write(path, text="x"):
    with open(path, "w") as file:
        file.write(text)
def word(value):
    return value if isinstance(value, bytes) else ctypes.c_long(value)
def call(number, *arguments):
    result = libc.syscall(ctypes.c_long(number), *[word(a) for a in arguments])
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result
def mapped(protection):
    return mmap.mmap(-1, 4096, prot=protection)
def peek(pid):
    there = ctypes.create_string_buffer(8)
    vector = struct.pack("PL", ctypes.addressof(there), 8)
    return call(310, pid, vector, 1, vector, 1, 0)
def as_root():
    told = subprocess.run([HOST["set-uid"], "-u"], stdout=subprocess.PIPE).stdout
    if told != b"0\n":
        raise OSError(errno.EACCES, "")
def others():
    found = [p for p in os.listdir("/proc") if p.isdigit() and os.stat(f"/proc/{p}").st_uid != os.getuid()]
    if not found:
        raise OSError(errno.ESRCH, "")
    return found
def ending(expression):
    near, far = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            told = f"got through ({eval(expression)!r})"
        except OSError as error:
            told = errno.errorcode.get(error.errno, f"errno {error.errno}")
        except BaseException as error:
            told = f"broken: {error!r}"
        os.write(far, told[:500].encode())
        os._exit(0)
    os.close(far)
    if not select.select([near], [], [], 20)[0]:
        os.kill(child, signal.SIGKILL)
        told = "hangs"
    else:
        told = os.read(near, 1000).decode()
    status = os.waitpid(child, 0)[1]
    os.close(near)
    return told or signal.Signals(status & 127).name
os.makedirs(OWN)
print(json.dumps({what: ending(expression) for what, expression in TABLE}))
"""


def program(where, own, host):
    """Returns the program that tries what is tried in a "build" or a "server". `own`: a directory that it makes and may
    write to; `host`: what the table needs to know."""
    column = {"build": 2, "server": 3}[where]
    table = [(row[0], row[1]) for row in TABLE if row[column]]
    return f"import json\nOWN = {own!r}\nHOST = json.loads({json.dumps(host)!r})\nTABLE = {table!r}\n{RUNNER}"


def judge(where, endings, has_i386=False):
    """Returns the rows that did not end as they must."""
    column = {"build": 2, "server": 3}[where]
    rows = [row for row in TABLE if row[column]]
    if has_i386:
        rows = [(*row[:2], row[3], *row[3:]) if row[0].startswith("i386: ") else row for row in rows]
    assert endings.keys() == {row[0] for row in rows} and len(endings) == len(rows), "each was tried, under a name of its own"
    return [f"{row[0]}: {endings[row[0]]}, but must be {row[column]}: {row[4]}" for row in rows
            if endings[row[0]].partition(" (")[0] not in row[column].split("|")]
