/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* org.left4me.Host1.Overlay, see dbus/org.left4me.Host1.Overlay.xml. */
#include "job.h"
#include "objects.h"
#include "overlay.h"
#include "property.h"
#include "settings-bus.h"

#include "dbus/names.h"

static int method_build(sd_bus_message *m, void *overlay, sd_bus_error *ret_error)
{
        Call *call = objects_take_call_without_options(m);
        g_autoptr(GError) error = NULL;
        Job *job;

        if (!call)
                return 1;
        job = overlay_build(overlay, call_uid(call), &error);
        return job ? call_reply_job(call, job) : call_fail(call, error);
}

static void on_import_begun(Job *job, const GError *error, void *call)
{
        if (error)
                call_fail(call, error);
        else
                call_reply_job(call, job);
}

static int method_import(sd_bus_message *m, void *overlay, sd_bus_error *ret_error)
{
        Call *call;
        g_auto(ImportSettings) settings = {};
        g_autoptr(GError) error = NULL;
        int fd = -1;

        (void)sd_bus_message_read(m, "h", &fd); /* the message's; the gate has checked the types */
        call = objects_take_call(m);
        if (!import_settings_read(m, &settings, &error))
                return call_fail(call, error);
        overlay_import(overlay, fd, &settings, call_uid(call), on_import_begun, call);
        return 1;
}

static int method_set_script(sd_bus_message *m, void *overlay, sd_bus_error *ret_error)
{
        Call *call;
        g_autoptr(GError) error = NULL;
        const char *text = "";

        (void)sd_bus_message_read(m, "s", &text); /* the gate has checked the types */
        call = objects_take_call_without_options(m);
        if (!call)
                return 1;
        return overlay_set_script(overlay, text, &error) ? call_reply(call) : call_fail(call, error);
}

static int method_get_script(sd_bus_message *m, void *overlay, sd_bus_error *ret_error)
{
        return sd_bus_reply_method_return(m, "s", ((Overlay *)overlay)->row->script);
}

static int method_configure(sd_bus_message *m, void *overlay, sd_bus_error *ret_error)
{
        Call *call = objects_take_call(m);
        g_auto(OverlaySettings) settings = {};
        g_autoptr(GError) error = NULL;

        if (!overlay_settings_read(m, &settings, &error) || !overlay_configure(overlay, &settings, &error))
                return call_fail(call, error);
        return call_reply(call);
}

static int method_revert(sd_bus_message *m, void *overlay, sd_bus_error *ret_error)
{
        Call *call;
        g_autoptr(GError) error = NULL;
        uint64_t generation = 0;

        (void)sd_bus_message_read(m, "t", &generation); /* the gate has checked the types */
        call = objects_take_call_without_options(m);
        if (!call)
                return 1;
        return overlay_revert(overlay, generation, &error) ? call_reply(call) : call_fail(call, error);
}

static int method_wipe(sd_bus_message *m, void *overlay, sd_bus_error *ret_error)
{
        Call *call = objects_take_call_without_options(m);

        if (call)
                overlay_wipe(overlay, call_done, call);
        return 1;
}

static int method_wipe_cache(sd_bus_message *m, void *overlay, sd_bus_error *ret_error)
{
        Call *call = objects_take_call_without_options(m);
        g_autoptr(GError) error = NULL;
        Job *job;

        if (!call)
                return 1;
        job = overlay_wipe_cache(overlay, call_uid(call), &error);
        return job ? call_reply_job(call, job) : call_fail(call, error);
}

static int method_delete(sd_bus_message *m, void *overlay, sd_bus_error *ret_error)
{
        Call *call = objects_take_call_without_options(m);
        g_autoptr(GError) error = NULL;
        Job *job;

        if (!call)
                return 1;
        job = overlay_delete(overlay, call_uid(call), &error);
        return job ? call_reply_job(call, job) : call_fail(call, error);
}

#define CURRENT(o, field, none) (overlay_current(o) ? overlay_current(o)->field : (none))

PROPERTY(property_get_id, Overlay, o, "t", o->row->id)
PROPERTY(property_get_name, Overlay, o, "s", o->row->name)
PROPERTY(property_get_description, Overlay, o, "s", o->row->description)
PROPERTY(property_get_kind, Overlay, o, "s", o->row->kind)
PROPERTY(property_get_state, Overlay, o, "s", overlay_state(o))
PROPERTY(property_get_generation, Overlay, o, "t", o->row->generation)
PROPERTY(property_get_size, Overlay, o, "t", CURRENT(o, bytes, UINT64_C(0)))
PROPERTY(property_get_files, Overlay, o, "t", CURRENT(o, files, UINT64_C(0)))
PROPERTY(property_get_digest, Overlay, o, "s", CURRENT(o, digest, ""))
PROPERTY(property_get_built_at, Overlay, o, "t", CURRENT(o, built_at, UINT64_C(0)))
PROPERTY(property_get_time_limit, Overlay, o, "t", o->row->time_limit)
PROPERTY(property_get_size_limit, Overlay, o, "t", o->row->size_limit)
PROPERTY(property_get_file_limit, Overlay, o, "t", o->row->file_limit)
PROPERTY(property_get_keep_generations, Overlay, o, "u", o->row->keep_generations)

