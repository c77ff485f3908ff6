/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Empties a tree of any depth with two directories open. What is in the top directory is deleted; a
 * subdirectory that holds something is opened, its entries are deleted, and those of them that are
 * directories and hold something themselves are moved up into the top under a number. So each directory is
 * moved once at most, whatever a hostile tree looks like, and nothing recurses.
 *
 * A mount is never entered: to delete or to move one is EBUSY, and only what ENOTEMPTY was said of is ever
 * opened. */
#include "daemon/util.h"
#include "tree.h"

#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

G_DEFINE_AUTOPTR_CLEANUP_FUNC(DIR, closedir)

typedef struct Emptying {
        const char *path; /* of the top, for messages */
        int fd;           /* of the top */
        uint64_t moved;   /* the number that the next directory gets */
        uint64_t looked;  /* the lowest number that was not looked at since */
        char *failure;    /* the first, in this pass */
} Emptying;

static void note_failure(Emptying *e, const char *name)
{
        int reason = errno;
        g_autofree char *printable = NULL;

        if (e->failure)
                return;
        printable = tree_printable(name);
        e->failure = g_strdup_printf("%s: cannot delete \"%s\": %s", e->path, printable, g_strerror(reason));
}

/* What this user may not read, write and search cannot be emptied or moved: gives the owner these rights
 * where they lack. A failure shows in what is done next. */
static void unlock_directory(int dir_fd, const char *name)
{
        struct stat st;

        if (fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) >= 0 && S_ISDIR(st.st_mode) &&
                (st.st_mode & 0700) != 0700)
                (void)fchmodat(dir_fd, name, 0700, AT_SYMLINK_NOFOLLOW);
}

static DIR *open_directory(int dir_fd, const char *name)
{
        _cleanup_close_ int fd = -1;
        DIR *dir;

        unlock_directory(dir_fd, name);
        fd = openat(dir_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        dir = fd < 0 ? NULL : fdopendir(fd);
        if (dir)
                fd = -1; /* closedir() closes it */
        return dir;
}

/* Returns: the next name that is not "." or "..", or NULL at the end. */
static const char *next_name(DIR *dir)
{
        const struct dirent *entry;

        while ((entry = readdir(dir)))
                if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
                        return entry->d_name;
        return NULL;
}

/* Deletes a file or an empty directory. Returns: whether it is gone; errno is ENOTEMPTY for a directory that
 * holds something. */
static gboolean entry_delete(int dir_fd, const char *name)
{
        if (unlinkat(dir_fd, name, 0) >= 0 || errno == ENOENT)
                return TRUE;
        return errno == EISDIR && unlinkat(dir_fd, name, AT_REMOVEDIR) >= 0;
}

static gboolean move_up(Emptying *e, int dir_fd, const char *name)
{
        unlock_directory(dir_fd, name); /* its ".." changes, so that it must be writable */
        for (;; e->moved++) {
                char number[24];

                (void)g_snprintf(number, sizeof(number), "%" PRIu64, e->moved);
                if (renameat2(dir_fd, name, e->fd, number, RENAME_NOREPLACE) >= 0) {
                        e->moved++;
                        return TRUE;
                }
                if (errno != EEXIST)
                        return FALSE;
        }
}

/* Takes everything out of a subdirectory of the top and deletes it. Returns: whether it is gone. */
static gboolean subdirectory_delete(Emptying *e, const char *name)
{
        g_autoptr(DIR) dir = open_directory(e->fd, name);
        gboolean taken;

        if (!dir)
                return FALSE;
        do {
                const char *inner;

                taken = FALSE;
                rewinddir(dir);
                while ((inner = next_name(dir))) {
                        if (entry_delete(dirfd(dir), inner) ||
                                (errno == ENOTEMPTY && move_up(e, dirfd(dir), inner)))
                                taken = TRUE;
                        else
                                note_failure(e, inner);
                }
                if (unlinkat(e->fd, name, AT_REMOVEDIR) >= 0)
                        return TRUE;
        } while (taken && errno == ENOTEMPTY); /* a reader may miss entries while others go */
        return FALSE;
}

static gboolean top_entry_delete(Emptying *e, const char *name)
{
        if (entry_delete(e->fd, name) || (errno == ENOTEMPTY && subdirectory_delete(e, name)))
                return TRUE;
        note_failure(e, name);
        return FALSE;
}

/* Goes through the top and what is moved there meanwhile, once. Returns: whether it makes sense to look
 * again. */
static gboolean pass(Emptying *e, DIR *top)
{
        gboolean seen = FALSE, deleted = FALSE;
        const char *name;

        g_clear_pointer(&e->failure, g_free);
        rewinddir(top);
        while ((name = next_name(top))) {
                seen = TRUE;
                deleted |= top_entry_delete(e, name);
        }
        for (; e->looked < e->moved; e->looked++) {
                char number[24];

                (void)g_snprintf(number, sizeof(number), "%" PRIu64, e->looked);
                deleted |= top_entry_delete(e, number);
        }
        return seen && deleted;
}

int tree_empty(const char *path)
{
        g_autoptr(DIR) top = open_directory(AT_FDCWD, path);
        Emptying e = {.path = path};

        if (!top) {
                (void)fprintf(stderr, "%s: cannot open: %s\n", path, g_strerror(errno));
                return TREE_FAILED;
        }
        e.fd = dirfd(top);
        while (pass(&e, top))
                ;
        if (!e.failure)
                return TREE_DONE;
        (void)fprintf(stderr, "%s\n", e.failure);
        g_free(e.failure);
        return TREE_FAILED;
}
