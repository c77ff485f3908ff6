/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The forms in which OpenLog gives lines: as printed, or an object of JSON each, with the names that
 * journalctl gives to what is in it. */
#pragma once

#include "journal.h"

typedef enum LogFormat { LOG_CAT, LOG_JSON, N_LOG_FORMATS } LogFormat;

/* Returns: whether there is such a form. */
bool log_format_parse(const char *word, LogFormat *ret);
/* Adds a line, with its newline. */
void log_format_line(LogFormat format, const JournalLine *line, GByteArray *bytes);
/* Adds that lines may be missing between those of these two times; as printed, that is nothing. */
void log_format_gap(LogFormat format, uint64_t after, uint64_t before, GByteArray *bytes);
