/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The kernel's mount table, read and watched with libmount: which instances are mounted, and a call when that
 * changes from outside. */
#pragma once

#include <glib.h>

typedef struct MountsWatch MountsWatch;

/* Reads /proc/self/mountinfo.
 *
 * Returns: the set of instance names (keys, owned) whose runtime/<name>/merged is an overlay mount; NULL with
 * a negative errno in *ret_error on failure. */
GHashTable *mounts_read_instances(int *ret_error);

typedef void (*MountsChanged)(void *userdata);

/* Calls `changed` from the default GLib main context whenever the mount table changes (the kernel monitor of
 * libmount): once for any number of changes that came together. `changed` may free the watch.
 *
 * Returns: 0 and a watch to be freed with mounts_watch_free(), or negative errno. */
int mounts_watch_new(MountsChanged changed, void *userdata, MountsWatch **ret_watch);
void mounts_watch_free(MountsWatch *watch);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(MountsWatch, mounts_watch_free)
