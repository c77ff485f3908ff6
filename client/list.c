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

static int list_add(const char *path, const ObjectType *type, sd_bus_message *m, void *userdata)
{
        l4h_list *list = userdata;
        int kind = 0;
        while (list_types[kind] != type)
                kind++;
        return objects_push(&list->objects[kind], type, m);
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

static int list_read(sd_bus_message *m, void *value)
{
        _cleanup_(list_unrefp) l4h_list *list = calloc(1, sizeof *list);
        if (!list)
                return -ENOMEM;
        list->n_ref = 1;
        int r = objects_read(m, list_add, list);
        if (r < 0)
                return r;
        list_sort(list);
        *(l4h_list **)value = list;
        list = NULL;
        return 0;
}

static void list_done(void *value)
{
        l4h_list_unref(*(l4h_list **)value);
}

DEFINE_ANSWER(list, l4h_list *, list_read, list_done)
DEFINE_CALL_RETURNING(l4h_list_new, list, l4h_list *, CALL_LIST, l4h_host *host)

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
