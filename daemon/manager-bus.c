/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* org.left4me.Host1.Manager, see dbus/org.left4me.Host1.Manager.xml. */
#include "can.h"
#include "instance.h"
#include "job-queue.h"
#include "objects.h"
#include "overlay.h"
#include "property.h"
#include "settings-bus.h"

#include "dbus/names.h"

static int method_create_instance(sd_bus_message *m, void *userdata, sd_bus_error *ret_error)
{
        Call *call = objects_take_call(m);
        g_auto(InstanceSettings) settings = {};
        g_autoptr(GError) error = NULL;
        const char *name = "";

        if (sd_bus_message_read(m, "s", &name) < 0 || !instance_settings_read(m, &settings, &error) ||
                !instance_create(userdata, name, &settings, &error))
                return call_fail(call, error);
        return call_reply_path(call, HOST_INSTANCE_PREFIX, name);
}

static int method_create_overlay(sd_bus_message *m, void *userdata, sd_bus_error *ret_error)
{
        Call *call = objects_take_call(m);
        g_auto(OverlaySettings) settings = {};
        g_autoptr(GError) error = NULL;
        const char *name = "", *kind = "";

        if (sd_bus_message_read(m, "ss", &name, &kind) < 0 || !overlay_settings_read(m, &settings, &error) ||
                !overlay_create(userdata, name, kind, &settings, &error))
                return call_fail(call, error);
        return call_reply_path(call, HOST_OVERLAY_PREFIX, name);
}

/* ROW_READ calls answer at once, in sd-bus's own way. */
static int reply_error(sd_bus_error *ret_error, const GError *error)
{
        return sd_bus_error_set(ret_error, host_error_bus_name(error->code), error->message);
}

static int reply_path(sd_bus_message *m, const char *prefix, const char *id)
{
        g_autofree char *path = NULL;
        int r = sd_bus_path_encode(prefix, id, &path);

        return r < 0 ? r : sd_bus_reply_method_return(m, "o", path);
}

static int method_get_instance(sd_bus_message *m, void *userdata, sd_bus_error *ret_error)
{
        g_autoptr(GError) error = NULL;
        const char *name;
        int r = sd_bus_message_read(m, "s", &name);

        if (r < 0)
                return r;
        if (!instance_find(userdata, name, &error))
                return reply_error(ret_error, error);
        return reply_path(m, HOST_INSTANCE_PREFIX, name);
}

static int method_get_overlay(sd_bus_message *m, void *userdata, sd_bus_error *ret_error)
{
        g_autoptr(GError) error = NULL;
        const char *name;
        int r = sd_bus_message_read(m, "s", &name);

        if (r < 0)
                return r;
        if (!overlay_find(userdata, name, &error))
                return reply_error(ret_error, error);
        return reply_path(m, HOST_OVERLAY_PREFIX, name);
}

static int method_get_job(sd_bus_message *m, void *userdata, sd_bus_error *ret_error)
{
        g_autoptr(GError) error = NULL;
        uint64_t id;
        Job *job;
        int r = sd_bus_message_read(m, "t", &id);

        if (r < 0)
                return r;
        job = job_find(userdata, id, &error);
        if (!job)
                return reply_error(ret_error, error);
        return reply_path(m, HOST_JOB_PREFIX, job->id);
}

static int method_can(sd_bus_message *m, void *userdata, sd_bus_error *ret_error)
{
        return can_begin(objects_take_call(m));
}

static int method_reload(sd_bus_message *m, void *userdata, sd_bus_error *ret_error)
{
        Call *call = objects_take_call_without_options(m);
        g_autoptr(GError) error = NULL;

        if (!call)
                return 1;
        return host_reload(userdata, &error) ? call_reply(call) : call_fail(call, error);
}

PROPERTY(property_get_version, Host, host, "s", host ? VERSION : "")
PROPERTY(property_get_listen_address, Host, host, "s", host->settings->listen_address)
PROPERTY(property_get_port_range, Host, host, "(qq)", host->settings->port_first, host->settings->port_last)
PROPERTY(property_get_job_slots, Host, host, "u", host->settings->job_slots)
PROPERTY(property_get_running_jobs, Host, host, "u", jobs_running(host))
PROPERTY(property_get_max_pending_calls, Host, host, "u", host->settings->max_pending_calls)
PROPERTY(property_get_max_queued_jobs, Host, host, "u", host->settings->max_queued_jobs)
PROPERTY(property_get_max_log_readers, Host, host, "u", host->settings->max_log_readers)
PROPERTY(property_get_build_time_limit, Host, host, "t", host->settings->build_time_limit)
PROPERTY(property_get_keep_generations, Host, host, "u", host->settings->keep_generations)
PROPERTY(property_get_keep_finished, Host, host, "u", host->settings->keep_finished)
PROPERTY(property_get_keep_finished_age, Host, host, "t", host->settings->keep_finished_age)
PROPERTY(property_get_build_size_limit, Host, host, "t", host->settings->build_size_limit)
PROPERTY(property_get_build_file_limit, Host, host, "t", (uint64_t)host->settings->build_file_limit)
PROPERTY(property_get_cache_size_limit, Host, host, "t", host->settings->cache_size_limit)
PROPERTY(property_get_keep_free, Host, host, "t", host->settings->keep_free)

