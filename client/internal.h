/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the files of the library share: a call goes out through call_*() in call.c; an answer with properties
 * becomes a structure by the field tables that object.c reads. */
#pragma once

#include "dbus/error-list.h"
#include "dbus/members.h"
#include "dbus/names.h"
#include "left4me-host.h"
#include <stdlib.h>
#include <systemd/sd-bus.h>
#include <systemd/sd-event.h>

#define _cleanup_(f)   __attribute__((cleanup(f)))
#define _cleanup_free_ _cleanup_(freep)
static inline void freep(void *p)
{
        free(*(void **)p);
}

#define IFACE_PROPERTIES "org.freedesktop.DBus.Properties"
#define IFACE_OBJECTS    "org.freedesktop.DBus.ObjectManager"

struct l4h_host {
        unsigned n_ref;
        sd_bus *bus;
        bool is_interactive;
        bool is_left_alone; /* calls do not start the service */
        char *on_behalf_of;
        char *where;        /* what it is called in sentences, NULL for this machine */
        sd_bus_error error; /* of the last call that failed */
        l4h_slot *floating; /* those that nobody holds */
};

/* Keeps a sentence for l4h_error_message(). Returns: `r`. */
int host_fail(l4h_host *host, int r, const char *format, ...) __attribute__((format(printf, 3, 4)));
/* For a reply that could not be read. Returns: `r`. */
int host_fail_reply(l4h_host *host, int r);
/* For a connection that is lost. Returns: negative errno. */
int host_fail_lost(l4h_host *host);
/* For a connection that carries no descriptors. Returns: negative errno. */
int host_fail_files(l4h_host *host);
/* Keeps what a reply says that is an error, in better words where the bus itself has said it. `call` is what
 * it answers. Returns: negative errno. */
int host_fail_call(l4h_host *host, sd_bus_message *call, const sd_bus_error *error);

/* ---- Objects ---- */

/* How a property comes over the bus and what it is kept as. */
typedef struct FieldType {
        const char *signature;
        size_t size;
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
        const char *noun;
        size_t missing; /* the error that says that there is none: its place in HOST_ERROR_LIST */
        size_t size;
        const Field *fields; /* up to one without a name */
} ObjectType;

extern const ObjectType manager_type, instance_type, overlay_type, job_type;

#define X(code, name, number) HOST_ERROR_##code,
enum { HOST_ERROR_LIST(X) };
#undef X

/* Reads the a{sv} that `m` stands at; properties that the type does not know are skipped. */
int object_read(const ObjectType *type, sd_bus_message *m, void **ret);
/* Is called for an object with `m` at its a{sv}, which it reads. Returns: 0, or negative errno, which ends
 * it. */
typedef int ObjectReader(const char *path, const ObjectType *type, sd_bus_message *m, void *userdata);
/* Reads the a{sa{sv}} of one object. */
int object_read_interfaces(const char *path, sd_bus_message *m, ObjectReader *reader, void *userdata);
/* Reads the answer of GetManagedObjects. */
int objects_read(sd_bus_message *m, ObjectReader *reader, void *userdata);
/* Takes up what the a{sv} that `m` stands at says, in the object itself. */
int object_update(const ObjectType *type, sd_bus_message *m, void *object);
void *object_ref(void *object);
void *object_unref(const ObjectType *type, void *object);

/* Returns: 0 and the object's path, owned; `name` is ignored for the manager. */
int object_path(const ObjectType *type, const char *name, char **ret);
/* Returns: the type of the object at this path and its name, or NULL for a path that is none of an object's.
 */
