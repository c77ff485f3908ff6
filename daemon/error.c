/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "error.h"
#include "dbus/names.h"

G_DEFINE_QUARK(host - error - quark, host_error)

const char *host_error_bus_name(int code)
{
        static const char *const names[] = {
#define X(code, name, number) [HOST_ERROR_##code] = HOST_ERROR_PREFIX name,
                HOST_ERROR_LIST(X)
#undef X
        };
        g_assert(code >= 0 && code < HOST_ERROR_MAX);
        return names[code];
}
