/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* tar, zip and 7z, by libarchive, which reads; what is made, and whether, is decided here. */
#include "daemon/util.h"
#include "unpack.h"

#include <archive.h>
#include <archive_entry.h>
#include <stdio.h>
#include <sys/stat.h>

#define SET_ID 06000
#define ANY_X  0111

static int refuse_unreadable(Target *t, struct archive *a, const char *what)
{
        g_autofree char *why = tree_printable(archive_error_string(a) ?: "it is damaged");

        return target_refuse(t, "%s: %s", what, why);
}

static int refuse_kind(Target *t, mode_t type)
{
        switch (type) {
        case AE_IFCHR:
        case AE_IFBLK:
                return target_refuse(t, "is a device");
        case AE_IFIFO:
                return target_refuse(t, "is a named pipe");
        case AE_IFSOCK:
                return target_refuse(t, "is a socket");
        default:
                return target_refuse(t, "is of a kind that is not known");
        }
}

static int write_block(Target *t, int fd, const uint8_t *data, size_t size, off_t offset)
{
        while (size > 0) {
                ssize_t n = pwrite(fd, data, size, offset);

                if (n < 0)
                        return target_fail(t, "cannot be written");
                data += n;
                size -= (size_t)n;
                offset += n;
        }
        return 0;
}

/* What is said of a file's size is not believed: what comes is counted. */
static int write_content(Target *t, struct archive *a, struct archive_entry *entry, int fd)
{
        int64_t end = 0, said = archive_entry_size_is_set(entry) ? archive_entry_size(entry) : 0;
        const void *data;
        size_t size;
        la_int64_t offset;
        int r, status;

        while ((status = archive_read_data_block(a, &data, &size, &offset)) == ARCHIVE_OK) {
                if (offset < end || offset > G_MAXINT64 - (int64_t)size)
                        return target_refuse(t, "has content that lies in itself");
                r = target_count(t, 0, (uint64_t)(offset + (int64_t)size - end));
                if (r >= 0)
                        r = write_block(t, fd, data, size, offset);
                if (r < 0)
                        return r;
                end = offset + (int64_t)size;
        }
        if (status != ARCHIVE_EOF)
                return refuse_unreadable(t, a, "cannot be unpacked");
        /* A hole at the end of a sparse file has no block. */
        if (archive_entry_sparse_count(entry) == 0 || said <= end)
                return 0;
        r = target_count(t, 0, (uint64_t)(said - end));
        if (r >= 0 && ftruncate(fd, said) < 0)
                return target_fail(t, "cannot be written");
        return r;
}

static int unpack_file(Target *t, struct archive *a, struct archive_entry *entry, const Place *place)
{
        _cleanup_close_ int fd = target_make_file(t, place, archive_entry_perm(entry) & ANY_X);

        return fd < 0 ? fd : write_content(t, a, entry, fd);
}

static int unpack_directory(Target *t, const Place *place)
{
        _cleanup_close_ int fd = target_open_directory(t, place, place->n);

        return MIN(fd, 0);
}

static int unpack_entry(Target *t, struct archive *a, struct archive_entry *entry)
{
        const char *name = archive_entry_pathname(entry), *hard = archive_entry_hardlink(entry), *to;
        g_auto(Place) place = {};
        int r;

        g_free(t->path);
        t->path = g_strdup(name ?: "");
        if (!name)
                return target_refuse(t, "an entry has a name that cannot be read");
        r = place_parse(t, name, &place);
        if (r < 0)
                return r;
        if (archive_entry_is_encrypted(entry))
                return target_refuse(t, "is encrypted");
        if (archive_entry_perm(entry) & SET_ID)
                return target_refuse(t, "has a set-user-id or set-group-id bit");
        if (hard)
                return target_make_hard_link(t, &place, hard);
        switch (archive_entry_filetype(entry)) {
        case AE_IFREG:
                return unpack_file(t, a, entry, &place);
        case AE_IFDIR:
                return unpack_directory(t, &place);
        case AE_IFLNK:
                to = archive_entry_symlink(entry);
                return to ? target_make_link(t, &place, to)
                          : target_refuse(t, "is a symbolic link to a name that cannot be read");
        default:
                return refuse_kind(t, archive_entry_filetype(entry));
        }
}

static int unpack_all(Target *t, struct archive *a)
{
        struct archive_entry *entry;
        uint64_t seen = 0;
        int status;

        if (archive_read_open1(a) != ARCHIVE_OK)
                return refuse_unreadable(t, a, "it is no tar, zip or 7z archive");
        /* A warning is of a name that is no text in the archive's own encoding: its bytes are the name. */
        while ((status = archive_read_next_header(a, &entry)) == ARCHIVE_OK || status == ARCHIVE_WARN) {
                int r = unpack_entry(t, a, entry);

                if (r < 0)
                        return r;
                seen++;
        }
        if (status != ARCHIVE_EOF)
                return refuse_unreadable(t, a,
                        seen > 0 ? "what follows cannot be read"
                                 : "it is no tar, zip or 7z archive that can be read");
        return seen > 0 ? 0 : target_refuse(t, "it is an archive that holds nothing");
}

int archive_unpack(Target *t, Source *source)
{
        struct archive *a = source_archive_new(source);
        int r = unpack_all(t, a);

        (void)archive_read_free(a);
        return r;
}
