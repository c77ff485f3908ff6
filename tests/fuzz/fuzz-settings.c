/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* host.conf. */
#include "daemon/settings.h"
#include "daemon/store.h"
#include "fuzz.h"
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        int fd = memfd_create("host.conf", MFD_CLOEXEC);
        g_autofree char *path = g_strdup_printf("/proc/self/fd/%d", fd), *message = NULL;
        g_autoptr(Settings) s = NULL;

        g_assert_cmpint(write(fd, data, size), ==, (ssize_t)size);
        int r = settings_load(path, "/nonexistent", &s, &message);
        g_assert_true(r == 0 ? s != NULL && !message : message && *message);
        if (s) {
                g_assert_true(s->port_first >= 1024 && s->port_first + N_PORTS - 1 <= s->port_last);
                g_assert_true(s->job_slots >= 1 && s->job_slots <= 16 && s->keep_generations >= 1);
                g_assert_true(s->build_size_limit >= SIZE_LIMIT_MIN && s->build_size_limit <= SIZE_LIMIT_MAX);
                g_assert_true(s->keep_free <= SIZE_LIMIT_MAX && s->build_file_limit <= FILE_LIMIT_MAX);
                g_assert_true(strspn(s->listen_address, "0123456789.") == strlen(s->listen_address));
        }
        (void)close(fd);
        return 0;
}
