/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* An archive, unpacked over a tree that has a file, a link and a directory already. Whatever it is, the tree
 * has nothing then but files, directories and links that stay in it, and no more of them than was counted. */
#include "daemon/unpack/unpack.h"
#include "daemon/util.h"
#include "fuzz.h"
#include <fcntl.h>
#include <ftw.h>
#include <glib/gstdio.h>
#include <locale.h>
#include <sys/mman.h>
#include <sys/stat.h>

#define BYTES_MAX   (256 * 1024)
#define ENTRIES_MAX 64

static Target target;
static uint64_t entries;

static int check_entry(const char *path, const struct stat *st, int type, struct FTW *walk)
{
        if (walk->level == 0)
                return 0;
        entries++;
        g_assert_true(S_ISREG(st->st_mode) || S_ISDIR(st->st_mode) || S_ISLNK(st->st_mode));
        g_assert_false(st->st_mode & (S_ISUID | S_ISGID | S_ISVTX));
        if (S_ISREG(st->st_mode))
                g_assert_cmpint(st->st_size, <=, BYTES_MAX);
        if (S_ISLNK(st->st_mode)) {
                g_autofree char *to = g_file_read_link(path, NULL);
                int up = 0;

                g_assert_true(to && to[0] != '/');
                for (const char *c = to; g_str_has_prefix(c, ".."); c += strspn(c + 2, "/") + 2)
                        up++;
                g_assert_cmpint(up, <, walk->level);
        }
        return 0;
}

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *walk)
{
        g_assert_cmpint(remove(path), ==, 0);
        return 0;
}

static void unpack(Source *source)
{
        if (vpk_is_one(source))
                (void)vpk_place(&target, source, "map.vpk");
        else
                (void)archive_unpack(&target, source);
        g_assert_true(target.bytes <= BYTES_MAX && target.entries <= ENTRIES_MAX);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        static Source source;
        g_autofree char *top = g_strdup("/dev/shm/left4me-fuzz-XXXXXX"), *path = NULL;

        (void)setlocale(LC_CTYPE, "C.UTF-8"); /* as main() has it */
        umask(0022);
        g_assert_nonnull(g_mkdtemp(top));
        target = (Target){.fd = open(top, O_RDONLY | O_DIRECTORY | O_CLOEXEC),
                .entries = 3,
                .bytes = 5,
                .max_bytes = BYTES_MAX,
                .max_entries = ENTRIES_MAX};
        path = g_build_filename(top, "file", NULL);
        g_assert_true(g_file_set_contents(path, "there", -1, NULL));
        g_assert_cmpint(mkdirat(target.fd, "directory", 0755), ==, 0);
        g_assert_cmpint(symlinkat("directory", target.fd, "link"), ==, 0);

        source.fd = memfd_create("archive", MFD_CLOEXEC);
        source.size = (off_t)size;
        source.offset = 0;
        g_assert_cmpint(write(source.fd, data, size), ==, (ssize_t)size);
        unpack(&source);
        entries = 0;
        g_assert_cmpint(nftw(top, check_entry, 8, FTW_PHYS), ==, 0);
        g_assert_cmpuint(entries, <=, target.entries);

        g_assert_cmpint(nftw(top, remove_entry, 8, FTW_PHYS | FTW_DEPTH), ==, 0);
        close_fd(&source.fd);
        close_fd(&target.fd);
        g_free(target.path);
        g_free(target.reason);
        return 0;
}
