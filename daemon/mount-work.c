/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "mount-work.h"
#include "beneath.h"
#include "fault.h"
#include "paths.h"
#include "util.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

void mount_work_reset(MountWork *work)
{
        work->result = 0;
        work->is_layer_rejected = false;
        work->mount_id = 0;
        g_clear_pointer(&work->message, g_free);
}

void mount_work_clear(MountWork *work)
{
        mount_work_reset(work);
        g_free(work->name);
        g_free(work->config);
        g_free(work->environment);
        g_clear_pointer(&work->plan, g_array_unref);
}

/* What tells that something stands in a layer's place that does not belong there. */
static bool is_misplaced(int r)
{
        static const int codes[] = {ELOOP, ENOTDIR, EISDIR, EXDEV, ENOENT, ENOTEMPTY, EBUSY, EPERM, EUCLEAN};

        for (size_t n = 0; n < G_N_ELEMENTS(codes); n++)
                if (r == -codes[n])
                        return true;
        return false;
}

static int reject_layer(MountWork *w, int r, const char *what)
{
        w->is_layer_rejected = is_misplaced(r);
        if (!w->message)
                w->message = g_strdup_printf("%s: %s", what, g_strerror(-r));
        return r;
}

/* Opens runtime/NAME and returns it; the layers' directory is made on the way. */
static int open_runtime(MountWork *w, int *ret_layers_fd)
{
        _cleanup_close_ int all_fd = -EBADF, own_fd = -EBADF;
        int r;

        all_fd = beneath_open(w->state_fd, DIR_RUNTIME, O_RDONLY | O_DIRECTORY, 0);
        if (all_fd < 0)
                return reject_layer(w, all_fd, PATH_STATE "/" DIR_RUNTIME " cannot be used");
        own_fd = beneath_make_dir(all_fd, w->name, 0, w->gid, 0710);
        if (own_fd < 0)
                return reject_layer(w, own_fd, "Its runtime directory cannot be used");
        r = beneath_make_dir(own_fd, "layers", 0, 0, 0700);
        if (r < 0)
                return reject_layer(w, r, "Its directory of layers cannot be used");
        *ret_layers_fd = r;
        return steal_fd(&own_fd);
}

/* No text is no file: it would hide the one that an overlay has. */
static int write_server_cfg(MountWork *w, int dir_fd)
{
        if (*w->config)
                return beneath_write_file(
                        dir_fd, "server.cfg", w->config, strlen(w->config), w->uid, w->gid, 0640);
        return unlinkat(dir_fd, "server.cfg", 0) < 0 && errno != ENOENT ? -errno : 0;
}

/* Makes the layer from SetConfig's text, and the environment that PID 1 reads. Returns: the layer's
 * descriptor. */
static int write_config(MountWork *w)
{
        static const char *const way_down[] = {"config", "left4dead2", "cfg"};
        _cleanup_close_ int all_fd = -EBADF, own_fd = -EBADF, layer_fd = -EBADF, fd = -EBADF;
        int r;

        all_fd = beneath_open(w->state_fd, DIR_INSTANCES, O_RDONLY | O_DIRECTORY, 0);
        if (all_fd < 0)
                return all_fd;
        own_fd = beneath_make_dir(all_fd, w->name, 0, 0, 0700);
        if (own_fd < 0)
                return own_fd;
        r = beneath_write_file(own_fd, "instance.env", w->environment, strlen(w->environment), 0, 0, 0600);
        if (r < 0)
                return r;
        for (size_t n = 0; n < G_N_ELEMENTS(way_down); n++) {
                int next = beneath_make_dir(n == 0 ? own_fd : fd, way_down[n], w->uid, w->gid, 0755);

                if (next < 0)
                        return next;
                close_fd(&fd);
                fd = next;
                if (n == 0 && (layer_fd = fcntl(fd, F_DUPFD_CLOEXEC, 3)) < 0)
                        return -errno;
        }
        r = write_server_cfg(w, fd);
        return r < 0 ? r : steal_fd(&layer_fd);
}

static int check_layer(MountWork *w, int layer_fd, const char *what, const char *remedy)
{
        g_autofree char *found = NULL;
        int r = layers_check_top(layer_fd, &found);

        if (r < 0)
                w->message = g_strdup_printf("%s: %s; %s", what, found, remedy);
        return r < 0 ? reject_layer(w, r, what) : r;
}

static int open_lower(MountWork *w, const LayerRef *layer)
{
        g_autofree char *path = g_strdup_printf(
                DIR_OVERLAYS "/%" G_GUINT64_FORMAT "/%" G_GUINT64_FORMAT, layer->overlay, layer->generation);
        g_autofree char *what = g_strdup_printf("Layer %s cannot be used", path);
        _cleanup_close_ int fd = beneath_open(w->state_fd, path, O_PATH | O_DIRECTORY, 0);
        int r;

        if (fd < 0)
                return reject_layer(w, fd, what);
        r = check_layer(w, fd, what, "build the overlay anew");
        return r < 0 ? r : steal_fd(&fd);
}

