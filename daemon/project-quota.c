/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "project-quota.h"
#include "beneath.h"
#include "util.h"

#include <linux/fs.h>
#include <linux/quota.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#define SCRATCH ".quota-trial"

/* How far the bound is above the limits. More than any one request for space that is refused, and so few
 * files that they do not matter. */
#define SLACK_BYTES (UINT64_C(16) << 20)
#define SLACK_FILES 1000

/* Numbers of projects: an administrator's are small. */
#define PROJECT_FIRST  (UINT32_C(1) << 31)
#define PROJECT_NUMBER (1 << 30)

/* Some fd on the filesystem. glibc has no name for it. */
static int quota_call(int fd, unsigned command, uint32_t project, struct if_dqblk *quota)
{
        return syscall(SYS_quotactl_fd, fd, QCMD(command, PRJQUOTA), project, quota) < 0 ? -errno : 0;
}

static int quota_limit(int fd, uint32_t project, uint64_t bytes, uint64_t files)
{
        struct if_dqblk quota = {
                .dqb_bhardlimit = bytes / QIF_DQBLKSIZE + (bytes % QIF_DQBLKSIZE != 0),
                .dqb_ihardlimit = files,
                .dqb_valid = QIF_LIMITS,
        };

        return quota_call(fd, Q_SETQUOTA, project, &quota);
}

/* Returns: whether nothing has this project, or negative errno. */
static int project_is_free(int fd, uint32_t project)
{
        struct if_dqblk quota = {};
        int r = quota_call(fd, Q_GETQUOTA, project, &quota);

        if (r < 0)
                return r == -ENOENT ? true : r; /* xfs */
        return quota.dqb_curspace == 0 && quota.dqb_curinodes == 0 && quota.dqb_bhardlimit == 0 &&
               quota.dqb_ihardlimit == 0;
}

static int project_give(int dir_fd, uint64_t bytes, uint64_t files)
{
        uint32_t project;
        struct fsxattr attributes;
        int r;

        do
                project = PROJECT_FIRST + (uint32_t)g_random_int_range(0, PROJECT_NUMBER);
        while ((r = project_is_free(dir_fd, project)) == false);
        if (r < 0)
                return r;
        if (ioctl(dir_fd, FS_IOC_FSGETXATTR, &attributes) < 0)
                return -errno;
        attributes.fsx_projid = project;
        attributes.fsx_xflags |= FS_XFLAG_PROJINHERIT;
        if (ioctl(dir_fd, FS_IOC_FSSETXATTR, &attributes) < 0)
                return -errno;
        return quota_limit(dir_fd, project, bytes, files);
}

int project_quota_set(int dir_fd, uint64_t bytes, uint64_t files, char **ret_message)
{
        int r = project_give(dir_fd, bytes + SLACK_BYTES, files + SLACK_FILES);

        return r < 0 ? fail(r, ret_message,
                               "Cannot set a project quota: %s; if quotas were turned off, restart "
                               "left4me-hostd",
                               g_strerror(-r))
                     : 0;
}

void project_quota_lift(int dir_fd)
{
        struct fsxattr attributes;
        int r;

        if (ioctl(dir_fd, FS_IOC_FSGETXATTR, &attributes) < 0 || attributes.fsx_projid < PROJECT_FIRST)
                return;
        r = quota_limit(dir_fd, attributes.fsx_projid, 0, 0);
        if (r < 0 && r != -ESRCH) /* quotas have been turned off */
                g_warning("The limits of project %u stay, which does no harm: %s", attributes.fsx_projid,
                        g_strerror(-r));
}

/* A generation that had a project of ours within an administrator's could not be moved to the trash, and
 * would be out of the administrator's bound. */
static bool has_project(int fd)
{
        struct fsxattr attributes;

        if (ioctl(fd, FS_IOC_FSGETXATTR, &attributes) < 0 || attributes.fsx_projid == 0)
                return false;
        g_message("The directory of the overlays has project %u already; builds get no project quotas of "
                  "their own, so that its quota holds",
                attributes.fsx_projid);
        return true;
}

/* Accounting alone would not do: the directory is all that its project may have, and must get nothing in it.
 */
bool project_quota_try(int dir_fd)
{
        _cleanup_close_ int fd = -EBADF;
        bool holds = false;

        (void)beneath_remove(dir_fd, SCRATCH, 1); /* a crash may have left one, with a project of ours */
        fd = beneath_make_dir(dir_fd, SCRATCH, 0, 0, 0700);
        if (fd >= 0 && !has_project(fd)) {
                holds = project_give(fd, 0, 1) >= 0 && mkdirat(fd, "more", 0700) < 0 && errno == EDQUOT;
                project_quota_lift(fd);
        }
        (void)beneath_remove(dir_fd, SCRATCH, 1);
        return holds;
}
