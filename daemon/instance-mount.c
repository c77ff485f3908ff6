/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* An instance's overlayfs mount. Calls on one instance run one after another; the steps of each that may
 * block are mount-work.c's, on a thread. This queue is the lock that the kernel does not give: it mounts the
 * same upper layer twice with only a warning.
 *
 *   mount    nothing mounted: ports allowed -> layers written down -> mounted
 *            mounted as planned, or a server runs on it: looked at, whether it is still there
 *            other layers are planned: unmounted, then as if nothing were mounted
 *   unmount  unmounted; when it is busy: who holds it is found out
 *
 * Never waited for in here: a job of systemd's, except that of the unit that finds who holds a mount. */
#include "fault.h"
#include "instance.h"
#include "job-queue.h"
#include "mount-work.h"
#include "output.h"
#include "overlay.h"
#include "paths.h"
#include "util.h"

#include "dbus/names.h"
#include <gio/gio.h>
#include <string.h>

typedef struct MountCall {
        Instance *instance;
        bool is_mount, by_unit;
        HostDone done; /* NULL once answered */
        void *userdata;
        guint timer;
        enum { STEP_NONE, STEP_LOOK, STEP_UNMOUNT, STEP_MOUNT } step; /* the last one begun */
        uint16_t ports[N_PORTS];                                      /* those that systemd is told */
        MountWork work;
} MountCall;

static void mount_call_next(Instance *instance);

static void mount_call_answer(MountCall *c, const GError *error)
{
        HostDone done = c->done;

        c->done = NULL;
        if (done)
                done(error, c->userdata);
        else if (error)
                g_warning("%s", error->message); /* its caller was told that it goes on */
}

static gboolean on_answer_due(gpointer userdata)
{
        MountCall *c = userdata;
        g_autoptr(GError) error = g_error_new(HOST_ERROR,
                c->is_mount ? HOST_ERROR_STILL_STARTING : HOST_ERROR_STILL_STOPPING,
                "Instance \"%s\" is still being %s after %d s, and that goes on; watch Mounted",
                c->instance->row->name, c->is_mount ? "mounted" : "unmounted", INSTANCE_ANSWER_WITHIN);

        c->timer = 0;
        mount_call_answer(c, error);
        return G_SOURCE_REMOVE;
}

/* Takes `error`. */
static void mount_call_finish(MountCall *c, GError *error)
{
        Instance *i = c->instance;

        g_assert(g_queue_peek_head(&i->mount_calls) == c);
        fault_point(FAULT_MOUNT_FINISHED);
        g_queue_pop_head(&i->mount_calls);
        /* Who asked for something that cannot be is told; the instance has no trouble by that. */
        if (c->by_unit || c->step != STEP_NONE) {
                g_clear_error(&i->mount_error);
                i->mount_error = error ? g_error_copy(error) : NULL;
        }
        instance_changed(i, "Mounted", "Layers", "Outdated", "Message");
        if (c->timer)
                g_source_remove(c->timer);
        mount_call_answer(c, error);
        if (i->mount_calls.length > 0)
                mount_call_next(i);
        else {
                instance_mounts_changed(i->host); /* what it did not look at meanwhile */
                jobs_schedule(i->host);           /* a deletion may have waited for this mount */
                if (!i->is_mounted)
                        overlay_prune_all(i->host);
                instance_unmount_unused(i); /* its unit may have been stopped while it was mounted */
        }
        g_clear_error(&error);
        mount_work_clear(&c->work);
        g_free(c);
}

/* What is written down */

static gboolean save_mounted(Instance *i, GArray *layers, uint64_t revision, bool by_hand, GError **error)
{
        InstanceRow *row = i->row;
        InstanceRow before = *row;
        char *message = NULL;
        int r;

        row->mounted = layers;
        row->mounted_revision = revision;
        row->mounted_by_hand = by_hand;
        r = store_save_instance(i->host->store, row, &message);
        if (r < 0) {
                row->mounted = before.mounted;
                row->mounted_revision = before.mounted_revision;
                row->mounted_by_hand = before.mounted_by_hand;
                return host_store_error(error, r, message);
        }
        g_array_ref(layers);
        g_array_unref(before.mounted);
        return TRUE;
}

