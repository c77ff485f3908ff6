/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Opening names below a trusted directory without ever following a symbolic link out of it, or at all: the
 * only way in which this program opens anything below /var/lib/left4me. See openat2(2). */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* Whether `name` is one component of a path: not empty, not "." or "..", no slash. */
bool beneath_is_component(const char *name);

/* Opens `path` (relative) beneath `dir_fd` with RESOLVE_BENEATH|NO_SYMLINKS|NO_MAGICLINKS; O_CLOEXEC is
 * added. `mode` counts only where `flags` may create a file.
 *
 * Returns: a descriptor owned by the caller, or -ELOOP (a link stands there), -EXDEV, -ENOENT, ... */
int beneath_open(int dir_fd, const char *path, int flags, mode_t mode);

/* Makes sure that directory `name` (one component) exists in `dir_fd` with this owner and mode, and opens it
 * (O_RDONLY|O_DIRECTORY). An existing one is checked to be a directory and gets the owner and mode; a link
 * there gives -ELOOP, another file -ENOTDIR.
 *
 * Returns: a descriptor owned by the caller, or negative errno. */
int beneath_make_dir(int dir_fd, const char *name, uid_t uid, gid_t gid, mode_t mode);

/* Writes a whole file `name` (one component) in `dir_fd`: temporary name, fsync, rename, so that a crash
 * leaves old or new. One writer for each name at a time.
 *
 * Returns: 0 or negative errno. */
int beneath_write_file(
        int dir_fd, const char *name, const void *data, size_t size, uid_t uid, gid_t gid, mode_t mode);

/* The names in directory `path`, all but "." and "..". Returns: an array to be unreffed, or NULL with a
 * negative errno. */
GPtrArray *beneath_list(int dir_fd, const char *path, int *ret_error);

/* Removes `name` (one component) in `dir_fd`, whatever it is, with at most `levels` levels of entries in it:
 * for what this program or the kernel made there and whose depth is known, never for a tree that others
 * wrote. Follows no link, crosses no mount.
 *
 * Returns: 0, also when there is none, -ENOTEMPTY when it goes deeper, -EBUSY for a mount, or another
 * negative errno; what could be removed before the failure is gone. */
int beneath_remove(int dir_fd, const char *name, unsigned levels);
