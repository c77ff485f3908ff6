/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* An instance's overlayfs mount. Calls on one instance run one after another, each on a thread of its own,
 * since unmounting much dirty data takes long. This queue is the lock that the kernel does not give: it
 * mounts the same upper layer twice with only a warning.
 *
 * Never waited for in here: systemd, except for the unit that finds out who holds a mount; by then nothing is
 * locked but this queue. */
#include "beneath.h"
#include "instance.h"
#include "job.h"
#include "output.h"
#include "overlay.h"
#include "paths.h"
#include "util.h"

#include "dbus/names.h"
#include <fcntl.h>
#include <gio/gio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

typedef struct MountCall {
        Instance *instance;
        bool is_mount, by_unit;
        HostDone done;
        void *userdata;
        /* For the thread: copies, since the instance belongs to the main thread. */
        char *name, *config, *environment;
        GArray *plan; /* LayerRef */
        bool renew;   /* unmount first: other layers are planned */
        uint64_t revision;
        int state_fd;
        uid_t uid;
        gid_t gid;
        LayersWay way;
        /* From the thread: */
        int result;
        bool is_layer_rejected;
        bool was_mounted;
        char *message;
        dev_t device;    /* of the mount that is busy */
        Output *holders; /* what the inspector wrote */
} MountCall;

static void mount_call_next(Instance *instance);

static void mount_call_free(MountCall *c)
{
        g_free(c->name);
        g_free(c->config);
        g_free(c->environment);
        g_free(c->message);
        g_clear_pointer(&c->plan, g_array_unref);
        g_clear_pointer(&c->holders, output_free);
        g_free(c);
}

static void mount_call_finish(MountCall *c, GError *error)
{
        Instance *i = c->instance;

        g_assert(g_queue_peek_head(&i->mount_calls) == c);
        g_queue_pop_head(&i->mount_calls);
        g_clear_error(&i->mount_error);
        i->mount_error = error ? g_error_copy(error) : NULL;
        instance_changed(i, "Mounted", "Layers", "Outdated", "Message");
        c->done(error, c->userdata);
        if (i->mount_calls.length > 0)
                mount_call_next(i);
        else {
                jobs_schedule(i->host); /* a deletion may have waited for this mount */
                if (!c->is_mount)
                        overlay_prune_all(i->host);
        }
        g_clear_error(&error);
        mount_call_free(c);
}

/* The thread's half */

/* Opens runtime/NAME and returns it; the layers' directory is made on the way. */
static int open_runtime(MountCall *c, int *ret_layers_fd)
{
        _cleanup_close_ int all_fd = -EBADF, own_fd = -EBADF;
        int r;

        all_fd = beneath_open(c->state_fd, DIR_RUNTIME, O_RDONLY | O_DIRECTORY, 0);
        if (all_fd < 0)
                return fail(all_fd, &c->message, "Cannot open " PATH_STATE "/" DIR_RUNTIME ": %s",
                        g_strerror(-all_fd));
        own_fd = beneath_make_dir(all_fd, c->name, 0, c->gid, 0710);
        if (own_fd < 0)
                return fail(own_fd, &c->message, "Cannot make the runtime directory of instance \"%s\": %s",
                        c->name, g_strerror(-own_fd));
        r = beneath_make_dir(own_fd, "layers", 0, 0, 0700);
        if (r < 0)
                return fail(r, &c->message, "Cannot make the layers directory of instance \"%s\": %s",
                        c->name, g_strerror(-r));
        *ret_layers_fd = r;
        return steal_fd(&own_fd);
}

/* Makes the layer from SetConfig's text, and the environment that PID 1 reads. Returns: the layer's
 * descriptor. */
