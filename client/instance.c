/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Instances: calls, and their properties. */
#include "internal.h"
#include <errno.h>

typedef struct Layer {
        char *overlay;
        uint64_t generation;
} Layer;

typedef struct Layers {
        Layer *items;
        size_t n;
} Layers;

struct l4h_instance {
        unsigned n_ref;
        char *name, *description;
        uint16_t port;
        char **arguments, **overlays;
        bool enabled, mounted, outdated;
        char *active_state, *sub_state, *result, *message;
        Layers layers;
        char *unit;
        uint32_t main_pid;
        char *invocation_id;
        uint32_t n_restarts;
        uint64_t started_at;
        char *address;
};

static int layers_push(Layers *layers, const char *path, uint64_t generation)
{
        char *overlay;
        int r = path_get_name(path, HOST_OVERLAY_PREFIX, &overlay);
        if (r < 0)
                return r;
        Layer *grown = reallocarray(layers->items, layers->n + 1, sizeof *grown);
        if (!grown) {
                free(overlay);
                return -ENOMEM;
        }
        grown[layers->n++] = (Layer){overlay, generation};
        layers->items = grown;
        return 0;
}

static int layers_read(sd_bus_message *m, void *field)
{
        int r = sd_bus_message_enter_container(m, 'a', "(ot)");
        if (r < 0)
                return r;
        const char *path;
        uint64_t generation;
        while ((r = sd_bus_message_read(m, "(ot)", &path, &generation)) > 0) {
                r = layers_push(field, path, generation);
                if (r < 0)
                        return r;
        }
        return r < 0 ? r : sd_bus_message_exit_container(m);
}

static void layers_done(void *field)
{
        Layers *layers = field;
        for (size_t i = 0; i < layers->n; i++)
                free(layers->items[i].overlay);
        free(layers->items);
}

static const FieldType field_layers = {"a(ot)", sizeof(Layers), layers_read, layers_done};

const ObjectType instance_type = {
        .interface = HOST_IFACE_INSTANCE,
        .prefix = HOST_INSTANCE_PREFIX,
        .noun = "instance",
        .missing = HOST_ERROR_NO_SUCH_INSTANCE,
        .size = sizeof(struct l4h_instance),
        .fields =
                (const Field[]){
                        FIELD(l4h_instance, name, HOST_MEMBER_Name, string),
                        FIELD(l4h_instance, description, HOST_MEMBER_Description, string),
                        FIELD(l4h_instance, port, HOST_MEMBER_Port, uint16),
                        FIELD(l4h_instance, arguments, HOST_MEMBER_Arguments, strings),
                        FIELD(l4h_instance, overlays, HOST_MEMBER_Overlays, overlays),
                        FIELD(l4h_instance, enabled, HOST_MEMBER_Enabled, bool),
                        FIELD(l4h_instance, active_state, HOST_MEMBER_ActiveState, string),
                        FIELD(l4h_instance, sub_state, HOST_MEMBER_SubState, string),
                        FIELD(l4h_instance, result, HOST_MEMBER_Result, string),
                        FIELD(l4h_instance, message, HOST_MEMBER_Message, string),
                        FIELD(l4h_instance, mounted, HOST_MEMBER_Mounted, bool),
                        FIELD(l4h_instance, layers, HOST_MEMBER_Layers, layers),
                        FIELD(l4h_instance, outdated, HOST_MEMBER_Outdated, bool),
                        FIELD(l4h_instance, unit, HOST_MEMBER_Unit, string),
                        FIELD(l4h_instance, main_pid, HOST_MEMBER_MainPID, uint32),
                        FIELD(l4h_instance, invocation_id, HOST_MEMBER_InvocationID, string),
                        FIELD(l4h_instance, n_restarts, HOST_MEMBER_NRestarts, uint32),
                        FIELD(l4h_instance, started_at, HOST_MEMBER_StartedAt, uint64),
                        FIELD(l4h_instance, address, HOST_MEMBER_Address, string),
                        {NULL},
                },
};

