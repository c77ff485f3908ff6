# SPDX-License-Identifier: LGPL-2.1-or-later
"""Names of the bus API stand in one place: those of members in the interface XML, the others in dbus/*.h."""
import pathlib
import re
import xml.etree.ElementTree as ET

TREE = pathlib.Path(__file__).parents[2]
LITERAL = re.compile(r'"((?:[^"\\]|\\.)*)"')


def code_of(pattern):
    """The C of some files, without comments."""
    for file in TREE.glob(pattern):
        yield str(file.relative_to(TREE)), re.sub(r"/\*.*?\*/", "", file.read_text(), flags=re.S)


def literals(pattern):
    return {(literal, file) for file, text in code_of(pattern) for literal in LITERAL.findall(text)}


def members():
    for file in (TREE / "dbus").glob("*.xml"):
        for element in ET.parse(file).getroot().iter():
            if element.tag in ("method", "property"):
                yield element.get("name")


def test_no_member_is_written_down_by_the_library():
    """l4d2ctl has words for people, some of them the same, and speaks to the library alone."""
    names = set(members())
    assert len(names) > 80
    assert not {each for each in literals("client/*.[ch]") if each[0] in names}


def test_no_other_name_is_written_down_twice():
    header = (TREE / "dbus/names.h").read_text()
    names = {value for name, value in re.findall(r'#define (HOST_(?:BUS|\w+_UNIT|OPTION|JOURNAL|ACTION|PATH)\w*)\s+"([^"]+)"', header)}
    names |= set(re.findall(r'X\(\w+, "(\w+)"', (TREE / "dbus/error-list.h").read_text()))
    assert len(names) > 40
    both = ("client/*.[ch]", "daemon/**/*.[ch]")
    assert not {each for pattern in both for each in literals(pattern) if each[0] in names}
    spelled = [file for pattern in ("client/**/*.[ch]", "daemon/**/*.[ch]") for file, text in code_of(pattern)
               if re.search(r'"[^"\n]*(org[./]left4me[./]Host1)', text)]
    assert not spelled
