/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Watching all objects: they are read once and kept, and what the service says of them is taken up as it says
 * it. The bus keeps the order, so what is heard while they are being read is in what is read. When the
 * service comes back they are read again over those that are kept. */
#include "internal.h"
#include <errno.h>
#include <string.h>
#include <time.h>

typedef struct Known {
        char *path;
        const ObjectType *type;
        void *object;
        unsigned reading; /* the last that it was in */
} Known;

#define RETRY_USEC (2 * UINT64_C(1000000))

typedef struct Watch {
        l4h_slot *slot;                              /* that this belongs to */
        l4h_slot *reading_manager, *reading_objects; /* what is said meanwhile is in what they will bring */
        sd_event_source *retry;
        bool is_away;
        unsigned n_readings;
        Known *known; /* sorted by path */
        size_t n_known;
} Watch;

static void known_done(Known *known)
{
        object_unref(known->type, known->object);
        free(known->path);
}

static void watch_stop_reading(Watch *watch)
{
        watch->reading_manager = l4h_slot_unref(watch->reading_manager);
        watch->reading_objects = l4h_slot_unref(watch->reading_objects);
        watch->retry = sd_event_source_disable_unref(watch->retry);
}

static void watch_free(void *state)
{
        Watch *watch = state;
        watch_stop_reading(watch);
        for (size_t i = 0; i < watch->n_known; i++)
                known_done(&watch->known[i]);
        free(watch->known);
        free(watch);
}

static void watch_read_again(Watch *watch);
static void on_manager(l4h_host *host, int r, sd_bus_message *m, void *userdata);
static void on_objects(l4h_host *host, int r, sd_bus_message *m, void *userdata);

/* ---- What is told ---- */

/* Returns: 0, or -ECANCELED when nobody holds the watch any more: the caller's reference is the last. */
static int watch_tell(Watch *watch, l4h_change change, const Known *known)
{
        l4h_slot *slot = watch->slot;
        l4h_event event = {.change = change};
        if (known && known->type == &manager_type)
                event.manager = known->object;
        if (known && known->type == &instance_type)
                event.instance = known->object;
        if (known && known->type == &overlay_type)
                event.overlay = known->object;
        if (known && known->type == &job_type)
                event.job = known->object;
        ((l4h_watch_handler)slot->handler)(slot->host, &event, slot->userdata);
        return slot->n_ref > 1 ? 0 : -ECANCELED;
}

/* For what is in the host's sentence. */
static void watch_go_away(Watch *watch)
{
        if (watch->is_away)
                return;
        watch->is_away = true;
        (void)watch_tell(watch, L4H_AWAY, NULL);
}

/* ---- What is known ---- */

/* Returns: where the object is or belongs. */
static size_t watch_find(const Watch *watch, const char *path, bool *ret_is_there)
{
        size_t low = 0, high = watch->n_known;
        while (low < high) {
                size_t middle = low + (high - low) / 2;
                int order = strcmp(watch->known[middle].path, path);
                if (order == 0) {
                        *ret_is_there = true;
                        return middle;
                }
                if (order < 0)
                        low = middle + 1;
                else
                        high = middle;
        }
        *ret_is_there = false;
        return low;
}

static int watch_insert(Watch *watch, size_t at, const char *path, const ObjectType *type, sd_bus_message *m)
{
        Known *grown = reallocarray(watch->known, watch->n_known + 1, sizeof *grown);
        if (!grown)
                return -ENOMEM;
        watch->known = grown;
        Known known = {.path = strdup(path), .type = type, .reading = watch->n_readings};
        int r = known.path ? object_read(type, m, &known.object) : -ENOMEM;
        if (r < 0) {
                free(known.path);
                return r;
        }
        memmove(grown + at + 1, grown + at, (watch->n_known - at) * sizeof *grown);
        grown[at] = known;
        watch->n_known++;
        return watch_tell(watch, L4H_ADDED, &known);
}

static int watch_remove(Watch *watch, size_t at)
{
        Known known = watch->known[at];
        watch->n_known--;
        memmove(watch->known + at, watch->known + at + 1, (watch->n_known - at) * sizeof known);
        int r = watch_tell(watch, L4H_REMOVED, &known);
        known_done(&known);
        return r;
}

