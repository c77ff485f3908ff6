/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "control-group.h"
#include "beneath.h"
#include "util.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/vfs.h>

/* Returns: the root of the hierarchy that knows how to freeze, the second version's; with the first in use it
 * lies beside the others. */
static int open_root(void)
{
        static const char *const places[] = {"/sys/fs/cgroup", "/sys/fs/cgroup/unified"};

        for (size_t n = 0; n < G_N_ELEMENTS(places); n++) {
                _cleanup_close_ int fd = open(places[n], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
                struct statfs fs;

                if (fd >= 0 && fstatfs(fd, &fs) == 0 && fs.f_type == CGROUP2_SUPER_MAGIC)
                        return steal_fd(&fd);
        }
        return -EOPNOTSUPP;
}

int control_group_open(const char *path, const char *file, int flags)
{
        g_autofree char *beneath = g_strdup_printf("%s/%s", path + strspn(path, "/"), file);
        _cleanup_close_ int root_fd = open_root();

        return root_fd < 0 ? root_fd : beneath_open(root_fd, beneath, flags, 0);
}
