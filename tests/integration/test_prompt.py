# SPDX-License-Identifier: LGPL-2.1-or-later
"""Calls that wait for a password, with an agent that polkit really asks: they leave their line, and hold up nobody."""
import pytest

from conftest import DENIED, IFACE, BusError, Client, path_of, polkit_rule, run, wait_for
from test_audit import pair

POLKIT = "org.freedesktop.PolicyKit1"
PATH = path_of("instance", "prompt")
OPTIONS = "(@a{sv} {},)"
BAD_OPTION = "({'Wrong': <1>},)"  # InvalidSetting to who is let through


@pytest.fixture
def prompt(instance):
    instance("prompt")


@pytest.fixture
def connect():
    made = []

    def make(user):
        made.append(Client(user))
        return made[-1]

    yield make
    for client in made:
        client.process.kill()
        client.process.wait()


def begin(client, call_id, member, body=OPTIONS, **more):
    client.begin(call_id, client.question(PATH, f"{IFACE}.Instance", member, body, timeout=100, **more))


def prompts(agent, count):
    """What polkit asks the agent now, as soon as it is so many questions."""
    def look():
        asked.append(agent.ask(do="prompts", seconds=0.1)["prompts"])
        return len(asked[-1]) == count

    asked = []
    wait_for(look, 20, f"{count} prompts")
    return asked[-1]


def is_waiting(client, call_id):
    try:
        client.end(call_id, seconds=0.2)
    except BusError as error:
        return error.name == "local.waiting"
    return False


def say_yes(root, agent, asked):
    """As polkit's helper does when the password was right."""
    uid = run("id", "-u", agent.user).stdout.strip()
    root.raw("/org/freedesktop/PolicyKit1/Authority", f"{POLKIT}.Authority", "AuthenticationAgentResponse2",
             f"(uint32 {uid}, '{asked['cookie']}', {asked['identity']})", name=POLKIT)
    agent.ask(do="decide", cookie=asked["cookie"], yes=True)


SOME_VERBS = """polkit.addRule(function(action, subject) {
    if (action.id == "org.left4me.host1.manage-instance" && subject.user == "sam" && action.lookup("verb") == "Configure")
        return polkit.Result.YES;
});"""


def test_who_waits_for_a_password_leaves_the_line_and_the_others_keep_theirs(root, connect, prompt):
    sam = connect("sam")
    with polkit_rule(SOME_VERBS):
        sam.ask(do="prompter")
        begin(sam, "waits", "SetConfig", "('asked for', @a{sv} {})", interactive=True)
        (asked,) = prompts(sam, 1)
        assert asked["action"] == "org.left4me.host1.manage-instance" and '"prompt"' not in asked["message"]
        assert "prompt" in asked["message"], "it names the instance"
        for n in range(25):
            begin(sam, f"set {n}", "Configure", f"({{'Description': <'{n}'>}},)", interactive=True)
            sam.begin(f"get {n}", sam.question(PATH, "org.freedesktop.DBus.Properties", "GetAll", f"('{IFACE}.Instance',)"))
        for n in range(25):
            assert sam.end(f"set {n}") == ()
            assert sam.end(f"get {n}")[0]["Description"] == str(n)
        assert is_waiting(sam, "waits")
        assert root.instance("prompt", "GetConfig", "") == ("",)
        say_yes(root, sam, asked)
        assert sam.end("waits") == ()
        assert root.instance("prompt", "GetConfig", "") == ("asked for",)


def test_a_dismissed_prompt_is_a_refusal(root, connect, prompt):
    sam = connect("sam")
    sam.ask(do="prompter")
    begin(sam, "waits", "Mount", interactive=True)
    (asked,) = prompts(sam, 1)
    sam.ask(do="decide", cookie=asked["cookie"], yes=False)
    with pytest.raises(BusError) as refusal:
        sam.end("waits")
    assert refusal.value.name == DENIED, refusal.value
    assert not root.get("instance", "prompt")["Mounted"]


def test_can_prompts_nobody_where_somebody_could_be_asked(connect, prompt):
    sam = connect("sam")
    sam.ask(do="prompter")
    for interactive in (False, True):
        assert sam.manager("Can", f"([(objectpath '{PATH}', 'Mount')],)", interactive=interactive)[0] == ["challenge"]
    assert prompts(sam, 0) == []


def test_a_caller_that_leaves_takes_its_prompt_along(root, connect, prompt):
    run("useradd", "leaver", check=False)  # whose refusals are so few that each is written down
    agent, caller = connect("leaver"), connect("leaver")
    agent.ask(do="prompter", pid=caller.process.pid)
    begin(caller, "waits", "Mount", "({'OnBehalfOf': <'a leaver'>},)", interactive=True)
    prompts(agent, 1)
    caller.process.kill()
    prompts(agent, 0)
    (refused,) = pair(ON_BEHALF_OF="a leaver")
    assert "left the bus" in refused["MESSAGE"], refused["MESSAGE"]
    assert not root.get("instance", "prompt")["Mounted"]


def test_open_prompts_hold_up_nobody(root, ada, connect, prompt):
    """Four of one user's are open at once, the others wait; somebody else's come, and who needs none is served."""
    run("useradd", "flooder", check=False)
    sam, other = connect("sam"), connect("flooder")
    for client in (sam, other):
        client.ask(do="prompter")
    for n in range(30):
        begin(sam, f"{n}", "Mount", BAD_OPTION, interactive=True)
    asked = prompts(sam, 4)
    begin(other, "waits", "Mount", BAD_OPTION, interactive=True)
    (also,) = prompts(other, 1)
    for _ in range(5):
        ada.instance("prompt", "GetConfig", "")
        sam.get("instance", "prompt")
    assert {p["cookie"] for p in prompts(sam, 4)} == {p["cookie"] for p in asked}
    say_yes(root, other, also)
    with pytest.raises(BusError) as answer:
        other.end("waits")
    assert answer.value.short == "InvalidSetting", "it was let through"
    say_yes(root, sam, asked[0])
    wait_for(lambda: asked[0]["cookie"] not in [p["cookie"] for p in prompts(sam, 4)], what="the next one's prompt")
