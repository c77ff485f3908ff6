/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* How much a tree takes of its filesystem, while it is being filled; and what the daemon must know of the
 * programs in trees. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/* Exit status of those that seal and fill a tree, EX_DATAERR of sysexits.h: this one may not become a
 * generation. */
enum { TREE_REFUSED = 65 };

/* Exit statuses of `left4me-tree watch`, which the daemon turns into words; "too large" and "too many" once
 * more for the second tree. */
enum { TREE_SPACE_LOW = 69, TREE_TOO_LARGE = 70, TREE_TOO_MANY = 71, TREE_TOO_DEEP = 74 };
#define TREE_SECOND 2

typedef struct TreeBound {
        const char *path;
        uint64_t bytes; /* space on disk of everything, what has several names once: what du(1) says */
        uint64_t names; /* of files, links and directories */
} TreeBound;

typedef struct TreeSize {
        uint64_t bytes, names;
} TreeSize;

/* Is asked again and again while a tree is counted; FALSE ends that. */
typedef bool (*TreeGoesOn)(void *userdata);

/* Follows no link, and stops as soon as a bound is passed. Returns: 1 when it was, 0, or negative errno after
 * a sentence on the standard error; -EMFILE where directories lie too deep in each other. */
int tree_measure(const TreeBound *bound, TreeGoesOn goes_on, void *userdata, TreeSize *ret_size);