static gboolean save_unmounted(Instance *i, GError **error)
{
        g_autoptr(GArray) none = g_array_new(FALSE, FALSE, sizeof(LayerRef));

        return (i->row->mounted->len == 0 && !i->row->mounted_by_hand) ||
               save_mounted(i, none, i->row->revision, false, error);
}

/* Nothing is mounted any more. */
static void forget_mount(Instance *i)
{
        g_autoptr(GError) error = NULL;

        i->is_mounted = false;
        if (!save_unmounted(i, &error))
                g_warning("%s", error->message);
}

static char *make_environment(Instance *i)
{
        const InstanceRow *row = i->row;
        g_autofree char *arguments = g_strjoinv(" ", row->arguments);

        return g_strdup_printf("LEFT4ME_ADDRESS=%s\nLEFT4ME_PORT=%u\nLEFT4ME_SOURCETV_PORT=%u\n"
                               "LEFT4ME_CLIENT_PORT=%u\nLEFT4ME_ARGUMENTS=%s\n",
                i->host->settings->listen_address, row->ports[PORT_GAME], row->ports[PORT_SOURCETV],
                row->ports[PORT_CLIENT], arguments);
}

/* Who holds a mount that is busy */

static void on_holders(const char *text, const GError *error, void *userdata)
{
        MountCall *c = userdata;
        g_autofree char *found = g_strstrip(g_strdup(text ?: ""));
        g_auto(GStrv) lines = g_strsplit(found, "\n", -1);
        g_autofree char *who = g_strjoinv(", ", lines);

        if (error)
                g_warning("Cannot find out who holds the mount of instance \"%s\": %s", c->work.name,
                        error->message);
        mount_call_finish(c, g_error_new(HOST_ERROR, HOST_ERROR_IN_USE,
                                     "The mount of instance \"%s\", " PATH_STATE "/" DIR_RUNTIME
                                     "/%s/merged, is in use by %s; end that and try again",
                                     c->work.name, c->work.name,
                                     *who ? who : "a process that is gone again, or by a mount below it"));
}

static void find_holders(MountCall *c)
{
        g_autofree char *unit = g_strdup_printf(HOST_HOLDERS_UNIT_PREFIX "%s.service", c->work.name);
        g_autofree char *mount_id = g_strdup_printf("%" G_GUINT64_FORMAT, c->work.mount_id);
        const char *argv[] = {PATH_HOLDERS_PROGRAM, mount_id, NULL};

        output_of_inspector(c->instance->host->systemd, unit, (char *const *)argv, on_holders, c);
}

/* Steps */

static GError *work_error(MountCall *c)
{
        const MountWork *w = &c->work;
        bool is_full = w->result == -ENOSPC || w->result == -EDQUOT;
        int code = is_full                ? HOST_ERROR_NO_SPACE
                   : w->is_layer_rejected ? HOST_ERROR_LAYER_REJECTED
                   : w->result == -EBUSY  ? HOST_ERROR_IN_USE
                                          : HOST_ERROR_MOUNT_FAILED;

        return g_error_new(HOST_ERROR, code, "Instance \"%s\" cannot be %s. %s", w->name,
                c->step == STEP_UNMOUNT ? "unmounted" : "mounted", w->message ?: g_strerror(-w->result));
}

static void step_ended(GObject *source, GAsyncResult *result, gpointer userdata)
{
        MountCall *c = userdata;
        Instance *i = c->instance;

        switch (c->step) {
        case STEP_LOOK:
                if (c->work.result >= 0)
                        return mount_call_finish(c, NULL);
                i->is_mounted = false; /* somebody took it, and the kernel's word of it is on its way */
                return mount_call_next(i);
        case STEP_UNMOUNT:
                fault_point(FAULT_UNMOUNT_ENDED);
                i->is_mounted = c->work.result < 0;
                if (c->work.result == -EBUSY)
                        return find_holders(c);
                if (c->work.result < 0)
                        return mount_call_finish(c, work_error(c));
                forget_mount(i);
                fault_point(FAULT_UNMOUNT_SAVED);
                return c->is_mount ? mount_call_next(i) : mount_call_finish(c, NULL);
        case STEP_MOUNT:
                fault_point(FAULT_MOUNT_ENDED);
                if (c->work.result < 0)
                        forget_mount(i);
                else
                        i->is_mounted = true;
                return mount_call_finish(c, c->work.result < 0 ? work_error(c) : NULL);
        case STEP_NONE:
                g_assert_not_reached();
        }
}