static int write_config(MountCall *c)
{
        static const char *const way_down[] = {"config", "left4dead2", "cfg"};
        _cleanup_close_ int all_fd = -EBADF, own_fd = -EBADF, layer_fd = -EBADF, fd = -EBADF;
        int r;

        all_fd = beneath_open(c->state_fd, DIR_INSTANCES, O_RDONLY | O_DIRECTORY, 0);
        if (all_fd < 0)
                return all_fd;
        own_fd = beneath_make_dir(all_fd, c->name, 0, 0, 0700);
        if (own_fd < 0)
                return own_fd;
        r = beneath_write_file(own_fd, "instance.env", c->environment, strlen(c->environment), 0, 0, 0600);
        if (r < 0)
                return r;
        for (size_t n = 0; n < G_N_ELEMENTS(way_down); n++) {
                int next = beneath_make_dir(n == 0 ? own_fd : fd, way_down[n], c->uid, c->gid, 0755);

                if (next < 0)
                        return next;
                close_fd(&fd);
                fd = next;
                if (n == 0 && (layer_fd = fcntl(fd, F_DUPFD_CLOEXEC, 3)) < 0)
                        return -errno;
        }
        r = beneath_write_file(fd, "server.cfg", c->config, strlen(c->config), c->uid, c->gid, 0640);
        return r < 0 ? r : steal_fd(&layer_fd);
}

static int reject_layer(MountCall *c, int r, const char *what)
{
        c->is_layer_rejected = true;
        if (!c->message)
                c->message = g_strdup_printf("%s: %s", what, g_strerror(-r));
        return r;
}

static int open_lower(MountCall *c, const LayerRef *layer)
{
        g_autofree char *path = g_strdup_printf(
                DIR_OVERLAYS "/%" G_GUINT64_FORMAT "/%" G_GUINT64_FORMAT, layer->overlay, layer->generation);
        g_autofree char *what = g_strdup_printf("Layer %s of instance \"%s\" cannot be used", path, c->name);
        int fd = beneath_open(c->state_fd, path, O_PATH | O_DIRECTORY, 0);
        int r;

        if (fd < 0)
                return reject_layer(c, fd, what);
        r = layers_check_top(fd, &c->message);
        if (r < 0) {
                close(fd);
                return reject_layer(c, r, what);
        }
        return fd;
}

static void close_fds(GArray *fds)
{
        for (guint n = 0; n < fds->len; n++)
                close(g_array_index(fds, int, n));
        g_array_unref(fds);
}

static int mount_layers(MountCall *c, int own_fd, int layers_fd)
{
        _cleanup_close_ int upper_fd = -EBADF, work_fd = -EBADF, merged_fd = -EBADF;
        g_autofree char *source = g_strconcat("left4me-", c->name, NULL);
        GArray *lower = g_array_new(FALSE, FALSE, sizeof(int));
        LayersPlan plan = {.source = source};
        int r;

        upper_fd = beneath_make_dir(layers_fd, "upper", c->uid, c->gid, 0755);
        r = upper_fd < 0 ? reject_layer(c, upper_fd, "The upper layer cannot be used")
                         : layers_check_top(upper_fd, &c->message);
        if (r == -EUCLEAN)
                c->is_layer_rejected = true;
        if (r >= 0 && (work_fd = r = layers_renew_work(layers_fd, &c->message)) < 0)
                c->is_layer_rejected = r == -ELOOP || r == -ENOTDIR;
        if (r >= 0 && (r = write_config(c)) >= 0)
                g_array_append_val(lower, r);
        else if (r < 0 && !c->message)
                reject_layer(c, r, "The configuration layer cannot be made");
        for (guint n = 0; r >= 0 && n < c->plan->len; n++)
                if ((r = open_lower(c, &g_array_index(c->plan, LayerRef, n))) >= 0)
                        g_array_append_val(lower, r);
        if (r >= 0 && (merged_fd = r = beneath_make_dir(own_fd, "merged", 0, 0, 0700)) < 0)
                reject_layer(c, r, "The place of the mount cannot be used");
        close_fd(&merged_fd);
        if (r >= 0) {
                plan.upper_fd = upper_fd;
                plan.work_fd = work_fd;
                plan.lower_fds = (const int *)lower->data;
                plan.n_lower = lower->len;
                r = layers_mount(c->way, &plan, own_fd, "merged", &c->message);
        }
        close_fds(lower);
        return r;
}

