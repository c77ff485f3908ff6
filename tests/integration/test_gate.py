# SPDX-License-Identifier: LGPL-2.1-or-later
"""The gate, by real polkit rules and real uids: who is let through, and that nothing changes for who is not."""
import pytest

from conftest import CHALLENGE, DENIED, IFACE, PATH, STATE, BusError, Client, path_of, polkit_rule, wait_for
from test_contract import rows

NONE = "@a{sv} {}"
ADMIN = {"read-logs", "read-secrets", "run-instance", "manage-instance", "mount-instance", "build-overlay",
         "manage-overlay", "manage-jobs"}
OPERATOR = {"run-instance", "read-logs", "build-overlay"}

# The arguments for each row that needs a right, with which the call is harmless when it is let through.
CALLS = {
    "CreateInstance": f"('gate', {NONE})",  # NameTaken
    "CreateOverlay": f"('gate', 'script', {NONE})",  # NameTaken
    "Reload": f"({NONE},)",
    "Start": f"({{'Wrong': <1>}},)",  # InvalidSetting: let through, and changes nothing
    "Stop": f"({{'Wrong': <1>}},)",
    "Restart": f"({{'Wrong': <1>}},)",
    "Mount": f"({{'Wrong': <1>}},)",
    "Unmount": f"({{'Wrong': <1>}},)",
    "Configure": f"({{'Wrong': <1>}},)",
    "SetConfig": f"('', {{'Wrong': <1>}})",
    "GetConfig": "",
    "Reset": f"({{'Wrong': <1>}},)",
    "Delete": f"({{'Wrong': <1>}},)",
    "Build": f"({{'Wrong': <1>}},)",
    "SetScript": f"('', {{'Wrong': <1>}})",
    "GetScript": "",
    "Import": f"(handle 0, {{'Wrong': <1>}})",
    "Revert": f"(uint64 1, {{'Wrong': <1>}})",
    "Wipe": f"({{'Wrong': <1>}},)",
    "WipeCache": f"({{'Wrong': <1>}},)",
    "Cancel": f"({NONE},)",  # Busy: it has ended
    "ReadLog": "('', uint32 1)",
    "OpenLog": f"({{'Wrong': <1>}},)",
}
# These stand in two interfaces, and take the same in both.
TWICE = {"Configure", "Delete", "ReadLog", "OpenLog"}
READS = {"GetInstance", "GetOverlay", "GetJob", "Can"}


@pytest.fixture
def things(root, instance, overlay):
    overlay("gate")
    instance("gate")
    return root.get("overlay", "gate")["LastJob"].rsplit("/", 1)[1].replace("_", "")


def job_id(root):
    return root.get_all(root.get("overlay", "gate")["LastJob"])["Id"]


def attempt(client, kind, member, body, job):
    """What this user is told: "" when let through, else the name of the refusal."""
    try:
        if kind == "manager":
            client.manager(member, body)
        elif kind == "instance":
            client.instance("gate", member, body)
        elif kind == "overlay":
            client.overlay("gate", member, body, **({"fd": {"memfd": ""}} if member == "Import" else {}))
        else:
            client.job(job, member, body)
    except BusError as error:
        return error.name if error.name in (CHALLENGE, DENIED) else ""
    return ""


def every_call():
    """(kind, member, body, action) for each row of the table that somebody may be refused."""
    calls = []
    for (interface, member), (_, action) in rows().items():
        kind = interface.rsplit(".", 1)[1].lower()
        if not interface.startswith(IFACE) or member in READS:
            continue
        calls.append((kind, member, CALLS[member], action))
    assert sorted(member for _, member, *_ in calls) == sorted([*CALLS, *TWICE])
    return calls


@pytest.mark.parametrize("user, rights", [("sam", set()), ("otto", OPERATOR), ("ada", ADMIN)])
def test_each_group_gets_exactly_what_its_rules_say(root, clients, things, user, rights):
    job = job_id(root)
    before = root.objects()
    for kind, member, body, action in every_call():
        path = PATH if kind == "manager" else path_of(kind, job if kind == "job" else "gate")
        word = clients(user).manager("Can", f"([(objectpath '{path}', '{member}')],)")[0][0]
        told = attempt(clients(user), kind, member, body, job)
        assert told == ("" if action in rights else CHALLENGE), (user, kind, member, action, told)
        assert word == ("yes" if action in rights else "challenge"), (user, kind, member, word)
    assert root.objects() == before, "nothing changed"


