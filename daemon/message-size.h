/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* How much a received message asks of whoever reads it. A bus lets through tens of megabytes; walking that
 * many small values would stop the main loop for seconds, and holding some dozens of such messages would take
 * the host's memory. */
#pragma once

#include <systemd/sd-bus.h>

/* Counts path and arguments, in bytes and some more for each value, and stops at the limit: it takes no
 * longer than the limit allows. The message is rewound afterwards. Returns: 0, -E2BIG, or -EBADMSG when the
 * arguments are not what their signature says. *ret_size is what was counted. */
int message_check_size(sd_bus_message *m, size_t limit, size_t *ret_size);
