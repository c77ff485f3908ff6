/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Properties as they come over the bus, read into structures by tables. */
#include "internal.h"
#include <errno.h>
#include <string.h>

static void string_done(void *field)
{
        free(*(char **)field);
}

static int string_read(sd_bus_message *m, void *field)
{
        const char *s;
        int r = sd_bus_message_read_basic(m, 's', &s);
        if (r < 0)
                return r;
        *(char **)field = strdup(s);
        return *(char **)field ? 0 : -ENOMEM;
}

static int bool_read(sd_bus_message *m, void *field)
{
        int value;
        int r = sd_bus_message_read_basic(m, 'b', &value);
        if (r >= 0)
                *(bool *)field = value;
        return r;
}

static int uint16_read(sd_bus_message *m, void *field)
{
        return sd_bus_message_read_basic(m, 'q', field);
}

static int uint32_read(sd_bus_message *m, void *field)
{
        return sd_bus_message_read_basic(m, 'u', field);
}

static int int32_read(sd_bus_message *m, void *field)
{
        return sd_bus_message_read_basic(m, 'i', field);
}

static int uint64_read(sd_bus_message *m, void *field)
{
        return sd_bus_message_read_basic(m, 't', field);
}

static int double_read(sd_bus_message *m, void *field)
{
        return sd_bus_message_read_basic(m, 'd', field);
}

int strings_push(char ***strings, char *string)
{
        size_t n = 0;
        while (*strings && (*strings)[n])
                n++;
        char **grown = reallocarray(*strings, n + 2, sizeof *grown);
        if (!grown) {
                free(string);
                return -ENOMEM;
        }
        grown[n] = string;
        grown[n + 1] = NULL;
        *strings = grown;
        return 0;
}

void strings_free(char **strings)
{
        for (size_t i = 0; strings && strings[i]; i++)
                free(strings[i]);
        free(strings);
}

static void strings_done(void *field)
{
        strings_free(*(char ***)field);
}

static int strings_read(sd_bus_message *m, void *field)
{
        return sd_bus_message_read_strv(m, field);
}

static int names_read(sd_bus_message *m, const char *prefix, char ***names)
{
        int r = sd_bus_message_enter_container(m, 'a', "o");
        if (r < 0)
                return r;
        const char *path;
        while ((r = sd_bus_message_read_basic(m, 'o', &path)) > 0) {
                char *name = NULL;
                r = path_get_name(path, prefix, &name);
                if (r >= 0)
                        r = strings_push(names, name);
                if (r < 0)
                        return r;
        }
        return r < 0 ? r : sd_bus_message_exit_container(m);
}

static int instances_read(sd_bus_message *m, void *field)
{
        return names_read(m, HOST_INSTANCE_PREFIX, field);
}

static int overlays_read(sd_bus_message *m, void *field)
{
        return names_read(m, HOST_OVERLAY_PREFIX, field);
}

static int job_read(sd_bus_message *m, void *field)
{
        const char *path;
        int r = sd_bus_message_read_basic(m, 'o', &path);
        if (r < 0 || strcmp(path, "/") == 0)
                return r;
        return path_get_job(path, field);
}

DEFINE_ANSWER(text, char *, string_read, string_done)
DEFINE_ANSWER(queued, uint64_t, job_read, NULL)

const FieldType field_string = {"s", sizeof(char *), string_read, string_done};
const FieldType field_bool = {"b", sizeof(bool), bool_read};
const FieldType field_uint16 = {"q", sizeof(uint16_t), uint16_read};
const FieldType field_uint32 = {"u", sizeof(uint32_t), uint32_read};
const FieldType field_int32 = {"i", sizeof(int32_t), int32_read};
const FieldType field_uint64 = {"t", sizeof(uint64_t), uint64_read};
const FieldType field_double = {"d", sizeof(double), double_read};
const FieldType field_strings = {"as", sizeof(char **), strings_read, strings_done};
const FieldType field_instances = {"ao", sizeof(char **), instances_read, strings_done};
const FieldType field_overlays = {"ao", sizeof(char **), overlays_read, strings_done};
const FieldType field_job = {"o", sizeof(uint64_t), job_read};

