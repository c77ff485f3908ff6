/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "daemon/util.h"
#include "unpack.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>

#define BUFFER_SIZE (256 * 1024)

G_DEFINE_AUTOPTR_CLEANUP_FUNC(DIR, closedir)

/* Where the kernel does not copy between these two. */
static int copy_by_hand(Target *t, int from_fd, int to_fd, off_t at, off_t end)
{
        g_autofree uint8_t *buffer = g_malloc(BUFFER_SIZE);

        while (at < end) {
                ssize_t n = pread(from_fd, buffer, (size_t)MIN(BUFFER_SIZE, end - at), at);

                if (n == 0)
                        return 0;
                if (n < 0)
                        return target_fail(t, "cannot be read");
                for (ssize_t done = 0, w; done < n; done += w, at += w) {
                        w = pwrite(to_fd, buffer + done, (size_t)(n - done), at);
                        if (w < 0)
                                return target_fail(t, "cannot be written");
                }
        }
        return 0;
}

/* Shares the blocks where the filesystem can. */
static int copy_range(Target *t, int from_fd, int to_fd, off_t at, off_t end)
{
        while (at < end) {
                off_t to = at;
                ssize_t n = copy_file_range(from_fd, &at, to_fd, &to, (size_t)(end - at), 0);

                if (n == 0)
                        return 0;
                if (n < 0 && (errno == ENOSPC || errno == EIO || errno == EFBIG || errno == EDQUOT))
                        return target_fail(t, "cannot be copied");
                if (n < 0)
                        return copy_by_hand(t, from_fd, to_fd, at, end);
        }
        return 0;
}

int copy_data(Target *t, int from_fd, int to_fd, off_t size)
{
        int r = target_count(t, 0, (uint64_t)size);

        for (off_t at = 0, end; r >= 0 && at < size; at = end) {
                off_t data = lseek(from_fd, at, SEEK_DATA);

                if (data < 0 && errno == ENXIO)
                        break;
                at = MAX(at, data);
                end = lseek(from_fd, at, SEEK_HOLE);
                end = end > at ? MIN(end, size) : size;
                r = copy_range(t, from_fd, to_fd, at, end);
        }
        if (r >= 0 && ftruncate(to_fd, size) < 0)
                return target_fail(t, "cannot be written");
        return r;
}

static int copy_directory(Target *t, int from_fd, int to_fd, unsigned level);

static int copy_file(Target *t, int from_fd, int to_fd, const char *name, const struct stat *st)
{
        _cleanup_close_ int in = openat(from_fd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
        _cleanup_close_ int out = openat(to_fd, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
        int r;

        if (in < 0 || out < 0)
                return target_fail(t, "cannot be copied");
        r = copy_data(t, in, out, st->st_size);
        if (r >= 0 && fchmod(out, st->st_mode & 0777) < 0)
                return target_fail(t, "cannot be copied");
        return r;
}

static int copy_link(Target *t, int from_fd, int to_fd, const char *name)
{
        char to[PATH_MAX + 1];
        ssize_t n = readlinkat(from_fd, name, to, sizeof(to) - 1);

        if (n < 0)
                return target_fail(t, "cannot be copied");
        to[n] = '\0';
        return symlinkat(to, to_fd, name) < 0 ? target_fail(t, "cannot be copied") : 0;
}

static int copy_subdirectory(
        Target *t, int from_fd, int to_fd, const char *name, const struct stat *st, unsigned level)
{
        _cleanup_close_ int in = openat(from_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        _cleanup_close_ int out = -EBADF;
        int r;

        if (level > TREE_LEVELS_MAX)
                return target_refuse(t, "lies deeper than %d directories", TREE_LEVELS_MAX);
        if (in < 0 || mkdirat(to_fd, name, 0700) < 0)
                return target_fail(t, "cannot be copied");
        out = openat(to_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (out < 0)
                return target_fail(t, "cannot be copied");
        r = copy_directory(t, in, out, level);
        if (r >= 0 && fchmod(out, st->st_mode & 0777) < 0)
                return target_fail(t, "cannot be copied");
        return r;
}

static int copy_entry(Target *t, int from_fd, int to_fd, const char *name, unsigned level)
{
        struct stat st;
        int r;

        g_free(t->path);
        t->path = g_strdup(name);
        if (fstatat(from_fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
                return target_fail(t, "cannot be copied");
        r = target_count(t, 1, 0);
        if (r < 0)
                return r;
        if (S_ISREG(st.st_mode))
                return copy_file(t, from_fd, to_fd, name, &st);
        if (S_ISLNK(st.st_mode))
                return copy_link(t, from_fd, to_fd, name);
        if (S_ISDIR(st.st_mode))
                return copy_subdirectory(t, from_fd, to_fd, name, &st, level);
        return target_refuse(t, "is of a kind that no generation has");
}

/* The entries are `level` directories below the top. */
static int copy_directory(Target *t, int from_fd, int to_fd, unsigned level)
{
        int fd = openat(from_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        g_autoptr(DIR) dir = fd < 0 ? NULL : fdopendir(fd);
        const struct dirent *entry;
        int r = 0;

        if (!dir)
                return target_fail(t, "cannot be copied");
        while (r >= 0 && (errno = 0, entry = readdir(dir)))
                if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
                        r = copy_entry(t, from_fd, to_fd, entry->d_name, level + 1);
        return r >= 0 && errno != 0 ? target_fail(t, "cannot be copied") : r;
}

int copy_tree(Target *t, const char *path)
{
        _cleanup_close_ int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

        return fd < 0 ? target_fail(t, path) : copy_directory(t, fd, t->fd, 0);
}