static int find_device(MountCall *c, int own_fd)
{
        struct statx sx;

        if (statx(own_fd, "merged", AT_SYMLINK_NOFOLLOW, STATX_BASIC_STATS, &sx) < 0)
                return -errno;
        c->device = makedev(sx.stx_dev_major, sx.stx_dev_minor);
        return 0;
}

static int unmount_layers(MountCall *c, int own_fd)
{
        int r = layers_unmount(own_fd, "merged");

        if (r == -EINVAL || r == -ENOENT)
                return 0; /* nothing is mounted: that is what was wanted */
        if (r == -EBUSY)
                (void)find_device(c, own_fd);
        if (r < 0)
                fail(r, &c->message, "Cannot unmount " PATH_STATE "/" DIR_RUNTIME "/%s/merged: %s", c->name,
                        g_strerror(-r));
        return r;
}

static void run_in_thread(GTask *task, gpointer source, gpointer data, GCancellable *cancellable)
{
        MountCall *c = data;
        _cleanup_close_ int layers_fd = -EBADF, own_fd = -EBADF;
        int r = own_fd = open_runtime(c, &layers_fd);

        if (r == -ELOOP || r == -ENOTDIR)
                c->is_layer_rejected = true;
        if (r >= 0)
                r = layers_is_mounted(own_fd, "merged");
        if (r == -ENOENT)
                r = 0;
        c->was_mounted = r > 0;
        if (c->is_mount) {
                if (r > 0 && c->renew)
                        r = unmount_layers(c, own_fd);
                if (r == 0)
                        r = mount_layers(c, own_fd, layers_fd);
        } else if (r > 0)
                r = unmount_layers(c, own_fd);
        c->result = MIN(r, 0);
        g_task_return_boolean(task, TRUE);
}

/* The main thread's half */

static char *make_environment(Instance *i)
{
        const InstanceRow *row = i->row;
        g_autofree char *arguments = g_strjoinv(" ", row->arguments);

        return g_strdup_printf("LEFT4ME_ADDRESS=%s\nLEFT4ME_PORT=%u\nLEFT4ME_SOURCETV_PORT=%u\n"
                               "LEFT4ME_CLIENT_PORT=%u\nLEFT4ME_ARGUMENTS=%s\n",
                i->host->settings->listen_address, row->ports[PORT_GAME], row->ports[PORT_SOURCETV],
                row->ports[PORT_CLIENT], arguments);
}

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

static void on_holders(const char *text, const GError *error, void *userdata)
{
        MountCall *c = userdata;
        g_autofree char *who = g_strchomp(g_strdelimit(g_strdup(text ?: ""), "\n", ','));

        if (g_str_has_suffix(who, ","))
                who[strlen(who) - 1] = '\0';
        mount_call_finish(c,
                g_error_new(HOST_ERROR, HOST_ERROR_IN_USE, "%s. It is in use by %s; end that and try again",
                        c->message, *who ? who : "a process that is gone again or that cannot be found"));
}

static void find_holders(MountCall *c)
{
        g_autofree char *unit = g_strdup_printf(HOST_HOLDERS_UNIT_PREFIX "%s.service", c->name);
        g_autofree char *device = g_strdup_printf("%u:%u", major(c->device), minor(c->device));
        const char *argv[] = {PATH_HOLDERS_PROGRAM, device, NULL};

        output_of_inspector(c->instance->host->systemd, unit, (char *const *)argv, on_holders, c);
}