static int property_get_generations(sd_bus *bus, const char *path, const char *interface, const char *name,
        sd_bus_message *reply, void *userdata, sd_bus_error *ret_error)
{
        Overlay *o = userdata;
        int r = sd_bus_message_open_container(reply, 'a', "(ttts)");

        for (guint n = 0; r >= 0 && n < o->row->generations->len; n++) {
                const GenerationRow *g = o->row->generations->pdata[n];

                r = sd_bus_message_append(reply, "(ttts)", g->number, g->built_at, g->bytes, g->digest);
        }
        return r < 0 ? r : sd_bus_message_close_container(reply);
}

static int property_get_last_job(sd_bus *bus, const char *path, const char *interface, const char *name,
        sd_bus_message *reply, void *userdata, sd_bus_error *ret_error)
{
        Overlay *o = userdata;
        Job *job = o->row->last_job ? job_find(o->host, o->row->last_job, NULL) : NULL;

        return objects_append_path(reply, HOST_JOB_PREFIX, job ? job->id : NULL);
}

static int property_get_used_by(sd_bus *bus, const char *path, const char *interface, const char *name,
        sd_bus_message *reply, void *userdata, sd_bus_error *ret_error)
{
        g_autoptr(GPtrArray) users = overlay_users(userdata);
        int r = sd_bus_message_open_container(reply, 'a', "o");

        for (guint n = 0; r >= 0 && n < users->len; n++)
                r = objects_append_path(reply, HOST_INSTANCE_PREFIX, users->pdata[n]);
        return r < 0 ? r : sd_bus_message_close_container(reply);
}

const sd_bus_vtable overlay_vtable[] = {
        SD_BUS_VTABLE_START(SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("Build", SD_BUS_ARGS("a{sv}", options), SD_BUS_RESULT("o", job), method_build,
                SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("Import", SD_BUS_ARGS("h", archive, "a{sv}", options),
                SD_BUS_RESULT("o", job), method_import, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("SetScript", SD_BUS_ARGS("s", text, "a{sv}", options), SD_BUS_NO_RESULT,
                method_set_script, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("GetScript", SD_BUS_NO_ARGS, SD_BUS_RESULT("s", text), method_get_script,
                SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("Configure", SD_BUS_ARGS("a{sv}", options), SD_BUS_NO_RESULT,
                method_configure, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("Revert", SD_BUS_ARGS("t", generation, "a{sv}", options), SD_BUS_NO_RESULT,
                method_revert, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("Wipe", SD_BUS_ARGS("a{sv}", options), SD_BUS_NO_RESULT, method_wipe,
                SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("WipeCache", SD_BUS_ARGS("a{sv}", options), SD_BUS_RESULT("o", job),
                method_wipe_cache, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD_WITH_ARGS("Delete", SD_BUS_ARGS("a{sv}", options), SD_BUS_RESULT("o", job),
                method_delete, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_PROPERTY("Id", "t", property_get_id, 0, CONST),
        SD_BUS_PROPERTY("Name", "s", property_get_name, 0, CONST),
        SD_BUS_PROPERTY("Description", "s", property_get_description, 0, CHANGES),
        SD_BUS_PROPERTY("Kind", "s", property_get_kind, 0, CONST),
        SD_BUS_PROPERTY("State", "s", property_get_state, 0, CHANGES),
        SD_BUS_PROPERTY("Generation", "t", property_get_generation, 0, CHANGES),
        SD_BUS_PROPERTY("Generations", "a(ttts)", property_get_generations, 0, CHANGES),
        SD_BUS_PROPERTY("Size", "t", property_get_size, 0, CHANGES),
        SD_BUS_PROPERTY("Files", "t", property_get_files, 0, CHANGES),
        SD_BUS_PROPERTY("Digest", "s", property_get_digest, 0, CHANGES),
        SD_BUS_PROPERTY("BuiltAt", "t", property_get_built_at, 0, CHANGES),
        SD_BUS_PROPERTY("TimeLimit", "t", property_get_time_limit, 0, CHANGES),
        SD_BUS_PROPERTY("SizeLimit", "t", property_get_size_limit, 0, CHANGES),
        SD_BUS_PROPERTY("FileLimit", "t", property_get_file_limit, 0, CHANGES),
        SD_BUS_PROPERTY("KeepGenerations", "u", property_get_keep_generations, 0, CHANGES),
        SD_BUS_PROPERTY("LastJob", "o", property_get_last_job, 0, CHANGES),
        SD_BUS_PROPERTY("UsedBy", "ao", property_get_used_by, 0, CHANGES),
        SD_BUS_VTABLE_END,
};
