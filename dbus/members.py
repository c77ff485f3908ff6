#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Makes members.h from the interface XML: the names of methods and properties, so that C code writes none of them down.

HOST_MEMBER_Start is "Start"; HOST_INSTANCE_METHODS(X) is X("Start") X("Stop") and so on, for each interface.
"""
import sys
import xml.etree.ElementTree as ET


def main(header, *xml_files):
    names = set()
    methods = {}
    for file in xml_files:
        for interface in ET.parse(file).getroot().iter("interface"):
            names.update(member.get("name") for member in interface if member.tag in ("method", "property"))
            methods[interface.get("name").rpartition(".")[2].upper()] = [m.get("name") for m in interface.iter("method")]

    with open(header, "w", encoding="utf-8") as out:
        print("/* Made by dbus/members.py from the interface XML. */\n#pragma once\n", file=out)
        for name in sorted(names):
            print(f'#define HOST_MEMBER_{name} "{name}"', file=out)
        for interface, members in methods.items():
            calls = " ".join(f"X(HOST_MEMBER_{name})" for name in members)
            print(f"\n#define HOST_{interface}_METHODS(X) {calls}", file=out)


main(*sys.argv[1:])