static void run_in_thread(GTask *task, gpointer source, gpointer data, GCancellable *cancellable)
{
        MountCall *c = data;

        if (c->step == STEP_LOOK)
                mount_work_look(&c->work);
        else if (c->step == STEP_UNMOUNT)
                mount_work_unmount(&c->work);
        else
                mount_work_mount(&c->work);
        g_task_return_boolean(task, TRUE);
}

static void begin_step(MountCall *c, int step)
{
        g_autoptr(GTask) task = g_task_new(NULL, NULL, step_ended, c);

        c->step = step;
        mount_work_reset(&c->work);
        g_task_set_task_data(task, c, NULL);
        g_task_run_in_thread(task, run_in_thread);
}

static void on_ports_allowed(const char *result, const GError *error, void *userdata)
{
        MountCall *c = userdata;
        Instance *i = c->instance;

        if (error)
                return mount_call_finish(c, g_error_copy(error));
        fault_point(FAULT_MOUNT_PORTS_ALLOWED);
        /* They may have been changed meanwhile. */
        i->has_ports_applied = memcmp(c->ports, i->row->ports, sizeof(c->ports)) == 0;
        mount_call_next(i);
}

/* The environment that the server is started with goes with its ports, and the unit lets it bind no others.
 */
static void allow_ports(MountCall *c)
{
        Instance *i = c->instance;

        memcpy(c->ports, i->row->ports, sizeof(c->ports));
        systemd1_allow_ports(i->host->systemd, i->server_unit, c->ports, N_PORTS, on_ports_allowed, c);
}

/* Returns: FALSE when it must not be mounted. */
static gboolean check_mount(MountCall *c, GError **error)
{
        Instance *i = c->instance;

        if (i->job)
                return instance_check_free(i, error);
        if (i->is_mounted || c->by_unit || instance_is_stopped(i))
                return TRUE;
        g_set_error(error, HOST_ERROR, HOST_ERROR_IN_USE,
                "The server of instance \"%s\" still runs on layers that somebody unmounted; stop it first",
                c->work.name);
        return FALSE;
}

static void mount_next(MountCall *c)
{
        Instance *i = c->instance;
        bool by_hand = c->by_unit ? false : (i->is_mounted ? i->row->mounted_by_hand : true);
        g_autoptr(GArray) plan = NULL;
        GError *error = NULL;

        if (!check_mount(c, &error) || !(plan = instance_plan(i, &error)))
                return mount_call_finish(c, error);
        /* A running server keeps the layers it has, whatever is planned now. */
        if (i->is_mounted && instance_is_outdated(i) && instance_is_stopped(i))
                return begin_step(c, STEP_UNMOUNT);
        if (i->is_mounted) {
                if (!save_mounted(i, i->row->mounted, i->row->mounted_revision, by_hand, &error))
                        return mount_call_finish(c, error);
                return begin_step(c, STEP_LOOK);
        }
        if (!i->has_ports_applied)
                return allow_ports(c);
        if (!save_mounted(i, plan, i->row->revision, by_hand, &error))
                return mount_call_finish(c, error);
        fault_point(FAULT_MOUNT_SAVED);
        g_clear_pointer(&c->work.plan, g_array_unref);
        c->work.plan = g_steal_pointer(&plan);
        g_free(c->work.config);
        c->work.config = g_strdup(i->row->config);
        g_free(c->work.environment);
        c->work.environment = make_environment(i);
        begin_step(c, STEP_MOUNT);
}

/* Returns: FALSE when it must not be unmounted. */
static gboolean check_unmount(MountCall *c, GError **error)
{
        Instance *i = c->instance;

        if (c->by_unit)
                return TRUE;
        if (!instance_is_stopped(i)) {
                g_set_error(error, HOST_ERROR, HOST_ERROR_IN_USE,
                        "The server of instance \"%s\" is %s; stop it first", c->work.name,
                        i->state->active_state);
                return FALSE;
        }
        return instance_check_free(i, error);
}

static void unmount_next(MountCall *c)
{
        GError *error = NULL;

        /* A deletion has what there was; its directories are not to be touched. */
        if (c->instance->job && !c->instance->is_mounted)
                mount_call_finish(c, NULL);
        else if (!check_unmount(c, &error))
                mount_call_finish(c, error);
        else
                begin_step(c, STEP_UNMOUNT);
}

