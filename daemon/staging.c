/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "staging.h"
#include "beneath.h"
#include "util.h"

#include <dirent.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>

G_DEFINE_AUTOPTR_CLEANUP_FUNC(DIR, closedir)

/* The child of a threaded process: only what is async-signal-safe. */
__attribute__((no_sanitize("address", "undefined"))) static int child_wait(void *unused)
{
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        while (pause() < 0) /* always */
                ;
        return 0;
}

/* Starts a child in a new user namespace that waits to be killed.
 *
 * unshare(2) is refused to a process with threads, and clone3(2) by RestrictNamespaces=user, so this is
 * clone(2). CLONE_FILES, as a copy of the descriptors would hold other threads' mounts busy (EBUSY at their
 * unmount). No signal at the exit, which nobody's SIGCHLD handler expects; all signals blocked, or the child
 * would run the main loop's handlers on the shared descriptors. */
static pid_t child_start(int *ret_pidfd)
{
        _Alignas(16) char stack[16 * 1024];
        sigset_t all, before;
        pid_t pid;
        int saved;

        (void)sigfillset(&all);
        (void)pthread_sigmask(SIG_SETMASK, &all, &before);
        pid = clone(child_wait, stack + sizeof(stack), CLONE_NEWUSER | CLONE_PIDFD | CLONE_FILES, NULL,
                ret_pidfd);
        saved = errno;
        (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
        return pid < 0 ? -saved : pid;
}

static void child_end(int pidfd)
{
        siginfo_t info;

        (void)pidfd_send_signal(pidfd, SIGKILL, NULL, 0);
        while (waitid(P_PIDFD, (id_t)pidfd, &info, WEXITED | __WCLONE) < 0 && errno == EINTR)
                ;
}

/* The kernel takes a map in one write(2) only. */
static int child_write_map(pid_t pid, const char *which, const char *map)
{
        g_autofree char *path = g_strdup_printf("/proc/%d/%s", pid, which);
        _cleanup_close_ int fd = open(path, O_WRONLY | O_CLOEXEC);

        if (fd < 0)
                return -errno;
        return write(fd, map, strlen(map)) < 0 ? -errno : 0;
}

static int child_open_userns(pid_t pid)
{
        g_autofree char *path = g_strdup_printf("/proc/%d/ns/user", pid);
        int fd = open(path, O_RDONLY | O_CLOEXEC);

        return fd < 0 ? -errno : fd;
}

int staging_userns_new(const IdPair *pairs, size_t n_pairs)
{
        g_autoptr(GString) map = g_string_new(NULL);
        _cleanup_close_ int pidfd = -1;
        pid_t pid;
        int r;

        for (size_t i = 0; i < n_pairs; i++)
                g_string_append_printf(map, "%u %u 1\n", pairs[i].on_disk, pairs[i].seen);
        pid = child_start(&pidfd);
        if (pid < 0)
                return pid;
        r = child_write_map(pid, "uid_map", map->str);
        if (r >= 0)
                r = child_write_map(pid, "gid_map", map->str);
        if (r >= 0)
                r = child_open_userns(pid);
        child_end(pidfd);
        return r;
}

static int attach_on_dir(int target_fd, int tree_fd, int userns_fd, bool read_only)
{
        _cleanup_close_ int mount_fd =
                open_tree(tree_fd, "", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH);
        struct mount_attr attributes = {
                .attr_set = MOUNT_ATTR_IDMAP | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV |
                            (read_only ? MOUNT_ATTR_RDONLY : 0),
                .userns_fd = (uint64_t)userns_fd,
        };

        if (mount_fd < 0)
                return -errno;
        if (mount_setattr(mount_fd, "", AT_EMPTY_PATH, &attributes, sizeof(attributes)) < 0)
                return -errno;
        if (move_mount(mount_fd, "", target_fd, "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) < 0)
                return -errno;
        return 0;
}

int staging_attach(
        int staging_fd, const char *name, int tree_fd, int userns_fd, bool read_only, char **ret_message)
{
        _cleanup_close_ int target_fd = -1;
        int r;

        if (!beneath_is_component(name))
                return fail(-EINVAL, ret_message, "Staging directory \"%s\" is not one name", name);
        /* One that is there already may be mounted: a job that begins again removes its staging first. */
        if (mkdirat(staging_fd, name, 0700) < 0) {
                r = -errno;
                return fail(r, ret_message, "Cannot make staging directory \"%s\": %s", name, g_strerror(-r));
        }
        target_fd = beneath_open(staging_fd, name, O_PATH | O_DIRECTORY, 0);
        r = target_fd < 0 ? target_fd : attach_on_dir(target_fd, tree_fd, userns_fd, read_only);
        if (r < 0) {
                (void)unlinkat(staging_fd, name, AT_REMOVEDIR);
                return fail(r, ret_message, "Cannot mount an idmapped tree on staging directory \"%s\": %s%s",
                        name, g_strerror(-r),
                        r == -EINVAL ? " (does its filesystem support idmapped mounts?)" : "");
        }
        return 0;
}

/* Unmounts what is mounted on `name`, however often, then removes it: a directory that still holds something
 * stays. */
static int entry_remove(int dir_fd, const char *name)
{
        g_autofree char *path = g_strdup_printf("/proc/self/fd/%d/%s", dir_fd, name);

        while (umount2(path, UMOUNT_NOFOLLOW) >= 0)
                ;
        if (errno != EINVAL && errno != ENOENT)
                return -errno;
        return beneath_remove(dir_fd, name, 0);
}

/* Goes on after a failure. Returns: 0 or the first negative errno. */
static int entries_remove(DIR *dir)
{
        const struct dirent *entry;
        int first = 0;

        while ((errno = 0, entry = readdir(dir))) {
                int r = beneath_is_component(entry->d_name) ? entry_remove(dirfd(dir), entry->d_name) : 0;
                if (first == 0)
                        first = r;
        }
        return first < 0 ? first : -errno;
}

int staging_remove(int staging_root_fd, const char *job)
{
        g_autoptr(DIR) dir = NULL;
        _cleanup_close_ int fd = -1;
        int r;

        if (!beneath_is_component(job))
                return -EINVAL;
        fd = beneath_open(staging_root_fd, job, O_RDONLY | O_DIRECTORY, 0);
        if (fd < 0)
                return fd == -ENOENT ? 0 : fd;
        dir = fdopendir(fd);
        if (!dir)
                return -errno;
        fd = -1; /* closedir() closes it */
        r = entries_remove(dir);
        return r < 0 ? r : beneath_remove(staging_root_fd, job, 0);
}