def test_each_action_is_granted_by_a_rule_for_it_and_by_no_other(root, sam, things):
    job = job_id(root)
    actions = sorted({action for *_, action in every_call()})
    for granted in actions:
        with polkit_rule('polkit.addRule(function(action, subject) { if (action.id == "org.left4me.host1.%s" && '
                         'subject.user == "sam") return polkit.Result.YES; });' % granted):
            for kind, member, body, action in every_call():
                told = attempt(sam, kind, member, body, job)
                assert told == ("" if action == granted else CHALLENGE), (granted, kind, member, told)


def test_a_rule_that_says_no_is_a_plain_no(root, ada, things):
    with polkit_rule('polkit.addRule(function(action, subject) { if (action.id.indexOf("org.left4me.host1.") == 0 && '
                     'subject.user == "ada") return polkit.Result.NO; });'):
        for kind, member, body, _ in every_call():
            assert attempt(ada, kind, member, body, job_id(root)) == DENIED, member
        with pytest.raises(BusError) as refusal:
            ada.objects()
        assert refusal.value.name == DENIED


# What everybody may unless a rule says no: each row of the action inspect.
READ_CALLS = {
    ("org.freedesktop.DBus.Peer", "Ping"): "",
    ("org.freedesktop.DBus.Peer", "GetMachineId"): "",
    ("org.freedesktop.DBus.Introspectable", "Introspect"): "",
    ("org.freedesktop.DBus.Properties", "Get"): f"('{IFACE}.Manager', 'Version')",
    ("org.freedesktop.DBus.Properties", "GetAll"): f"('{IFACE}.Manager',)",
    ("org.freedesktop.DBus.Properties", "Set"): f"('{IFACE}.Manager', 'Version', <''>)",
    ("org.freedesktop.DBus.ObjectManager", "GetManagedObjects"): "",
    (f"{IFACE}.Manager", "GetInstance"): "('gate',)",
    (f"{IFACE}.Manager", "GetOverlay"): "('gate',)",
    (f"{IFACE}.Manager", "GetJob"): "(uint64 {job},)",
    (f"{IFACE}.Manager", "Can"): "(@a(os) [],)",
}


def test_each_read_is_refused_by_a_rule_against_it_and_by_no_other(root, ada, things):
    job = job_id(root)
    assert {call for call, (_, action) in rows().items() if action == "inspect"} == set(READ_CALLS)

    def told(interface, member, body):
        try:
            ada.raw(PATH, interface, member, body.replace("{job}", str(job)))
        except BusError as error:
            return error.name
        return ""

    rule = 'polkit.addRule(function(action, subject) { if (action.id %s "org.left4me.host1.inspect") return polkit.Result.NO; });'
    with polkit_rule(rule % "=="):
        for (interface, member), body in READ_CALLS.items():
            assert told(interface, member, body) == (IFACE + ".Error.InvalidSetting" if member == "Set" else DENIED), member
        for kind, member, body, action in every_call():
            assert attempt(ada, kind, member, body, job) == ("" if action in ADMIN else CHALLENGE), member
    with polkit_rule(rule % "!="):
        for (interface, member), body in READ_CALLS.items():
            assert told(interface, member, body) == (IFACE + ".Error.InvalidSetting" if member == "Set" else ""), member
        for kind, member, body, _ in every_call():
            assert attempt(ada, kind, member, body, job) == DENIED, member


RULE_FOR_SAM = """polkit.addRule(function(action, subject) {
    if (action.id == "org.left4me.host1.run-instance" && subject.user == "sam" &&
        action.lookup("instance") == "gate" && action.lookup("verb") != "Restart")
        return polkit.Result.YES;
});"""


