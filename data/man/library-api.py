#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Makes libleft4me-host(3): the template with what the public header says, and an example, already put in.

usage: library-api.py TEMPLATE HEADER EXAMPLE > libleft4me-host.3

The header is read as it is laid out: its opening comment, sections "---- Title ----", and in them blocks between blank
lines, in which a comment is about the declarations after it. A function without one is an error.
"""
import re
import sys
import textwrap

from roff import roff

FUNCTION = re.compile(r"\b(l4h_\w+)\([^()]*\)\s*;")


def comment_text(comment):
    """Without its marks."""
    lines = [re.sub(r"^\s*/?\*/?\s?", "", line) for line in comment.removesuffix("*/").rstrip().split("\n")]
    return "\n".join(lines).strip()


def paragraphs(text):
    """Paragraphs, and points that begin with a dash."""
    for paragraph in re.split(r"\n\s*\n", text):
        head, *points = re.split(r"(?:^|\n)- ", paragraph)
        if head.strip():
            yield ".PP\n" + roff(head)
        for point in points:
            yield ".IP \\(bu 2\n" + roff(point)


def declaration_lines(text):
    """Prototypes broken so that they fit a terminal; structures and enumerations as they are."""
    for part in re.split(r"(?<=;)\n(?! )|(?<=\*/)\n(?! )", text):
        if "{" in part or "\n\t" in part:
            yield from part.split("\n")
        else:
            # Between parameters alone.
            words = re.sub(r"(?<!,) (?!/\*)", "\0", re.sub(r"\(\s+", "(", " ".join(part.split())))
            for line in textwrap.wrap(words, 72, subsequent_indent="    ", break_long_words=False):
                yield line.replace("\0", " ")


def verbatim(lines):
    shown = ("\\&" + line.replace("\\", "\\e").replace("-", "\\-") for line in lines)
    return ".PP\n.nf\n.RS 4\n" + "\n".join(shown) + "\n.RE\n.fi"


def block(text):
    """One comment, which may be missing, and the declarations after it; several times."""
    comment = ""
    for part in re.split(r"^(/\*.*?\*/)\n", text, flags=re.M | re.S):
        if part.startswith("/*") and part.endswith("*/"):
            comment = part
            pending = list(paragraphs(comment_text(part)))
            continue
        if not part.strip():
            continue
        for function in FUNCTION.findall(part):
            if not comment and not re.search(r"_(un)?ref$", function):  # the introduction has these
                sys.exit(f"{function} is not documented in the header")
        yield verbatim(declaration_lines(part.rstrip()))
        if comment and pending:
            yield from pending
            pending = []


def main(template, header, example):
    with open(header, encoding="utf-8") as file:
        text = file.read()
    intro = re.search(r"\n/\* libleft4me-host: .*?\*/", text, re.S)[0].strip()
    body = text[text.index("/* ---- "):text.rindex("#pragma GCC visibility pop")]
    sections = []
    for section in re.split(r"^/\* ---- ", body, flags=re.M)[1:]:
        title, _, rest = section.partition(" ---- */\n")
        sections.append(f".SS {title}")
        for each in re.split(r"\n\s*\n", rest.strip()):
            sections += block(each + "\n")
    with open(template, encoding="utf-8") as file:
        page = file.read()
    with open(example, encoding="utf-8") as file:
        code = file.read().rstrip().split("\n")[1:]
    for mark, lines in ("INTRODUCTION", paragraphs(comment_text(intro))), ("FUNCTIONS", sections), ("EXAMPLE", [verbatim(code)]):
        page = page.replace(f"@{mark}@", "\n".join(lines))
    sys.stdout.write(page)


main(*sys.argv[1:])
