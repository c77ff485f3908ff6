/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The directories overlays/<id>/<generation>. The way there is root's; each generation is left4me's. */
#pragma once

#include <stdint.h>
#include <sys/types.h>

/* Opens overlays/<id>, making it on the way. Returns: a descriptor owned by the caller, or negative errno. */
int overlay_dir_open(int state_fd, uint64_t overlay);
/* Makes a generation's directory, which must be new: its number was never used. Returns: a descriptor owned
 * by the caller, or negative errno with a sentence. */
int generation_dir_make(
        int overlay_fd, uint64_t generation, uid_t server_uid, gid_t server_gid, char **ret_message);
