/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "generation-dir.h"
#include "beneath.h"
#include "fault.h"
#include "paths.h"
#include "util.h"

#include <fcntl.h>
#include <inttypes.h>
#include <sys/stat.h>

int overlay_dir_open(int state_fd, uint64_t overlay)
{
        g_autofree char *name = g_strdup_printf("%" PRIu64, overlay);
        _cleanup_close_ int all_fd = beneath_open(state_fd, DIR_OVERLAYS, O_RDONLY | O_DIRECTORY, 0);

        return all_fd < 0 ? all_fd : beneath_make_dir(all_fd, name, 0, 0, 0700);
}

int generation_dir_make(
        int overlay_fd, uint64_t generation, uid_t server_uid, gid_t server_gid, char **ret_message)
{
        g_autofree char *name = g_strdup_printf("%" PRIu64, generation);
        int fd = mkdirat(overlay_fd, name, 0700) < 0
                         ? -errno
                         : beneath_make_dir(overlay_fd, name, server_uid, server_gid, 0755);

        fault_point(FAULT_GENERATION_MADE);
        return fd >= 0 ? fd
                       : fail(fd, ret_message, "Cannot make the directory of generation %s: %s", name,
                                 g_strerror(-fd));
}
