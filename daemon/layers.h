/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Kernel overlayfs, mounted in-process from descriptors. Three ways for kernels old and new, chosen once by a
 * trial mount. Source: Documentation/filesystems/overlayfs.rst, fsopen(2), mount(2). Everything here may
 * block: call it off the main thread. */
#pragma once

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>

typedef enum LayersWay {
        LAYERS_WAY_DESCRIPTOR, /* 6.13 and later: FSCONFIG_SET_FD */
        LAYERS_WAY_LAYER_NAME, /* 6.8 and later: "lowerdir+" with /proc/self/fd/N */
        LAYERS_WAY_OPTIONS,    /* all: the option string of mount(2) with /proc/self/fd/N */
        LAYERS_WAY_MAX,
        LAYERS_WAY_INVALID = -EINVAL,
} LayersWay;

/* "descriptor", "layer-name", "options": the words in Features (as "overlay-WORD") and of the environment
 * LEFT4ME_LAYERS_WAY, which forces one in tests.
 *
 * Returns: a static string or NULL; the way or LAYERS_WAY_INVALID. */
const char *layers_way_to_string(LayersWay way);
LayersWay layers_way_from_string(const char *word);

/* Tries the ways, best first, with real mounts in a scratch directory it makes in `scratch_dir_fd` and
 * removes again: on the filesystem that the real mounts will use. What a crash left of an earlier trial goes
 * too. One trial at a time in a directory.
 *
 * Returns: 0 and the first way that works, or negative errno with a sentence. */
int layers_probe(int scratch_dir_fd, LayersWay *ret_way, char **ret_message);
/* Whether this one way works here.
 *
 * Returns: 0 or negative errno with a sentence. */
int layers_try(int scratch_dir_fd, LayersWay way, char **ret_message);

typedef struct LayersPlan {
        const char *source; /* what mountinfo shows as the source: "left4me-NAME" */
        int upper_fd;       /* O_PATH descriptors of directories, borrowed */
        int work_fd;
        const int *lower_fds; /* first wins */
        size_t n_lower;
} LayersPlan;

/* Mounts the plan on directory `name` (one component) in `parent_fd`, nosuid,nodev, with every overlayfs
 * option set explicitly. All or nothing: a mount that the kernel would only give read-only is refused
 * (EROFS).
 *
 * Returns: 0, or negative errno with the kernel's own words where it gave any; -EBUSY when something
 * is mounted there already, -E2BIG when the layers do not fit into the option string of mount(2). */
int layers_mount(LayersWay way, const LayersPlan *plan, int parent_fd, const char *name, char **ret_message);

/* Unmounts `name` in `parent_fd` (UMOUNT_NOFOLLOW, never detached); takes long when much is to be written.
 *
 * Returns: 0, -EINVAL when nothing is mounted, -EBUSY while anybody has a descriptor or a working directory
 * in it. */
int layers_unmount(int parent_fd, const char *name);

/* Whether `name` in `parent_fd` is a mount's root (statx). Holds no descriptor, not even meanwhile, so it
 * cannot disturb an unmount.
 *
 * Returns: 1; 0, also when there is no such name; or negative errno. */
int layers_is_mounted(int parent_fd, const char *name);

/* Refuses a layer whose top directory carries user.fuseoverlayfs.* or user.containers.override_stat
 * attributes.
 *
 * Returns: 0, -EUCLEAN with the end of a sentence, which names the attribute, or another negative errno with
 * one. */
int layers_check_top(int layer_fd, char **ret_message);

/* Makes a fresh, empty, root-owned `work` directory in `dir_fd`: what the kernel left in the old one
 * (temporary entries, never a tree of somebody's: see ovl_workdir_cleanup) goes. Never while the upper beside
 * it is mounted.
 *
 * Returns: an O_PATH descriptor owned by the caller, or negative errno with a sentence. */
int layers_renew_work(int dir_fd, char **ret_message);
