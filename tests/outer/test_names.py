# SPDX-License-Identifier: LGPL-2.1-or-later
"""Names of the bus API stand in one place: those of members in the interface XML, the others in dbus/*.h."""
import pathlib
import re
import xml.etree.ElementTree as ET

TREE = pathlib.Path(__file__).parents[2]
LITERAL = re.compile(r'"((?:[^"\\]|\\.)*)"')


def code_of(directory):
    """The C of a directory, by file, without comments and the labels that l4d2ctl prints for people."""
    for file in (TREE / directory).rglob("*.[ch]"):
        text = re.sub(r"/\*.*?\*/", "", file.read_text(), flags=re.S)
        yield file.relative_to(TREE), re.sub(r'print_field\(\s*"\w+( \w+)*"', "", text)


def literals(directory):
    return {(literal, str(file)) for file, text in code_of(directory) for literal in LITERAL.findall(text)}


def members():
    for file in (TREE / "dbus").glob("*.xml"):
        for element in ET.parse(file).getroot().iter():
            if element.tag in ("method", "property"):
                yield element.get("name")


def test_no_member_is_written_down_by_clients():
    names = set(members())
    assert len(names) > 80
    assert not {each for each in literals("client") if each[0] in names}


def test_no_other_name_is_written_down_twice():
    header = (TREE / "dbus/names.h").read_text()
    names = {value for name, value in re.findall(r'#define (HOST_(?:BUS|\w+_UNIT|OPTION|JOURNAL|ACTION|PATH)\w*)\s+"([^"]+)"', header)}
    names |= set(re.findall(r'X\(\w+, "(\w+)"', (TREE / "dbus/error-list.h").read_text()))
    assert len(names) > 40
    found = {each for directory in ("client", "daemon") for each in literals(directory) if each[0] in names}
    assert not found
    spelled = [str(file) for directory in ("client", "daemon") for file, text in code_of(directory)
               if re.search(r'"[^"\n]*(org[./]left4me[./]Host1)', text)]
    assert not spelled
