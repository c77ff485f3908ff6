/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* libleft4me-host: what org.left4me.Host1 on the system bus offers, as C functions. See org.left4me.Host1(5)
 * for what each call does and means; what follows says how it is called from C.
 *
 * - Every function that can fail returns 0 or a negative errno; the sentence for a person is
 * l4h_error_message() until the next call on the same l4h_host. Errors of the service are mapped:
 * NoSuchInstance, NoSuchOverlay, NoSuchGeneration and NoSuchJob are -ENOENT, NameTaken -EEXIST, PortTaken
 * -EADDRINUSE, InvalidName and InvalidSetting -EINVAL, InUse and Busy -EBUSY, NotReady -ENODATA, CursorGone
 * -ESTALE, StillStarting and StillStopping -EINPROGRESS, refused access -EACCES. l4h_error_name() has the
 * rest.
 * - `ret` parameters are written only on success. Unless a comment says otherwise no argument may be NULL.
 * - What l4h_X_ref() is there for is counted: l4h_X_ref() takes a reference and returns its argument,
 * l4h_X_unref() gives one up, takes NULL too, and returns NULL.
 * - Times are microseconds since the epoch (CLOCK_REALTIME), 0 for "not yet" or "never"; sizes are bytes.
 * - Functions whose name has a second form with `_async` at its end wait for the answer; the second form does
 * not. It takes the same but for what is returned, then a handler that is called when the answer is there, by
 * the sd-event loop that the connection is attached to, and never before the function has returned. Handlers
 * get 0 and what the first form gives in `ret`, theirs until they return (take a reference, or a copy, to
 * keep it), or a negative errno; l4h_error_message() then has the sentence. `*ret_slot` is what is under way,
 * owned by the caller; giving up the last reference cancels it: the handler is not called then, but the
 * service may have done already what was asked. `ret_slot` may be NULL: it is then under way until it is
 * answered or the connection is closed. A slot holds the connection, and a handler may do with either what it
 * likes. Returns: 0, or a negative errno when the call could not be sent.
 * - An l4h_host and what comes from it belong to one thread at a time. */
