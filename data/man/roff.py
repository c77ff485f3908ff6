# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the programs that make manual pages share."""


def roff(text):
    """One paragraph of plain text."""
    text = " ".join(text.split()).replace("\\", "\\e")
    return "\\&" + text if text[:1] in (".", "'") else text
