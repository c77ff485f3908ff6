/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Wipe: the next generation is an empty directory. Nothing has to be unpacked, run or walked for that, so it
 * is no job; the directory is made on a thread, and is on the disk before it is published. */
#include "fault.h"
#include "generation-dir.h"
#include "job-queue.h"
#include "overlay.h"
#include "unknown.h"
#include "util.h"

#include <fcntl.h>
#include <gio/gio.h>
#include <inttypes.h>
#include <sys/stat.h>

#define DISK_UNIT 512 /* of st_blocks, on every filesystem */

typedef struct Wipe {
        Host *host;
        uint64_t overlay, generation;
        uint64_t bytes;
        int result; /* of the thread: 0, or negative errno with a sentence */
        char *message;
        HostDone done;
        void *userdata;
} Wipe;

/* What the seal says of an empty directory of the mode that a generation is made with: see tree/tree.h. */
static char *digest_of_empty(void)
{
        static const uint8_t top[] = {'d', 0, 0, 0755 >> 8, 0755 & 0xff, 0, 0, 0, 0, 0, 0, 0, 0};

        return g_compute_checksum_for_data(G_CHECKSUM_SHA256, top, sizeof(top));
}

static int make_empty(Wipe *w)
{
        _cleanup_close_ int overlay_fd = overlay_dir_open(w->host->state_fd, w->overlay), fd = -EBADF;
        _cleanup_close_ int all_fd = -EBADF;
        struct stat st;

        if (overlay_fd < 0)
                return overlay_fd;
        fd = generation_dir_make(
                overlay_fd, w->generation, w->host->server_uid, w->host->server_gid, &w->message);
        if (fd < 0)
                return fd;
        all_fd = openat(overlay_fd, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        /* The overlay's own directory may be new, too. */
        if (all_fd < 0 || fsync(fd) < 0 || fsync(overlay_fd) < 0 || fsync(all_fd) < 0 || fstat(fd, &st) < 0)
                return -errno;
        w->bytes = (uint64_t)st.st_blocks * DISK_UNIT;
        return 0;
}

static void run_wipe(GTask *task, gpointer source, gpointer data, GCancellable *cancellable)
{
        Wipe *w = data;

        w->result = make_empty(w);
        g_task_return_boolean(task, TRUE);
}

static gboolean publish(Wipe *w, Overlay *overlay, GError **error)
{
        GenerationRow *generation;

        if (w->result < 0) {
                g_set_error(error, HOST_ERROR,
                        w->result == -ENOSPC ? HOST_ERROR_NO_SPACE : HOST_ERROR_STORE_FAILED,
                        "Overlay \"%s\" is not wiped: %s", overlay->row->name,
                        w->message ?: g_strerror(-w->result));
                return FALSE;
        }
        generation = g_new0(GenerationRow, 1);
        *generation = (GenerationRow){w->generation, host_now(), w->bytes, 0, digest_of_empty()};
        return overlay_publish(overlay, generation, NULL, error);
}

static void on_wiped(GObject *source, GAsyncResult *result, gpointer userdata)
{
        Wipe *w = userdata;
        Overlay *overlay = overlay_by_id(w->host, w->overlay); /* nothing deletes it meanwhile */
        g_autoptr(GError) error = NULL;

        overlay->is_being_wiped = false;
        if (!publish(w, overlay, &error))
                overlay_drop_generation(overlay, w->generation);
        w->done(error, w->userdata);
        jobs_schedule(w->host);
        g_free(w->message);
        g_free(w);
}

static gboolean take_number(Overlay *o, GError **error)
{
        g_autofree char *in_way = unknown_generation_in_way(o);
        char *message = NULL;
        int r;

        if (in_way) {
                unknown_refresh(o->host);
                g_set_error_literal(error, HOST_ERROR, HOST_ERROR_IN_USE, in_way);
                return FALSE;
        }
        o->row->next_generation++;
        r = store_save_overlay(o->host->store, o->row, &message);
        if (r >= 0)
                return TRUE;
        o->row->next_generation--;
        return host_store_error(error, r, message);
}

void overlay_wipe(Overlay *o, HostDone done, void *userdata)
{
        g_autofree char *digest = digest_of_empty();
        const GenerationRow *current = overlay_current(o);
        uint64_t number = o->row->next_generation;
        g_autoptr(GError) error = NULL;
        g_autoptr(GTask) task = NULL;
        Wipe *w;

        if (!overlay_check_idle(o, &error) || (current && g_str_equal(current->digest, digest)) ||
                !take_number(o, &error)) {
                done(error, userdata);
                return;
        }
        fault_point(FAULT_WIPE_NUMBERED);
        o->is_being_wiped = true;
        w = g_new(Wipe, 1);
        *w = (Wipe){o->host, o->row->id, number, 0, 0, NULL, done, userdata};
        task = g_task_new(NULL, NULL, on_wiped, w);
        g_task_set_task_data(task, w, NULL);
        g_task_run_in_thread(task, run_wipe);
}