const ObjectType *object_find_type(const char *path, char **ret_name);
/* Returns: 0, or -EBADMSG when the path is not below `prefix`. */
int path_get_name(const char *path, const char *prefix, char **ret);
int path_get_job(const char *path, uint64_t *ret);
/* Appends to a NULL-terminated array that may be NULL. Takes `string`. */
int strings_push(char ***strings, char *string);
void strings_free(char **strings);
static inline void strings_freep(char ***strings)
{
        strings_free(*strings);
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

/* ---- Answers ---- */

typedef struct Answers {
        l4h_answer *items;
        size_t n;
} Answers;

/* What a call brings: in the form that waits it is the caller's, in the other one the handler's for as long
 * as that runs. */
typedef union Value {
        uint64_t number;
        void *pointer;
        Answers answers;
        int fd;
} Value;

/* l4h_ANSWER_handler in the header, to be cast back by `tell`. */
typedef void (*Handler)(void);

typedef struct AnswerType {
        size_t size;                                 /* of the value; 0 when there is none */
        int (*read)(sd_bus_message *m, void *value); /* the value is zero before */
        void (*done)(void *value);                   /* NULL when it owns nothing */
        void (*tell)(Handler handler, l4h_host *host, int r, const void *value, void *userdata);
} AnswerType;

extern const AnswerType answer_done, answer_queued, answer_text, answer_list, answer_log, answer_pipe,
        answer_manager, answer_instance, answer_overlay, answer_job;

#define DEFINE_ANSWER(answer, type, read, done)                                                              \
        static void answer##_tell(Handler handler, l4h_host *host, int r, const void *value, void *userdata) \
        {                                                                                                    \
                ((l4h_##answer##_handler)handler)(host, r, *(type const *)value, userdata);                  \
        }                                                                                                    \
        const AnswerType answer_##answer = {sizeof(type), read, done, answer##_tell};

#define DEFINE_OBJECT(noun)                                                                                  \
        l4h_##noun *l4h_##noun##_ref(l4h_##noun *noun)                                                       \
        {                                                                                                    \
                return object_ref(noun);                                                                     \
        }                                                                                                    \
        l4h_##noun *l4h_##noun##_unref(l4h_##noun *noun)                                                     \
        {                                                                                                    \
                return object_unref(&noun##_type, noun);                                                     \
        }                                                                                                    \
        static int noun##_read(sd_bus_message *m, void *value)                                               \
        {                                                                                                    \
                return object_read(&noun##_type, m, value);                                                  \
        }                                                                                                    \
        static void noun##_done(void *value)                                                                 \
        {                                                                                                    \
                object_unref(&noun##_type, *(void **)value);                                                 \
        }                                                                                                    \
        DEFINE_ANSWER(noun, l4h_##noun *, noun##_read, noun##_done)

/* ---- Calls ---- */

typedef struct Call {
        const ObjectType *type;
        const char *name;      /* of the object; ignored for the manager */
        const char *interface; /* NULL: the type's own */
        const char *member;
        /* Arguments; those that are not NULL come in this order. */
        const char *strings[2];
        const int *fd;
        const uint64_t *number;
        const uint32_t *max;
        const l4h_call *calls;
        size_t n_calls;
        bool has_options; /* the next four can be among them */
        const l4h_settings *settings;
        bool replaces;
        const char *file_name;
        const l4h_log_options *log;
} Call;

#define CALL_READ(object, id, method, ...)                                                                   \
        ((const Call){.type = &object##_type, .name = (id), .member = HOST_MEMBER_##method, ##__VA_ARGS__})
#define CALL_CHANGE(object, id, method, ...) CALL_READ(object, id, method, .has_options = true, ##__VA_ARGS__)
#define CALL_FIND(object, id)                                                                                \
        ((const Call){.type = &object##_type,                                                                \
                .name = (id),                                                                                \
                .interface = IFACE_PROPERTIES,                                                               \
                .member = "GetAll",                                                                          \
                .strings = {object##_type.interface}})
#define CALL_LIST                                                                                            \
        ((const Call){.type = &manager_type, .interface = IFACE_OBJECTS, .member = "GetManagedObjects"})

/* Sends a call and waits. `ret` may be NULL. Returns: 0, or negative errno with a sentence in the host. */
int call_wait(l4h_host *host, const Call *call, const AnswerType *answer, void *ret);
/* Sends a call whose answer `handler` gets. Returns: 0, or negative errno with a sentence in the host. */
int call_begin(l4h_host *host, const Call *call, const AnswerType *answer, Handler handler, void *userdata,
        l4h_slot **ret_slot);

/* Both forms of a call; what follows `call` are the parameters, `host` the first of them. */
#define DEFINE_CALL_ASYNC(function, answer, call, ...)                                                       \
        int function##_async(                                                                                \
                __VA_ARGS__, l4h_##answer##_handler handler, void *userdata, l4h_slot **ret_slot)            \
        {                                                                                                    \
                return call_begin(host, &call, &answer_##answer, (Handler)handler, userdata, ret_slot);      \
        }
#define DEFINE_CALL(function, call, ...)                                                                     \
        int function(__VA_ARGS__)                                                                            \
        {                                                                                                    \
                return call_wait(host, &call, &answer_done, NULL);                                           \
        }                                                                                                    \
        DEFINE_CALL_ASYNC(function, done, call, __VA_ARGS__)
#define DEFINE_CALL_RETURNING(function, answer, type, call, ...)                                             \
        int function(__VA_ARGS__, type *ret)                                                                 \
        {                                                                                                    \
                return call_wait(host, &call, &answer_##answer, ret);                                        \
        }                                                                                                    \
        DEFINE_CALL_ASYNC(function, answer, call, __VA_ARGS__)

int log_options_append(const l4h_log_options *options, sd_bus_message *m);
int settings_append(const l4h_settings *settings, sd_bus_message *m);
int calls_append(const l4h_call *calls, size_t n_calls, sd_bus_message *m);

typedef char JobName[21]; /* 2^64 - 1 in decimal */
#define JOB_NAME(id) job_name((JobName){0}, id)
const char *job_name(JobName name, uint64_t id);

/* ---- Slots ---- */

#define SLOT_SOURCES_MAX 3

/* Something under way, with a handler that is told of it. */
struct l4h_slot {
        unsigned n_ref;
        l4h_host *host;
        bool holds_host;
        bool is_floating; /* one reference is the host's */
        l4h_slot *next;   /* of the host's */
        Handler handler;
        void *userdata;
        sd_bus_slot *bus_slots[SLOT_SOURCES_MAX]; /* what calls back */
        void *state;                              /* of what it is for */
        void (*state_free)(void *state);
};

/* Makes a slot that has nothing under way yet. Takes `state`, which is NULL when there was no memory for it.
 * Returns: 0, or -ENOMEM with a sentence in the host. */
int slot_new(l4h_host *host, Handler handler, void *userdata, void *state, void (*state_free)(void *state),
        l4h_slot **ret);
/* Gives what is under way by now to the caller, or to the host when `ret_slot` is NULL. */
void slot_give(l4h_slot *slot, l4h_slot **ret_slot);
/* Something that holds the host holds the slot. */
void slot_borrow_host(l4h_slot *slot);
/* Has these called with the slot: on signals of the service's objects that match `objects`, part of a match
 * rule; when the service goes or comes; when the connection to the bus is lost. Returns: 0 or negative errno.
 */
int slot_follow(l4h_slot *slot, const char *objects, sd_bus_message_handler_t on_signal,
        sd_bus_message_handler_t on_owner, sd_bus_message_handler_t on_lost);
/* Nothing calls back any more; what the host holds is given up. */
void slot_end(l4h_slot *slot);
static inline void slot_unrefp(l4h_slot **slot)
{
        l4h_slot_unref(*slot);
}