/* An object with all its properties. */
static int watch_take(const char *path, const ObjectType *type, sd_bus_message *m, void *userdata)
{
        Watch *watch = userdata;
        bool is_there;
        size_t at = watch_find(watch, path, &is_there);
        if (!is_there)
                return watch_insert(watch, at, path, type, m);
        Known *known = &watch->known[at];
        known->reading = watch->n_readings;
        int r = object_update(type, m, known->object);
        return r < 0 ? r : watch_tell(watch, L4H_CHANGED, known);
}

/* ---- Reading all ---- */

static int answer_read(sd_bus_message *m, void *value)
{
        *(sd_bus_message **)value = sd_bus_message_ref(m);
        return 0;
}

static void answer_free(void *value)
{
        sd_bus_message_unref(*(sd_bus_message **)value);
}

typedef void (*l4h_message_handler)(l4h_host *host, int r, sd_bus_message *m, void *userdata);
DEFINE_ANSWER(message, sd_bus_message *, answer_read, answer_free)

static int read_begin(Watch *watch, const Call *call, l4h_message_handler handler, l4h_slot **ret)
{
        int r = call_begin(watch->slot->host, call, &answer_message, (Handler)handler, watch, ret);
        if (r >= 0)
                slot_borrow_host(*ret);
        return r;
}

static int watch_read(Watch *watch)
{
        watch->n_readings++;
        int r = read_begin(watch, &CALL_FIND(manager, NULL), on_manager, &watch->reading_manager);
        if (r >= 0)
                r = read_begin(watch, &CALL_LIST, on_objects, &watch->reading_objects);
        return r;
}

static int on_retry(sd_event_source *source, uint64_t usec, void *userdata)
{
        Watch *watch = userdata;
        _cleanup_(slot_unrefp) l4h_slot *slot = l4h_slot_ref(watch->slot);
        watch_read_again(watch);
        return 0;
}

/* A service that is not there is heard of when it comes; one that was asked at a bad time is asked again. */
static void watch_fail(Watch *watch)
{
        l4h_host *host = watch->slot->host;
        sd_event *event = sd_bus_get_event(host->bus);
        watch_stop_reading(watch);
        if (event && !l4h_error_is_unreachable(host))
                (void)sd_event_add_time_relative(
                        event, &watch->retry, CLOCK_MONOTONIC, RETRY_USEC, 0, on_retry, watch);
        watch_go_away(watch);
}

/* For a watch that is under way. */
static void watch_read_again(Watch *watch)
{
        watch_stop_reading(watch);
        if (watch_read(watch) < 0)
                watch_fail(watch);
}

/* `r`: how the taking of an answer went. */
static void watch_taken(Watch *watch, int r)
{
        if (r == -ECANCELED)
                return;
        if (r < 0) {
                watch_fail(watch);
        } else if (!watch->reading_manager && !watch->reading_objects) {
                watch->is_away = false;
                (void)watch_tell(watch, L4H_READY, NULL);
        }
}

static void on_manager(l4h_host *host, int r, sd_bus_message *m, void *userdata)
{
        Watch *watch = userdata;
        _cleanup_(slot_unrefp) l4h_slot *slot = l4h_slot_ref(watch->slot);
        watch->reading_manager = l4h_slot_unref(watch->reading_manager);
        if (r >= 0) {
                r = watch_take(HOST_PATH, &manager_type, m, watch);
                if (r < 0 && r != -ECANCELED)
                        (void)host_fail_reply(host, r);
        }
        watch_taken(watch, r);
}

static void on_objects(l4h_host *host, int r, sd_bus_message *m, void *userdata)
{
        Watch *watch = userdata;
        _cleanup_(slot_unrefp) l4h_slot *slot = l4h_slot_ref(watch->slot);
        watch->reading_objects = l4h_slot_unref(watch->reading_objects);
        if (r >= 0) {
                r = objects_read(m, watch_take, watch);
                if (r < 0 && r != -ECANCELED)
                        (void)host_fail_reply(host, r);
        }
        for (size_t i = 0; r >= 0 && i < watch->n_known;)
                if (watch->known[i].reading == watch->n_readings || watch->known[i].type == &manager_type)
                        i++;
                else
                        r = watch_remove(watch, i);
        watch_taken(watch, r);
}

