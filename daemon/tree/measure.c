/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Counts a tree that somebody fills meanwhile. What is gone when it is its turn was not there; nothing is
 * judged by what a name was a moment ago. Each level of directories holds one descriptor and the names of the
 * subdirectories that are still to come. */
#include "measure.h"
#include "daemon/util.h"
#include "tree.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

typedef struct Level {
        int fd;
        GPtrArray *names; /* of subdirectories */
} Level;

typedef struct Walk {
        const TreeBound *bound;
        TreeGoesOn goes_on;
        void *userdata;
        bool is_stopped;
        GArray *levels;
        GHashTable *linked; /* inodes with several names that have been counted */
        TreeSize size;
} Walk;

static void level_clear(void *data)
{
        Level *level = data;

        close_fd(&level->fd);
        g_ptr_array_unref(level->names);
}

static void walk_clear(Walk *w)
{
        g_array_unref(w->levels);
        g_hash_table_unref(w->linked);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Walk, walk_clear)

static bool walk_is_over(const Walk *w)
{
        return w->size.bytes > w->bound->bytes || w->size.names > w->bound->names;
}

static bool walk_goes_on(Walk *w)
{
        w->is_stopped = w->is_stopped || !w->goes_on(w->userdata);
        return !w->is_stopped && !walk_is_over(w);
}

static int fail_measure(const Walk *w, const char *what)
{
        int r = -errno;

        (void)fprintf(stderr, "%s cannot be measured: %s: %s\n", w->bound->path, what, g_strerror(-r));
        return r;
}

static bool is_gone(void)
{
        return errno == ENOENT || errno == ENOTDIR || errno == ELOOP;
}

static void count(Walk *w, const struct stat *st)
{
        if (!S_ISDIR(st->st_mode) && st->st_nlink > 1) {
                gint64 inode = (gint64)st->st_ino;

                if (g_hash_table_contains(w->linked, &inode))
                        return;
                g_hash_table_add(w->linked, g_memdup2(&inode, sizeof(inode)));
        }
        w->size.bytes += (uint64_t)st->st_blocks * TREE_DISK_UNIT;
}

/* Counts what is in the directory, and notes its subdirectories. */
static int list(Walk *w, int fd, DIR *dir, GPtrArray *names)
{
        const struct dirent *entry;
        struct stat st;

        while (walk_goes_on(w) && (errno = 0, entry = readdir(dir))) {
                if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
                        continue;
                if (fstatat(fd, entry->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0) {
                        if (is_gone())
                                continue;
                        return fail_measure(w, "a file");
                }
                w->size.names++;
                count(w, &st);
                if (S_ISDIR(st.st_mode))
                        g_ptr_array_add(names, g_strdup(entry->d_name));
        }
        return w->is_stopped || walk_is_over(w) || errno == 0 || is_gone() ? 0
                                                                           : fail_measure(w, "a directory");
}

/* Takes the descriptor. */
static int enter(Walk *w, int fd)
{
        Level level = {fd, g_ptr_array_new_with_free_func(g_free)};
        int listed = fcntl(fd, F_DUPFD_CLOEXEC, 0);
        DIR *dir = listed < 0 ? NULL : fdopendir(listed);
        int r;

        g_array_append_val(w->levels, level);
        if (!dir) {
                r = fail_measure(w, "a directory");
                close_fd(&listed);
                return r;
        }
        r = list(w, fd, dir, level.names);
        closedir(dir);
        return r;
}

/* Enters the next subdirectory of the deepest level, or leaves that. */
static int step(Walk *w)
{
        Level *level = &g_array_index(w->levels, Level, w->levels->len - 1);
        g_autofree char *name = NULL;
        int fd;

        if (level->names->len == 0) {
                g_array_set_size(w->levels, w->levels->len - 1);
                return 0;
        }
        name = g_ptr_array_steal_index_fast(level->names, level->names->len - 1);
        fd = openat(level->fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (fd < 0)
                return is_gone() ? 0 : fail_measure(w, "a directory");
        return enter(w, fd);
}

int tree_measure(const TreeBound *bound, TreeGoesOn goes_on, void *userdata, TreeSize *ret_size)
{
        g_auto(Walk) w = {
                .bound = bound,
                .goes_on = goes_on,
                .userdata = userdata,
                .levels = g_array_new(FALSE, FALSE, sizeof(Level)),
                .linked = g_hash_table_new_full(g_int64_hash, g_int64_equal, g_free, NULL),
        };
        int fd = open(bound->path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        struct stat st;
        int r;

        g_array_set_clear_func(w.levels, level_clear);
        if (fd < 0 || fstat(fd, &st) < 0) {
                r = fail_measure(&w, "the top");
                close_fd(&fd);
                return r;
        }
        count(&w, &st);
        r = enter(&w, fd);
        while (r >= 0 && w.levels->len > 0 && walk_goes_on(&w))
                r = step(&w);
        *ret_size = w.size;
        return r < 0 ? r : walk_is_over(&w);
}