static void close_fds(GArray *fds)
{
        for (guint n = 0; n < fds->len; n++)
                close(g_array_index(fds, int, n));
        g_array_unref(fds);
}

static int open_upper(MountWork *w, int layers_fd)
{
        static const char what[] = "The upper layer cannot be used";
        _cleanup_close_ int fd = beneath_make_dir(layers_fd, "upper", w->uid, w->gid, 0755);
        int r;

        if (fd < 0)
                return reject_layer(w, fd, what);
        r = check_layer(
                w, fd, what, "a program of the server may have done that; Reset makes the layer anew");
        return r < 0 ? r : steal_fd(&fd);
}

static int mount_layers(MountWork *w, int own_fd, int layers_fd)
{
        _cleanup_close_ int upper_fd = -EBADF, work_fd = -EBADF, merged_fd = -EBADF;
        g_autofree char *source = g_strconcat("left4me-", w->name, NULL);
        GArray *lower = g_array_new(FALSE, FALSE, sizeof(int));
        LayersPlan plan = {.source = source};
        int r;

        r = upper_fd = open_upper(w, layers_fd);
        if (r >= 0 && (r = work_fd = layers_renew_work(layers_fd, &w->message)) < 0)
                reject_layer(w, r, "");
        fault_point(FAULT_MOUNT_WORK_MADE);
        if (r >= 0 && (r = write_config(w)) >= 0)
                g_array_append_val(lower, r);
        else if (r < 0)
                reject_layer(w, r, "The configuration layer cannot be made");
        fault_point(FAULT_MOUNT_CONFIG_WRITTEN);
        for (guint n = 0; r >= 0 && n < w->plan->len; n++)
                if ((r = open_lower(w, &g_array_index(w->plan, LayerRef, n))) >= 0)
                        g_array_append_val(lower, r);
        if (r >= 0 && (r = merged_fd = beneath_make_dir(own_fd, "merged", 0, 0, 0700)) < 0)
                reject_layer(w, r, "The place of the mount cannot be used");
        close_fd(&merged_fd);
        fault_point(FAULT_MOUNT_LAYERS_OPENED);
        if (r >= 0) {
                plan.upper_fd = upper_fd;
                plan.work_fd = work_fd;
                plan.lower_fds = (const int *)lower->data;
                plan.n_lower = lower->len;
                r = layers_mount(w->way, &plan, own_fd, "merged", &w->message);
        }
        fault_point(FAULT_MOUNT_MOUNTED);
        close_fds(lower);
        return MIN(r, 0);
}

void mount_work_mount(MountWork *w)
{
        _cleanup_close_ int layers_fd = -EBADF, own_fd = open_runtime(w, &layers_fd);

        fault_point(FAULT_MOUNT_DIRECTORIES_MADE);
        w->result = own_fd;
        if (own_fd >= 0)
                w->result = layers_is_mounted(own_fd, "merged");
        if (w->result > 0)
                w->result = fail(-EBUSY, &w->message, "Something else is mounted there");
        else if (w->result == 0)
                w->result = mount_layers(w, own_fd, layers_fd);
}

/* Opens runtime/NAME, which a directory is made for at the first mount. */
static int open_own(MountWork *w)
{
        g_autofree char *path = g_strconcat(DIR_RUNTIME "/", w->name, NULL);

        return beneath_open(w->state_fd, path, O_RDONLY | O_DIRECTORY, 0);
}

static uint64_t find_mount_id(int own_fd)
{
        struct statx stx;

        return statx(own_fd, "merged", AT_SYMLINK_NOFOLLOW, STATX_MNT_ID, &stx) < 0 ? 0 : stx.stx_mnt_id;
}

void mount_work_unmount(MountWork *w)
{
        _cleanup_close_ int own_fd = open_own(w);
        int r = own_fd < 0 ? own_fd : layers_is_mounted(own_fd, "merged");

        fault_point(FAULT_UNMOUNT_BEGIN);
        if (r > 0)
                r = layers_unmount(own_fd, "merged");
        fault_point(FAULT_UNMOUNT_UNMOUNTED);
        if (r == -ENOENT)
                r = 0; /* it was never mounted */
        if (r == -EBUSY)
                w->mount_id = find_mount_id(own_fd);
        if (r < 0)
                fail(r, &w->message, "Cannot unmount " PATH_STATE "/" DIR_RUNTIME "/%s/merged: %s", w->name,
                        g_strerror(-r));
        w->result = r;
}

void mount_work_look(MountWork *w)
{
        _cleanup_close_ int own_fd = open_own(w);
        int r = own_fd < 0 ? own_fd : layers_is_mounted(own_fd, "merged");

        w->result = r > 0 ? 0 : r == 0 ? -ENOENT : r;
        if (w->result < 0)
                fail(w->result, &w->message, "Nothing is mounted there: %s", g_strerror(-w->result));
}
