/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Idmapped bind mounts below /run/left4me/staging/<job>/, through which a transient unit sees a tree of
 * left4me's as its own. They are needed only until the unit has started. Source: mount_setattr(2),
 * user_namespaces(7). */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

typedef struct IdPair {
        uid_t on_disk; /* both the uid and the gid */
        uid_t seen;
} IdPair;

/* Makes a user namespace that carries the mapping. Cheap (0.3 ms), starts and reaps a child by pidfd; safe in
 * a threaded process. An owner without a pair is seen as 65534 and the file cannot be changed or deleted
 * (EOVERFLOW). `seen` 0 needs CAP_SETFCAP, which the daemon has not: EPERM.
 *
 * Returns: a namespace descriptor owned by the caller, or negative errno. */
int staging_userns_new(const IdPair *pairs, size_t n_pairs);

/* Clones the tree at `tree_fd` (not recursive; an O_PATH descriptor will do), idmaps it, and attaches it on
 * directory `name` (one component), which is made in `staging_fd`. nosuid,nodev; read-only where asked.
 *
 * Returns: 0, or negative errno with a sentence; -EEXIST when `name` is there already. */
int staging_attach(
        int staging_fd, const char *name, int tree_fd, int userns_fd, bool read_only, char **ret_message);

/* Unmounts and removes everything in /run/left4me/staging/<job> (each entry is a mount, an empty directory or
 * a regular file of root's), then the directory itself. Idempotent. Never deletes anything in a tree that is
 * still mounted.
 *
 * Returns: 0 or negative errno, -EBUSY when somebody uses a mount. */
int staging_remove(int staging_root_fd, const char *job);
