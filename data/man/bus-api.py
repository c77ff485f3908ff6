#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Makes org.left4me.Host1(5): the template with what the tree knows already put in.

usage: bus-api.py TEMPLATE POLICY ERROR-LIST INTERFACE.xml... > org.left4me.Host1.5

@INTERFACES@ becomes the interfaces with their documentation (comments as gdbus-codegen reads them), @ACTIONS@ the polkit
actions, @ERRORS@ the errors. A member or an argument without documentation is an error.
"""
import re
import sys
import xml.etree.ElementTree as ET

from roff import roff

CONST = "org.freedesktop.DBus.Property.EmitsChangedSignal"


class Doc:
    """A comment: "Symbol: text", "@argument: text" lines, paragraphs."""

    def __init__(self, comment):
        head, _, rest = comment.strip().partition(":")
        self.symbol = head.strip()
        lines = [line.strip() for line in rest.strip().split("\n")]
        self.arguments = {}
        while lines and lines[0].startswith("@"):
            name, _, text = lines.pop(0)[1:].partition(": ")
            self.arguments[name] = text
        self.paragraphs = [p for p in re.split(r"\n\s*\n", "\n".join(lines).strip()) if p]


def documented(parent):
    """Each child with the comment before it."""
    comment = None
    for child in parent:
        if child.tag is ET.Comment:
            comment = child.text
        else:
            yield child, Doc(comment or "")
            comment = None


def require(condition, name):
    if not condition:
        sys.exit(f"{name} is not documented")


def method(element, doc, out):
    args = element.findall("arg")
    ins = ", ".join(f'{a.get("type")} {a.get("name")}' for a in args if a.get("direction") == "in")
    outs = ", ".join(f'{a.get("type")} {a.get("name")}' for a in args if a.get("direction") == "out")
    out.append(f'.TP\n\\fB{element.get("name")}\\fR({ins})' + (f" \\(-> {outs}" if outs else ""))
    out.append("\n.IP\n".join(roff(p) for p in doc.paragraphs))
    for arg in args:
        name = arg.get("name")
        require(doc.arguments.get(name), f'{element.get("name")}, {name}')
        out.append(f".RS\n.TP\n.I {name}\n{roff(doc.arguments[name])}\n.RE")


def prop(element, doc, out):
    annotations = {a.get("name"): a.get("value") for a in element.findall("annotation")}
    const = ", constant" if annotations.get(CONST) == "const" else ""
    out.append(f'.TP\n\\fB{element.get("name")}\\fR ({element.get("type")}{const})')
    out.append("\n.IP\n".join(roff(p) for p in doc.paragraphs))


def interface(file):
    parser = ET.XMLParser(target=ET.TreeBuilder(insert_comments=True))
    (element, doc), *_ = documented(ET.parse(file, parser).getroot())
    out = [f'.SH {element.get("name").rpartition(".")[2].upper()} INTERFACE\n.B {element.get("name")}:']
    out.append(roff(doc.arguments["short_description"]) + ".")
    out += [".PP\n" + roff(p) for p in doc.paragraphs]
    for tag, title, write in ("method", "Methods", method), ("property", "Properties", prop):
        out.append(f".SS {title}")
        for child, child_doc in documented(element):
            if child.tag == tag:
                require(child_doc.symbol == child.get("name") and child_doc.paragraphs, child.get("name"))
                write(child, child_doc, out)
    return "\n".join(out)


def actions(policy):
    for action in ET.parse(policy).getroot().iter("action"):
        yield f'.TP\n.B {action.get("id")}\n{roff(action.findtext("description"))}. Default: {action.findtext("defaults/allow_any")}.'


def errors(header):
    with open(header, encoding="utf-8") as file:
        rows = re.findall(r'X\(\w+, "(\w+)", (E\w+)\)', file.read())
    yield ",\n".join(f"\\fB{name}\\fR ({errno})" for name, errno in rows) + "."


def main(template, policy, header, *interfaces):
    with open(template, encoding="utf-8") as file:
        page = file.read()
    for mark, parts in ("INTERFACES", map(interface, interfaces)), ("ACTIONS", actions(policy)), ("ERRORS", errors(header)):
        page = page.replace(f"@{mark}@", "\n".join(parts))
    sys.stdout.write(page)


main(*sys.argv[1:])
