/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What names, arguments and texts from callers may look like. Each refusal is a sentence that says what is allowed. */
#pragma once

#include <glib.h>

/* [a-z0-9][a-z0-9_-]{0,31}. Returns: whether it is one; *error is HOST_ERROR_INVALID_NAME otherwise. `what` is "instance" or "overlay". */
gboolean validate_name(const char *what, const char *name, GError **error);

/* One argument of a server: printable ASCII without quotes, backslash, `$`, `%`, not empty, no blanks, at most 256 bytes; refused with a hint: those that set
 * port, address, game directory (-port +port -ip +ip -hostport +hostport +tv_port +clientport -game -norestart -strictportbind, with or without =value) and those that set a
 * password (+rcon_password, +sv_password, +rconPassword, any +...password: "belongs into the configuration, SetConfig").
 * HOST_ERROR_INVALID_SETTING. At most 64 arguments, 2048 bytes in all. */
gboolean validate_arguments(char *const *arguments, GError **error);

/* At most 256 bytes of valid UTF-8 on one line (no control characters). */
gboolean validate_description(const char *text, GError **error);

/* A text for SetConfig or SetScript: at most `limit` bytes. `what` names it in the refusal. */
gboolean validate_text(const char *what, const char *text, size_t limit, GError **error);