static void mount_call_ended(GObject *source, GAsyncResult *result, gpointer userdata)
{
        MountCall *c = userdata;
        Instance *i = c->instance;
        GError *error = NULL;
        int code;

        if (!c->is_mount && c->result == -EBUSY) {
                i->is_mounted = true;
                find_holders(c);
                return;
        }
        i->is_mounted = c->result < 0 ? c->was_mounted && !(c->is_mount && c->renew) : c->is_mount;
        if (c->result < 0) {
                code = c->is_layer_rejected   ? HOST_ERROR_LAYER_REJECTED
                       : c->result == -ENOSPC ? HOST_ERROR_NO_SPACE
                       : c->result == -EBUSY  ? HOST_ERROR_IN_USE
                                              : HOST_ERROR_MOUNT_FAILED;
                error = g_error_new(HOST_ERROR, code, "Instance \"%s\" cannot be %s. %s", c->name,
                        c->is_mount ? "mounted" : "unmounted", c->message ?: g_strerror(-c->result));
        }
        if (!i->is_mounted)
                save_unmounted(i, error ? NULL : &error);
        mount_call_finish(c, error);
}

/* Decides on the layers and writes them down. Returns: FALSE when there is nothing to mount. */
static gboolean mount_call_prepare(MountCall *c, GError **error)
{
        Instance *i = c->instance;
        bool is_current, by_hand;

        if (i->job) {
                instance_check_free(i, error);
                return FALSE;
        }
        c->plan = instance_plan(i, error);
        if (!c->plan)
                return FALSE;
        is_current = i->is_mounted && !instance_is_outdated(i);
        /* A running server keeps the layers it has, whatever is planned now. */
        c->renew = i->is_mounted && !is_current && instance_is_stopped(i);
        c->config = g_strdup(i->row->config);
        c->environment = make_environment(i);
        by_hand = c->by_unit ? false : (i->is_mounted ? i->row->mounted_by_hand : true);
        if (i->is_mounted && !c->renew)
                return save_mounted(i, i->row->mounted, i->row->mounted_revision, by_hand, error);
        return save_mounted(i, c->plan, i->row->revision, by_hand, error);
}

static void mount_call_next(Instance *i)
{
        MountCall *c = g_queue_peek_head(&i->mount_calls);
        g_autoptr(GTask) task = NULL;
        GError *error = NULL;

        if (c->is_mount && !mount_call_prepare(c, &error)) {
                mount_call_finish(c, error);
                return;
        }
        if (!c->is_mount && !c->by_unit && !instance_is_stopped(i)) {
                mount_call_finish(c, g_error_new(HOST_ERROR, HOST_ERROR_IN_USE,
                                             "The server of instance \"%s\" is %s; stop it first", c->name,
                                             i->state->active_state));
                return;
        }
        task = g_task_new(NULL, NULL, mount_call_ended, c);
        g_task_set_task_data(task, c, NULL);
        g_task_run_in_thread(task, run_in_thread);
}

static void mount_call_queue(Instance *i, bool is_mount, bool by_unit, HostDone done, void *userdata)
{
        MountCall *c = g_new0(MountCall, 1);

        c->instance = i;
        c->is_mount = is_mount;
        c->by_unit = by_unit;
        c->done = done;
        c->userdata = userdata;
        c->name = g_strdup(i->row->name);
        c->state_fd = i->host->state_fd;
        c->uid = i->host->server_uid;
        c->gid = i->host->server_gid;
        c->way = i->host->layers_way;
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

void instance_mounts_changed(Host *host)
{
        int error = 0;
        g_autoptr(GHashTable) mounted = mounts_read_instances(&error);
        GHashTableIter iter;
        gpointer value;

        if (!mounted) {
                g_warning("Cannot read the mount table: %s", g_strerror(-error));
                return;
        }
        g_hash_table_iter_init(&iter, host->instances);
        while (g_hash_table_iter_next(&iter, NULL, &value)) {
                Instance *i = value;
                bool was_mounted = i->is_mounted;

                if (i->mount_calls.length > 0)
                        continue; /* a call at work says itself what came of it */
                i->is_mounted = g_hash_table_contains(mounted, i->row->name);
                if (!i->is_mounted)
                        save_unmounted(i, NULL); /* a reboot took it, or an administrator */
                if (i->is_mounted != was_mounted)
                        instance_changed(i, "Mounted", "Layers", "Outdated");
        }
}
