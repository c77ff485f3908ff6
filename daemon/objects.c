/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "objects.h"
#include "instance.h"
#include "job.h"
#include "object-path.h"
#include "options.h"
#include "overlay.h"

#include "dbus/names.h"
#include <stdlib.h>

/* sd-bus hands one userdata to a vtable's handlers: the object. The gate is the same for all. */
static Gate *the_gate;
static sd_bus *the_bus;

typedef struct Kind {
        const char *prefix, *interface;
        const sd_bus_vtable *vtable;
        sd_bus_object_find_t find;
        sd_bus_node_enumerator_t enumerate;
} Kind;

Call *objects_take_call(sd_bus_message *m)
{
        return call_take(the_gate, m);
}

Call *objects_take_call_without_options(sd_bus_message *m)
{
        Call *call = objects_take_call(m);
        g_autoptr(GError) error = NULL;

        if (options_read_none(m, &error))
                return call;
        call_fail(call, error);
        return NULL;
}

int objects_append_path(sd_bus_message *m, const char *prefix, const char *id)
{
        g_autofree char *path = NULL;
        int r;

        if (!id)
                return sd_bus_message_append(m, "o", "/");
        r = sd_bus_path_encode(prefix, id, &path);
        return r < 0 ? r : sd_bus_message_append(m, "o", path);
}

/* Finding and listing */

static int find_instance(sd_bus *bus, const char *path, const char *interface, void *host, void **ret_found,
        sd_bus_error *ret_error)
{
        g_autofree char *name = object_path_decode(path, HOST_INSTANCE_PREFIX);

        *ret_found = name ? instance_find(host, name, NULL) : NULL;
        return *ret_found != NULL;
}

static int find_overlay(sd_bus *bus, const char *path, const char *interface, void *host, void **ret_found,
        sd_bus_error *ret_error)
{
        g_autofree char *name = object_path_decode(path, HOST_OVERLAY_PREFIX);

        *ret_found = name ? overlay_find(host, name, NULL) : NULL;
        return *ret_found != NULL;
}

static int find_job(sd_bus *bus, const char *path, const char *interface, void *host, void **ret_found,
        sd_bus_error *ret_error)
{
        g_autofree char *id = object_path_decode(path, HOST_JOB_PREFIX);
        Job *job = id ? job_find(host, strtoull(id, NULL, 10), NULL) : NULL;

        if (!job || !g_str_equal(job->id, id))
                return 0; /* "07" is not a path of job 7 */
        *ret_found = job;
        return 1;
}

/* Collects encoded paths in memory of malloc(), which sd-bus frees. */
typedef struct PathList {
        const char *prefix;
        char **paths;
        size_t n;
} PathList;

static int path_list_add(PathList *list, const char *id)
{
        list->paths = reallocarray(list->paths, list->n + 2, sizeof(char *));
        if (!list->paths)
                return -ENOMEM;
        list->paths[list->n + 1] = NULL;
        return sd_bus_path_encode(list->prefix, id, &list->paths[list->n++]);
}

static int list_names(GHashTable *objects, const char *prefix, char ***ret_nodes)
{
        PathList list = {prefix, NULL, 0};
        GHashTableIter iter;
        gpointer name;
        int r = 0;

        g_hash_table_iter_init(&iter, objects);
        while (r >= 0 && g_hash_table_iter_next(&iter, &name, NULL))
                r = path_list_add(&list, name);
        *ret_nodes = list.paths;
        return r;
}

static int enumerate_instances(
        sd_bus *bus, const char *prefix, void *userdata, char ***ret_nodes, sd_bus_error *ret_error)
{
        return list_names(((Host *)userdata)->instances, HOST_INSTANCE_PREFIX, ret_nodes);
}

static int enumerate_overlays(
        sd_bus *bus, const char *prefix, void *userdata, char ***ret_nodes, sd_bus_error *ret_error)
{
        return list_names(((Host *)userdata)->overlays, HOST_OVERLAY_PREFIX, ret_nodes);
}

static int enumerate_jobs(
        sd_bus *bus, const char *prefix, void *userdata, char ***ret_nodes, sd_bus_error *ret_error)
{
        Host *host = userdata;
        PathList list = {HOST_JOB_PREFIX, NULL, 0};
        int r = 0;

        for (GTreeNode *n = g_tree_node_first(host->jobs); r >= 0 && n; n = g_tree_node_next(n))
                r = path_list_add(&list, ((Job *)g_tree_node_value(n))->id);
        *ret_nodes = list.paths;
        return r;
}

static const Kind kinds[] = {
        [OBJECT_MANAGER] = {HOST_PATH, HOST_IFACE_MANAGER, manager_vtable, NULL, NULL},
        [OBJECT_INSTANCE] = {HOST_INSTANCE_PREFIX, HOST_IFACE_INSTANCE, instance_vtable, find_instance,
                enumerate_instances},
        [OBJECT_OVERLAY] = {HOST_OVERLAY_PREFIX, HOST_IFACE_OVERLAY, overlay_vtable, find_overlay,
                enumerate_overlays},
        [OBJECT_JOB] = {HOST_JOB_PREFIX, HOST_IFACE_JOB, job_vtable, find_job, enumerate_jobs},
};

/* Signals */

static char *object_path(ObjectKind kind, const char *id)
{
        char *path = NULL;

        if (kind == OBJECT_MANAGER)
                return g_strdup(HOST_PATH);
        return sd_bus_path_encode(kinds[kind].prefix, id, &path) < 0 ? NULL : path;
}

static void emitted(int r, const char *path)
{
        if (r < 0)
                g_warning("Cannot tell the bus about %s: %s", path, g_strerror(-r));
}

static void on_added(ObjectKind kind, const char *id, void *userdata)
{
        g_autofree char *path = object_path(kind, id);

        emitted(sd_bus_emit_object_added(the_bus, path), path);
}

static void on_removed(ObjectKind kind, const char *id, void *userdata)
{
        g_autofree char *path = object_path(kind, id);

        emitted(sd_bus_emit_object_removed(the_bus, path), path);
}

static void on_changed(ObjectKind kind, const char *id, const char *const *properties, void *userdata)
{
        g_autofree char *path = object_path(kind, id);

        emitted(sd_bus_emit_properties_changed_strv(
                        the_bus, path, kinds[kind].interface, (char **)properties),
                path);
}

int objects_add(sd_bus *bus, Gate *gate, Host *host)
{
        int r = sd_bus_add_object_manager(bus, NULL, HOST_PATH);

        the_bus = bus;
        the_gate = gate;
        if (r >= 0)
                r = sd_bus_add_object_vtable(bus, NULL, HOST_PATH, HOST_IFACE_MANAGER, manager_vtable, host);
        for (size_t k = OBJECT_INSTANCE; r >= 0 && k < G_N_ELEMENTS(kinds); k++) {
                r = sd_bus_add_fallback_vtable(
                        bus, NULL, kinds[k].prefix, kinds[k].interface, kinds[k].vtable, kinds[k].find, host);
                if (r >= 0)
                        r = sd_bus_add_node_enumerator(bus, NULL, kinds[k].prefix, kinds[k].enumerate, host);
        }
        host->listener = (HostListener){on_added, on_removed, on_changed, NULL};
        return MIN(r, 0);
}
