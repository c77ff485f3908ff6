/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "daemon/util.h"
#include "unpack.h"

#include <archive.h>
#include <stdio.h>
#include <sys/stat.h>

#define TELL_INTERVAL (G_USEC_PER_SEC / 2)

int source_open(Source *s)
{
        struct stat st;

        s->fd = STDIN_FILENO;
        s->offset = 0;
        if (fstat(s->fd, &st) < 0)
                return -errno;
        s->size = st.st_size;
        s->begun = s->told = g_get_monotonic_time();
        return S_ISREG(st.st_mode) ? 0 : -ESPIPE;
}

ssize_t source_read(const Source *s, void *buffer, size_t size, off_t offset)
{
        ssize_t n = pread(s->fd, buffer, size, offset);

        return n < 0 ? -errno : n;
}

/* As a script's lines tell it, see Overlay.Build. */
static void tell_progress(Source *s)
{
        gint64 now = g_get_monotonic_time();
        g_autofree char *rate = NULL;

        if (now - s->told < TELL_INTERVAL || s->size <= 0)
                return;
        s->told = now;
        rate = g_format_size((guint64)((double)s->taken * G_USEC_PER_SEC / (double)(now - s->begun)));
        (void)fprintf(stderr, "X_PROGRESS=%.1f%%\nSTATUS=Unpacking, %s a second\n",
                100.0 * (double)MIN(s->taken, s->size) / (double)s->size, rate);
}

static la_ssize_t on_read(struct archive *a, void *userdata, const void **ret_buffer)
{
        Source *s = userdata;
        ssize_t n = source_read(s, s->buffer, sizeof(s->buffer), s->offset);

        if (n < 0) {
                archive_set_error(a, (int)-n, "It cannot be read");
                return ARCHIVE_FATAL;
        }
        s->offset += n;
        s->taken += n;
        tell_progress(s);
        *ret_buffer = s->buffer;
        return n;
}

static la_int64_t on_skip(struct archive *a, void *userdata, la_int64_t wanted)
{
        Source *s = userdata;
        la_int64_t skipped = MIN(wanted, MAX(s->size - s->offset, 0));

        s->offset += skipped;
        s->taken += skipped;
        return skipped;
}

static la_int64_t on_seek(struct archive *a, void *userdata, la_int64_t offset, int whence)
{
        Source *s = userdata;
        la_int64_t base = whence == SEEK_SET ? 0 : whence == SEEK_CUR ? s->offset : s->size;

        if (offset < -base || offset > G_MAXINT64 - base)
                return ARCHIVE_FATAL;
        return s->offset = base + offset;
}

/* By name, not all that libarchive knows: some of its formats name other files, some of its filters run
 * programs. */
struct archive *source_archive_new(Source *s)
{
        static int (*const supports[])(struct archive *) = {archive_read_support_format_tar,
                archive_read_support_format_zip, archive_read_support_format_7zip,
                archive_read_support_filter_gzip, archive_read_support_filter_bzip2,
                archive_read_support_filter_xz, archive_read_support_filter_zstd};
        struct archive *a = archive_read_new();

        if (!a)
                g_error("Out of memory");
        for (size_t n = 0; n < G_N_ELEMENTS(supports); n++)
                if (supports[n](a) != ARCHIVE_OK)
                        g_error("This libarchive lacks a format: %s", archive_error_string(a));
        (void)archive_read_set_read_callback(a, on_read);
        (void)archive_read_set_skip_callback(a, on_skip);
        (void)archive_read_set_seek_callback(a, on_seek);
        (void)archive_read_set_callback_data(a, s);
        return a;
}
