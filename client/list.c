/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* All objects of the service, read by one GetManagedObjects. */
#include "internal.h"
#include <errno.h>
#include <string.h>

typedef struct Objects {
        void **items;
        size_t n;
} Objects;

enum { INSTANCES, OVERLAYS, JOBS, N_KINDS };
static const ObjectType *const list_types[N_KINDS] = {&instance_type, &overlay_type, &job_type};

struct l4h_list {
        unsigned n_ref;
        Objects objects[N_KINDS];
};

l4h_list *l4h_list_ref(l4h_list *list)
{
        list->n_ref++;
        return list;
}

l4h_list *l4h_list_unref(l4h_list *list)
{
        if (!list || --list->n_ref > 0)
                return NULL;
        for (int kind = 0; kind < N_KINDS; kind++) {
                for (size_t i = 0; i < list->objects[kind].n; i++)
                        object_unref(list_types[kind], list->objects[kind].items[i]);
                free(list->objects[kind].items);
        }
        free(list);
        return NULL;
}

static void list_unrefp(l4h_list **list)
{
        l4h_list_unref(*list);
}

static int objects_push(Objects *objects, const ObjectType *type, sd_bus_message *m)
{
        void **grown = reallocarray(objects->items, objects->n + 1, sizeof *grown);
        if (!grown)
                return -ENOMEM;
        objects->items = grown;
        int r = object_read(type, m, &grown[objects->n]);
        if (r >= 0)
                objects->n++;
        return r;
}

/* One sa{sv} of an object. */
static int interface_read(l4h_list *list, sd_bus_message *m)
{
        const char *interface;
        int r = sd_bus_message_read_basic(m, 's', &interface);
        if (r < 0)
                return r;
        for (int kind = 0; kind < N_KINDS; kind++)
                if (strcmp(interface, list_types[kind]->interface) == 0)
                        return objects_push(&list->objects[kind], list_types[kind], m);
        return sd_bus_message_skip(m, "a{sv}");
}

/* One oa{sa{sv}}. */
static int managed_object_read(l4h_list *list, sd_bus_message *m)
{
        int r = sd_bus_message_skip(m, "o");
        if (r >= 0)
                r = sd_bus_message_enter_container(m, 'a', "{sa{sv}}");
        while (r >= 0 && (r = sd_bus_message_enter_container(m, 'e', "sa{sv}")) > 0) {
                r = interface_read(list, m);
                if (r >= 0)
                        r = sd_bus_message_exit_container(m);
        }
        return r < 0 ? r : sd_bus_message_exit_container(m);
}

static int instance_compare(const void *a, const void *b)
{
        return strcmp(l4h_instance_get_name(*(l4h_instance *const *)a),
                l4h_instance_get_name(*(l4h_instance *const *)b));
}

static int overlay_compare(const void *a, const void *b)
{
        return strcmp(l4h_overlay_get_name(*(l4h_overlay *const *)a),
                l4h_overlay_get_name(*(l4h_overlay *const *)b));
}

static int job_compare(const void *a, const void *b)
{
        uint64_t x = l4h_job_get_id(*(l4h_job *const *)a), y = l4h_job_get_id(*(l4h_job *const *)b);
        return x < y ? -1 : x > y;
}

static void list_sort(l4h_list *list)
{
        static int (*const compare[N_KINDS])(const void *, const void *) = {
                instance_compare, overlay_compare, job_compare};
        for (int kind = 0; kind < N_KINDS; kind++)
                if (list->objects[kind].n > 1)
                        qsort(list->objects[kind].items, list->objects[kind].n, sizeof(void *),
                                compare[kind]);
}

int l4h_list_new(l4h_host *host, l4h_list **ret)
{
        _cleanup_(list_unrefp) l4h_list *list = calloc(1, sizeof *list);
        if (!list)
                return host_fail_reply(host, -ENOMEM);
        list->n_ref = 1;

        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL, *reply = NULL;
        int r = sd_bus_message_new_method_call(host->bus, &m, HOST_BUS_NAME, HOST_PATH,
                "org.freedesktop.DBus.ObjectManager", "GetManagedObjects");
        if (r < 0)
                return host_fail_reply(host, r);
        r = call_send(host, m, &reply);
        if (r < 0)
                return r;

        r = sd_bus_message_enter_container(reply, 'a', "{oa{sa{sv}}}");
        while (r >= 0 && (r = sd_bus_message_enter_container(reply, 'e', "oa{sa{sv}}")) > 0) {
                r = managed_object_read(list, reply);
                if (r >= 0)
                        r = sd_bus_message_exit_container(reply);
        }
        if (r < 0)
                return host_fail_reply(host, r);
        list_sort(list);
        *ret = list;
        list = NULL;
        return 0;
}

#define DEFINE_LIST(noun, nouns, kind)                                                                       \
        size_t l4h_list_count_##nouns(const l4h_list *list)                                                  \
        {                                                                                                    \
                return list->objects[kind].n;                                                                \
        }                                                                                                    \
        l4h_##noun *l4h_list_get_##noun(const l4h_list *list, size_t index)                                  \
        {                                                                                                    \
                return list->objects[kind].items[index];                                                     \
        }
DEFINE_LIST(instance, instances, INSTANCES)
DEFINE_LIST(overlay, overlays, OVERLAYS)
DEFINE_LIST(job, jobs, JOBS)
