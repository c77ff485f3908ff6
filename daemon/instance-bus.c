/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* org.left4me.Host1.Instance, see dbus/org.left4me.Host1.Instance.xml. */
#include "instance.h"
#include "job.h"
#include "log-bus.h"
#include "objects.h"
#include "overlay.h"
#include "property.h"
#include "settings-bus.h"

#include "dbus/names.h"

static int method_start(sd_bus_message *m, void *instance, sd_bus_error *ret_error)
{
        Call *call = objects_take_call_without_options(m);

        if (call)
                instance_start(instance, call_done, call);
        return 1;
}

static int method_stop(sd_bus_message *m, void *instance, sd_bus_error *ret_error)
{
        Call *call = objects_take_call_without_options(m);

        if (call)
                instance_stop(instance, call_done, call);
        return 1;
}

static int method_restart(sd_bus_message *m, void *instance, sd_bus_error *ret_error)
{
        Call *call = objects_take_call_without_options(m);

        if (call)
                instance_restart(instance, call_done, call);
        return 1;
}

/* Only root is in that unit, and the gate knows root by the bus's word. */
static bool is_called_by_mount_unit(Call *call, const Instance *instance)
{
        return call_uid(call) == 0 && g_str_equal(call->caller->unit, instance->mount_unit);
}

static int method_mount(sd_bus_message *m, void *instance, sd_bus_error *ret_error)
{
        Call *call = objects_take_call_without_options(m);

        if (call)
                instance_mount(instance, is_called_by_mount_unit(call, instance), call_done, call);
        return 1;
}

static int method_unmount(sd_bus_message *m, void *instance, sd_bus_error *ret_error)
{
        Call *call = objects_take_call_without_options(m);

        if (call)
                instance_unmount(instance, is_called_by_mount_unit(call, instance), call_done, call);
        return 1;
}

static int method_configure(sd_bus_message *m, void *instance, sd_bus_error *ret_error)
{
        Call *call = objects_take_call(m);
        g_auto(InstanceSettings) settings = {};
        g_autoptr(GError) error = NULL;

        if (!instance_settings_read(m, &settings, &error) || !instance_configure(instance, &settings, &error))
                return call_fail(call, error);
        return call_reply(call);
}

static int method_set_config(sd_bus_message *m, void *instance, sd_bus_error *ret_error)
{
        Call *call;
        g_autoptr(GError) error = NULL;
        const char *text = "";

        (void)sd_bus_message_read(m, "s", &text); /* the gate has checked the types */
        call = objects_take_call_without_options(m);
        if (!call)
                return 1;
        return instance_set_config(instance, text, &error) ? call_reply(call) : call_fail(call, error);
}

static int method_get_config(sd_bus_message *m, void *instance, sd_bus_error *ret_error)
{
        return sd_bus_reply_method_return(m, "s", ((Instance *)instance)->row->config);
}

static int method_reset(sd_bus_message *m, void *instance, sd_bus_error *ret_error)
{
        Call *call = objects_take_call_without_options(m);
        g_autoptr(GError) error = NULL;
        Job *job;

        if (!call)
                return 1;
        job = instance_reset(instance, call_uid(call), &error);
        return job ? call_reply_job(call, job) : call_fail(call, error);
}

static int method_delete(sd_bus_message *m, void *instance, sd_bus_error *ret_error)
{
        Call *call = objects_take_call_without_options(m);
        g_autoptr(GError) error = NULL;
        Job *job;

        if (!call)
                return 1;
        job = instance_delete(instance, call_uid(call), &error);
        return job ? call_reply_job(call, job) : call_fail(call, error);
}

static int method_open_log(sd_bus_message *m, void *instance, sd_bus_error *ret_error)
{
        g_autoptr(Log) log = instance_log_new(instance);

        return log_bus_open(objects_take_call(m), ((Instance *)instance)->host, log, false);
}

static int method_read_log(sd_bus_message *m, void *instance, sd_bus_error *ret_error)
{
        g_autoptr(Log) log = instance_log_new(instance);

        return log_bus_read(objects_take_call(m), ((Instance *)instance)->host, log);
}

PROPERTY(property_get_name, Instance, i, "s", i->row->name)
PROPERTY(property_get_description, Instance, i, "s", i->row->description)
PROPERTY(property_get_port, Instance, i, "q", i->row->ports[PORT_GAME])
PROPERTY(property_get_enabled, Instance, i, "b", i->row->enabled)
PROPERTY(property_get_active_state, Instance, i, "s", i->state->active_state)
PROPERTY(property_get_sub_state, Instance, i, "s", i->state->sub_state)
PROPERTY(property_get_result, Instance, i, "s", instance_result(i))
PROPERTY(property_get_mounted, Instance, i, "b", i->is_mounted)
PROPERTY(property_get_outdated, Instance, i, "b", instance_is_outdated(i))
PROPERTY(property_get_unit, Instance, i, "s", i->server_unit)
PROPERTY(property_get_main_pid, Instance, i, "u", i->state->main_pid)
PROPERTY(property_get_invocation_id, Instance, i, "s", i->state->invocation_id)
PROPERTY(property_get_n_restarts, Instance, i, "u", i->state->n_restarts)
PROPERTY(property_get_started_at, Instance, i, "t", i->state->main_pid ? i->state->started_at : 0)

static int property_get_message(sd_bus *bus, const char *path, const char *interface, const char *name,
        sd_bus_message *reply, void *userdata, sd_bus_error *ret_error)
{
        g_autofree char *message = instance_message(userdata);

        return sd_bus_message_append(reply, "s", message);
}