static void mount_call_next(Instance *i)
{
        MountCall *c = g_queue_peek_head(&i->mount_calls);

        if (c->is_mount)
                mount_next(c);
        else
                unmount_next(c);
}

static void mount_call_queue(Instance *i, bool is_mount, bool by_unit, HostDone done, void *userdata)
{
        MountCall *c = g_new0(MountCall, 1);

        fault_point(FAULT_MOUNT_ASKED);
        c->instance = i;
        c->is_mount = is_mount;
        c->by_unit = by_unit;
        c->done = done;
        c->userdata = userdata;
        /* The unit's own call has the unit's time limit. */
        if (!by_unit)
                c->timer = g_timeout_add_seconds(INSTANCE_ANSWER_WITHIN, on_answer_due, c);
        c->work.name = g_strdup(i->row->name);
        c->work.state_fd = i->host->state_fd;
        c->work.uid = i->host->server_uid;
        c->work.gid = i->host->server_gid;
        c->work.way = i->host->layers_way;
        g_queue_push_tail(&i->mount_calls, c);
        if (i->mount_calls.length == 1)
                mount_call_next(i);
}

void instance_mount(Instance *i, bool by_unit, HostDone done, void *userdata)
{
        mount_call_queue(i, true, by_unit, done, userdata);
}

void instance_unmount(Instance *i, bool by_unit, HostDone done, void *userdata)
{
        mount_call_queue(i, false, by_unit, done, userdata);
}

static void on_unused_unmounted(const GError *error, void *userdata)
{
        if (error)
                g_warning("%s", error->message);
}

/* With an error its own unit has tried, and said who holds it. */
static bool is_unused(Instance *i)
{
        return i->is_mounted && !i->row->mounted_by_hand && !i->mount_error && !i->op && !i->job &&
               i->mount_calls.length == 0 && instance_is_stopped(i);
}

typedef struct UnusedCheck {
        Host *host;
        char *name;
} UnusedCheck;

static void on_mount_unit_read(const UnitState *state, const GError *error, void *userdata)
{
        UnusedCheck *check = userdata;
        Instance *i = instance_find(check->host, check->name, NULL);

        if (i && state && unit_state_is_stopped(state) && is_unused(i)) {
                g_message("Instance \"%s\" is mounted, but nothing runs on it: unmounting", i->row->name);
                instance_unmount(i, false, on_unused_unmounted, NULL);
        }
        g_free(check->name);
        g_free(check);
}

void instance_unmount_unused(Instance *i)
{
        UnusedCheck *check;

        if (!is_unused(i) || !unit_state_is_stopped(systemd1_unit(i->host->systemd, i->mount_unit)))
                return;
        /* What was signalled may be old: a start may be on its way, and need the mount. */
        check = g_new(UnusedCheck, 1);
        *check = (UnusedCheck){i->host, g_strdup(i->row->name)};
        systemd1_read(i->host->systemd, i->mount_unit, on_mount_unit_read, check);
}

/* The mount table, changed by us or by others */

/* Returns: whether a mount went without a call of ours. */
static bool notice_mount(Instance *i, bool is_mounted)
{
        bool was_mounted = i->is_mounted;

        if (i->mount_calls.length > 0)
                return false; /* a call at work says itself what came of it */
        i->is_mounted = is_mounted;
        /* A reboot took it, or an administrator. A server that runs on has the layers all the same: what is
         * written down keeps them from being deleted. */
        if (!is_mounted && instance_is_stopped(i))
                forget_mount(i);
        if (is_mounted != was_mounted)
                instance_changed(i, "Mounted", "Layers", "Outdated");
        return was_mounted && !is_mounted;
}

void instance_mounts_changed(Host *host)
{
        int error = 0;
        g_autoptr(GHashTable) mounted = mounts_read_instances(&error);
        GHashTableIter iter;
        gpointer value;
        bool has_gone = false;

        if (!mounted) {
                g_warning("Cannot read the mount table: %s", g_strerror(-error));
                return;
        }
        g_hash_table_iter_init(&iter, host->instances);
        while (g_hash_table_iter_next(&iter, NULL, &value)) {
                Instance *i = value;

                has_gone |= notice_mount(i, g_hash_table_contains(mounted, i->row->name));
        }
        if (has_gone) {
                jobs_schedule(host); /* as mount_call_finish() does */
                overlay_prune_all(host);
        }
}
