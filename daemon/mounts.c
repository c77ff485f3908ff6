/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "mounts.h"
#include "paths.h"
#include "util.h"

#include <glib-unix.h>
#include <libmount.h>
#include <string.h>

#define MOUNTINFO     "/proc/self/mountinfo"
#define MERGED_PREFIX PATH_STATE "/" DIR_RUNTIME "/"
#define MERGED_SUFFIX "/merged"

typedef struct libmnt_table Table;
typedef struct libmnt_iter Iterator;
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Table, mnt_unref_table)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Iterator, mnt_free_iter)

/* Returns: the instance whose mount this is, allocated, or NULL when it is another mount. */
static char *mounted_instance(struct libmnt_fs *fs)
{
        const char *type = mnt_fs_get_fstype(fs);
        const char *target = mnt_fs_get_target(fs);
        g_autofree char *name = NULL;

        if (g_strcmp0(type, "overlay") != 0 || !target || !g_str_has_prefix(target, MERGED_PREFIX) ||
                !g_str_has_suffix(target, MERGED_SUFFIX))
                return NULL;
        if (strlen(target) <= strlen(MERGED_PREFIX MERGED_SUFFIX))
                return NULL;
        name = g_strndup(
                target + strlen(MERGED_PREFIX), strlen(target) - strlen(MERGED_PREFIX MERGED_SUFFIX));
        return strchr(name, '/') ? NULL : g_steal_pointer(&name);
}

GHashTable *mounts_read_instances(int *ret_error)
{
        g_autoptr(GHashTable) names = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
        g_autoptr(Table) table = mnt_new_table();
        g_autoptr(Iterator) iterator = mnt_new_iter(MNT_ITER_FORWARD);
        struct libmnt_fs *fs;
        int r = table && iterator ? mnt_table_parse_file(table, MOUNTINFO) : -ENOMEM;

        if (r != 0) {
                *ret_error = r < 0 ? r : -EBADMSG;
                return NULL;
        }
        while (mnt_table_next_fs(table, iterator, &fs) == 0) {
                char *name = mounted_instance(fs);
                if (name)
                        g_hash_table_add(names, name);
        }
        return g_steal_pointer(&names);
}

struct MountsWatch {
        struct libmnt_monitor *monitor;
        unsigned source;
        MountsChanged changed;
        void *userdata;
};

static gboolean on_mounts_changed(int fd, GIOCondition condition, void *userdata)
{
        MountsWatch *watch = userdata;

        /* Without this the descriptor stays readable and the loop spins. */
        (void)mnt_monitor_event_cleanup(watch->monitor);
        watch->changed(watch->userdata);
        return G_SOURCE_CONTINUE;
}

int mounts_watch_new(MountsChanged changed, void *userdata, MountsWatch **ret_watch)
{
        g_autoptr(MountsWatch) watch = g_new0(MountsWatch, 1);
        int r;

        watch->changed = changed;
        watch->userdata = userdata;
        watch->monitor = mnt_new_monitor();
        if (!watch->monitor)
                return -ENOMEM;
        r = mnt_monitor_enable_kernel(watch->monitor, 1);
        if (r < 0)
                return r;
        r = mnt_monitor_get_fd(watch->monitor);
        if (r < 0)
                return r;
        watch->source = g_unix_fd_add(r, G_IO_IN, on_mounts_changed, watch);
        *ret_watch = g_steal_pointer(&watch);
        return 0;
}

void mounts_watch_free(MountsWatch *watch)
{
        if (!watch)
                return;
        if (watch->source)
                g_source_remove(watch->source);
        if (watch->monitor)
                mnt_unref_monitor(watch->monitor);
        g_free(watch);
}
