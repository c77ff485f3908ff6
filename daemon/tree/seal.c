/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What is sealed cannot change meanwhile (the unit that wrote it has ended), but nothing here relies on it:
 * every descriptor is checked after it is open. Each level of directories holds one descriptor, hence the
 * limit. */
#include "daemon/layers.h"
#include "daemon/util.h"
#include "tree.h"

#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define BUFFER_SIZE (256 * 1024)
#define SHA256_SIZE 32
/* Holes take no space, but as long to digest as what is written: all of a tree's together, a minute or so. */
#define HOLES_MAX (16 * 1024 * 1024 * 1024ULL)

typedef struct Seal {
        GChecksum *entries;
        GChecksum *content; /* of the file in hand */
        GHashTable *linked; /* inodes with several names that were met -> digest of the content, or NULL */
        GString *path;      /* of the entry in hand, below the top */
        uint8_t *buffer;
        uint64_t bytes;
        uint64_t holes;
        uint64_t files;
        char *reason; /* why the entry in hand is refused; then `path` stays on it */
} Seal;

static int seal_directory(Seal *seal, int fd, unsigned level);

static int G_GNUC_PRINTF(2, 3) refuse(Seal *seal, const char *format, ...)
{
        va_list args;

        va_start(args, format);
        seal->reason = g_strdup_vprintf(format, args);
        va_end(args);
        return -EUCLEAN;
}

static int refuse_unreadable(Seal *seal)
{
        return refuse(seal, "cannot be read: %s", g_strerror(errno));
}

static void record_number(Seal *seal, uint64_t number)
{
        uint64_t big_endian = GUINT64_TO_BE(number);

        g_checksum_update(seal->entries, (const uint8_t *)&big_endian, sizeof(big_endian));
}

static void record_text(Seal *seal, const char *text, size_t length)
{
        record_number(seal, length);
        g_checksum_update(seal->entries, (const uint8_t *)text, (gssize)length);
}

static void record_entry(Seal *seal, char type, const struct stat *st)
{
        uint32_t mode = GUINT32_TO_BE(st->st_mode & 07777);

        g_checksum_update(seal->entries, (const uint8_t *)&type, 1);
        g_checksum_update(seal->entries, (const uint8_t *)&mode, sizeof(mode));
        record_text(seal, seal->path->str, seal->path->len);
}

static void linked_set(Seal *seal, const struct stat *st, uint8_t *digest)
{
        gint64 inode = (gint64)st->st_ino;

        g_hash_table_insert(seal->linked, g_memdup2(&inode, sizeof(inode)), digest);
}

static bool linked_is_met(Seal *seal, const struct stat *st, const uint8_t **ret_digest)
{
        gint64 inode = (gint64)st->st_ino;

        return g_hash_table_lookup_extended(seal->linked, &inode, NULL, (void **)ret_digest);
}

static bool has_several_names(const struct stat *st)
{
        return !S_ISDIR(st->st_mode) && st->st_nlink > 1;
}

static void count_space(Seal *seal, const struct stat *st)
{
        uint64_t on_disk = (uint64_t)st->st_blocks * TREE_DISK_UNIT;

        if (has_several_names(st)) {
                if (linked_is_met(seal, st, NULL))
                        return;
                linked_set(seal, st, NULL);
        }
        seal->bytes += on_disk;
        if (S_ISREG(st->st_mode) && (uint64_t)st->st_size > on_disk)
                seal->holes += (uint64_t)st->st_size - on_disk;
}

static int refuse_kind(Seal *seal, const struct stat *st)
{
        switch (st->st_mode & S_IFMT) {
        case S_IFCHR:
                return refuse(seal, st->st_rdev == 0 ? "is an overlayfs whiteout (character device 0/0)"
                                                     : "is a character device");
        case S_IFBLK:
                return refuse(seal, "is a block device");
        case S_IFSOCK:
                return refuse(seal, "is a socket");
        case S_IFIFO:
                return refuse(seal, "is a named pipe");
        default:
                return refuse(seal, "is of a kind that is not known");
        }
}

static int check_mode(Seal *seal, const struct stat *st)
{
        if (st->st_mode & S_ISUID)
                return refuse(seal, "has the set-user-id bit");
        if (st->st_mode & S_ISGID)
                return refuse(seal, "has the set-group-id bit");
        return 0;
}

