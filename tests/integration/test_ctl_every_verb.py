# SPDX-License-Identifier: LGPL-2.1-or-later
"""Every verb of l4d2ctl: what it says to who may not, to names that are none, and to bad words. The good paths are in
test_l4d2ctl.py, test_ctl_*.py and test_follow.py."""
import re

import pytest

from conftest import delete_overlay, run

# For each verb: words that it takes, and what keeps sam, who is in no group, from it: a right, or that there is no such
# thing; None where everybody may.
VERBS = {
    "install": ("", "right"), "list": ("", None), "status": ("nowhere", "thing"), "create": ("new", "right"),
    "initialize": ("new", "right"), "configure": ("nowhere Port=27100", "right"), "set-config": ("nowhere /dev/null", "right"),
    "get-config": ("nowhere", "right"), "start": ("nowhere", "right"), "stop": ("nowhere", "right"), "restart": ("nowhere", "right"),
    "logs": ("nowhere", "right"), "mount": ("nowhere", "right"), "unmount": ("nowhere", "right"), "reset": ("nowhere", "right"),
    "delete": ("nowhere", "right"), "monitor": (None, None), "can": ("", None), "reload": ("", "right"),
    "overlay list": ("", None), "overlay show": ("nowhere", "thing"), "overlay create": ("new", "right"),
    "overlay configure": ("nowhere Description=x", "right"), "overlay set-script": ("nowhere /dev/null", "right"),
    "overlay get-script": ("nowhere", "right"), "overlay edit": ("nowhere", "right"), "overlay build": ("nowhere", "right"),
    "overlay import": ("nowhere /etc/hostname", "right"), "overlay revert": ("nowhere 1", "right"), "overlay wipe": ("nowhere", "right"),
    "overlay wipe-cache": ("nowhere", "right"), "overlay delete": ("nowhere", "right"), "job list": ("", None),
    "job show": ("999999", "thing"), "job wait": ("999999", "thing"), "job log": ("999999", "thing"), "job cancel": ("999999", "thing"),
}
each_verb = pytest.mark.parametrize("verb", VERBS)


def ctl(*words, user="sam"):
    return run("l4d2ctl", *words, user=user, check=False)


@pytest.fixture(scope="module", autouse=True)
def nowhere(root, game):
    """For sam the objects are there, for the others who look for "nothing" they are not."""
    root.manager("CreateInstance", "('nowhere', @a{sv} {})")
    root.manager("CreateOverlay", "('nowhere', 'files', @a{sv} {})")
    yield
    root.wait_job(root.instance("nowhere", "Delete")[0])
    delete_overlay(root, "nowhere")


def test_the_table_has_every_verb():
    help_of_all = ctl("--help").stdout
    verbs = [re.match(r"  ((?:[a-z-]+ ?)+?)(?: +[\[A-Z].*|  .*)$", line)[1].strip()
             for line in help_of_all.splitlines() if re.match(r"  [a-z]", line)]
    assert sorted(verbs) == sorted(VERBS)
    assert len(help_of_all.splitlines()) <= 60 and max(map(len, help_of_all.splitlines())) <= 80


def test_help_of_a_family():
    said = ctl("job", "--help").stdout
    assert "  job cancel ID..." in said and "overlay" not in said
    assert "job --help" in ctl("job").stderr and ctl("job").returncode == 2
    assert ctl("job", "frob", "--help").returncode == 2


@each_verb
def test_who_may_not_is_told_why(verb):
    words, barrier = VERBS[verb]
    if words is None:
        return  # it does not end
    done = ctl(*verb.split(), *words.split())
    if barrier == "right":
        assert done.returncode == 1 and "authentication" in done.stderr.lower(), done
    elif barrier == "thing" and "nowhere" not in words:
        assert done.returncode == 1 and "999999" in done.stderr, done
    else:
        assert done.returncode == 0 and done.stdout and not done.stderr, done


@each_verb
def test_a_name_that_is_none(verb):
    words = VERBS[verb][0] or ""
    if "nowhere" not in words:
        return
    done = ctl(*verb.split(), *words.replace("nowhere", "nothing").split(), user="ada" if "mount" not in verb else "root")
    assert done.returncode == 1 and "nothing" in done.stderr and not done.stdout, done


@each_verb
def test_bad_words(verb):
    words = (VERBS[verb][0] or "").split()
    assert ctl(*verb.split(), *words, "--frobnicate").returncode == 2
    assert ctl(*verb.split(), *words, "--kind=zip", "--replace", "--lines=x", "--json=x").returncode == 2
    usage = ctl(*verb.split(), "--help").stdout.splitlines()[0]
    if "..." not in usage:
        many = ctl(*verb.split(), *words, "one-more", "and-more")
        assert many.returncode == 2 and "Too many" in many.stderr, many
    if words and "[" not in usage.replace("[OPTION...]", ""):
        few = ctl(*verb.split())
        assert few.returncode == 2 and "Too few" in few.stderr and usage.split("...] ")[1] in few.stderr, few


@each_verb
def test_help_is_one_screen(verb):
    done = ctl(*verb.split(), "--help")
    lines = done.stdout.splitlines()
    assert done.returncode == 0 and 3 < len(lines) <= 24 and max(map(len, lines)) <= 80, done.stdout
