# SPDX-License-Identifier: LGPL-2.1-or-later
"""The audit trail: two entries for each call that would change something, joined by a call id, which nobody can forge."""
import json

import pytest

from conftest import CHALLENGE, BusError, Client, path_of, run, text, wait_for

HOSTD = "_SYSTEMD_UNIT=left4me-hostd.service"


def entries(*matches):
    out = run("journalctl", "--output=json", "--no-pager", HOSTD, *matches, check=False).stdout
    return [json.loads(line) for line in out.splitlines()]


def pair(**match):
    """The entries of the newest call with these fields."""
    def look():
        found = entries(*[f"LEFT4ME_{key}={value}" for key, value in match.items()])
        return found and entries(f"LEFT4ME_CALL={found[-1]['LEFT4ME_CALL']}")
    return wait_for(lambda: (lambda e: e if e and e[-1]["LEFT4ME_EVENT"] != "accepted" else None)(look()), 10, "the audit")


def test_a_call_that_was_done_leaves_two_entries(root, ada, instance):
    instance("audit")
    ada.instance("audit", "Configure", "({'Description': <'of the audit'>, 'OnBehalfOf': <'bob@example'>},)")
    first, last = pair(ON_BEHALF_OF="bob@example")
    assert (first["LEFT4ME_EVENT"], last["LEFT4ME_EVENT"]) == ("accepted", "finished")
    for entry in (first, last):
        assert entry["LEFT4ME_ACTION"] == "org.left4me.host1.manage-instance"
        assert entry["LEFT4ME_MEMBER"] == "Configure"
        assert entry["LEFT4ME_OBJECT"] == path_of("instance", "audit")
        assert entry["LEFT4ME_VERDICT"] == "yes"
        assert entry["LEFT4ME_UID"] == run("id", "-u", "ada").stdout.strip()
    assert last["LEFT4ME_OUTCOME"] == "success"


def test_a_call_that_failed_says_how_and_one_that_made_a_job_says_which(root, ada, instance):
    instance("audit")
    with pytest.raises(BusError):
        ada.instance("audit", "Configure", "({'Port': <uint16 1>, 'OnBehalfOf': <'failing'>},)")
    assert pair(ON_BEHALF_OF="failing")[1]["LEFT4ME_OUTCOME"] == "org.left4me.Host1.Error.InvalidSetting"
    job = ada.instance("audit", "Reset", "({'OnBehalfOf': <'resetting'>},)")[0]
    ada.wait_job(job)
    assert pair(ON_BEHALF_OF="resetting")[1]["LEFT4ME_JOB"] == job


@pytest.fixture
def forger():
    """A user whose refusals are so few that each is written down."""
    run("useradd", "forger", check=False)
    client = Client("forger")
    yield client
    client.close()


def test_a_refusal_is_one_entry_and_the_callers_unit_is_named(root, forger, instance):
    instance("audit")
    done = run("systemd-run", "--wait", "--collect", "--pipe", "--uid=forger", "--unit=auditor", "busctl", "call", "org.left4me.Host1",
               path_of("instance", "audit"), "org.left4me.Host1.Instance", "Stop", "a{sv}", "1", "OnBehalfOf", "s", "unit",
               check=False)
    assert done.returncode != 0
    (refused,) = pair(ON_BEHALF_OF="unit")
    assert (refused["LEFT4ME_EVENT"], refused["LEFT4ME_VERDICT"]) == ("refused", "no")
    assert refused["LEFT4ME_CALLER_UNIT"] == "auditor.service"


def test_fields_cannot_be_forged_by_a_newline(root, ada, instance):
    instance("audit")
    with pytest.raises(BusError) as refusal:
        ada.instance("audit", "Configure", "({'OnBehalfOf': <'a\\nLEFT4ME_UID=0'>},)")
    assert refusal.value.short == "InvalidSetting"


def test_a_name_from_a_caller_makes_no_line_of_its_own(ada, forger, instance):
    """Whatever a caller names is escaped and cut, in the answer and in the journal's sentence."""
    forged = "\nAccepted: Start of arena by user 0"
    for name in (forged, "ä" * 40, "x" * 200, '"; rm'):
        path = path_of("instance", name) if name.isascii() else "/org/left4me/Host1/instance/" + "_c3_a4" * 40
        with pytest.raises(BusError) as refusal:
            forger.raw(path, "org.left4me.Host1.Instance", "Stop", "({'OnBehalfOf': <'forger'>},)", timeout=10)
        if len(path) > 255:
            assert refusal.value.name == "org.freedesktop.DBus.Error.UnknownObject"
            continue
        assert refusal.value.short == "NoSuchInstance"
        assert refusal.value.message.isascii() and "\n" not in refusal.value.message and len(refusal.value.message) < 150
        entry = wait_for(lambda: entries(f"LEFT4ME_OBJECT={path}"), what="the audit")[-1]
        assert refusal.value.message in entry["MESSAGE"] and "\n" not in entry["MESSAGE"]
    instance("audit")
    for option in ("x" * 63 + "ä", "a\n"):
        with pytest.raises(BusError) as refusal:
            ada.instance("audit", "Configure", f"({{{text(option)}: <1>}},)", timeout=10)
        assert refusal.value.short == "InvalidSetting" and refusal.value.message.isascii(), refusal.value
        assert "\n" not in refusal.value.message


def test_whom_a_call_is_for_stays_in_its_quotes(ada, instance):
    instance("audit")

    def configure(whom):
        ada.instance("audit", "Configure", "({'OnBehalfOf': <%s>},)" % text(whom))

    whom = 'Zoë" by user 0'
    configure(whom)
    for entry in pair(ON_BEHALF_OF=whom):
        assert r'on behalf of "Zoë\" by user 0"' in entry["MESSAGE"], entry["MESSAGE"]
    for separator in ("\u2028", "\u0085"):
        with pytest.raises(BusError) as refusal:
            configure(f"a{separator}b")
        assert refusal.value.short == "InvalidSetting"


def test_more_than_twenty_refusals_a_minute_become_one_line(root, instance):
    """A user of its own: the count is per uid. The line comes when the minute is over."""
    instance("audit")
    run("useradd", "flooder", check=False)
    uid = run("id", "-u", "flooder").stdout.strip()
    flooder = Client("flooder")
    for _ in range(50):
        with pytest.raises(BusError) as refusal:
            flooder.instance("audit", "Start")
        assert refusal.value.name == CHALLENGE
    flooder.close()
    refused = entries("LEFT4ME_EVENT=refused", f"LEFT4ME_UID={uid}")
    alone = [e for e in refused if e.get("LEFT4ME_MEMBER") == "Start"]
    assert 20 <= len(alone) <= 40, "twenty a minute, and the fifty calls may have met two minutes"
    line = wait_for(lambda: [e for e in entries("LEFT4ME_EVENT=refused", f"LEFT4ME_UID={uid}")
                             if "more calls" in e["MESSAGE"]], 90, "the counting line")
    assert sum(int(e["MESSAGE"].split()[0]) for e in line) + len(alone) >= 50