/* Opens what `st` was taken of. O_NONBLOCK: never wait for whatever may stand there by now. */
static int open_same(Seal *seal, int dir_fd, const char *name, const struct stat *st)
{
        _cleanup_close_ int fd =
                openat(dir_fd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
        struct stat opened;

        if (fd < 0 || fstat(fd, &opened) < 0)
                return refuse_unreadable(seal);
        if (opened.st_dev != st->st_dev || opened.st_ino != st->st_ino)
                return refuse(seal, "was replaced while it was being read");
        return steal_fd(&fd);
}

static int digest_content(
        Seal *seal, int dir_fd, const char *name, const struct stat *st, uint8_t digest[SHA256_SIZE])
{
        _cleanup_close_ int fd = open_same(seal, dir_fd, name, st);
        gsize digest_size = SHA256_SIZE;
        uint64_t size = 0;
        ssize_t n;

        if (fd < 0)
                return fd;
        g_checksum_reset(seal->content);
        while ((n = read(fd, seal->buffer, BUFFER_SIZE)) > 0) {
                g_checksum_update(seal->content, seal->buffer, n);
                size += (uint64_t)n;
        }
        if (n < 0)
                return refuse_unreadable(seal);
        if (size != (uint64_t)st->st_size)
                return refuse(seal, "changed while it was being read");
        g_checksum_get_digest(seal->content, digest, &digest_size);
        return 0;
}

static int seal_file(Seal *seal, int dir_fd, const char *name, const struct stat *st)
{
        uint8_t fresh[SHA256_SIZE];
        const uint8_t *digest = NULL;
        int r;

        if (seal->holes > HOLES_MAX)
                return refuse(seal,
                        "has holes, which with those of the files before it are more than %llu GiB",
                        HOLES_MAX >> 30);
        /* A file can have thousands of names, and is read once. */
        if (!has_several_names(st) || !linked_is_met(seal, st, &digest) || !digest) {
                r = digest_content(seal, dir_fd, name, st, fresh);
                if (r < 0)
                        return r;
                digest = fresh;
                if (has_several_names(st))
                        linked_set(seal, st, g_memdup2(fresh, sizeof(fresh)));
        }
        record_entry(seal, 'f', st);
        record_number(seal, (uint64_t)st->st_size);
        g_checksum_update(seal->entries, digest, SHA256_SIZE);
        seal->files++;
        return 0;
}

static int seal_link(Seal *seal, int dir_fd, const char *name, const struct stat *st)
{
        char target[PATH_MAX];
        ssize_t length = readlinkat(dir_fd, name, target, sizeof(target));

        if (length < 0)
                return refuse_unreadable(seal);
        record_entry(seal, 'l', st);
        record_text(seal, target, (size_t)length);
        seal->files++;
        return 0;
}

static int seal_subdirectory(Seal *seal, int dir_fd, const char *name, const struct stat *st, unsigned level)
{
        _cleanup_close_ int fd = -1;

        if (level > TREE_LEVELS_MAX)
                return refuse(seal, "lies deeper than %d directories", TREE_LEVELS_MAX);
        fd = open_same(seal, dir_fd, name, st);
        if (fd < 0)
                return fd;
        record_entry(seal, 'd', st);
        return seal_directory(seal, fd, level);
}

static int seal_entry(Seal *seal, int dir_fd, const char *name, unsigned level)
{
        struct stat st;
        int r;

        if (fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
                return refuse_unreadable(seal);
        r = check_mode(seal, &st);
        if (r < 0)
                return r;
        count_space(seal, &st);
        if (S_ISREG(st.st_mode))
                return seal_file(seal, dir_fd, name, &st);
        if (S_ISLNK(st.st_mode))
                return seal_link(seal, dir_fd, name, &st);
        if (S_ISDIR(st.st_mode))
                return seal_subdirectory(seal, dir_fd, name, &st, level);
        return refuse_kind(seal, &st);
}

static int is_entry(const struct dirent *entry)
{
        return strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0;
}

/* Not alphasort(3), which follows the locale. */
static int by_bytes(const struct dirent **a, const struct dirent **b)
{
        return strcmp((*a)->d_name, (*b)->d_name);
}

/* Seals what is in the directory at `fd`; the entries are `level` directories below the top. */
static int seal_directory(Seal *seal, int fd, unsigned level)
{
        struct dirent **entries = NULL;
        size_t length = seal->path->len;
        int n = scandirat(fd, ".", &entries, is_entry, by_bytes);
        int r = n < 0 ? refuse_unreadable(seal) : 0;

        for (int i = 0; i < n; i++) {
                if (r >= 0) {
                        g_string_truncate(seal->path, length);
                        g_string_append_printf(seal->path, "%s%s", length > 0 ? "/" : "", entries[i]->d_name);
                        r = seal_entry(seal, fd, entries[i]->d_name, level + 1);
                }
                free(entries[i]);
        }
        free(entries);
        return r;
}

static int seal_top(Seal *seal, const char *path)
{
        _cleanup_close_ int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        struct stat st;
        int r;

        if (fd < 0 || fstat(fd, &st) < 0)
                return refuse_unreadable(seal);
        /* First, as some filesystems know only afterwards how much space there is. Reports what could not be
         * written, too. */
        if (syncfs(fd) < 0)
                return refuse(seal, "could not be made durable: %s", g_strerror(errno));
        r = check_mode(seal, &st);
        if (r >= 0)
                r = layers_check_top(fd, &seal->reason);
        if (r < 0)
                return r;
        count_space(seal, &st);
        record_entry(seal, 'd', &st);
        return seal_directory(seal, fd, 0);
}

static void seal_done(Seal *seal)
{
        g_checksum_free(seal->entries);
        g_checksum_free(seal->content);
        g_hash_table_unref(seal->linked);
        g_string_free(seal->path, TRUE);
        g_free(seal->buffer);
        g_free(seal->reason);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Seal, seal_done)

int tree_seal(const char *path)
{
        g_auto(Seal) seal = {
                .entries = g_checksum_new(G_CHECKSUM_SHA256),
                .content = g_checksum_new(G_CHECKSUM_SHA256),
                .linked = g_hash_table_new_full(g_int64_hash, g_int64_equal, g_free, g_free),
                .path = g_string_new(NULL),
                .buffer = g_malloc(BUFFER_SIZE),
        };
        int status = TREE_DONE;

        if (seal_top(&seal, path) < 0) {
                g_autofree char *where = tree_printable(seal.path->len > 0 ? seal.path->str : ".");

                status = TREE_REFUSED;
                (void)printf("refused: %s: %s\n", where, seal.reason);
                (void)fprintf(stderr, "refused: %s: %s\n", where, seal.reason);
        } else {
                (void)printf("%s %" PRIu64 " %" PRIu64 "\n", g_checksum_get_string(seal.entries), seal.bytes,
                        seal.files);
        }
        if (fflush(stdout) != 0) {
                (void)fprintf(stderr, "Cannot write the result: %s\n", g_strerror(errno));
                return TREE_FAILED;
        }
        return status;
}
