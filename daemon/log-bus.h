/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* ReadLog and OpenLog, as instances and jobs have them. */
#pragma once

#include "call.h"
#include "log-stream.h"

#define CURSOR_MAX 1024 /* bytes; the journal's are some 150 */

/* Of both kinds of object; they end the call and return 1. `is_whole`: nothing more will come to the log. */
int log_bus_read(Call *call, Host *host, Log *log);
int log_bus_open(Call *call, Host *host, Log *log, bool is_whole);

/* Reads the options of OpenLog. `ret`: as it is without any; its cursor is the message's. Returns: FALSE with
 * an error that names the option. */
gboolean log_bus_read_wish(sd_bus_message *m, LogWish *ret, GError **error);

#define LOG_METHODS(open_log, read_log)                                                                      \
        SD_BUS_METHOD_WITH_ARGS("OpenLog", SD_BUS_ARGS("a{sv}", options), SD_BUS_RESULT("h", pipe),          \
                open_log, SD_BUS_VTABLE_UNPRIVILEGED),                                                       \
                SD_BUS_METHOD_WITH_ARGS("ReadLog", SD_BUS_ARGS("s", cursor, "u", max),                       \
                        SD_BUS_RESULT("a(tuays)", lines, "s", next, "b", end), read_log,                     \
                        SD_BUS_VTABLE_UNPRIVILEGED)
