/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* ReadLog and OpenLog, as instances and jobs have them. */
#pragma once

#include "call.h"
#include "log.h"

/* Of both kinds of object; they end the call and return 1. `is_whole`: nothing more will come to the log. */
int log_bus_read(Call *call, Host *host, Log *log);
int log_bus_open(Call *call, Host *host, Log *log, bool is_whole);

#define LOG_METHODS(open_log, read_log)                                                                      \
        SD_BUS_METHOD_WITH_ARGS("OpenLog", SD_BUS_ARGS("a{sv}", options), SD_BUS_RESULT("h", pipe),          \
                open_log, SD_BUS_VTABLE_UNPRIVILEGED),                                                       \
                SD_BUS_METHOD_WITH_ARGS("ReadLog", SD_BUS_ARGS("s", cursor, "u", max),                       \
                        SD_BUS_RESULT("a(tuays)", lines, "s", next, "b", end), read_log,                     \
                        SD_BUS_VTABLE_UNPRIVILEGED)