static int property_get_address(sd_bus *bus, const char *path, const char *interface, const char *name,
        sd_bus_message *reply, void *userdata, sd_bus_error *ret_error)
{
        Instance *i = userdata;
        g_autofree char *address =
                g_strdup_printf("%s:%u", i->host->settings->listen_address, i->row->ports[PORT_GAME]);

        return sd_bus_message_append(reply, "s", address);
}

static int property_get_arguments(sd_bus *bus, const char *path, const char *interface, const char *name,
        sd_bus_message *reply, void *userdata, sd_bus_error *ret_error)
{
        return sd_bus_message_append_strv(reply, ((Instance *)userdata)->row->arguments);
}

/* An overlay cannot go while it is listed or mounted, so its id has a name. */
static int append_overlay(sd_bus_message *reply, Host *host, uint64_t id)
{
        Overlay *overlay = overlay_by_id(host, id);

        return objects_append_path(reply, HOST_OVERLAY_PREFIX, overlay ? overlay->row->name : NULL);
}

static int property_get_overlays(sd_bus *bus, const char *path, const char *interface, const char *name,
        sd_bus_message *reply, void *userdata, sd_bus_error *ret_error)
{
        Instance *i = userdata;
        int r = sd_bus_message_open_container(reply, 'a', "o");

        for (guint n = 0; r >= 0 && n < i->row->overlays->len; n++)
                r = append_overlay(reply, i->host, g_array_index(i->row->overlays, uint64_t, n));
        return r < 0 ? r : sd_bus_message_close_container(reply);
}

static int property_get_layers(sd_bus *bus, const char *path, const char *interface, const char *name,
        sd_bus_message *reply, void *userdata, sd_bus_error *ret_error)
{
        Instance *i = userdata;
        int r = sd_bus_message_open_container(reply, 'a', "(ot)");

        for (guint n = 0; r >= 0 && i->is_mounted && n < i->row->mounted->len; n++) {
                const LayerRef *layer = &g_array_index(i->row->mounted, LayerRef, n);

                r = sd_bus_message_open_container(reply, 'r', "ot");
                if (r >= 0)
                        r = append_overlay(reply, i->host, layer->overlay);
                if (r >= 0)
                        r = sd_bus_message_append(reply, "t", layer->generation);
                if (r >= 0)
                        r = sd_bus_message_close_container(reply);
        }
        return r < 0 ? r : sd_bus_message_close_container(reply);
}

#define CHANGING_METHOD(name, method)                                                                        \
        SD_BUS_METHOD_WITH_ARGS(                                                                             \
                name, SD_BUS_ARGS("a{sv}", options), SD_BUS_NO_RESULT, method, SD_BUS_VTABLE_UNPRIVILEGED)
#define JOB_METHOD(name, method)                                                                             \
        SD_BUS_METHOD_WITH_ARGS(name, SD_BUS_ARGS("a{sv}", options), SD_BUS_RESULT("o", job), method,        \
                SD_BUS_VTABLE_UNPRIVILEGED)

const sd_bus_vtable instance_vtable[] = {
        SD_BUS_VTABLE_START(SD_BUS_VTABLE_UNPRIVILEGED),
        CHANGING_METHOD("Start", method_start),
        CHANGING_METHOD("Stop", method_stop),
        CHANGING_METHOD("Restart", method_restart),
        CHANGING_METHOD("Mount", method_mount),
        CHANGING_METHOD("Unmount", method_unmount),
        CHANGING_METHOD("Configure", method_configure),
        SD_BUS_METHOD_WITH_ARGS("SetConfig", SD_BUS_ARGS("s", text, "a{sv}", options), SD_BUS_NO_RESULT,
                method_set_config, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("GetConfig", SD_BUS_NO_ARGS, SD_BUS_RESULT("s", text), method_get_config,
                SD_BUS_VTABLE_UNPRIVILEGED),
        LOG_METHODS(method_open_log, method_read_log),
        JOB_METHOD("Reset", method_reset),
        JOB_METHOD("Delete", method_delete),
        SD_BUS_PROPERTY("Name", "s", property_get_name, 0, CONST),
        SD_BUS_PROPERTY("Description", "s", property_get_description, 0, CHANGES),
        SD_BUS_PROPERTY("Port", "q", property_get_port, 0, CHANGES),
        SD_BUS_PROPERTY("Arguments", "as", property_get_arguments, 0, CHANGES),
        SD_BUS_PROPERTY("Overlays", "ao", property_get_overlays, 0, CHANGES),
        SD_BUS_PROPERTY("Enabled", "b", property_get_enabled, 0, CHANGES),
        SD_BUS_PROPERTY("ActiveState", "s", property_get_active_state, 0, CHANGES),
        SD_BUS_PROPERTY("SubState", "s", property_get_sub_state, 0, CHANGES),
        SD_BUS_PROPERTY("Result", "s", property_get_result, 0, CHANGES),
        SD_BUS_PROPERTY("Message", "s", property_get_message, 0, CHANGES),
        SD_BUS_PROPERTY("Mounted", "b", property_get_mounted, 0, CHANGES),
        SD_BUS_PROPERTY("Layers", "a(ot)", property_get_layers, 0, CHANGES),
        SD_BUS_PROPERTY("Outdated", "b", property_get_outdated, 0, CHANGES),
        SD_BUS_PROPERTY("Unit", "s", property_get_unit, 0, CONST),
        SD_BUS_PROPERTY("MainPID", "u", property_get_main_pid, 0, CHANGES),
        SD_BUS_PROPERTY("InvocationID", "s", property_get_invocation_id, 0, CHANGES),
        SD_BUS_PROPERTY("NRestarts", "u", property_get_n_restarts, 0, CHANGES),
        SD_BUS_PROPERTY("StartedAt", "t", property_get_started_at, 0, CHANGES),
        SD_BUS_PROPERTY("Address", "s", property_get_address, 0, CHANGES),
        SD_BUS_VTABLE_END,
};
