/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What reading the journal and following it share. */
#pragma once

#include "journal.h"
#include <systemd/sd-journal.h>

G_DEFINE_AUTOPTR_CLEANUP_FUNC(sd_journal, sd_journal_close)

/* Opens the journal for these lines: all, or what the units' processes print by their output and errors. */
int journal_open_lines(const JournalLines *which, bool only_printed, sd_journal **ret_journal);
/* Goes to the entry with this cursor. Returns: whether it is there, and the journal stands at it. */
bool journal_seek_entry(sd_journal *journal, const char *cursor);
/* Of the entry that the journal stands at. */
bool journal_is_since(sd_journal *journal, const JournalLines *which);
/* Returns: NULL for an entry that is damaged, or has no text. */
JournalLine *journal_take_line(sd_journal *journal);