/* One sv. */
static int field_read(const ObjectType *type, sd_bus_message *m, char *object)
{
        const char *property;
        int r = sd_bus_message_read_basic(m, 's', &property);
        if (r < 0)
                return r;

        const Field *field = type->fields;
        while (field->property && strcmp(field->property, property) != 0)
                field++;
        if (!field->property)
                return sd_bus_message_skip(m, "v");

        r = sd_bus_message_enter_container(m, 'v', field->type->signature);
        if (r < 0)
                return r;
        if (field->type->done)
                field->type->done(object + field->offset);
        memset(object + field->offset, 0, field->type->size);
        r = field->type->read(m, object + field->offset);
        return r < 0 ? r : sd_bus_message_exit_container(m);
}

int object_update(const ObjectType *type, sd_bus_message *m, void *object)
{
        int r = sd_bus_message_enter_container(m, 'a', "{sv}");
        while (r >= 0 && (r = sd_bus_message_enter_container(m, 'e', "sv")) > 0) {
                r = field_read(type, m, object);
                if (r >= 0)
                        r = sd_bus_message_exit_container(m);
        }
        return r < 0 ? r : sd_bus_message_exit_container(m);
}

int object_read(const ObjectType *type, sd_bus_message *m, void **ret)
{
        unsigned *object = calloc(1, type->size);
        if (!object)
                return -ENOMEM;
        *object = 1;

        int r = object_update(type, m, object);
        if (r < 0) {
                object_unref(type, object);
                return r;
        }
        *ret = object;
        return 0;
}

int object_read_interfaces(const char *path, sd_bus_message *m, ObjectReader *reader, void *userdata)
{
        _cleanup_free_ char *name = NULL;
        const ObjectType *type = object_find_type(path, &name);
        int r = sd_bus_message_enter_container(m, 'a', "{sa{sv}}");
        while (r >= 0 && (r = sd_bus_message_enter_container(m, 'e', "sa{sv}")) > 0) {
                const char *interface;
                r = sd_bus_message_read_basic(m, 's', &interface);
                if (r >= 0)
                        r = type && strcmp(interface, type->interface) == 0 ? reader(path, type, m, userdata)
                                                                            : sd_bus_message_skip(m, "a{sv}");
                if (r >= 0)
                        r = sd_bus_message_exit_container(m);
        }
        return r < 0 ? r : sd_bus_message_exit_container(m);
}

int objects_read(sd_bus_message *m, ObjectReader *reader, void *userdata)
{
        int r = sd_bus_message_enter_container(m, 'a', "{oa{sa{sv}}}");
        while (r >= 0 && (r = sd_bus_message_enter_container(m, 'e', "oa{sa{sv}}")) > 0) {
                const char *path;
                r = sd_bus_message_read_basic(m, 'o', &path);
                if (r >= 0)
                        r = object_read_interfaces(path, m, reader, userdata);
                if (r >= 0)
                        r = sd_bus_message_exit_container(m);
        }
        return r < 0 ? r : sd_bus_message_exit_container(m);
}

void *object_ref(void *object)
{
        ++*(unsigned *)object;
        return object;
}

void *object_unref(const ObjectType *type, void *object)
{
        if (!object || --*(unsigned *)object > 0)
                return NULL;
        for (const Field *field = type->fields; field->property; field++)
                if (field->type->done)
                        field->type->done((char *)object + field->offset);
        free(object);
        return NULL;
}

int object_path(const ObjectType *type, const char *name, char **ret)
{
        if (type->prefix) {
                int r = sd_bus_path_encode(type->prefix, name, ret);
                return r < 0 ? r : 0;
        }
        char *path = strdup(HOST_PATH);
        if (!path)
                return -ENOMEM;
        *ret = path;
        return 0;
}

const ObjectType *object_find_type(const char *path, char **ret_name)
{
        static const ObjectType *const types[] = {&instance_type, &overlay_type, &job_type};
        for (size_t i = 0; i < sizeof types / sizeof types[0]; i++)
                if (path_get_name(path, types[i]->prefix, ret_name) >= 0)
                        return types[i];
        return NULL;
}

int path_get_name(const char *path, const char *prefix, char **ret)
{
        int r = sd_bus_path_decode(path, prefix, ret);
        if (r < 0)
                return r;
        return r == 0 ? -EBADMSG : 0;
}

int path_get_job(const char *path, uint64_t *ret)
{
        _cleanup_free_ char *id = NULL;
        int r = path_get_name(path, HOST_JOB_PREFIX, &id);
        if (r < 0)
                return r;
        char *end;
        errno = 0;
        uint64_t number = strtoull(id, &end, 10);
        if (errno != 0 || end == id || *end != '\0')
                return -EBADMSG;
        *ret = number;
        return 0;
}
