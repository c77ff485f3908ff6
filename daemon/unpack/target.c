/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "daemon/util.h"
#include "unpack.h"

#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>

int target_refuse(Target *t, const char *format, ...)
{
        va_list args;

        va_start(args, format);
        t->reason = g_strdup_vprintf(format, args);
        va_end(args);
        t->status = TREE_REFUSED;
        return -EUCLEAN;
}

int target_fail(Target *t, const char *what)
{
        int r = -errno;

        t->reason = g_strdup_printf("%s: %s", what, g_strerror(errno));
        t->status = TREE_FAILED;
        return r;
}

int target_count(Target *t, uint64_t entries, uint64_t bytes)
{
        bool is_too_many = entries > t->max_entries - t->entries;
        int r;

        if (!is_too_many && bytes <= t->max_bytes - t->bytes) {
                t->entries += entries;
                t->bytes += bytes;
                return 0;
        }
        r = is_too_many ? target_refuse(t, "is more than %" PRIu64 " files", t->max_entries)
                        : target_refuse(t, "makes more than %" PRIu64 " bytes", t->max_bytes);
        t->status = is_too_many ? TREE_TOO_MANY : TREE_TOO_LARGE;
        return r;
}

/* Places */

void place_clear(Place *p)
{
        g_strfreev(p->components);
        *p = (Place){};
}

int place_parse(Target *t, const char *name, Place *ret_place)
{
        g_autoptr(GStrvBuilder) builder = g_strv_builder_new();
        g_auto(GStrv) words = g_strsplit(name, "/", -1);
        unsigned n = 0;

        if (name[0] == '/')
                return target_refuse(t, "has an absolute name");
        for (char **word = words; *word; word++) {
                if (strcmp(*word, "..") == 0)
                        return target_refuse(t, "has \"..\" in its name");
                if (strcmp(*word, "") == 0 || strcmp(*word, ".") == 0)
                        continue;
                if (strlen(*word) > NAME_MAX)
                        return target_refuse(t, "has a name that is too long");
                g_strv_builder_add(builder, *word);
                n++;
        }
        if (n > TREE_LEVELS_MAX)
                return target_refuse(t, "lies deeper than %d directories", TREE_LEVELS_MAX);
        *ret_place = (Place){g_strv_builder_end(builder), n};
        return 0;
}

static const char *place_name(const Place *p)
{
        return p->components[p->n - 1];
}

/* Making */

static int refuse_way(Target *t, int dir_fd, const char *name)
{
        g_autofree char *shown = tree_printable(name);
        struct stat st;

        if (fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) >= 0 && S_ISLNK(st.st_mode))
                return target_refuse(t, "leads through a symbolic link (%s)", shown);
        return target_refuse(t, "lies in what is a file already (%s)", shown);
}

/* Opens a directory in another, making it where there is nothing. */
static int open_step(Target *t, int dir_fd, const char *name)
{
        const int flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
        int fd = openat(dir_fd, name, flags);

        if (fd < 0 && errno == ENOENT) {
                int r = target_count(t, 1, 0);

                if (r < 0)
                        return r;
                if (mkdirat(dir_fd, name, 0755) < 0)
                        return target_fail(t, "cannot make the directory");
                fd = openat(dir_fd, name, flags);
        }
        if (fd < 0 && (errno == ENOTDIR || errno == ELOOP))
                return refuse_way(t, dir_fd, name);
        return fd < 0 ? target_fail(t, "cannot open its directory") : fd;
}

int target_open_directory(Target *t, const Place *place, unsigned n)
{
        _cleanup_close_ int fd = fcntl(t->fd, F_DUPFD_CLOEXEC, 3);

        if (fd < 0)
                return target_fail(t, "cannot open the top");
        for (unsigned i = 0; i < n; i++) {
                int next = open_step(t, fd, place->components[i]);

                if (next < 0)
                        return next;
                close_fd(&fd);
                fd = next;
        }
        return steal_fd(&fd);
}

