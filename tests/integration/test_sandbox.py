# SPDX-License-Identifier: LGPL-2.1-or-later
"""The sandbox of builds: systemd has every property of the table, and inside it is as the table means it to be."""
import contextlib
import json
import os
import pathlib
import pwd
import re
import socket

import pytest
from builds import build_now, go_on, held, inside, program_replaced  # noqa: F401
from conftest import PATH, SYSTEMD, BusError, path_of, run, unit, wait_for

TREE = pathlib.Path("/usr/src/left4me")
PROGRAM = pathlib.Path("/usr/libexec/left4me/left4me-tree")
SYSTEMD1 = "org.freedesktop.systemd1"


def systemd_properties(client, name):
    """Everything that systemd says of a service over the bus, typed."""
    label = path_of("x", name).rpartition("/")[2]
    return {key: value for interface in ("Unit", "Service")
            for key, value in client.raw(f"/org/freedesktop/systemd1/unit/{label}", "org.freedesktop.DBus.Properties",
                                         "GetAll", f"('{SYSTEMD1}.{interface}',)", name=SYSTEMD1)[0].items()}


# The table

def read_table():
    """The rows of daemon/sandbox.c: name, since, network, writer, text, number."""
    source = (TREE / "daemon/sandbox.c").read_text()
    table = re.search(r"static const Property properties\[\] = \{\n(.*?)\n\};", source, re.S)[1]
    table = re.sub(r"/\*.*?\*/", "", table, flags=re.S)
    rows = []
    for name, since, network, writer, rest in re.findall(r'\{\s*"(\w+)",\s*(\d+),\s*(\w+),\s*(\w+)(.*?)\}', table, re.S):
        text = "".join(re.findall(r'"([^"]*)"', rest)) or (PATHS[rest.strip(" ,\n")] if "PATH_" in rest else None)
        number = re.search(r"\.number = (.+?)\s*$", rest, re.S)
        rows.append((name, int(since), network, writer, text, number and number_of(number[1])))
    assert len(rows) == table.count("{"), "each row was understood"
    return rows


def number_of(expression):
    words = {"true": "1", "false": "0", "GIB": str(2 ** 30), "G_USEC_PER_SEC": "1000000", "SIGKILL": "9", "SIGTERM": "15",
             "EPERM": "1", "CAP_DAC_READ_SEARCH": "2"}
    expression = re.sub(r"\b0(\d+)\b", r"0o\1", expression)
    return eval(re.sub(r"[A-Za-z_]{2,}", lambda m: words[m[0]], expression).replace("/", "//"), {})  # of our own source


PATHS = {name: re.sub(r'"|\s*' + "PATH_STATE", "", value) for name, value in
         re.findall(r'#define (PATH_\w+)\s+(".*")', (TREE / "daemon/paths.h").read_text())}


def calls_of(groups):
    """The system calls of systemd's groups, and those that are named themselves."""
    found = {name for name in groups if not name.startswith("@")}
    for group in (name for name in groups if name.startswith("@")):
        for line in run("systemd-analyze", "syscall-filter", group).stdout.splitlines()[1:]:
            word = line.split("#")[0].strip()
            if word:
                found |= calls_of([word]) if word.startswith("@") else {word}
    return found


def binds(words):
    return {(p, p, True, 16384) for p in words.split()}


def check_row(row, now, table):
    """Compares one row with what systemd has; returns what it says when they differ."""
    name, _since, _network, writer, text, number = row
    if writer == "write_text":
        return now[name] == text
    if writer == "write_bool":
        return now[name] is bool(number)
    if writer in ("write_int", "write_uint32", "write_uint64"):
        return now[name] == number
    if writer == "write_words":
        return now[name] == text.split()
    if writer == "write_tmpfs":
        return tuple(text.split(":")) in now[name]
    if writer == "write_host_binds":
        return binds(text) <= set(now[name])
    if writer in ("write_allowed", "write_denied") and name == "RestrictAddressFamilies":
        return now[name] == (True, sorted(text.split()))
    if writer == "write_allowed":
        denied = calls_of(" ".join(r[4] for r in table if r[0] == name and r[3] == "write_denied").split())
        is_allow_list, calls = now[name]
        known = {c.partition(":")[0] for c in calls}
        return is_allow_list and known and known <= calls_of(text.split()) - denied and {"read", "openat", "execve"} <= known
    if writer == "write_denied":
        return not {c.partition(":")[0] for c in now[name][1]} & calls_of(text.split())
    return CHECKS[writer](now)