DEFINE_CALL(l4h_instance_create,
        CALL_CHANGE(manager, NULL, CreateInstance, .strings = {name}, .settings = settings), l4h_host *host,
        const char *name, const l4h_settings *settings)
DEFINE_CALL(l4h_instance_configure, CALL_CHANGE(instance, name, Configure, .settings = settings),
        l4h_host *host, const char *name, const l4h_settings *settings)
DEFINE_CALL(l4h_instance_start, CALL_CHANGE(instance, name, Start), l4h_host *host, const char *name)
DEFINE_CALL(l4h_instance_stop, CALL_CHANGE(instance, name, Stop), l4h_host *host, const char *name)
DEFINE_CALL(l4h_instance_restart, CALL_CHANGE(instance, name, Restart), l4h_host *host, const char *name)
DEFINE_CALL(l4h_instance_mount, CALL_CHANGE(instance, name, Mount), l4h_host *host, const char *name)
DEFINE_CALL(l4h_instance_unmount, CALL_CHANGE(instance, name, Unmount), l4h_host *host, const char *name)
DEFINE_CALL(l4h_instance_set_config, CALL_CHANGE(instance, name, SetConfig, .strings = {text}),
        l4h_host *host, const char *name, const char *text)
DEFINE_CALL_RETURNING(l4h_instance_get_config, text, char *, CALL_READ(instance, name, GetConfig),
        l4h_host *host, const char *name)
DEFINE_CALL_RETURNING(l4h_instance_reset, queued, uint64_t, CALL_CHANGE(instance, name, Reset),
        l4h_host *host, const char *name)
DEFINE_CALL_RETURNING(l4h_instance_delete, queued, uint64_t, CALL_CHANGE(instance, name, Delete),
        l4h_host *host, const char *name)
DEFINE_CALL_RETURNING(l4h_instance_find, instance, l4h_instance *, CALL_FIND(instance, name), l4h_host *host,
        const char *name)
DEFINE_CALL_RETURNING(l4h_instance_open_log, pipe, int, CALL_CHANGE(instance, name, OpenLog, .log = options),
        l4h_host *host, const char *name, const l4h_log_options *options)
DEFINE_CALL_RETURNING(l4h_instance_read_log, log, l4h_log *,
        CALL_READ(instance, name, ReadLog, .strings = {cursor}, .max = &max), l4h_host *host,
        const char *name, const char *cursor, uint32_t max)

size_t l4h_instance_count_layers(const l4h_instance *instance)
{
        return instance->layers.n;
}

const char *l4h_instance_get_layer_overlay(const l4h_instance *instance, size_t index)
{
        return instance->layers.items[index].overlay;
}

uint64_t l4h_instance_get_layer_generation(const l4h_instance *instance, size_t index)
{
        return instance->layers.items[index].generation;
}

pid_t l4h_instance_get_main_pid(const l4h_instance *instance)
{
        return (pid_t)instance->main_pid;
}

DEFINE_OBJECT(instance)
DEFINE_STRING_GETTER(instance, name)
DEFINE_STRING_GETTER(instance, description)
DEFINE_GETTER(instance, get, uint16_t, port)
DEFINE_STRINGS_GETTER(instance, arguments)
DEFINE_STRINGS_GETTER(instance, overlays)
DEFINE_GETTER(instance, is, bool, enabled)
DEFINE_STRING_GETTER(instance, active_state)
DEFINE_STRING_GETTER(instance, sub_state)
DEFINE_STRING_GETTER(instance, result)
DEFINE_STRING_GETTER(instance, message)
DEFINE_GETTER(instance, is, bool, mounted)
DEFINE_GETTER(instance, is, bool, outdated)
DEFINE_STRING_GETTER(instance, unit)
DEFINE_STRING_GETTER(instance, invocation_id)
DEFINE_GETTER(instance, get, uint32_t, n_restarts)
DEFINE_GETTER(instance, get, uint64_t, started_at)
DEFINE_STRING_GETTER(instance, address)
