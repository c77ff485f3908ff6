/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "gate-table.h"
#include "instance.h"
#include "job-queue.h"
#include "object-path.h"
#include "overlay.h"
#include "validate.h"

#include "dbus/names.h"
#include <stdlib.h>
#include <string.h>

static void add_detail(Call *call, const char *key, const char *value)
{
        g_hash_table_insert(call->details, g_strdup(key), g_strdup(value));
}

static gboolean examine_none(Call *call, Host *host, const char *path, sd_bus_message *m, GError **error)
{
        return TRUE;
}

/* The standard interfaces, on any object, there or not: the object tree answers for what is not. */
static gboolean examine_any(Call *call, Host *host, const char *path, sd_bus_message *m, GError **error)
{
        g_autofree char *instance = object_path_decode(path, HOST_INSTANCE_PREFIX);
        g_autofree char *overlay = object_path_decode(path, HOST_OVERLAY_PREFIX);
        g_autofree char *job = object_path_decode(path, HOST_JOB_PREFIX);

        if (instance)
                add_detail(call, "instance", instance);
        if (overlay)
                add_detail(call, "overlay", overlay);
        if (job)
                add_detail(call, "job", job);
        return TRUE;
}

static gboolean examine_set(Call *call, Host *host, const char *path, sd_bus_message *m, GError **error)
{
        g_set_error(error, HOST_ERROR, HOST_ERROR_INVALID_SETTING,
                "Properties are not set one by one; call Configure on %s", path);
        return FALSE;
}

static gboolean examine_instance(Call *call, Host *host, const char *path, sd_bus_message *m, GError **error)
{
        g_autofree char *name = object_path_decode(path, HOST_INSTANCE_PREFIX);

        if (!instance_find(host, name ?: path, error))
                return FALSE;
        add_detail(call, "instance", name);
        return TRUE;
}

static gboolean examine_overlay(Call *call, Host *host, const char *path, sd_bus_message *m, GError **error)
{
        g_autofree char *name = object_path_decode(path, HOST_OVERLAY_PREFIX);

        if (!overlay_find(host, name ?: path, error))
                return FALSE;
        add_detail(call, "overlay", name);
        return TRUE;
}

static gboolean examine_name(Call *call, const char *what, sd_bus_message *m, GError **error)
{
        const char *name;

        if (!m)
                return TRUE; /* Can asks for any name */
        if (sd_bus_message_read(m, "s", &name) < 0 || !validate_name(what, name, error))
                return FALSE;
        add_detail(call, what, name);
        return TRUE;
}

static gboolean examine_instance_name(
        Call *call, Host *host, const char *path, sd_bus_message *m, GError **error)
{
        return examine_name(call, "instance", m, error);
}

static gboolean examine_overlay_name(
        Call *call, Host *host, const char *path, sd_bus_message *m, GError **error)
{
        return examine_name(call, "overlay", m, error);
}

static gboolean examine_job_id(Call *call, Host *host, const char *path, sd_bus_message *m, GError **error)
{
        g_autofree char *text = NULL;
        uint64_t id;

        if (!m || sd_bus_message_read(m, "t", &id) < 0)
                return TRUE;
        text = g_strdup_printf("%" G_GUINT64_FORMAT, id);
        add_detail(call, "job", text);
        return TRUE;
}

static Job *find_job(Call *call, Host *host, const char *path, GError **error)
{
        g_autofree char *id = object_path_decode(path, HOST_JOB_PREFIX);
        Job *job = job_find(host, id ? strtoull(id, NULL, 10) : 0, error);

        if (!job)
                return NULL;
        if (!g_str_equal(job->id, id)) {
                /* "07" is not a path of job 7, and the object tree has nothing there. */
                g_autofree char *shown = name_show(id);

                g_set_error(error, HOST_ERROR, HOST_ERROR_NO_SUCH_JOB, "There is no job \"%s\"", shown);
                return NULL;
        }
        add_detail(call, "job", job->id);
        add_detail(call, job->row->instance ? "instance" : "overlay", job->row->subject_name);
        return job;
}

