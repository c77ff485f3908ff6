/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Bounds a generation that is being filled by a project quota, where the filesystem has that: what is written
 * is then refused beyond it, however fast it comes. The bound is a little above the overlay's limits, so that
 * who runs into it has passed them and is found by the watcher or the seal, which say so.
 *
 * The directory gets a project of its own, which what is made in it inherits. No build can change that: the
 * kernel lets nobody in a user namespace of his own do so. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/* Tries it in a scratch directory below `dir_fd`. Returns: whether a quota really holds there; false when
 * what is made there is in a project already. */
bool project_quota_try(int dir_fd);
/* Bounds what is made from now on in the empty directory `dir_fd`. Returns: 0 or negative errno with a
 * sentence. */
int project_quota_set(int dir_fd, uint64_t bytes, uint64_t files, char **ret_message);
/* Takes the bound away again, where there is one; the project stays. */
void project_quota_lift(int dir_fd);