#ifndef LEFT4ME_HOST_H
#define LEFT4ME_HOST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#ifdef __cplusplus
extern "C" {
#endif

#pragma GCC visibility push(default)

/* ---- Types ---- */

struct sd_event; /* an event loop, see sd-event(3) */

typedef struct l4h_host l4h_host;         /* a connection to the service */
typedef struct l4h_settings l4h_settings; /* properties to be set by a create or configure call */
/* Properties as they were when read: of the host itself and of the three kinds of objects. */
typedef struct l4h_manager l4h_manager;
typedef struct l4h_instance l4h_instance;
typedef struct l4h_overlay l4h_overlay;
typedef struct l4h_job l4h_job;
typedef struct l4h_list l4h_list;               /* all instances, overlays and jobs */
typedef struct l4h_log l4h_log;                 /* some lines of a log */
typedef struct l4h_log_options l4h_log_options; /* what of a log is to be opened, and how */
typedef struct l4h_reader l4h_reader;           /* of a log that was opened in JSON */
typedef struct l4h_slot l4h_slot;               /* an asynchronous call or a watch that is under way */

typedef enum l4h_answer {
        L4H_NO,
        L4H_CHALLENGE, /* after authentication */
        L4H_YES,
} l4h_answer;

/* Handlers of asynchronous calls. */
typedef void (*l4h_done_handler)(l4h_host *host, int r, void *userdata);
typedef void (*l4h_queued_handler)(l4h_host *host, int r, uint64_t job, void *userdata);
typedef void (*l4h_text_handler)(l4h_host *host, int r, const char *text, void *userdata);
typedef void (*l4h_manager_handler)(l4h_host *host, int r, l4h_manager *manager, void *userdata);
typedef void (*l4h_instance_handler)(l4h_host *host, int r, l4h_instance *instance, void *userdata);
typedef void (*l4h_overlay_handler)(l4h_host *host, int r, l4h_overlay *overlay, void *userdata);
typedef void (*l4h_job_handler)(l4h_host *host, int r, l4h_job *job, void *userdata);
typedef void (*l4h_list_handler)(l4h_host *host, int r, l4h_list *list, void *userdata);
typedef void (*l4h_log_handler)(l4h_host *host, int r, l4h_log *log, void *userdata);
typedef void (*l4h_pipe_handler)(l4h_host *host, int r, int fd, void *userdata);
typedef void (*l4h_answers_handler)(
        l4h_host *host, int r, const l4h_answer *answers, size_t n, void *userdata);

/* ---- The connection ---- */

/* Connects to the system bus (DBUS_SYSTEM_BUS_ADDRESS is honoured). The service itself is started by the
 * first call. Returns: 0 and a connection owned by the caller, or a negative errno; without a connection
 * there is no sentence. */
int l4h_open_system(l4h_host **ret);
/* The same on another machine, by ssh(1): `address` is [user@]host[:port]. What may be done there is what
 * that user may do, who needs no password to log in. The machine is reached by the first call; what ssh says
 * is on standard error. Files cannot be handed over: imports fail with -EOPNOTSUPP. */
int l4h_open_remote(const char *address, l4h_host **ret);
/* The same in a container that systemd-machined knows; for root alone. */
int l4h_open_machine(const char *name, l4h_host **ret);
/* The last reference closes the connection. */
l4h_host *l4h_ref(l4h_host *host);
l4h_host *l4h_unref(l4h_host *host);

/* Has an event loop, see sd-event(3), carry asynchronous calls and watches; NULL: the thread's default one.
 * Returns: 0 or a negative errno. */
int l4h_attach_event(l4h_host *host, struct sd_event *event);
void l4h_detach_event(l4h_host *host);

/* Whether the service may have the user asked for a password; calls then wait two minutes for that. Off at
 * first. On a terminal somebody must answer: see pkttyagent(1). */
void l4h_set_interactive(l4h_host *host, bool is_interactive);

/* Whether a call starts the service where it does not run. On at first; who only looks on, and comes again
 * when the service has gone, lets it stay away. */
void l4h_set_auto_start(l4h_host *host, bool starts);

/* For front ends that act for somebody else: `who` goes into the audit entry of every call that changes
 * something, and grants nothing. NULL: nobody. Returns: 0 or -ENOMEM. */
int l4h_set_on_behalf_of(l4h_host *host, const char *who);

/* The sentence about the last call that failed. Returns: a string owned by the host, "" when none has failed.
 */
const char *l4h_error_message(const l4h_host *host);
/* Its D-Bus error name, such as "org.left4me.Host1.Error.Busy". Returns: a string owned by the host, "" when
 * none has failed. */
const char *l4h_error_name(const l4h_host *host);
/* Whether the last call that failed did so because the service could not be reached, rather than by its
 * answer. */
bool l4h_error_is_unreachable(const l4h_host *host);

/* ---- What is under way ---- */

/* The last reference cancels what is under way. */
l4h_slot *l4h_slot_ref(l4h_slot *slot);
l4h_slot *l4h_slot_unref(l4h_slot *slot);

/* ---- Settings ---- */

/* Returns: 0 and settings that set nothing yet, owned by the caller, or -ENOMEM. */
int l4h_settings_new(l4h_settings **ret);
l4h_settings *l4h_settings_ref(l4h_settings *settings);
l4h_settings *l4h_settings_unref(l4h_settings *settings);

/* Each sets one property; what is not set stays as it is, or gets its default. All copy what they are given.
 * Returns: 0 or -ENOMEM. Whether the value is allowed is said by the call that uses the settings. */
int l4h_settings_set_description(l4h_settings *settings, const char *text);
/* Of instances: the game's port. */
int l4h_settings_set_port(l4h_settings *settings, uint16_t port);
/* Of instances: NULL-terminated array. */
int l4h_settings_set_arguments(l4h_settings *settings, const char *const *arguments);
/* Of instances: NULL-terminated array of names, the first wins. */
int l4h_settings_set_overlays(l4h_settings *settings, const char *const *names);
/* Of overlays: microseconds, 0 for the host's own. */
int l4h_settings_set_time_limit(l4h_settings *settings, uint64_t limit);
/* Of overlays: bytes that a generation may take, 0 for the host's own. */
int l4h_settings_set_size_limit(l4h_settings *settings, uint64_t bytes);
/* Of overlays, the next two: 0 for the host's own. */
int l4h_settings_set_file_limit(l4h_settings *settings, uint64_t n);
int l4h_settings_set_keep_generations(l4h_settings *settings, uint32_t n);

/* ---- The host ---- */

/* Returns: 0 and the host's properties, owned by the caller, or a negative errno. */
int l4h_manager_find(l4h_host *host, l4h_manager **ret);
int l4h_manager_find_async(l4h_host *host, l4h_manager_handler handler, void *userdata, l4h_slot **ret_slot);
/* Has the service read host.conf again. Returns: 0 or a negative errno, -EINVAL when the file is not valid.
 */
int l4h_manager_reload(l4h_host *host);
int l4h_manager_reload_async(l4h_host *host, l4h_done_handler handler, void *userdata, l4h_slot **ret_slot);

l4h_manager *l4h_manager_ref(l4h_manager *manager);
l4h_manager *l4h_manager_unref(l4h_manager *manager);

/* The properties, as documented for org.left4me.Host1.Manager; ownership as for instances. */
const char *l4h_manager_get_version(const l4h_manager *manager);
const char *const *l4h_manager_get_features(const l4h_manager *manager);
const char *const *l4h_manager_get_unknown_directories(const l4h_manager *manager);
uint16_t l4h_manager_get_first_port(const l4h_manager *manager);
uint16_t l4h_manager_get_last_port(const l4h_manager *manager);
const char *l4h_manager_get_listen_address(const l4h_manager *manager);
uint32_t l4h_manager_get_job_slots(const l4h_manager *manager);
uint32_t l4h_manager_get_running_jobs(const l4h_manager *manager);
uint32_t l4h_manager_get_max_pending_calls_per_user(const l4h_manager *manager);
uint32_t l4h_manager_get_max_queued_jobs_per_user(const l4h_manager *manager);
uint32_t l4h_manager_get_max_log_readers_per_user(const l4h_manager *manager);
uint64_t l4h_manager_get_build_time_limit(const l4h_manager *manager); /* microseconds */
uint32_t l4h_manager_get_keep_generations(const l4h_manager *manager);
uint32_t l4h_manager_get_keep_finished_jobs(const l4h_manager *manager);
uint64_t l4h_manager_get_keep_finished_jobs_usec(const l4h_manager *manager);
uint64_t l4h_manager_get_build_size_limit(const l4h_manager *manager);
uint64_t l4h_manager_get_build_file_limit(const l4h_manager *manager);
uint64_t l4h_manager_get_cache_size_limit(const l4h_manager *manager);
uint64_t l4h_manager_get_keep_free(const l4h_manager *manager);

/* ---- What there is ---- */

/* Reads all objects with one call. Returns: 0 and a list owned by the caller, or a negative errno. */
int l4h_list_new(l4h_host *host, l4h_list **ret);
int l4h_list_new_async(l4h_host *host, l4h_list_handler handler, void *userdata, l4h_slot **ret_slot);
l4h_list *l4h_list_ref(l4h_list *list);
l4h_list *l4h_list_unref(l4h_list *list);

/* How many there are; instances and overlays are sorted by name, jobs by number. */
size_t l4h_list_count_instances(const l4h_list *list);
size_t l4h_list_count_overlays(const l4h_list *list);
size_t l4h_list_count_jobs(const l4h_list *list);
/* Returns: the object at `index`, which must be less than the count; owned by the list (take a reference to
 * keep it). */
l4h_instance *l4h_list_get_instance(const l4h_list *list, size_t index);
l4h_overlay *l4h_list_get_overlay(const l4h_list *list, size_t index);
l4h_job *l4h_list_get_job(const l4h_list *list, size_t index);

/* ---- Watching ---- */

typedef enum l4h_change {
        L4H_ADDED,   /* the object came, or was there when the watch began */
        L4H_CHANGED, /* it may have other properties than before */
        L4H_REMOVED, /* it is gone; its properties are those that it had last */
        L4H_READY,   /* all that is there has been told; what follows happens now */
        L4H_AWAY, /* the service left the bus, or did not say what there is: l4h_error_message(). All stays as
                     it was told until it is back; then what is new, may have changed or is gone is told, and
                     L4H_READY */
        L4H_LOST, /* the connection is lost, and nothing follows */
} l4h_change;

typedef struct l4h_event {
        l4h_change change;
        /* Which object came, changed or is gone: one of these, the others are NULL. It is the watch's, which
         * keeps it up to date: as long as the watch is under way, strings and arrays that an object gave are
         * valid until the event loop runs again. A reference keeps the object beyond L4H_REMOVED. */
        l4h_manager *manager;
        l4h_instance *instance;
        l4h_overlay *overlay;
        l4h_job *job;
} l4h_event;

typedef void (*l4h_watch_handler)(l4h_host *host, const l4h_event *event, void *userdata);

/* Has `handler` told of all objects, the host itself among them, by the event loop that the connection is
 * attached to: first of those that are there, then of each that comes, changes or goes, the progress of jobs
 * included, until the last reference to `*ret_slot` is given up (see above about slots). A service that does
 * not run is started. Returns: 0 or a negative errno. */
int l4h_watch(l4h_host *host, l4h_watch_handler handler, void *userdata, l4h_slot **ret_slot);

/* ---- Instances ---- */

/* Makes and changes an instance. `settings` may be NULL. Returns: 0 or a negative errno. */
int l4h_instance_create(l4h_host *host, const char *name, const l4h_settings *settings);
int l4h_instance_create_async(l4h_host *host, const char *name, const l4h_settings *settings,
        l4h_done_handler handler, void *userdata, l4h_slot **ret_slot);
int l4h_instance_configure(l4h_host *host, const char *name, const l4h_settings *settings);
int l4h_instance_configure_async(l4h_host *host, const char *name, const l4h_settings *settings,
        l4h_done_handler handler, void *userdata, l4h_slot **ret_slot);

/* Each returns when it has happened or has failed: 0 or a negative errno, -EINPROGRESS when it goes on. */
int l4h_instance_start(l4h_host *host, const char *name);
int l4h_instance_start_async(
        l4h_host *host, const char *name, l4h_done_handler handler, void *userdata, l4h_slot **ret_slot);
int l4h_instance_stop(l4h_host *host, const char *name);
int l4h_instance_stop_async(
        l4h_host *host, const char *name, l4h_done_handler handler, void *userdata, l4h_slot **ret_slot);
int l4h_instance_restart(l4h_host *host, const char *name);
int l4h_instance_restart_async(
        l4h_host *host, const char *name, l4h_done_handler handler, void *userdata, l4h_slot **ret_slot);
int l4h_instance_mount(l4h_host *host, const char *name);
int l4h_instance_mount_async(
        l4h_host *host, const char *name, l4h_done_handler handler, void *userdata, l4h_slot **ret_slot);
int l4h_instance_unmount(l4h_host *host, const char *name);
int l4h_instance_unmount_async(
        l4h_host *host, const char *name, l4h_done_handler handler, void *userdata, l4h_slot **ret_slot);

/* `text` is that of server.cfg. Returns: 0 or a negative errno. */
int l4h_instance_set_config(l4h_host *host, const char *name, const char *text);
int l4h_instance_set_config_async(l4h_host *host, const char *name, const char *text,
        l4h_done_handler handler, void *userdata, l4h_slot **ret_slot);
/* Returns: 0 and the text, to be freed with free(3), or a negative errno. */
int l4h_instance_get_config(l4h_host *host, const char *name, char **ret);
int l4h_instance_get_config_async(
        l4h_host *host, const char *name, l4h_text_handler handler, void *userdata, l4h_slot **ret_slot);

/* Queue the job that deletes the files. `ret_job` may be NULL. Returns: 0 and the job's number, or a negative
 * errno. */
int l4h_instance_reset(l4h_host *host, const char *name, uint64_t *ret_job);
int l4h_instance_reset_async(
        l4h_host *host, const char *name, l4h_queued_handler handler, void *userdata, l4h_slot **ret_slot);
int l4h_instance_delete(l4h_host *host, const char *name, uint64_t *ret_job);
int l4h_instance_delete_async(
        l4h_host *host, const char *name, l4h_queued_handler handler, void *userdata, l4h_slot **ret_slot);

/* Returns: 0 and the instance's properties, owned by the caller, or a negative errno. */
int l4h_instance_find(l4h_host *host, const char *name, l4h_instance **ret);
int l4h_instance_find_async(
        l4h_host *host, const char *name, l4h_instance_handler handler, void *userdata, l4h_slot **ret_slot);
l4h_instance *l4h_instance_ref(l4h_instance *instance);
l4h_instance *l4h_instance_unref(l4h_instance *instance);

/* The properties, as documented for org.left4me.Host1.Instance. Strings and arrays are owned by the object
 * and never NULL; arrays of strings are NULL-terminated. */
const char *l4h_instance_get_name(const l4h_instance *instance);
const char *l4h_instance_get_description(const l4h_instance *instance);
uint16_t l4h_instance_get_port(const l4h_instance *instance);
const char *const *l4h_instance_get_arguments(const l4h_instance *instance);
const char *const *l4h_instance_get_overlays(const l4h_instance *instance); /* names, the first wins */
bool l4h_instance_is_enabled(const l4h_instance *instance);
const char *l4h_instance_get_active_state(const l4h_instance *instance);
const char *l4h_instance_get_sub_state(const l4h_instance *instance);
const char *l4h_instance_get_result(const l4h_instance *instance);
const char *l4h_instance_get_message(const l4h_instance *instance);
bool l4h_instance_is_mounted(const l4h_instance *instance);
bool l4h_instance_is_outdated(const l4h_instance *instance);
const char *l4h_instance_get_unit(const l4h_instance *instance);
pid_t l4h_instance_get_main_pid(const l4h_instance *instance);
const char *l4h_instance_get_invocation_id(const l4h_instance *instance);
uint32_t l4h_instance_get_n_restarts(const l4h_instance *instance);
uint64_t l4h_instance_get_started_at(const l4h_instance *instance);
const char *l4h_instance_get_address(const l4h_instance *instance);
/* What is mounted now, the top layer first: how many there are, and of the one at `index` (less than that)
 * the overlay's name and the generation. */
size_t l4h_instance_count_layers(const l4h_instance *instance);
const char *l4h_instance_get_layer_overlay(const l4h_instance *instance, size_t index);
uint64_t l4h_instance_get_layer_generation(const l4h_instance *instance, size_t index);

/* ---- Overlays ---- */

/* Makes an overlay that is built by a script. `settings` may be NULL. Returns: 0 or a negative errno. */
int l4h_overlay_create_script(l4h_host *host, const char *name, const l4h_settings *settings);
int l4h_overlay_create_script_async(l4h_host *host, const char *name, const l4h_settings *settings,
        l4h_done_handler handler, void *userdata, l4h_slot **ret_slot);
/* Makes an overlay whose files are imported. `settings` may be NULL. Returns: 0 or a negative errno. */
int l4h_overlay_create_files(l4h_host *host, const char *name, const l4h_settings *settings);
int l4h_overlay_create_files_async(l4h_host *host, const char *name, const l4h_settings *settings,
        l4h_done_handler handler, void *userdata, l4h_slot **ret_slot);
/* Changes settings. Returns: 0 or a negative errno. */
int l4h_overlay_configure(l4h_host *host, const char *name, const l4h_settings *settings);
int l4h_overlay_configure_async(l4h_host *host, const char *name, const l4h_settings *settings,
        l4h_done_handler handler, void *userdata, l4h_slot **ret_slot);
/* `text` is that of the script that the next build runs. Returns: 0 or a negative errno. */
int l4h_overlay_set_script(l4h_host *host, const char *name, const char *text);
int l4h_overlay_set_script_async(l4h_host *host, const char *name, const char *text, l4h_done_handler handler,
        void *userdata, l4h_slot **ret_slot);
/* Returns: 0 and the text, to be freed with free(3), or a negative errno. */
int l4h_overlay_get_script(l4h_host *host, const char *name, char **ret);
int l4h_overlay_get_script_async(
        l4h_host *host, const char *name, l4h_text_handler handler, void *userdata, l4h_slot **ret_slot);
/* Begins the job that unpacks an archive. `fd` is a regular file, open for reading, and stays the caller's;
 * it is needed no more when this returns. `file_name`: what a VPK is to be called; NULL for other archives.
 * `replaces`: the files that there are do not stay. `ret_job` may be NULL. Returns: 0 and the job's number,
 * or a negative errno, -EBUSY when the job cannot begin now. */
int l4h_overlay_import(
        l4h_host *host, const char *name, int fd, const char *file_name, bool replaces, uint64_t *ret_job);
int l4h_overlay_import_async(l4h_host *host, const char *name, int fd, const char *file_name, bool replaces,
        l4h_queued_handler handler, void *userdata, l4h_slot **ret_slot);
/* Makes a generation that is kept the current one. Returns: 0 or a negative errno, -ENOENT when it is not
 * kept. */
int l4h_overlay_revert(l4h_host *host, const char *name, uint64_t generation);
int l4h_overlay_revert_async(l4h_host *host, const char *name, uint64_t generation, l4h_done_handler handler,
        void *userdata, l4h_slot **ret_slot);
/* Makes an empty generation the current one. Returns: 0 or a negative errno. */
int l4h_overlay_wipe(l4h_host *host, const char *name);
int l4h_overlay_wipe_async(
        l4h_host *host, const char *name, l4h_done_handler handler, void *userdata, l4h_slot **ret_slot);
/* Queue a job. `ret_job` may be NULL. Returns: 0 and the job's number, or a negative errno. */
int l4h_overlay_build(l4h_host *host, const char *name, uint64_t *ret_job);
int l4h_overlay_build_async(
        l4h_host *host, const char *name, l4h_queued_handler handler, void *userdata, l4h_slot **ret_slot);
int l4h_overlay_wipe_cache(l4h_host *host, const char *name, uint64_t *ret_job);
int l4h_overlay_wipe_cache_async(
        l4h_host *host, const char *name, l4h_queued_handler handler, void *userdata, l4h_slot **ret_slot);
int l4h_overlay_delete(l4h_host *host, const char *name, uint64_t *ret_job);
int l4h_overlay_delete_async(
        l4h_host *host, const char *name, l4h_queued_handler handler, void *userdata, l4h_slot **ret_slot);

/* Returns: 0 and the overlay's properties, owned by the caller, or a negative errno. */
int l4h_overlay_find(l4h_host *host, const char *name, l4h_overlay **ret);
int l4h_overlay_find_async(
        l4h_host *host, const char *name, l4h_overlay_handler handler, void *userdata, l4h_slot **ret_slot);
l4h_overlay *l4h_overlay_ref(l4h_overlay *overlay);
l4h_overlay *l4h_overlay_unref(l4h_overlay *overlay);

/* The properties, as documented for org.left4me.Host1.Overlay; ownership as for instances. */
uint64_t l4h_overlay_get_id(const l4h_overlay *overlay);
const char *l4h_overlay_get_name(const l4h_overlay *overlay);
const char *l4h_overlay_get_description(const l4h_overlay *overlay);
const char *l4h_overlay_get_kind(const l4h_overlay *overlay);
const char *l4h_overlay_get_state(const l4h_overlay *overlay);
uint64_t l4h_overlay_get_generation(const l4h_overlay *overlay); /* the current one, 0 for none */
uint64_t l4h_overlay_get_size(const l4h_overlay *overlay);
uint64_t l4h_overlay_get_files(const l4h_overlay *overlay);
const char *l4h_overlay_get_digest(const l4h_overlay *overlay);
uint64_t l4h_overlay_get_built_at(const l4h_overlay *overlay);
uint64_t l4h_overlay_get_time_limit(const l4h_overlay *overlay); /* microseconds, 0 for the host's own */
uint64_t l4h_overlay_get_size_limit(const l4h_overlay *overlay); /* 0 for the host's own; the next two too */
uint64_t l4h_overlay_get_file_limit(const l4h_overlay *overlay);
uint32_t l4h_overlay_get_keep_generations(const l4h_overlay *overlay);
uint64_t l4h_overlay_get_last_job(const l4h_overlay *overlay);          /* 0 for none */
const char *const *l4h_overlay_get_used_by(const l4h_overlay *overlay); /* names of instances */

/* A generation that is on disk. */
typedef struct l4h_generation {
        uint64_t number;
        uint64_t built_at;
        uint64_t size;
        const char *digest; /* owned by the overlay */
} l4h_generation;
/* How many there are, and the one at `index` (less than that), the oldest first. */
size_t l4h_overlay_count_generations(const l4h_overlay *overlay);
l4h_generation l4h_overlay_get_generation_at(const l4h_overlay *overlay, size_t index);

/* ---- Jobs ---- */

/* Takes the caller off those who asked for the job, which ends when nobody is left; somebody else's ends at
 * once. Returns: 0 or a negative errno, -EBUSY when it is over. */
int l4h_job_cancel(l4h_host *host, uint64_t id);
int l4h_job_cancel_async(
        l4h_host *host, uint64_t id, l4h_done_handler handler, void *userdata, l4h_slot **ret_slot);
/* Waits until the job is over, however long that takes; the service may be restarted meanwhile. The form that
 * waits has the handlers of what else is under way called, and fails with -EBUSY in a handler.
 * Returns: 0 and the job as it ended (see l4h_job_is_successful()), owned by the caller, or a negative errno.
 */
int l4h_job_wait(l4h_host *host, uint64_t id, l4h_job **ret);
int l4h_job_wait_async(
        l4h_host *host, uint64_t id, l4h_job_handler handler, void *userdata, l4h_slot **ret_slot);

/* Returns: 0 and the job's properties, owned by the caller, or a negative errno. */
int l4h_job_find(l4h_host *host, uint64_t id, l4h_job **ret);
int l4h_job_find_async(
        l4h_host *host, uint64_t id, l4h_job_handler handler, void *userdata, l4h_slot **ret_slot);
l4h_job *l4h_job_ref(l4h_job *job);
l4h_job *l4h_job_unref(l4h_job *job);

/* The properties, as documented for org.left4me.Host1.Job; ownership as for instances. */
uint64_t l4h_job_get_id(const l4h_job *job);
const char *l4h_job_get_kind(const l4h_job *job);
/* What it is about. Returns: the name, or NULL when it is about the other kind of object. */
const char *l4h_job_get_instance(const l4h_job *job);
const char *l4h_job_get_overlay(const l4h_job *job);
const char *l4h_job_get_state(const l4h_job *job);
bool l4h_job_is_finished(const l4h_job *job);   /* however it ended */
bool l4h_job_is_successful(const l4h_job *job); /* finished, and done what it was asked to do */
const char *l4h_job_get_result(const l4h_job *job);
const char *l4h_job_get_message(const l4h_job *job);
int32_t l4h_job_get_exit_status(const l4h_job *job);
double l4h_job_get_progress(const l4h_job *job); /* 0 to 1; negative: unknown */
const char *l4h_job_get_progress_text(const l4h_job *job);
uint64_t l4h_job_get_queued_at(const l4h_job *job);
uint64_t l4h_job_get_started_at(const l4h_job *job);
uint64_t l4h_job_get_finished_at(const l4h_job *job);
const char *l4h_job_get_unit(const l4h_job *job);
/* The uids of those who asked for it. Returns: how many, and an array of that many owned by the job. */
size_t l4h_job_get_requesters(const l4h_job *job, const uint32_t **ret);

/* ---- Logs ---- */

/* Reads what the units of an instance or a job print, on behind the cursor, from the first line when that is
 * "": at most `max` lines, 0 for as many as the service gives at once. Returns: 0 and the lines, owned by the
 * caller, or a negative errno, -ESTALE when there is no line with this cursor (any more). */
int l4h_instance_read_log(l4h_host *host, const char *name, const char *cursor, uint32_t max, l4h_log **ret);
int l4h_instance_read_log_async(l4h_host *host, const char *name, const char *cursor, uint32_t max,
        l4h_log_handler handler, void *userdata, l4h_slot **ret_slot);
int l4h_job_read_log(l4h_host *host, uint64_t id, const char *cursor, uint32_t max, l4h_log **ret);
int l4h_job_read_log_async(l4h_host *host, uint64_t id, const char *cursor, uint32_t max,
        l4h_log_handler handler, void *userdata, l4h_slot **ret_slot);
l4h_log *l4h_log_ref(l4h_log *log);
l4h_log *l4h_log_unref(l4h_log *log);

typedef struct l4h_line {
        uint64_t time;
        uint32_t priority; /* as syslog(3) counts them */
        const void *text; /* any bytes, as printed, without the newline; owned by the log or the reader, as is
                             the cursor */
        size_t size;      /* of the text */
        const char *cursor; /* to read on behind this line */
} l4h_line;
/* How many there are, and the one at `index` (less than that), the oldest first. */
size_t l4h_log_count_lines(const l4h_log *log);
l4h_line l4h_log_get_line(const l4h_log *log, size_t index);
/* The cursor for the next call. Returns: a string owned by the log. */
const char *l4h_log_get_next(const l4h_log *log);
bool l4h_log_is_at_end(const l4h_log *log); /* there were no more lines by then */

/* Returns: 0 and options that are for all lines there are, as they were printed; owned by the caller; or
 * -ENOMEM. */
int l4h_log_options_new(l4h_log_options **ret);
l4h_log_options *l4h_log_options_ref(l4h_log_options *options);
l4h_log_options *l4h_log_options_unref(l4h_log_options *options);
/* An object of JSON for each line, see l4h_reader_new(). */
void l4h_log_options_set_json(l4h_log_options *options, bool is_json);
/* New lines, too, as they come. */
void l4h_log_options_set_follow(l4h_log_options *options, bool follows);
/* Lines since and until a time. */
void l4h_log_options_set_since(l4h_log_options *options, uint64_t since);
void l4h_log_options_set_until(l4h_log_options *options, uint64_t until);
/* The last so many of them. */
void l4h_log_options_set_lines(l4h_log_options *options, uint32_t lines);
/* Lines of this priority, as syslog(3) counts them, and more urgent ones. */
void l4h_log_options_set_priority(l4h_log_options *options, uint32_t priority);
/* Lines behind the one of this cursor. Returns: 0 or -ENOMEM. */
int l4h_log_options_set_cursor(l4h_log_options *options, const char *cursor);

/* Opens a log as a pipe. It ends when all was read, with l4h_log_options_set_follow() when there will be no
 * more; and when the service ends, so whoever follows a log goes on behind the last cursor then. Returns: 0
 * and the end to read from, to be closed by the caller, or a negative errno: -ESTALE when there is no line
 * with the cursor (any more), -EDQUOT when this user has too many logs open, -EOPNOTSUPP on a connection that
 * carries no files, where l4h_instance_read_log() does. */
int l4h_instance_open_log(l4h_host *host, const char *name, const l4h_log_options *options, int *ret);
int l4h_instance_open_log_async(l4h_host *host, const char *name, const l4h_log_options *options,
        l4h_pipe_handler handler, void *userdata, l4h_slot **ret_slot);
int l4h_job_open_log(l4h_host *host, uint64_t id, const l4h_log_options *options, int *ret);
int l4h_job_open_log_async(l4h_host *host, uint64_t id, const l4h_log_options *options,
        l4h_pipe_handler handler, void *userdata, l4h_slot **ret_slot);

/* Reads lines out of a log that was opened in JSON. Takes `fd`. Returns: 0 and a reader owned by the caller,
 * or -ENOMEM. */
int l4h_reader_new(int fd, l4h_reader **ret);
l4h_reader *l4h_reader_ref(l4h_reader *reader);
l4h_reader *l4h_reader_unref(l4h_reader *reader);
/* Waits for the next line, unless `fd` does not wait. What is in `ret` is valid until the next call. One
 * whose text is NULL stands for lines that may be missing before its time, since the journal let go of them.
 * Returns: 1 and a line, 0 at the end, or a negative errno: -EAGAIN when none is there yet, -EBADMSG when
 * this is no such log. */
int l4h_reader_next(l4h_reader *reader, l4h_line *ret);
/* The last line as it came, an object of JSON. Returns: a string owned by the reader. */
const char *l4h_reader_get_record(const l4h_reader *reader);

/* ---- Rights ---- */

typedef enum l4h_kind { L4H_MANAGER, L4H_INSTANCE, L4H_OVERLAY, L4H_JOB } l4h_kind;
/* A call that one might want to make. */
typedef struct l4h_call {
        l4h_kind kind;
        const char *name;   /* of the instance or overlay, or the job's number in decimal; not read for the
                               manager */
        const char *method; /* as on the bus: "Start" */
} l4h_call;

/* The methods that objects of a kind have. Returns: a static NULL-terminated array. */
const char *const *l4h_kind_get_methods(l4h_kind kind);

/* Asks what this caller would be told, without a password prompt. Writes one answer for each call; the
 * asynchronous form takes at most 128. Returns: 0, or a negative errno with the answers undefined. */
int l4h_can(l4h_host *host, const l4h_call *calls, size_t n_calls, l4h_answer *ret_answers);
int l4h_can_async(l4h_host *host, const l4h_call *calls, size_t n_calls, l4h_answers_handler handler,
        void *userdata, l4h_slot **ret_slot);

#pragma GCC visibility pop

#ifdef __cplusplus
}
#endif

#endif