static gboolean examine_job(Call *call, Host *host, const char *path, sd_bus_message *m, GError **error)
{
        return find_job(call, host, path, error) != NULL;
}

/* Cancelling one's own job needs the right that started it, somebody else's needs manage-jobs. */
static gboolean examine_cancel(Call *call, Host *host, const char *path, sd_bus_message *m, GError **error)
{
        Job *job = find_job(call, host, path, error);

        if (!job)
                return FALSE;
        call->as_requester = job_has_requester(job, call_uid(call));
        call->action = call->as_requester ? job->rule->action : HOST_ACTION_PREFIX "manage-jobs";
        return TRUE;
}

#define ACTION(name)     HOST_ACTION_PREFIX name
#define IFACE_PROPERTIES "org.freedesktop.DBus.Properties"
#define IFACE_INTROSPECT "org.freedesktop.DBus.Introspectable"
#define IFACE_PEER       "org.freedesktop.DBus.Peer"
#define IFACE_OBJECTS    "org.freedesktop.DBus.ObjectManager"

/* clang-format off */
static const GateRow rows[] = {
        {IFACE_PEER,          "Ping",              "",        ACTION("inspect"),         ROW_READ,   examine_any},
        {IFACE_PEER,          "GetMachineId",      "",        ACTION("inspect"),         ROW_READ,   examine_any},
        {IFACE_INTROSPECT,    "Introspect",        "",        ACTION("inspect"),         ROW_READ,   examine_any},
        {IFACE_PROPERTIES,    "Get",               "ss",      ACTION("inspect"),         ROW_READ,   examine_any},
        {IFACE_PROPERTIES,    "GetAll",            "s",       ACTION("inspect"),         ROW_READ,   examine_any},
        {IFACE_PROPERTIES,    "Set",               "ssv",     ACTION("inspect"),         ROW_READ,   examine_set},
        {IFACE_OBJECTS,       "GetManagedObjects", "",        ACTION("inspect"),         ROW_READ,   examine_none},

        {HOST_IFACE_MANAGER,  "CreateInstance",    "sa{sv}",  ACTION("manage-instance"), ROW_CHANGE, examine_instance_name},
        {HOST_IFACE_MANAGER,  "CreateOverlay",     "ssa{sv}", ACTION("manage-overlay"),  ROW_CHANGE, examine_overlay_name},
        {HOST_IFACE_MANAGER,  "GetInstance",       "s",       ACTION("inspect"),         ROW_READ,   examine_instance_name},
        {HOST_IFACE_MANAGER,  "GetOverlay",        "s",       ACTION("inspect"),         ROW_READ,   examine_overlay_name},
        {HOST_IFACE_MANAGER,  "GetJob",            "t",       ACTION("inspect"),         ROW_READ,   examine_job_id},
        {HOST_IFACE_MANAGER,  "Can",               "a(os)",   ACTION("inspect"),         ROW_ASK,    examine_none},
        {HOST_IFACE_MANAGER,  "Reload",            "a{sv}",   ACTION("tune-host"),       ROW_CHANGE, examine_none},

        {HOST_IFACE_INSTANCE, "Start",             "a{sv}",   ACTION("run-instance"),    ROW_CHANGE, examine_instance},
        {HOST_IFACE_INSTANCE, "Stop",              "a{sv}",   ACTION("run-instance"),    ROW_CHANGE, examine_instance},
        {HOST_IFACE_INSTANCE, "Restart",           "a{sv}",   ACTION("run-instance"),    ROW_CHANGE, examine_instance},
        {HOST_IFACE_INSTANCE, "Mount",             "a{sv}",   ACTION("mount-instance"),  ROW_CHANGE, examine_instance},
        {HOST_IFACE_INSTANCE, "Unmount",           "a{sv}",   ACTION("mount-instance"),  ROW_CHANGE, examine_instance},
        {HOST_IFACE_INSTANCE, "Configure",         "a{sv}",   ACTION("manage-instance"), ROW_CHANGE, examine_instance},
        {HOST_IFACE_INSTANCE, "SetConfig",         "sa{sv}",  ACTION("manage-instance"), ROW_CHANGE, examine_instance},
        {HOST_IFACE_INSTANCE, "GetConfig",         "",        ACTION("read-secrets"),    ROW_READ,   examine_instance},
        {HOST_IFACE_INSTANCE, "OpenLog",           "a{sv}",   ACTION("read-logs"),       ROW_ASK,    examine_instance},
        {HOST_IFACE_INSTANCE, "ReadLog",           "su",      ACTION("read-logs"),       ROW_ASK,    examine_instance},
        {HOST_IFACE_INSTANCE, "Reset",             "a{sv}",   ACTION("manage-instance"), ROW_CHANGE, examine_instance},
        {HOST_IFACE_INSTANCE, "Delete",            "a{sv}",   ACTION("manage-instance"), ROW_CHANGE, examine_instance},

        {HOST_IFACE_OVERLAY,  "Build",             "a{sv}",   ACTION("build-overlay"),   ROW_CHANGE, examine_overlay},
        {HOST_IFACE_OVERLAY,  "Import",            "ha{sv}",  ACTION("manage-overlay"),  ROW_CHANGE, examine_overlay},
        {HOST_IFACE_OVERLAY,  "SetScript",         "sa{sv}",  ACTION("manage-overlay"),  ROW_CHANGE, examine_overlay},
        {HOST_IFACE_OVERLAY,  "GetScript",         "",        ACTION("read-secrets"),    ROW_READ,   examine_overlay},
        {HOST_IFACE_OVERLAY,  "Configure",         "a{sv}",   ACTION("manage-overlay"),  ROW_CHANGE, examine_overlay},
        {HOST_IFACE_OVERLAY,  "WipeCache",         "a{sv}",   ACTION("manage-overlay"),  ROW_CHANGE, examine_overlay},
        {HOST_IFACE_OVERLAY,  "Revert",            "ta{sv}",  ACTION("manage-overlay"),  ROW_CHANGE, examine_overlay},
        {HOST_IFACE_OVERLAY,  "Wipe",              "a{sv}",   ACTION("manage-overlay"),  ROW_CHANGE, examine_overlay},
        {HOST_IFACE_OVERLAY,  "Delete",            "a{sv}",   ACTION("manage-overlay"),  ROW_CHANGE, examine_overlay},

        {HOST_IFACE_JOB,      "Cancel",            "a{sv}",   ACTION("manage-jobs"),     ROW_CHANGE, examine_cancel},
        {HOST_IFACE_JOB,      "OpenLog",           "a{sv}",   ACTION("read-logs"),       ROW_ASK,    examine_job},
        {HOST_IFACE_JOB,      "ReadLog",           "su",      ACTION("read-logs"),       ROW_ASK,    examine_job},
};
/* clang-format on */

const GateRow *gate_table_find(const char *interface, const char *member)
{
        for (size_t n = 0; n < G_N_ELEMENTS(rows); n++)
                if (g_str_equal(rows[n].member, member) && g_str_equal(rows[n].interface, interface))
                        return &rows[n];
        return NULL;
}

const char *gate_table_interface_of(const char *path)
{
        if (g_str_equal(path, HOST_PATH))
                return HOST_IFACE_MANAGER;
        if (g_str_has_prefix(path, HOST_INSTANCE_PREFIX "/"))
                return HOST_IFACE_INSTANCE;
        if (g_str_has_prefix(path, HOST_OVERLAY_PREFIX "/"))
                return HOST_IFACE_OVERLAY;
        if (g_str_has_prefix(path, HOST_JOB_PREFIX "/"))
                return HOST_IFACE_JOB;
        return NULL;
}