/* ---- Signals ---- */

static int take_changed(Watch *watch, sd_bus_message *m)
{
        bool is_there;
        size_t at = watch_find(watch, sd_bus_message_get_path(m), &is_there);
        const char *interface;
        int r = sd_bus_message_read_basic(m, 's', &interface);
        if (r < 0 || !is_there || strcmp(interface, watch->known[at].type->interface) != 0)
                return r;
        r = object_update(watch->known[at].type, m, watch->known[at].object);
        return r < 0 ? r : watch_tell(watch, L4H_CHANGED, &watch->known[at]);
}

static int take_added(Watch *watch, sd_bus_message *m)
{
        const char *path;
        int r = sd_bus_message_read_basic(m, 'o', &path);
        return r < 0 ? r : object_read_interfaces(path, m, watch_take, watch);
}

static int take_removed(Watch *watch, sd_bus_message *m)
{
        const char *path;
        bool is_there;
        int r = sd_bus_message_read_basic(m, 'o', &path);
        if (r < 0)
                return r;
        size_t at = watch_find(watch, path, &is_there);
        return is_there ? watch_remove(watch, at) : 0;
}

static int on_signal(sd_bus_message *m, void *userdata, sd_bus_error *ret_error)
{
        _cleanup_(slot_unrefp) l4h_slot *slot = l4h_slot_ref(userdata);
        Watch *watch = slot->state;
        bool is_managers = strcmp(sd_bus_message_get_path(m), HOST_PATH) == 0 &&
                           sd_bus_message_is_signal(m, IFACE_PROPERTIES, NULL);
        if (is_managers ? watch->reading_manager : watch->reading_objects)
                return 0;
        int r = 0;
        if (sd_bus_message_is_signal(m, IFACE_PROPERTIES, "PropertiesChanged"))
                r = take_changed(watch, m);
        else if (sd_bus_message_is_signal(m, IFACE_OBJECTS, "InterfacesAdded"))
                r = take_added(watch, m);
        else if (sd_bus_message_is_signal(m, IFACE_OBJECTS, "InterfacesRemoved"))
                r = take_removed(watch, m);
        if (r < 0 && r != -ECANCELED)
                watch_read_again(watch);
        return 0;
}

static int on_owner(sd_bus_message *m, void *userdata, sd_bus_error *ret_error)
{
        _cleanup_(slot_unrefp) l4h_slot *slot = l4h_slot_ref(userdata);
        Watch *watch = slot->state;
        const char *owner;
        if (sd_bus_message_read(m, "sss", NULL, NULL, &owner) < 0)
                return 0; /* the bus says nothing else */
        if (!*owner) {
                watch_stop_reading(watch);
                (void)host_fail(slot->host, -ENOTCONN, "left4me-hostd has left the bus.");
                watch_go_away(watch);
        } else if (!watch->reading_objects) { /* else it was started by what is being read */
                watch_read_again(watch);
        }
        return 0;
}

static int on_lost(sd_bus_message *m, void *userdata, sd_bus_error *ret_error)
{
        _cleanup_(slot_unrefp) l4h_slot *slot = l4h_slot_ref(userdata);
        Watch *watch = slot->state;
        watch_stop_reading(watch);
        (void)host_fail_lost(slot->host);
        (void)watch_tell(watch, L4H_LOST, NULL);
        return 0;
}

int l4h_watch(l4h_host *host, l4h_watch_handler handler, void *userdata, l4h_slot **ret_slot)
{
        _cleanup_(slot_unrefp) l4h_slot *slot = NULL;
        Watch *watch = calloc(1, sizeof *watch);
        int r = slot_new(host, (Handler)handler, userdata, watch, watch_free, &slot);
        if (r < 0)
                return r;
        watch->slot = slot;
        r = slot_follow(slot, "path_namespace='" HOST_PATH "'", on_signal, on_owner, on_lost);
        if (r < 0)
                return host_fail(host, r, "Watching cannot begin: %s.", strerror(-r));
        r = watch_read(watch);
        if (r < 0)
                return r;
        slot_give(slot, ret_slot);
        slot = NULL;
        return 0;
}
