# SPDX-License-Identifier: LGPL-2.1-or-later
"""Completion, in real shells: verbs, options, names from the bus, files."""
import pytest

from conftest import run

BASH = r"""
source /usr/share/bash-completion/completions/l4d2ctl
compopt() { :; }
COMP_LINE=$1 COMP_POINT=${#1} COMPREPLY=()
"$(complete -p l4d2ctl | sed 's/.*-F \([^ ]*\).*/\1/')"
printf '%s\n' "${COMPREPLY[@]}"
"""
ZSH = r"""
_files() { print -l -- $PREFIX*(N) }
compadd() { while [[ $1 == -S || $1 == -- ]] { [[ $1 == -S ]] && shift; shift }; for word; [[ $word == $words[CURRENT]* ]] && print -r -- $word }
words=("${(@s: :)1}") CURRENT=$#words PREFIX=$words[-1]
source /usr/share/zsh/vendor-completions/_l4d2ctl
true
"""


def complete(shell, line):
    """What a word at the end of the line can become."""
    command = ["bash", "-c", BASH, "bash"] if shell == "bash" else ["zsh", "-f", "-c", ZSH, "zsh"]
    return set(run(*command, line, user="sam", cwd="/etc/left4me").stdout.split())


@pytest.fixture(params=["bash", "zsh"])
def shell(request):
    return request.param


@pytest.fixture
def objects(instance, overlay):
    instance("com-arena")
    overlay("com-maps")


def test_verbs(shell):
    assert {"list", "overlay", "job", "install"} <= complete(shell, "l4d2ctl ")
    assert complete(shell, "l4d2ctl sta") == {"start", "status"}
    assert complete(shell, "l4d2ctl overlay set") == {"set-script"}
    assert complete(shell, "l4d2ctl --quiet job ca") == {"cancel"}
    assert complete(shell, "l4d2ctl frobnicate ") == set()


def test_names_from_the_bus(shell, objects, root):
    assert complete(shell, "l4d2ctl start com-") == {"com-arena"}
    assert complete(shell, "l4d2ctl status com-arena com-") == {"com-arena"}
    assert complete(shell, "l4d2ctl overlay build com-") == {"com-maps"}
    assert complete(shell, "l4d2ctl can overlay/com-") == {"overlay/com-maps"}
    assert complete(shell, "l4d2ctl overlay revert com-maps ") == {"1"}
    last = str(root.get("overlay", "com-maps")["LastJob"].rpartition("_3")[2])
    assert any(number.endswith(last) for number in complete(shell, "l4d2ctl job show "))
    assert complete(shell, "l4d2ctl overlay revert com-maps 1 ") == set()
    assert complete(shell, "l4d2ctl create com-") == set(), "a new name is the person's to find"
    assert complete(shell, "l4d2ctl -H elsewhere start com-") == set(), "nobody is asked who may not answer"


def test_options_keys_and_files(shell):
    assert "--replace" in complete(shell, "l4d2ctl overlay import --")
    assert "--replace" not in complete(shell, "l4d2ctl start --")
    values = {"short", "pretty", "off"}
    assert complete(shell, "l4d2ctl list --json=") in (values, {f"--json={value}" for value in values})
    assert complete(shell, "l4d2ctl list --json s") == {"short"}
    assert complete(shell, "l4d2ctl create new D") == {"Description="}
    assert complete(shell, "l4d2ctl overlay configure maps S") == {"SizeLimit="}
    assert "host.conf" in complete(shell, "l4d2ctl set-config arena ho")
