/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the domain says when it refuses or fails: a code that becomes a bus error by dbus/error-list.h, and a
 * sentence for a person. */
#pragma once

#include "dbus/error-list.h"
#include <glib.h>

#define X(code, name, number) HOST_ERROR_##code,
typedef enum HostError { HOST_ERROR_LIST(X) HOST_ERROR_MAX } HostError;
#undef X

#define HOST_ERROR host_error_quark()
GQuark host_error_quark(void);

/* Returns: the bus error name of a code, static. */
const char *host_error_bus_name(int code);
