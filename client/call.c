/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* How calls are put together, sent and waited for. */
#include "internal.h"
#include <errno.h>
#include <string.h>

/* The service answers within 20 s of the call's being allowed; but somebody may have to type a password, and
 * the call of a mount unit waits for the disk. */
#define CALL_TIMEOUT_USEC (2 * 60 * UINT64_C(1000000))

static int call_new(
        l4h_host *host, const ObjectType *type, const char *name, const char *member, sd_bus_message **ret)
{
        _cleanup_free_ char *path = NULL;
        int r = object_path(type, name, &path);
        if (r < 0)
                return r;
        return sd_bus_message_new_method_call(host->bus, ret, HOST_BUS_NAME, path, type->interface, member);
}

static int call_append_options(l4h_host *host, sd_bus_message *m, const CallArguments *arguments)
{
        int r = sd_bus_message_open_container(m, 'a', "{sv}");
        if (r >= 0 && arguments->settings)
                r = settings_append(arguments->settings, m);
        if (r >= 0 && arguments->replaces)
                r = sd_bus_message_append(m, "{sv}", HOST_OPTION_REPLACE, "b", 1);
        if (r >= 0 && arguments->file_name)
                r = sd_bus_message_append(m, "{sv}", HOST_OPTION_FILE_NAME, "s", arguments->file_name);
        if (r >= 0 && host->on_behalf_of)
                r = sd_bus_message_append(m, "{sv}", HOST_OPTION_ON_BEHALF_OF, "s", host->on_behalf_of);
        if (r >= 0)
                r = sd_bus_message_close_container(m);
        return r;
}

static int fail_build(l4h_host *host, int r)
{
        /* sd-bus refuses nothing else of what gets here. */
        if (r == -EINVAL)
                return host_fail(host, r, "Names, settings and texts must be valid UTF-8 without NUL bytes.");
        return host_fail(host, r, "The call cannot be put together: %s.", strerror(-r));
}

int call_send(l4h_host *host, sd_bus_message *m, sd_bus_message **ret_reply)
{
        sd_bus_error_free(&host->error);
        int r = sd_bus_message_set_allow_interactive_authorization(m, host->is_interactive);
        if (r < 0)
                return fail_build(host, r);
        r = sd_bus_call(host->bus, m, CALL_TIMEOUT_USEC, &host->error, ret_reply);
        if (r >= 0)
                return 0;

        if (l4h_error_is_unreachable(host)) {
                _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
                (void)sd_bus_error_move(&error, &host->error);
                (void)sd_bus_error_setf(
                        &host->error, error.name, "Cannot reach left4me-hostd: %s", error.message);
        }
        return r;
}

int call_change(l4h_host *host, const ObjectType *type, const char *name, const char *member,
        const CallArguments *arguments, sd_bus_message **ret_reply)
{
        static const CallArguments no_arguments = {0};
        if (!arguments)
                arguments = &no_arguments;

        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
        int r = call_new(host, type, name, member, &m);
        for (size_t i = 0; r >= 0 && i < 2 && arguments->strings[i]; i++)
                r = sd_bus_message_append(m, "s", arguments->strings[i]);
        if (r >= 0 && arguments->fd)
                r = sd_bus_message_append(m, "h", *arguments->fd);
        if (r >= 0 && arguments->number)
                r = sd_bus_message_append(m, "t", *arguments->number);
        if (r >= 0)
                r = call_append_options(host, m, arguments);
        if (r < 0)
                return fail_build(host, r);
        return call_send(host, m, ret_reply);
}

int call_queue(l4h_host *host, const ObjectType *type, const char *name, const char *member,
        const CallArguments *arguments, uint64_t *ret_job)
{
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        int r = call_change(host, type, name, member, arguments, &reply);
        if (r < 0)
                return r;

        const char *path;
        uint64_t job;
        r = sd_bus_message_read(reply, "o", &path);
        if (r >= 0)
                r = path_get_job(path, &job);
        if (r < 0)
                return host_fail_reply(host, r);
        if (ret_job)
                *ret_job = job;
        return 0;
}

int call_get_text(l4h_host *host, const ObjectType *type, const char *name, const char *member, char **ret)
{
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL, *reply = NULL;
        int r = call_new(host, type, name, member, &m);
        if (r < 0)
                return fail_build(host, r);
        r = call_send(host, m, &reply);
        if (r < 0)
                return r;

        const char *text;
        r = sd_bus_message_read(reply, "s", &text);
        if (r < 0)
                return host_fail_reply(host, r);
        char *copy = strdup(text);
        if (!copy)
                return host_fail_reply(host, -ENOMEM);
        *ret = copy;
        return 0;
}

int call_read_log(l4h_host *host, const ObjectType *type, const char *name, const char *cursor, uint32_t max,
        l4h_log **ret)
{
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL, *reply = NULL;
        int r = call_new(host, type, name, HOST_MEMBER_ReadLog, &m);
        if (r >= 0)
                r = sd_bus_message_append(m, "su", cursor, max);
        if (r < 0)
                return fail_build(host, r);
        r = call_send(host, m, &reply);
        if (r < 0)
                return r;
        r = log_read(reply, ret);
        return r < 0 ? host_fail_reply(host, r) : 0;
}

/* Has the manager say where the object is: it has the better sentence for one that is not there. */
static int call_locate(l4h_host *host, const ObjectType *type, const char *name, sd_bus_message **ret_reply)
{
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
        int r = call_new(host, &manager_type, NULL, type->getter, &m);
        if (r >= 0 && type == &job_type)
                r = sd_bus_message_append(m, "t", (uint64_t)strtoull(name, NULL, 10));
        else if (r >= 0)
                r = sd_bus_message_append(m, "s", name);
        if (r < 0)
                return fail_build(host, r);
        return call_send(host, m, ret_reply);
}

int call_find(l4h_host *host, const ObjectType *type, const char *name, void **ret)
{
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL, *reply = NULL, *location = NULL;
        const char *path = HOST_PATH;
        int r;
        if (type->getter) {
                r = call_locate(host, type, name, &location);
                if (r < 0)
                        return r;
                r = sd_bus_message_read(location, "o", &path);
                if (r < 0)
                        return host_fail_reply(host, r);
        }

        r = sd_bus_message_new_method_call(
                host->bus, &m, HOST_BUS_NAME, path, "org.freedesktop.DBus.Properties", "GetAll");
        if (r >= 0)
                r = sd_bus_message_append(m, "s", type->interface);
        if (r < 0)
                return fail_build(host, r);
        r = call_send(host, m, &reply);
        if (r < 0)
                return r;
        r = object_read(type, reply, ret);
        return r < 0 ? host_fail_reply(host, r) : 0;
}