def test_a_rule_for_one_person_and_one_instance_does_not_leak(root, sam, instance, things):
    instance("gateb")
    with polkit_rule(RULE_FOR_SAM):
        sam.instance("gate", "Start")
        sam.instance("gate", "Stop")
        for name, member in (("gate", "Restart"), ("gateb", "Start"), ("gateb", "Stop"), ("gate", "Mount"),
                             ("gate", "Delete"), ("gate", "Configure")):
            with pytest.raises(BusError) as refusal:
                sam.instance(name, member)
            assert refusal.value.name == CHALLENGE, (name, member)
        with pytest.raises(BusError) as refusal:
            sam.overlay("gate", "Build")
        assert refusal.value.name == CHALLENGE
        # Can says the same, and asks nobody.
        asked = [("gate", "Start"), ("gate", "Restart"), ("gateb", "Start"), ("gate", "Nonsense")]
        calls = ", ".join(f"(objectpath '{path_of('instance', n)}', '{m}')" for n, m in asked)
        assert sam.manager("Can", f"([{calls}],)", interactive=True)[0] == ["yes", "challenge", "challenge", "no"]
    assert root.get("instance", "gateb")["ActiveState"] == "inactive"


@pytest.mark.parametrize("user, answer", [("root", "yes"), ("ada", "yes"), ("otto", "yes"), ("sam", "challenge")])
def test_can_answers_as_the_call_would(clients, things, user, answer):
    call = f"(objectpath '{path_of('instance', 'gate')}', 'Start')"
    assert clients(user).manager("Can", f"([{call}],)", interactive=True)[0] == [answer]


EVERYBODY = 'polkit.addRule(function(action, subject) { return polkit.Result.YES; });'


@pytest.mark.parametrize("user", ["left4me", "l4d2-sandbox-0", "l4d2-sandbox-15", "l4d2-sandbox-watch"])
def test_the_uids_of_servers_and_builds_are_refused_everything_whatever_a_rule_says(root, things, user):
    outcast = Client(user)
    job = job_id(root)
    before = root.objects()
    with polkit_rule(EVERYBODY):
        for kind, member, body, _ in every_call():
            assert attempt(outcast, kind, member, body, job) == DENIED, member
        with pytest.raises(BusError) as refusal:
            outcast.objects()
        assert refusal.value.name == DENIED
    assert root.objects() == before
    outcast.close()


NOSY_GAME = r"""
mkdir -p left4dead2
cat > srcds_run <<'END'
#!/bin/bash
cd "$(dirname "$0")"
{ id -un; ls -A /run; ls /run/dbus/system_bus_socket /run/systemd/private /run/systemd/notify /run/systemd/journal/socket 2>&1
  busctl --system list 2>&1; } > seen
mv seen seen.whole
trap 'exit 0' INT TERM
exec {nothing}<> <(:)
while :; do read -r -u $nothing -t 1000; done
END
chmod 755 srcds_run
"""


def test_a_running_server_cannot_even_reach_the_bus(root, instance, overlay):
    overlay("nosy", NOSY_GAME)
    instance("nosy", Overlays=f"[objectpath '{path_of('overlay', 'nosy')}']")
    root.instance("nosy", "Start")
    seen = STATE / "runtime/nosy/merged/seen.whole"
    wait_for(seen.exists, what="the server's report")
    report = seen.read_text()
    assert report.startswith("left4me\n"), report
    for socket in ("dbus/system_bus_socket", "systemd/private", "systemd/notify", "systemd/journal/socket"):
        assert f"'/run/{socket}': No such file or directory" in report, report
    assert "Failed to" in report and "org.left4me" not in report, report


def test_calls_that_make_no_sense_are_refused_and_the_service_goes_on(root, sam, things):
    manager = IFACE + ".Manager"
    cases = [
        (PATH, manager, "GetInstance", "(7,)", "org.freedesktop.DBus.Error.InvalidArgs"),
        (PATH, manager, "GetInstance", "('a', 'b')", "org.freedesktop.DBus.Error.InvalidArgs"),
        (PATH, IFACE + ".Instance", "Start", f"({NONE},)", "org.freedesktop.DBus.Error.UnknownObject"),
        (path_of("instance", "gate"), manager, "Reload", f"({NONE},)", "org.freedesktop.DBus.Error.UnknownObject"),
        (path_of("instance", "nobody"), IFACE + ".Instance", "Start", f"({NONE},)", IFACE + ".Error.NoSuchInstance"),
        (path_of("overlay", "nobody"), IFACE + ".Overlay", "Build", f"({NONE},)", IFACE + ".Error.NoSuchOverlay"),
        (path_of("job", 999999), IFACE + ".Job", "Cancel", f"({NONE},)", IFACE + ".Error.NoSuchJob"),
        (PATH, manager, "GetJob", "(uint64 999999,)", IFACE + ".Error.NoSuchJob"),
        (PATH, manager, "GetInstance", "('../etc',)", IFACE + ".Error.InvalidName"),
        (path_of("instance", "gate"), "org.freedesktop.DBus.Properties", "Set",
         f"('{IFACE}.Instance', 'Description', <'x'>)", IFACE + ".Error.InvalidSetting"),
    ]
    for path, interface, member, body, expected in cases:
        with pytest.raises(BusError) as refusal:
            sam.raw(path, interface, member, body)
        assert refusal.value.name == expected, (path, member, refusal.value)
        assert refusal.value.message, "it says why"


