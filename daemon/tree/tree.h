/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* left4me-tree: what has to walk a tree that somebody else filled. The daemon starts it in a transient unit
 * as a sandbox user, without capabilities, where it sees that one tree and nothing else; everything in the
 * tree is hostile all the same. Names reach the kernel one component at a time, relative to a descriptor, and
 * no link is ever followed. */
#pragma once

#include "measure.h"

#include <glib.h>

#define TREE_DISK_UNIT 512 /* of st_blocks, on every filesystem */

enum {
        TREE_DONE = 0,
        TREE_FAILED = 1,
        TREE_USAGE = 64,  /* EX_USAGE of sysexits.h */
        FILTER_WORKS = 0, /* of probe-filter: this host's loopback cannot be reached */
        FILTER_INERT = 1,
        FILTER_UNKNOWN = 2,
};

/* How many directories may lie in each other below the top. */
#define TREE_LEVELS_MAX 128

/* Counts, digests and checks the tree at `path`, and makes its filesystem durable. Prints one line on the
 * standard output: "DIGEST BYTES FILES", or "refused: PATH: REASON", which it repeats on the standard error.
 *
 * DIGEST is SHA-256, in hexadecimal, over the tree's entries: the top directory, then depth first, in each
 * directory by the raw bytes of the names. An entry is its type ('d', 'f' or 'l'), its permission bits (4
 * bytes), its path below the top (8 bytes of length, then the path) and, for a file, its size (8 bytes) and
 * the SHA-256 of its content (32 bytes), for a link its target (8 bytes of length, then the target). Numbers
 * are big-endian. Times, owners, inode numbers and hard links do not count. BYTES is the space on disk of
 * everything, the top directory too and what has several names once: what du(1) says. FILES is the number of
 * names of regular files and symbolic links.
 *
 * Returns: an exit status. */
int tree_seal(const char *path);

/* Deletes everything in the directory at `path`, but not that directory; crosses no mount. Goes on after an
 * entry that cannot be deleted and names the first such on the standard error.
 *
 * Returns: an exit status. */
int tree_empty(const char *path);

/* Watches trees that are being filled, until one of them passes a bound, less than `keep_free` bytes of their
 * filesystem are free, or it is asked to end by SIGTERM: then it looks once more. Prints in the first two
 * cases how much there was.
 *
 * Returns: an exit status; TREE_DONE when it was asked to end. */
int tree_watch(uint64_t keep_free, const TreeBound *bounds, size_t n_bounds);

/* Finds out whether this process can send to this host's loopback: in a unit with IPAddressDeny= it must not.
 *
 * Returns: an exit status. */
int probe_filter(void);

/* Returns: a name or path made printable, cut at 200 bytes, allocated. */
char *tree_printable(const char *name);
