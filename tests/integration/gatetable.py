# SPDX-License-Identifier: LGPL-2.1-or-later
"""The gate's table as daemon/gate-table.c has it, and a call for each row: one that changes nothing, since its options
name one that does not exist, and whose answer tells whether the gate let it pass."""
import pathlib
import re
from typing import NamedTuple

from conftest import CHALLENGE, DENIED, IFACE, PATH, BusError, path_of

TREE = pathlib.Path(__file__).parents[2]
SOURCE = TREE / "daemon" / "gate-table.c"
ACTION = "org.left4me.host1."
BAD_OPTION = "{'NoSuchOption': <1>}"


class Row(NamedTuple):
    interface: str
    member: str
    signature: str
    action: str
    kind: str
    examine: str

    @property
    def changes(self):
        return self.kind == "ROW_CHANGE"

    @property
    def name(self):
        return f"{self.interface}.{self.member}"


def _defines():
    text = (TREE / "dbus" / "names.h").read_text() + SOURCE.read_text()
    found = {}
    for name, value in re.findall(r'^#define (HOST_BUS_NAME|H?O?S?T?_?IFACE_\w+)\s+(.+?)$', text, re.M):
        found[name] = "".join(part.strip('"') if part.startswith('"') else found[part] for part in value.split())
    return found


def _read():
    names = _defines()
    text = SOURCE.read_text().partition("static const GateRow rows[] = {")[2].partition("\n};")[0]
    row = re.compile(r'\{(\w+),\s*"(\w+)",\s*"([^"]*)",\s*ACTION\("([\w-]+)"\),\s*(\w+),\s*(\w+)\}')
    rows = [Row(names[m[0]], *m[1:]) for m in row.findall(text)]
    assert len(rows) == len(re.findall(r"^ +\{", text, re.M)) > 20, "this file and the table's layout have parted"
    return rows


ROWS = _read()
# Properties.Set is refused to everybody, whoever it is.
CALLABLE = [row for row in ROWS if row.member != "Set"]


class Things(NamedTuple):
    """The objects that the calls are about."""
    instance: str
    overlay: str
    job: str  # one that has ended


def path(row, things):
    kind = row.interface.rpartition(".")[2].lower()
    if row.interface.startswith(IFACE) and kind != "manager":
        return path_of(kind, getattr(things, kind))
    return PATH


def body(row, things):
    if row.member in ("CreateInstance", "CreateOverlay"):
        name = "'never-made'"
    elif row.member in ("GetInstance", "GetOverlay"):
        name = f"'{things.instance if row.member == 'GetInstance' else things.overlay}'"
    else:
        name = f"'{IFACE}.Manager'" if row.member in ("Get", "GetAll") else "'text'"
    arguments = {"": "", "s": f"({name},)", "ss": f"({name}, 'Version')", "t": f"(uint64 {things.job},)",
                 "su": "('', uint32 1)", "a(os)": "(@a(os) [],)", "a{sv}": f"({BAD_OPTION},)",
                 "sa{sv}": f"({name}, {BAD_OPTION})", "ta{sv}": f"(uint64 1, {BAD_OPTION})",
                 "ssa{sv}": f"({name}, 'script', {BAD_OPTION})"}
    return arguments[row.signature]


def try_call(client, row, things):
    """What the gate says: yes, challenge or no, as Can would."""
    try:
        client.raw(path(row, things), row.interface, row.member, body(row, things))
    except BusError as error:
        if error.name in (CHALLENGE, DENIED):
            return "challenge" if error.name == CHALLENGE else "no"
        assert error.short == "InvalidSetting" and "NoSuchOption" in error.message, (row.name, error)
    return "yes"


def ask_can(client, rows, things, **more):
    """What Can says of our own members among the rows, by the row's name."""
    rows = [row for row in rows if row.interface.startswith(IFACE)]
    pairs = ", ".join(f"(objectpath '{path(row, things)}', '{row.member}')" for row in rows)
    answers = client.manager("Can", f"([{pairs}],)", **more)[0]
    assert len(answers) == len(rows)
    return dict(zip((row.name for row in rows), answers))
