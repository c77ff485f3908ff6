/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Overlays: calls, and their properties. */
#include "internal.h"
#include <errno.h>
#include <string.h>

typedef struct Generation {
        uint64_t number, built_at, size;
        char *digest;
} Generation;

typedef struct Generations {
        Generation *items;
        size_t n;
} Generations;

struct l4h_overlay {
        unsigned n_ref;
        uint64_t id;
        char *name, *description, *kind, *state;
        uint64_t generation;
        Generations generations;
        uint64_t size, files;
        char *digest;
        uint64_t built_at, time_limit, size_limit, file_limit;
        uint32_t keep_generations;
        uint64_t last_job;
        char **used_by;
};

static int generations_push(Generations *generations, const Generation *generation, const char *digest)
{
        char *copy = strdup(digest);
        if (!copy)
                return -ENOMEM;
        Generation *grown = reallocarray(generations->items, generations->n + 1, sizeof *grown);
        if (!grown) {
                free(copy);
                return -ENOMEM;
        }
        grown[generations->n] = *generation;
        grown[generations->n++].digest = copy;
        generations->items = grown;
        return 0;
}

static int generations_read(sd_bus_message *m, void *field)
{
        int r = sd_bus_message_enter_container(m, 'a', "(ttts)");
        if (r < 0)
                return r;
        Generation g = {0};
        const char *digest;
        while ((r = sd_bus_message_read(m, "(ttts)", &g.number, &g.built_at, &g.size, &digest)) > 0) {
                r = generations_push(field, &g, digest);
                if (r < 0)
                        return r;
        }
        return r < 0 ? r : sd_bus_message_exit_container(m);
}

static void generations_done(void *field)
{
        Generations *generations = field;
        for (size_t i = 0; i < generations->n; i++)
                free(generations->items[i].digest);
        free(generations->items);
}

static const FieldType field_generations = {"a(ttts)", generations_read, generations_done};

const ObjectType overlay_type = {
        .interface = HOST_IFACE_OVERLAY,
        .prefix = HOST_OVERLAY_PREFIX,
        .getter = HOST_MEMBER_GetOverlay,
        .size = sizeof(struct l4h_overlay),
        .fields =
                (const Field[]){
                        FIELD(l4h_overlay, id, HOST_MEMBER_Id, uint64),
                        FIELD(l4h_overlay, name, HOST_MEMBER_Name, string),
                        FIELD(l4h_overlay, description, HOST_MEMBER_Description, string),
                        FIELD(l4h_overlay, kind, HOST_MEMBER_Kind, string),
                        FIELD(l4h_overlay, state, HOST_MEMBER_State, string),
                        FIELD(l4h_overlay, generation, HOST_MEMBER_Generation, uint64),
                        FIELD(l4h_overlay, generations, HOST_MEMBER_Generations, generations),
                        FIELD(l4h_overlay, size, HOST_MEMBER_Size, uint64),
                        FIELD(l4h_overlay, files, HOST_MEMBER_Files, uint64),
                        FIELD(l4h_overlay, digest, HOST_MEMBER_Digest, string),
                        FIELD(l4h_overlay, built_at, HOST_MEMBER_BuiltAt, uint64),
                        FIELD(l4h_overlay, time_limit, HOST_MEMBER_TimeLimit, uint64),
                        FIELD(l4h_overlay, size_limit, HOST_MEMBER_SizeLimit, uint64),
                        FIELD(l4h_overlay, file_limit, HOST_MEMBER_FileLimit, uint64),
                        FIELD(l4h_overlay, keep_generations, HOST_MEMBER_KeepGenerations, uint32),
                        FIELD(l4h_overlay, last_job, HOST_MEMBER_LastJob, job),
                        FIELD(l4h_overlay, used_by, HOST_MEMBER_UsedBy, instances),
                        {NULL},
                },
};

int l4h_overlay_create_script(l4h_host *host, const char *name, const l4h_settings *settings)
{
        const CallArguments arguments = {.strings = {name, HOST_OVERLAY_KIND_SCRIPT}, .settings = settings};
        return call_change(host, &manager_type, NULL, HOST_MEMBER_CreateOverlay, &arguments, NULL);
}

