/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "output.h"
#include "error.h"
#include "util.h"

#include <sys/mman.h>

#define OUTPUT_MAX 4096 /* bytes */

struct Output {
        int fd;
};

int output_new(Output **ret_output)
{
        int fd = memfd_create("left4me-output", MFD_CLOEXEC);

        if (fd < 0)
                return -errno;
        *ret_output = g_new(Output, 1);
        (*ret_output)->fd = fd;
        return 0;
}

int output_fd(Output *output)
{
        return output->fd;
}

char *output_read(Output *output)
{
        char buffer[OUTPUT_MAX];
        ssize_t n = pread(output->fd, buffer, sizeof(buffer), 0);

        return g_utf8_make_valid(buffer, MAX(n, 0));
}

void output_free(Output *output)
{
        if (!output)
                return;
        close_fd(&output->fd);
        g_free(output);
}

typedef struct Inspection {
        Systemd1 *systemd;
        char *unit;
        Output *output;
        OutputDone done;
        void *userdata;
} Inspection;

static void inspection_finish(Inspection *x, const GError *error)
{
        g_autofree char *text = error ? NULL : output_read(x->output);

        x->done(text, error, x->userdata);
        output_free(x->output);
        g_free(x->unit);
        g_free(x);
}

static void on_inspection_started(const char *result, const GError *error, void *userdata)
{
        g_autoptr(GError) failed = NULL;

        if (!error && !g_str_equal(result, "done"))
                error = failed =
                        g_error_new(HOST_ERROR, HOST_ERROR_SYSTEMD_FAILED, "Its start ended with %s", result);
        inspection_finish(userdata, error);
}

void output_of_inspector(
        Systemd1 *systemd, const char *unit, char *const *argv, OutputDone done, void *userdata)
{
        Inspection *x = g_new0(Inspection, 1);
        g_autoptr(GError) error = NULL;
        int r;

        *x = (Inspection){systemd, g_strdup(unit), NULL, done, userdata};
        r = output_new(&x->output);
        if (r < 0) {
                error = g_error_new(
                        HOST_ERROR, HOST_ERROR_SYSTEMD_FAILED, "No memory file: %s", g_strerror(-r));
                inspection_finish(x, error);
                return;
        }
        systemd1_start_inspector(systemd, unit, argv, output_fd(x->output), on_inspection_started, x);
}