static int remove_entry(Target *t, int dir_fd, const char *name)
{
        struct stat st;

        if (fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
                return errno == ENOENT ? 0 : target_fail(t, "cannot look at what is there");
        if (S_ISDIR(st.st_mode))
                return target_refuse(t, "has the name of a directory that is there already");
        if (unlinkat(dir_fd, name, 0) < 0)
                return target_fail(t, "cannot replace what is there");
        t->entries--;
        if (S_ISREG(st.st_mode) && st.st_nlink == 1)
                t->bytes -= (uint64_t)st.st_size;
        return 0;
}

/* Opens the directory that an entry goes into, and takes away what is there by its name. */
static int open_for_entry(Target *t, const Place *place)
{
        _cleanup_close_ int fd = -EBADF;
        int r;

        if (place->n == 0)
                return target_refuse(t, "has the name of the top directory");
        fd = target_open_directory(t, place, place->n - 1);
        if (fd < 0)
                return fd;
        r = remove_entry(t, fd, place_name(place));
        if (r >= 0)
                r = target_count(t, 1, 0);
        return r < 0 ? r : steal_fd(&fd);
}

int target_make_file(Target *t, const Place *place, bool is_executable)
{
        _cleanup_close_ int dir_fd = open_for_entry(t, place);
        int fd;

        if (dir_fd < 0)
                return dir_fd;
        fd = openat(dir_fd, place_name(place), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
                is_executable ? 0755 : 0644);
        return fd < 0 ? target_fail(t, "cannot be made") : fd;
}

/* A link may lead up from where it stands as far as the top, and then down. Up after down is refused, even
 * where the names seem to allow it: on the way down may be another link. */
static bool leads_out(const char *to, unsigned depth)
{
        g_auto(GStrv) words = g_strsplit(to, "/", -1);
        bool is_down = to[0] == '/';

        for (char **word = words; *word; word++) {
                if (strcmp(*word, "") == 0 || strcmp(*word, ".") == 0)
                        continue;
                if (strcmp(*word, "..") != 0)
                        is_down = true;
                else if (is_down || depth-- == 0)
                        return true;
        }
        return to[0] == '/';
}

int target_make_link(Target *t, const Place *place, const char *to)
{
        _cleanup_close_ int dir_fd = -EBADF;

        if (place->n > 0 && leads_out(to, place->n - 1)) {
                g_autofree char *shown = tree_printable(to);

                return target_refuse(t, "is a symbolic link that leads out of the tree (%s)", shown);
        }
        dir_fd = open_for_entry(t, place);
        if (dir_fd < 0)
                return dir_fd;
        if (symlinkat(to, dir_fd, place_name(place)) < 0)
                return errno == ENAMETOOLONG || errno == ENOENT
                               ? target_refuse(t, "is a symbolic link to a name that cannot be")
                               : target_fail(t, "cannot be made");
        return 0;
}

static bool is_same(const struct stat *a, const struct stat *b)
{
        return a->st_dev == b->st_dev && a->st_ino == b->st_ino;
}

int target_make_hard_link(Target *t, const Place *place, const char *existing)
{
        _cleanup_close_ int from_fd = -EBADF, dir_fd = -EBADF;
        g_auto(Place) from = {};
        struct stat st, own;
        int r = place_parse(t, existing, &from);

        if (r < 0)
                return r;
        from_fd = from.n > 0 ? target_open_directory(t, &from, from.n - 1) : -EBADF;
        if (from_fd < 0 && t->reason)
                return from_fd;
        if (from_fd < 0 || fstatat(from_fd, place_name(&from), &st, AT_SYMLINK_NOFOLLOW) < 0 ||
                !S_ISREG(st.st_mode))
                return target_refuse(t, "is a hard link to what is no file in the tree");
        if (place->n > 0) {
                dir_fd = target_open_directory(t, place, place->n - 1);
                if (dir_fd < 0)
                        return dir_fd;
                /* To take away the name first would take away the file. */
                if (fstatat(dir_fd, place_name(place), &own, AT_SYMLINK_NOFOLLOW) >= 0 && is_same(&st, &own))
                        return 0;
                close_fd(&dir_fd);
        }
        dir_fd = open_for_entry(t, place);
        if (dir_fd < 0)
                return dir_fd;
        if (linkat(from_fd, place_name(&from), dir_fd, place_name(place), 0) < 0)
                return target_fail(t, "cannot be linked");
        return 0;
}
