/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The connection, and what is known about its last failure. */
#include "internal.h"
#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <string.h>

/* libsystemd keeps a pointer to it for good: that is why the library is linked with -z nodelete. */
#define X(code, name, number) SD_BUS_ERROR_MAP(HOST_ERROR_PREFIX name, number),
static const sd_bus_error_map error_map[] = {HOST_ERROR_LIST(X) SD_BUS_ERROR_MAP_END};
#undef X

static void register_error_map(void)
{
        (void)sd_bus_error_add_map(error_map);
}

/* Takes `bus`. `where`: what sentences call the host, NULL for this machine. */
static int host_new(sd_bus *bus, const char *where, l4h_host **ret)
{
        static pthread_once_t once = PTHREAD_ONCE_INIT;
        pthread_once(&once, register_error_map);

        l4h_host *host = calloc(1, sizeof *host);
        char *copy = where ? strdup(where) : NULL;
        if (!host || (where && !copy)) {
                free(host);
                free(copy);
                sd_bus_flush_close_unref(bus);
                return -ENOMEM;
        }
        *host = (l4h_host){.n_ref = 1, .bus = bus, .where = copy};
        *ret = host;
        return 0;
}

int l4h_open_system(l4h_host **ret)
{
        sd_bus *bus;
        int r = sd_bus_open_system(&bus);
        return r < 0 ? r : host_new(bus, NULL, ret);
}

int l4h_open_remote(const char *address, l4h_host **ret)
{
        sd_bus *bus;
        int r = sd_bus_open_system_remote(&bus, address);
        return r < 0 ? r : host_new(bus, address, ret);
}

int l4h_open_machine(const char *name, l4h_host **ret)
{
        sd_bus *bus;
        int r = sd_bus_open_system_machine(&bus, name);
        return r < 0 ? r : host_new(bus, name, ret);
}

l4h_host *l4h_ref(l4h_host *host)
{
        host->n_ref++;
        return host;
}

l4h_host *l4h_unref(l4h_host *host)
{
        if (!host || --host->n_ref > 0)
                return NULL;
        while (host->floating)
                slot_end(host->floating);
        sd_bus_flush_close_unref(host->bus);
        sd_bus_error_free(&host->error);
        free(host->on_behalf_of);
        free(host->where);
        free(host);
        return NULL;
}

int l4h_attach_event(l4h_host *host, sd_event *event)
{
        int r = sd_bus_attach_event(host->bus, event, SD_EVENT_PRIORITY_NORMAL);
        return r < 0 ? host_fail(host, r, "The connection does not go into the event loop: %s.", strerror(-r))
                     : 0;
}

void l4h_detach_event(l4h_host *host)
{
        (void)sd_bus_detach_event(host->bus);
}

void l4h_set_auto_start(l4h_host *host, bool starts)
{
        host->is_left_alone = !starts;
}

void l4h_set_interactive(l4h_host *host, bool is_interactive)
{
        host->is_interactive = is_interactive;
}

int l4h_set_on_behalf_of(l4h_host *host, const char *who)
{
        char *copy = NULL;
        if (who) {
                copy = strdup(who);
                if (!copy)
                        return -ENOMEM;
        }
        free(host->on_behalf_of);
        host->on_behalf_of = copy;
        return 0;
}

const char *l4h_error_message(const l4h_host *host)
{
        return host->error.message ? host->error.message : "";
}

const char *l4h_error_name(const l4h_host *host)
{
        return host->error.name ? host->error.name : "";
}

bool l4h_error_is_unreachable(const l4h_host *host)
{
        /* dbus-daemon and dbus-broker choose differently among these for the same event. */
        static const char *const prefixes[] = {
                "org.freedesktop.systemd1.", "org.freedesktop.DBus.Error.Spawn."};
        for (size_t i = 0; i < sizeof prefixes / sizeof prefixes[0]; i++)
                if (strncmp(l4h_error_name(host), prefixes[i], strlen(prefixes[i])) == 0)
                        return true;

        return sd_bus_error_has_names(&host->error, SD_BUS_ERROR_SERVICE_UNKNOWN,
                SD_BUS_ERROR_NAME_HAS_NO_OWNER, SD_BUS_ERROR_NO_REPLY, SD_BUS_ERROR_TIMEOUT,
                SD_BUS_ERROR_DISCONNECTED, "org.freedesktop.DBus.Error.TimedOut", "System.Error.ENOTCONN",
                "System.Error.ECONNRESET", "System.Error.EPIPE");
}

int host_fail(l4h_host *host, int r, const char *format, ...)
{
        va_list args;
        va_start(args, format);
        sd_bus_error_free(&host->error);
        (void)sd_bus_error_set_errnofv(&host->error, r, format, args);
        va_end(args);
        return r;
}

int host_fail_reply(l4h_host *host, int r)
{
        return host_fail(host, r, "The answer of left4me-hostd cannot be read: %s.", strerror(-r));
}

int host_fail_lost(l4h_host *host)
{
        return host_fail(host, -ECONNRESET, "The connection to the bus%s%s is lost; connect again.",
                host->where ? " of " : "", host->where ? host->where : "");
}

int host_fail_files(l4h_host *host)
{
        return host_fail(host, -EOPNOTSUPP,
                "No file can be handed over on this connection; do this on the host itself.");
}

int host_fail_call(l4h_host *host, sd_bus_message *call, const sd_bus_error *error)
{
        sd_bus_error_free(&host->error);
        (void)sd_bus_error_copy(&host->error, error);
        int r = -sd_bus_error_get_errno(error);

        if (l4h_error_is_unreachable(host)) {
                sd_bus_error_free(&host->error);
                (void)sd_bus_error_setf(&host->error, error->name, "Cannot reach left4me-hostd%s%s: %s",
                        host->where ? " on " : "", host->where ? host->where : "",
                        error->message ? error->message : error->name);
                return r;
        }
        if (sd_bus_error_has_name(error, SD_BUS_ERROR_NOT_SUPPORTED)) /* sd-bus itself says so */
                return host_fail_files(host);
        /* An object that went before the call came is nothing but a path to the bus. */
        _cleanup_free_ char *name = NULL;
        const ObjectType *type = object_find_type(sd_bus_message_get_path(call), &name);
        if (type && sd_bus_error_has_name(error, SD_BUS_ERROR_UNKNOWN_OBJECT)) {
                sd_bus_error_free(&host->error);
                return sd_bus_error_setf(&host->error, error_map[type->missing].name,
                        "There is no %s \"%s\".", type->noun, name);
        }
        return r;
}
