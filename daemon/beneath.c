/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "beneath.h"
#include "util.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>

G_DEFINE_AUTOPTR_CLEANUP_FUNC(DIR, closedir)

bool beneath_is_component(const char *name)
{
        return *name && !strchr(name, '/') && strcmp(name, ".") != 0 && strcmp(name, "..") != 0;
}

int beneath_open(int dir_fd, const char *path, int flags, mode_t mode)
{
        struct open_how how = {
                /* With O_PATH|O_NOFOLLOW the kernel would open the link itself; here a link is always
                   refused. */
                .flags = (flags & ~O_NOFOLLOW) | O_CLOEXEC,
                .mode = flags & (O_CREAT | __O_TMPFILE) ? mode : 0,
                .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS,
        };
        long fd = syscall(SYS_openat2, dir_fd, path, &how, sizeof(how));

        return fd < 0 ? -errno : (int)fd;
}

static int set_owner_and_mode(int fd, uid_t uid, gid_t gid, mode_t mode)
{
        struct stat st;

        if (fstat(fd, &st) < 0)
                return -errno;
        if ((st.st_uid != uid || st.st_gid != gid) && fchown(fd, uid, gid) < 0)
                return -errno;
        if ((st.st_mode & 07777) != mode && fchmod(fd, mode) < 0)
                return -errno;
        return 0;
}

int beneath_make_dir(int dir_fd, const char *name, uid_t uid, gid_t gid, mode_t mode)
{
        _cleanup_close_ int fd = -1;
        int r;

        if (!beneath_is_component(name))
                return -EINVAL;
        if (mkdirat(dir_fd, name, 0700) < 0 && errno != EEXIST)
                return -errno;
        fd = beneath_open(dir_fd, name, O_RDONLY | O_DIRECTORY, 0);
        if (fd < 0)
                return fd;
        r = set_owner_and_mode(fd, uid, gid, mode);
        return r < 0 ? r : steal_fd(&fd);
}

static int write_all(int fd, const char *data, size_t size)
{
        while (size > 0) {
                ssize_t n = write(fd, data, size);

                if (n < 0 && errno != EINTR)
                        return -errno;
                if (n > 0) {
                        data += n;
                        size -= (size_t)n;
                }
        }
        return 0;
}

static int write_new_file(
        int dir_fd, const char *name, const void *data, size_t size, uid_t uid, gid_t gid, mode_t mode)
{
        _cleanup_close_ int fd = beneath_open(dir_fd, name, O_WRONLY | O_CREAT | O_EXCL, 0600);
        int r;

        if (fd < 0)
                return fd;
        r = write_all(fd, data, size);
        if (r >= 0)
                r = set_owner_and_mode(fd, uid, gid, mode);
        if (r >= 0 && fsync(fd) < 0)
                r = -errno;
        return r;
}

/* `dir_fd` itself may be an O_PATH descriptor, which fsync(2) refuses. */
static int sync_dir(int dir_fd)
{
        _cleanup_close_ int fd = beneath_open(dir_fd, ".", O_RDONLY | O_DIRECTORY, 0);

        if (fd < 0)
                return fd;
        return fsync(fd) < 0 ? -errno : 0;
}

int beneath_write_file(
        int dir_fd, const char *name, const void *data, size_t size, uid_t uid, gid_t gid, mode_t mode)
{
        g_autofree char *temporary = NULL;
        int r;

        if (!beneath_is_component(name))
                return -EINVAL;
        temporary = g_strdup_printf(".%s.new", name);
        /* Always the same name, so that what a crash left goes with the next write. */
        if (unlinkat(dir_fd, temporary, 0) < 0 && errno != ENOENT)
                return -errno;
        r = write_new_file(dir_fd, temporary, data, size, uid, gid, mode);
        if (r >= 0 && renameat(dir_fd, temporary, dir_fd, name) < 0)
                r = -errno;
        if (r < 0) {
                (void)unlinkat(dir_fd, temporary, 0);
                return r;
        }
        return sync_dir(dir_fd);
}

static int remove_entries(int dir_fd, const char *name, unsigned levels)
{
        _cleanup_close_ int fd = beneath_open(dir_fd, name, O_RDONLY | O_DIRECTORY, 0);
        g_autoptr(DIR) dir = NULL;
        const struct dirent *entry;

        if (fd < 0)
                return fd;
        dir = fdopendir(fd);
        if (!dir)
                return -errno;
        fd = -1; /* closedir() closes it */
        while ((errno = 0, entry = readdir(dir))) {
                if (beneath_is_component(entry->d_name)) {
                        int r = beneath_remove(dirfd(dir), entry->d_name, levels);
                        if (r < 0)
                                return r;
                }
        }
        return -errno;
}

int beneath_remove(int dir_fd, const char *name, unsigned levels)
{
        int r;

        if (!beneath_is_component(name))
                return -EINVAL;
        if (unlinkat(dir_fd, name, 0) >= 0 || errno == ENOENT)
                return 0;
        if (errno != EISDIR)
                return -errno;
        /* A mount gives EBUSY here, before anything in it is looked at. */
        if (unlinkat(dir_fd, name, AT_REMOVEDIR) >= 0)
                return 0;
        if (errno != ENOTEMPTY || levels == 0)
                return -errno;
        r = remove_entries(dir_fd, name, levels - 1);
        if (r < 0)
                return r;
        return unlinkat(dir_fd, name, AT_REMOVEDIR) < 0 ? -errno : 0;
}

GPtrArray *beneath_list(int dir_fd, const char *path, int *ret_error)
{
        g_autoptr(GPtrArray) names = g_ptr_array_new_with_free_func(g_free);
        _cleanup_close_ int fd = beneath_open(dir_fd, path, O_RDONLY | O_DIRECTORY, 0);
        g_autoptr(DIR) dir = fd >= 0 ? fdopendir(fd) : NULL;

        if (!dir) {
                *ret_error = fd < 0 ? fd : -errno;
                return NULL;
        }
        fd = -1; /* closedir() closes it */
        for (struct dirent *e; (e = readdir(dir));)
                if (beneath_is_component(e->d_name))
                        g_ptr_array_add(names, g_strdup(e->d_name));
        return g_steal_pointer(&names);
}