int l4h_overlay_create_files(l4h_host *host, const char *name, const l4h_settings *settings)
{
        const CallArguments arguments = {.strings = {name, HOST_OVERLAY_KIND_FILES}, .settings = settings};
        return call_change(host, &manager_type, NULL, HOST_MEMBER_CreateOverlay, &arguments, NULL);
}

int l4h_overlay_configure(l4h_host *host, const char *name, const l4h_settings *settings)
{
        const CallArguments arguments = {.settings = settings};
        return call_change(host, &overlay_type, name, HOST_MEMBER_Configure, &arguments, NULL);
}

int l4h_overlay_set_script(l4h_host *host, const char *name, const char *text)
{
        const CallArguments arguments = {.strings = {text}};
        return call_change(host, &overlay_type, name, HOST_MEMBER_SetScript, &arguments, NULL);
}

int l4h_overlay_get_script(l4h_host *host, const char *name, char **ret)
{
        return call_get_text(host, &overlay_type, name, HOST_MEMBER_GetScript, ret);
}

int l4h_overlay_build(l4h_host *host, const char *name, uint64_t *ret_job)
{
        return call_queue(host, &overlay_type, name, HOST_MEMBER_Build, NULL, ret_job);
}

int l4h_overlay_import(
        l4h_host *host, const char *name, int fd, const char *file_name, bool replaces, uint64_t *ret_job)
{
        const CallArguments arguments = {.fd = &fd, .file_name = file_name, .replaces = replaces};
        return call_queue(host, &overlay_type, name, HOST_MEMBER_Import, &arguments, ret_job);
}

int l4h_overlay_revert(l4h_host *host, const char *name, uint64_t generation)
{
        const CallArguments arguments = {.number = &generation};
        return call_change(host, &overlay_type, name, HOST_MEMBER_Revert, &arguments, NULL);
}

int l4h_overlay_wipe(l4h_host *host, const char *name)
{
        return call_change(host, &overlay_type, name, HOST_MEMBER_Wipe, NULL, NULL);
}

int l4h_overlay_wipe_cache(l4h_host *host, const char *name, uint64_t *ret_job)
{
        return call_queue(host, &overlay_type, name, HOST_MEMBER_WipeCache, NULL, ret_job);
}

int l4h_overlay_delete(l4h_host *host, const char *name, uint64_t *ret_job)
{
        return call_queue(host, &overlay_type, name, HOST_MEMBER_Delete, NULL, ret_job);
}

int l4h_overlay_find(l4h_host *host, const char *name, l4h_overlay **ret)
{
        return call_find(host, &overlay_type, name, (void **)ret);
}

size_t l4h_overlay_count_generations(const l4h_overlay *overlay)
{
        return overlay->generations.n;
}

l4h_generation l4h_overlay_get_generation_at(const l4h_overlay *overlay, size_t index)
{
        const Generation *g = &overlay->generations.items[index];
        return (l4h_generation){g->number, g->built_at, g->size, g->digest};
}

DEFINE_OBJECT_REF(overlay)
DEFINE_GETTER(overlay, get, uint64_t, id)
DEFINE_STRING_GETTER(overlay, name)
DEFINE_STRING_GETTER(overlay, description)
DEFINE_STRING_GETTER(overlay, kind)
DEFINE_STRING_GETTER(overlay, state)
DEFINE_GETTER(overlay, get, uint64_t, generation)
DEFINE_GETTER(overlay, get, uint64_t, size)
DEFINE_GETTER(overlay, get, uint64_t, files)
DEFINE_STRING_GETTER(overlay, digest)
DEFINE_GETTER(overlay, get, uint64_t, built_at)
DEFINE_GETTER(overlay, get, uint64_t, time_limit)
DEFINE_GETTER(overlay, get, uint64_t, size_limit)
DEFINE_GETTER(overlay, get, uint64_t, file_limit)
DEFINE_GETTER(overlay, get, uint32_t, keep_generations)
DEFINE_GETTER(overlay, get, uint64_t, last_job)
DEFINE_STRINGS_GETTER(overlay, used_by)
