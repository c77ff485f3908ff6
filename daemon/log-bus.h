/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* ReadLog, as instances and jobs have it. */
#pragma once

#include "call.h"
#include "log.h"

/* The handlers of both kinds of object; they end the call and return 1. */
int log_bus_read(Call *call, Host *host, Log *log);

#define LOG_METHODS(read_log)                                                                                \
        SD_BUS_METHOD_WITH_ARGS("ReadLog", SD_BUS_ARGS("s", cursor, "u", max),                               \
                SD_BUS_RESULT("a(tuays)", lines, "s", next, "b", end), read_log, SD_BUS_VTABLE_UNPRIVILEGED)