HARD = {
    "deep structs": "{'Wrong': <%s1%s>}" % ("(" * 29, ",)" * 29),
    "deep arrays": "{'Wrong': <%s1%s>}" % ("[" * 29, "]" * 29),
    "deep variants": "{'Wrong': %s1%s}" % ("<" * 30, ">" * 30),
    "a long signature": "{'Wrong': <(%s)>}" % ", ".join(["byte 1"] * 240),
    "many entries": "{%s}" % ", ".join(f"'k{n}': <1>" for n in range(20000)),
    "a long key": "{'%s': <1>}" % ("k" * 500000),
}


@pytest.mark.parametrize("options", HARD.values(), ids=HARD.keys())
def test_options_that_are_hard_to_read_are_one_wrong_option(ada, sam, things, options):
    with pytest.raises(BusError) as refusal:
        ada.instance("gate", "Configure", f"({options},)", timeout=20)
    assert refusal.value.short == "InvalidSetting" and len(refusal.value.message) < 200, refusal.value
    with pytest.raises(BusError) as refusal:
        sam.instance("gate", "Configure", f"({options},)", timeout=20)
    assert refusal.value.name == CHALLENGE, refusal.value


@pytest.mark.parametrize("options", ["{'Wrong': <'%s'>}" % ("x" * 2100000),
                                     "{%s}" % ", ".join(f"'{n}': <1>" for n in range(70000))], ids=["bytes", "values"])
def test_a_call_that_is_too_big_is_not_read_any_further(sam, things, options):
    with pytest.raises(BusError) as refusal:
        sam.instance("gate", "Configure", f"({options},)", timeout=20)
    assert refusal.value.name == "org.freedesktop.DBus.Error.LimitsExceeded", refusal.value


@pytest.mark.parametrize("label", ["_67ate", "gat_65", "gate_00", "gate_00b", "_ff", "gate_2Dx",
                                   pytest.param("a" * 300, id="long")])
def test_a_path_that_is_no_names_encoding_is_nobodys(root, sam, things, label):
    """sd-bus would find `gate` at the first four, and what is no text could not even be told in an answer."""
    before = root.objects()
    for client in (sam, root):
        for kind, member in (("instance", "Stop"), ("overlay", "Build"), ("job", "Cancel")):
            path = f"{PATH}/{kind}/{label}"
            for interface, call, body in ((f"{IFACE}.{kind.capitalize()}", member, f"({NONE},)"),
                                          ("org.freedesktop.DBus.Properties", "GetAll", f"('{IFACE}.{kind.capitalize()}',)"),
                                          ("org.freedesktop.DBus.Introspectable", "Introspect", "")):
                with pytest.raises(BusError) as refusal:
                    client.raw(path, interface, call, body, timeout=10)
                assert refusal.value.name == "org.freedesktop.DBus.Error.UnknownObject", (path, call)
            assert client.manager("Can", f"([(objectpath '{path}', '{member}')],)")[0] == ["no"]
    with pytest.raises(BusError) as refusal:
        root.instance("gate", "Configure", f"({{'Overlays': <[objectpath '{PATH}/overlay/{label}']>}},)")
    assert refusal.value.short in ("InvalidSetting", "NoSuchOverlay")
    assert root.objects() == before


def test_calls_on_one_object_come_in_the_order_sent(root, ada, things):
    for n in range(60):
        ada.send(**ada.question(path_of("instance", "gate"), IFACE + ".Instance", "SetConfig", f"('{n}', {NONE})"))
        ada.send(**ada.question(path_of("instance", "gate"), IFACE + ".Instance", "GetConfig"))
    answers = [ada.receive() for _ in range(120)]
    assert [a[0] for a in answers[1::2]] == [str(n) for n in range(60)]