FIXED_NETWORKS = ["127.0.0.0/8", "::1/128", "169.254.0.0/16", "fe80::/10", "224.0.0.0/4", "ff00::/8", "10.0.0.0/8",
                  "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "fc00::/7", "0.0.0.0/8"]


def denied_networks(now):
    return {f"{socket.inet_ntop(family, bytes(address))}/{length}" for family, address, length in now["IPAddressDeny"]}


JOB = {}  # of the build whose properties are compared

CHECKS = {
    "write_description": lambda now: "table" in now["Description"] and JOB["id"] in now["Description"],
    "write_user": lambda now: re.fullmatch(r"l4d2-sandbox-\d+", now["User"]),
    "write_command": lambda now: [c[:2] for c in now["ExecStart"]] == [
        ("/usr/libexec/left4me/left4me-confine", ["/usr/libexec/left4me/left4me-confine", "/bin/bash", "/script"])],
    "write_working_directory": lambda now: now["WorkingDirectory"] == "/overlay",
    "write_time_limit": lambda now: now["RuntimeMaxUSec"] == 3600 * 1000000,
    "write_bound_to": lambda now: all(f"left4me-job-{JOB['id']}-watch.service" in now[key] for key in ("BindsTo", "After")),
    "write_file_size": lambda now: now["LimitFSIZE"] == 20 << 30,
    "write_stdin": lambda now: now["StandardInput"] == "null",
    "write_stdout": lambda now: now["StandardOutput"] == "journal",
    "write_identifier": lambda now: now["SyslogIdentifier"] == f"left4me-job-{JOB['id']}",
    "write_log_fields": lambda now: [bytes(f) for f in now["LogExtraFields"]] == [f"LEFT4ME_JOB={JOB['id']}".encode()],
    "write_denied_addresses": lambda now: set(FIXED_NETWORKS) <= denied_networks(now) and now["IPAddressAllow"] == [],
    "write_server_ports": lambda now: now["SocketBindDeny"] == [(0, 0, 300, 27015)],
    "write_resolv_conf": lambda now: ("/etc/left4me/sandbox-resolv.conf", "/etc/resolv.conf", False, 0)
    in now["BindReadOnlyPaths"],
    "write_binds": lambda now: {
        (f"/run/left4me/staging/{JOB['id']}/{name}", f"/{name}", False, 0): kind for name, kind in
        (("overlay", "BindPaths"), ("cache", "BindPaths"), ("script", "BindReadOnlyPaths"),
         ("previous", "BindReadOnlyPaths"))}.items() <= {
             tuple(b): kind for kind in ("BindPaths", "BindReadOnlyPaths") for b in now[kind]}.items(),
    "write_architectures": lambda now: set(now["SystemCallArchitectures"]) in ({"native"}, {"native", "x86"}),
}


def test_a_running_build_has_the_whole_table(root, held):
    held("table")
    go_on(root, "table")
    assert root.wait_job(root.get("overlay", "table")["LastJob"])["State"] == "done"
    job = root.get_all(held("table"))  # the second, so that there is a previous one
    JOB["id"] = str(job["Id"])
    now, table = systemd_properties(root, job["Unit"]), read_table()
    rows = [r for r in table if r[1] <= SYSTEMD and r[2] not in ("WITHOUT_NETWORK", "WATCHER")]
    assert len(rows) > 50
    wrong = [(r, now.get(r[0])) for r in rows if not check_row(r, now, table)]
    assert not wrong, wrong
    left_out = [r[0] for r in table if r[1] > SYSTEMD]
    assert (not left_out) == (SYSTEMD >= 257), left_out
    assert now["InvocationID"] and now["ControlGroup"].endswith("/l4d2-build.slice/" + job["Unit"])


def test_a_seal_has_the_table_without_network(root, overlay):
    overlay("sealed", "truncate --size=3G large", built=False)
    job, = root.overlay("sealed", "Build")
    name = f"left4me-job-{root.get_all(job)['Id']}-seal.service"
    wait_for(lambda: unit(name, "SubState")["SubState"] == "running", 60, "the seal")
    now = systemd_properties(root, name)
    assert now["PrivateNetwork"] and now["RestrictAddressFamilies"] == (True, ["AF_UNIX"]), now
    assert now["IPAddressDeny"] == [] and now["CapabilityBoundingSet"] == 0 and now["NoNewPrivileges"], now
    assert now["StandardError"] == "journal" and now["User"].startswith("l4d2-sandbox-"), now
    assert [b[:3] for b in now["BindPaths"]] == [], "the seal changes nothing"
    assert root.get_all(job)["State"] == "running" and root.get_all(job)["Result"] == ""
    root.job(root.get_all(job)["Id"], "Cancel")
    assert root.wait_job(job)["State"] == "cancelled", "a build can be cancelled while it is sealed"
    assert root.get("overlay", "sealed")["Generation"] == 0


# What it is like inside

LOOK = r"""
import json, os
def names(path):
    try:
        return sorted(os.listdir(path))
    except OSError as error:
        return error.strerror
print(json.dumps({
    "uid": os.getresuid(), "gid": os.getresgid(), "groups": os.getgroups(),
    "lists": {p: names(p) for p in ("/", "/etc", "/run", "/var", "/var/lib", "/home", "/root", "/tmp", "/dev", "/dev/shm",
                                    "/run/dbus", "/var/lib/left4me", "/run/left4me", "/run/systemd", "/srv", "/mnt", "/opt",
                                    "/boot", "/sys/fs/cgroup", "/etc/left4me")},
    "processes": [p for p in os.listdir("/proc") if p.isdigit()],
    "status": dict(line.split(":\t", 1) for line in open("/proc/self/status").read().splitlines()),
    "environment": dict(os.environ), "resolv": open("/etc/resolv.conf").read(),
    "mounts": [line.split(" - ")[0].split()[4:6] for line in open("/proc/self/mountinfo")],
}))
"""


def test_what_is_in_sight(root, overlay):
    facts = inside(root, overlay, LOOK)
    slot = pwd.getpwnam("l4d2-sandbox-0")
    assert facts["uid"] == [slot.pw_uid] * 3 and facts["gid"] == [slot.pw_gid] * 3
    assert facts["groups"] in ([], [slot.pw_gid])
    lists = facts["lists"]
    assert set(lists["/etc"]) <= {"alternatives", "group", "ld.so.cache", "localtime", "nsswitch.conf", "passwd",
                                  "resolv.conf", "ssl"} and "passwd" in lists["/etc"]
    assert set(lists["/"]) <= {"bin", "cache", "dev", "etc", "lib", "lib32", "lib64", "libx32", "overlay", "previous",
                               "proc", "run", "sbin", "script", "sys", "tmp", "trees", "usr", "var", "root", "home"}, lists
    for path in ("/run/dbus", "/var/lib/left4me", "/run/left4me", "/etc/left4me", "/srv", "/mnt", "/boot"):
        assert lists[path] == "No such file or directory", (path, lists[path])
    assert "sda" not in lists["/dev"] and {"null", "zero", "urandom"} <= set(lists["/dev"])
    assert len(facts["processes"]) <= 4, "its own, and no other"
    status = facts["status"]
    assert {status[k].strip() for k in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")} == {"0" * 16}
    assert status["NoNewPrivs"].strip() == "1" and status["Seccomp"].strip() == "2"
    assert facts["resolv"] == pathlib.Path("/etc/left4me/sandbox-resolv.conf").read_text()
    # systemd and bash add the rest.
    assert facts["environment"]["HOME"] == "/cache" and facts["environment"]["LANG"] == "C.UTF-8"
    assert not [k for k in facts["environment"] if "DBUS" in k or k == "NOTIFY_SOCKET"]
    writable = {path for path, options in facts["mounts"] if "rw" in options.split(",")}
    # /run is one of its own; the host's huge pages are root's.
    assert writable <= {"/overlay", "/cache", "/tmp", "/var/tmp", "/run", "/proc", "/dev/shm", "/dev/pts", "/dev/mqueue",
                        "/dev/hugepages"}, writable


def test_shared_memory_is_its_own(root, overlay):
    """/dev/shm of a private /dev is the host's, if nobody sees to it."""
    marker = pathlib.Path("/dev/shm/of-the-host")
    marker.write_text("host")
    os.chmod(marker, 0o666)
    try:
        facts = inside(root, overlay, r"""
import json, os
try:
    open("/dev/shm/of-a-build", "w").write("build")
    os.chmod("/dev/shm/of-a-build", 0o666)
except OSError:
    pass
print(json.dumps(os.listdir("/dev/shm") if os.path.isdir("/dev/shm") else []))
""")
        assert "of-the-host" not in facts, facts
        assert not pathlib.Path("/dev/shm/of-a-build").exists()
    finally:
        marker.unlink()
        pathlib.Path("/dev/shm/of-a-build").unlink(missing_ok=True)


# Without the filter

@contextlib.contextmanager
def filter_test_is(script):
    """The test of the filter is this shell script, for as long as the block runs."""
    try:
        with program_replaced(PROGRAM, f'[ "$1" != probe-filter ] || {script}\nexec {{real}} "$@"\n'):
            yield
    finally:
        run("systemctl", "restart", "left4me-hostd.service")
        wait_for(lambda: "ip-filter" in features(), what="the filter")


def features():
    answer = run("busctl", "--json=short", "get-property", "org.left4me.Host1", PATH, "org.left4me.Host1.Manager", "Features")
    return json.loads(answer.stdout)["data"]


def test_the_filter_is_a_feature(root):
    wait_for(lambda: "ip-filter" in root.get_all(PATH)["Features"], what="the filter")
    assert unit("left4me-filter-test.service", "LoadState")["LoadState"] == "not-found"


@pytest.mark.parametrize("script, why", [
    ("exit 1", "lets everything through"),
    ("exit 2", "the test of"),
    ("kill -KILL $$", "the test of"),
    ("sleep 1000", "the test of"),
], ids=["inert", "unknown", "killed", "hanging"])
def test_without_the_filter_nothing_is_built(root, overlay, script, why):
    overlay("maps", "echo > file")
    before = root.get("overlay", "maps")
    with filter_test_is(script):
        run("systemctl", "stop", "left4me-hostd.service")
        since = run("date", "+%s.%N").stdout.strip()
        root.get_all(PATH)  # activates it

        def is_refused():
            try:
                job = root.overlay("maps", "Build")[0]
            except BusError as error:
                assert error.short == "SandboxUnavailable" and "IPAddressDeny" in error.message, error
                return True
            job = root.wait_job(job)  # queued before the test had ended
            assert (job["State"], job["Result"]) == ("failed", "sandbox-unavailable"), job
            return False
        wait_for(is_refused, 30)
        assert "ip-filter" not in root.get_all(PATH)["Features"]
        log = run("journalctl", "--unit=left4me-hostd.service", "--output=cat", f"--since=@{since}").stdout
        assert "Builds are refused" in log and why in log, log
        # What needs no network goes on.
        overlay("other", built=False)
        assert root.wait_job(root.overlay("other", "Delete")[0])["State"] == "done"
    after = root.get("overlay", "maps")
    assert (after["Generation"], after["Digest"]) == (before["Generation"], before["Digest"])
    assert build_now(root, "maps", "echo again > file")["State"] == "done", "and with the filter all is well again"