static int property_get_features(sd_bus *bus, const char *path, const char *interface, const char *name,
        sd_bus_message *reply, void *userdata, sd_bus_error *ret_error)
{
        g_auto(GStrv) features = host_features(userdata);

        return sd_bus_message_append_strv(reply, features);
}

static int property_get_unknown_directories(sd_bus *bus, const char *path, const char *interface,
        const char *name, sd_bus_message *reply, void *userdata, sd_bus_error *ret_error)
{
        return sd_bus_message_append_strv(reply, ((Host *)userdata)->unknown);
}

const sd_bus_vtable manager_vtable[] = {
        SD_BUS_VTABLE_START(SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("CreateInstance", SD_BUS_ARGS("s", name, "a{sv}", options),
                SD_BUS_RESULT("o", instance), method_create_instance, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("CreateOverlay", SD_BUS_ARGS("s", name, "s", kind, "a{sv}", options),
                SD_BUS_RESULT("o", overlay), method_create_overlay, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("GetInstance", SD_BUS_ARGS("s", name), SD_BUS_RESULT("o", instance),
                method_get_instance, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("GetOverlay", SD_BUS_ARGS("s", name), SD_BUS_RESULT("o", overlay),
                method_get_overlay, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("GetJob", SD_BUS_ARGS("t", id), SD_BUS_RESULT("o", job), method_get_job,
                SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("Can", SD_BUS_ARGS("a(os)", calls), SD_BUS_RESULT("as", answers), method_can,
                SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("Reload", SD_BUS_ARGS("a{sv}", options), SD_BUS_NO_RESULT, method_reload,
                SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_PROPERTY("Version", "s", property_get_version, 0, CONST),
        SD_BUS_PROPERTY("Features", "as", property_get_features, 0, CHANGES),
        SD_BUS_PROPERTY("PortRange", "(qq)", property_get_port_range, 0, CHANGES),
        SD_BUS_PROPERTY("ListenAddress", "s", property_get_listen_address, 0, CHANGES),
        SD_BUS_PROPERTY("JobSlots", "u", property_get_job_slots, 0, CHANGES),
        SD_BUS_PROPERTY("RunningJobs", "u", property_get_running_jobs, 0, CHANGES),
        SD_BUS_PROPERTY("MaxPendingCallsPerUser", "u", property_get_max_pending_calls, 0, CHANGES),
        SD_BUS_PROPERTY("MaxQueuedJobsPerUser", "u", property_get_max_queued_jobs, 0, CHANGES),
        SD_BUS_PROPERTY("MaxLogReadersPerUser", "u", property_get_max_log_readers, 0, CHANGES),
        SD_BUS_PROPERTY("BuildTimeLimit", "t", property_get_build_time_limit, 0, CHANGES),
        SD_BUS_PROPERTY("KeepGenerations", "u", property_get_keep_generations, 0, CHANGES),
        SD_BUS_PROPERTY("KeepFinishedJobs", "u", property_get_keep_finished, 0, CHANGES),
        SD_BUS_PROPERTY("KeepFinishedJobsUSec", "t", property_get_keep_finished_age, 0, CHANGES),
        SD_BUS_PROPERTY("UnknownDirectories", "as", property_get_unknown_directories, 0, CHANGES),
        SD_BUS_PROPERTY("BuildSizeLimit", "t", property_get_build_size_limit, 0, CHANGES),
        SD_BUS_PROPERTY("BuildFileLimit", "t", property_get_build_file_limit, 0, CHANGES),
        SD_BUS_PROPERTY("CacheSizeLimit", "t", property_get_cache_size_limit, 0, CHANGES),
        SD_BUS_PROPERTY("KeepFree", "t", property_get_keep_free, 0, CHANGES),
        SD_BUS_VTABLE_END,
};
