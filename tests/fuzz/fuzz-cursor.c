/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A cursor as a caller gives it, for the log of a unit that has none. */
#include "daemon/journal.h"
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        g_auto(JournalRead) read = {};
        g_autofree char *cursor = fuzz_text(data, size);
        g_autoptr(JournalLines) which = journal_lines_new(g_strsplit("left4me-nothing.service", " ", 1), 0);
        JournalRange range = JOURNAL_ALL;

        range.cursor = cursor;
        if (*cursor)
                g_assert_false(journal_has(which, cursor));
        int r = journal_read(which, &range, false, 10, 1000, &read);
        g_assert_cmpint(r, ==, *cursor ? -ESTALE : 0);
        return 0;
}
