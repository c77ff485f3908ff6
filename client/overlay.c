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

static const FieldType field_generations = {
        "a(ttts)", sizeof(Generations), generations_read, generations_done};

const ObjectType overlay_type = {
        .interface = HOST_IFACE_OVERLAY,
        .prefix = HOST_OVERLAY_PREFIX,
        .noun = "overlay",
        .missing = HOST_ERROR_NO_SUCH_OVERLAY,
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

#define CALL_CREATE(kind)                                                                                    \
        CALL_CHANGE(manager, NULL, CreateOverlay, .strings = {name, kind}, .settings = settings)
DEFINE_CALL(l4h_overlay_create_script, CALL_CREATE(HOST_OVERLAY_KIND_SCRIPT), l4h_host *host,
        const char *name, const l4h_settings *settings)
DEFINE_CALL(l4h_overlay_create_files, CALL_CREATE(HOST_OVERLAY_KIND_FILES), l4h_host *host, const char *name,
        const l4h_settings *settings)
DEFINE_CALL(l4h_overlay_configure, CALL_CHANGE(overlay, name, Configure, .settings = settings),
        l4h_host *host, const char *name, const l4h_settings *settings)
DEFINE_CALL(l4h_overlay_set_script, CALL_CHANGE(overlay, name, SetScript, .strings = {text}), l4h_host *host,
        const char *name, const char *text)
DEFINE_CALL_RETURNING(l4h_overlay_get_script, text, char *, CALL_READ(overlay, name, GetScript),
        l4h_host *host, const char *name)
DEFINE_CALL_RETURNING(l4h_overlay_build, queued, uint64_t, CALL_CHANGE(overlay, name, Build), l4h_host *host,
        const char *name)
DEFINE_CALL_RETURNING(l4h_overlay_import, queued, uint64_t,
        CALL_CHANGE(overlay, name, Import, .fd = &fd, .file_name = file_name, .replaces = replaces),
        l4h_host *host, const char *name, int fd, const char *file_name, bool replaces)
DEFINE_CALL(l4h_overlay_revert, CALL_CHANGE(overlay, name, Revert, .number = &generation), l4h_host *host,
        const char *name, uint64_t generation)
DEFINE_CALL(l4h_overlay_wipe, CALL_CHANGE(overlay, name, Wipe), l4h_host *host, const char *name)
DEFINE_CALL_RETURNING(l4h_overlay_wipe_cache, queued, uint64_t, CALL_CHANGE(overlay, name, WipeCache),
        l4h_host *host, const char *name)
DEFINE_CALL_RETURNING(l4h_overlay_delete, queued, uint64_t, CALL_CHANGE(overlay, name, Delete),
        l4h_host *host, const char *name)
DEFINE_CALL_RETURNING(
        l4h_overlay_find, overlay, l4h_overlay *, CALL_FIND(overlay, name), l4h_host *host, const char *name)

size_t l4h_overlay_count_generations(const l4h_overlay *overlay)
{
        return overlay->generations.n;
}

l4h_generation l4h_overlay_get_generation_at(const l4h_overlay *overlay, size_t index)
{
        const Generation *g = &overlay->generations.items[index];
        return (l4h_generation){g->number, g->built_at, g->size, g->digest};
}

DEFINE_OBJECT(overlay)
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
