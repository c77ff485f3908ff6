/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the files of the library share: a call goes out through call_*() in call.c; an answer with properties
 * becomes a structure by the field tables that object.c reads. */
#pragma once

#include "dbus/members.h"
#include "dbus/names.h"
#include "left4me-host.h"
#include <stdlib.h>
#include <systemd/sd-bus.h>

#define _cleanup_(f)   __attribute__((cleanup(f)))
#define _cleanup_free_ _cleanup_(freep)
static inline void freep(void *p)
{
        free(*(void **)p);
}

struct l4h_host {
        unsigned n_ref;
        sd_bus *bus;
        bool is_interactive;
        char *on_behalf_of;
        sd_bus_error error; /* of the last call that failed */
};

/* Keeps a sentence for l4h_error_message(). Returns: `r`. */
int host_fail(l4h_host *host, int r, const char *format, ...) __attribute__((format(printf, 3, 4)));
/* For a reply that could not be read. Returns: `r`. */
int host_fail_reply(l4h_host *host, int r);

/* ---- Objects ---- */

/* How a property comes over the bus and what it is kept as. */
typedef struct FieldType {
        const char *signature;
        int (*read)(sd_bus_message *m, void *field); /* the field is zero before */
        void (*done)(void *field);                   /* NULL when it owns nothing */
} FieldType;

extern const FieldType field_string, field_bool, field_uint16, field_uint32, field_int32, field_uint64,
        field_double, field_strings;
extern const FieldType field_instances, field_overlays; /* object paths; char ** of names here */
extern const FieldType field_job;                       /* object path; uint64_t here, 0 for "/" */

typedef struct Field {
        const char *property;
        const FieldType *type;
        size_t offset;
} Field;
#define FIELD(structure, member, property, type)                                                             \
        {                                                                                                    \
                property, &field_##type, offsetof(struct structure, member)                                  \
        }

/* Every object's structure begins with its number of references. */
typedef struct ObjectType {
        const char *interface;
        const char *prefix; /* of its path, NULL for the manager */
        const char *getter; /* the manager's method that finds one by name, or NULL */
        size_t size;
        const Field *fields; /* up to one without a name */
} ObjectType;

extern const ObjectType manager_type, instance_type, overlay_type, job_type;

/* Reads the a{sv} that `m` stands at; properties that the type does not know are skipped. */
int object_read(const ObjectType *type, sd_bus_message *m, void **ret);
void *object_ref(void *object);
void *object_unref(const ObjectType *type, void *object);

/* Returns: 0 and the object's path, owned; `name` is ignored for the manager. */
int object_path(const ObjectType *type, const char *name, char **ret);
/* Returns: 0, or -EBADMSG when the path is not below `prefix`. */
int path_get_name(const char *path, const char *prefix, char **ret);
int path_get_job(const char *path, uint64_t *ret);
/* Appends to a NULL-terminated array that may be NULL. Takes `string`. */
int strings_push(char ***strings, char *string);
void strings_free(char **strings);

#define DEFINE_OBJECT_REF(noun)                                                                              \
        l4h_##noun *l4h_##noun##_ref(l4h_##noun *noun)                                                       \
        {                                                                                                    \
                return object_ref(noun);                                                                     \
        }                                                                                                    \
        l4h_##noun *l4h_##noun##_unref(l4h_##noun *noun)                                                     \
        {                                                                                                    \
                return object_unref(&noun##_type, noun);                                                     \
        }
#define DEFINE_GETTER(noun, verb, type, member)                                                              \
        type l4h_##noun##_##verb##_##member(const l4h_##noun *noun)                                          \
        {                                                                                                    \
                return noun->member;                                                                         \
        }
/* A property that the service did not send is empty. */
#define DEFINE_STRING_GETTER(noun, member)                                                                   \
        const char *l4h_##noun##_get_##member(const l4h_##noun *noun)                                        \
        {                                                                                                    \
                return noun->member ? noun->member : "";                                                     \
        }
#define DEFINE_STRINGS_GETTER(noun, member)                                                                  \
        const char *const *l4h_##noun##_get_##member(const l4h_##noun *noun)                                 \
        {                                                                                                    \
                static const char *const none[] = {NULL};                                                    \
                return noun->member ? (const char *const *)noun->member : none;                              \
        }

/* ---- Calls ---- */

/* What a call that changes something carries besides its options. */
typedef struct CallArguments {
        const char *strings[2]; /* those that are not NULL come first, in this order */
        const uint64_t *number; /* or NULL */
        const int *fd;          /* or NULL */
        bool replaces;          /* options of Import */
        const char *file_name;  /* or NULL */
        const l4h_settings *settings;
} CallArguments;

/* Sends `m` and waits. `ret_reply` may be NULL. Returns: 0, or negative errno with a sentence in the host. */
int call_send(l4h_host *host, sd_bus_message *m, sd_bus_message **ret_reply);
/* Calls a method of an object, options last. `arguments` and `ret_reply` may be NULL. */
int call_change(l4h_host *host, const ObjectType *type, const char *name, const char *member,
        const CallArguments *arguments, sd_bus_message **ret_reply);
/* The same for a method that answers with a job. `ret_job` may be NULL. */
int call_queue(l4h_host *host, const ObjectType *type, const char *name, const char *member,
        const CallArguments *arguments, uint64_t *ret_job);
/* Calls a method that takes nothing and answers with a text, to be freed. */
int call_get_text(l4h_host *host, const ObjectType *type, const char *name, const char *member, char **ret);
/* Calls ReadLog. */
int call_read_log(l4h_host *host, const ObjectType *type, const char *name, const char *cursor, uint32_t max,
        l4h_log **ret);
/* Returns: 0 and the lines of an answer to ReadLog, or negative errno. */
int log_read(sd_bus_message *m, l4h_log **ret);
/* Reads all properties of an object. `name` is ignored for the manager. */
int call_find(l4h_host *host, const ObjectType *type, const char *name, void **ret);

int settings_append(const l4h_settings *settings, sd_bus_message *m);
