/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What names, arguments and texts from callers may look like. Each refusal is a sentence that says what is
 * allowed. */
#pragma once

#include <glib.h>

/* [a-z0-9][a-z0-9_-]{0,31}. `what` is "instance" or "overlay". Returns: whether it is one; *error is
 * HOST_ERROR_INVALID_NAME otherwise. */
gboolean validate_name(const char *what, const char *name, GError **error);

/* Returns: a caller's word as it may stand in a sentence or a line of the journal: ASCII, escaped, and cut
 * after 64 characters; owned. */
char *name_show(const char *name);

/* Returns: the first character of the valid UTF-8 that would end the line or steer a terminal; 0 when all is
 * plain text. */
gunichar text_find_control(const char *text);

/* The arguments of a server: at most 64, and 2048 bytes in all. Each is 1 to 256 bytes of printable ASCII
 * without blanks and without what would not reach the server as it is: quotes, backquote, backslash, `$`,
 * `%`, and `* ? [ ; | & < > ( )`. Refused with a hint: what the host sets itself, with `-`, `+` or after a
 * `+set`, with or without =value (ports, address, game directory, -norestart, -strictportbind), and secrets
 * (anything that ends in "password", sv_setsteamaccount). No refusal repeats a value. Returns: whether they
 * may be used; *error is HOST_ERROR_INVALID_SETTING otherwise. */
gboolean validate_arguments(char *const *arguments, GError **error);

/* At most 256 bytes of valid UTF-8 on one line, without control characters.
 * Returns: whether it is one; *error is HOST_ERROR_INVALID_SETTING otherwise. */
gboolean validate_description(const char *text, GError **error);

/* The name of a VPK: 5 to 255 bytes of printable ASCII without a slash, with ".vpk" at its end.
 * Returns: whether it is one; *error is HOST_ERROR_INVALID_SETTING otherwise. */
gboolean validate_vpk_name(const char *name, GError **error);

/* A text for SetConfig or SetScript: at most `limit` bytes. `what` names it in the refusal ("configuration",
 * "script"). Returns: whether it may be used; *error is HOST_ERROR_INVALID_SETTING otherwise. */
gboolean validate_text(const char *what, const char *text, size_t limit, GError **error);
