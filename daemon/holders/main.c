/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* left4me-holders MOUNT-ID: which processes hold a mount (statx(2), STATX_MNT_ID), by working directory,
 * root, program, open file or mapping. Not which use its file system: a copy of the mount in another
 * namespace hinders nobody. It runs in a transient unit of its own, so that the daemon needs no right to look
 * into other processes. One line a process. */
#include "daemon/util.h"

#include <dirent.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define MAX_LINES 5 /* enough for a person; the sentence they end up in has to be read */

/* Whose file system does not answer must not hold this up: nothing is asked of it. */
static bool is_on_mount(int dir_fd, const char *name, uint64_t mount)
{
        struct statx stx;

        return statx(dir_fd, name, AT_NO_AUTOMOUNT | AT_STATX_DONT_SYNC, STATX_MNT_ID, &stx) == 0 &&
               stx.stx_mask & STATX_MNT_ID && stx.stx_mnt_id == mount;
}

static bool is_in_directory(int proc_fd, const char *name, uint64_t mount)
{
        int fd = openat(proc_fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
        bool found = false;

        if (!dir)
                return false; /* gone, or a kernel thread */
        for (struct dirent *e; !found && (e = readdir(dir));)
                found = e->d_name[0] != '.' && is_on_mount(dirfd(dir), e->d_name, mount);
        closedir(dir);
        return found;
}

static bool is_holder(int proc_fd, uint64_t mount)
{
        return is_on_mount(proc_fd, "cwd", mount) || is_on_mount(proc_fd, "root", mount) ||
               is_on_mount(proc_fd, "exe", mount) || is_in_directory(proc_fd, "fd", mount) ||
               is_in_directory(proc_fd, "map_files", mount);
}

static void print_process(int proc_fd, const char *pid)
{
        char comm[64] = "";
        struct stat st = {};
        struct passwd *user;
        _cleanup_close_ int fd = openat(proc_fd, "comm", O_RDONLY | O_CLOEXEC);

        if (fd < 0 || read(fd, comm, sizeof(comm) - 1) < 0)
                return;
        comm[strcspn(comm, "\n")] = '\0';
        for (char *c = comm; *c; c++)
                if (!g_ascii_isprint(*c))
                        *c = '?'; /* every process names itself */
        (void)fstat(proc_fd, &st);
        user = getpwuid(st.st_uid);
        printf("%s (process %s of %s)\n", comm, pid, user ? user->pw_name : "an unknown user");
}

int main(int argc, char *argv[])
{
        unsigned lines = 0;
        uint64_t mount;
        DIR *proc;

        if (argc != 2 || !g_ascii_string_to_unsigned(argv[1], 10, 1, UINT64_MAX, &mount, NULL)) {
                fprintf(stderr, "Usage: left4me-holders MOUNT-ID\n");
                return 2;
        }
        proc = opendir("/proc");
        if (!proc) {
                fprintf(stderr, "Cannot open /proc: %s\n", strerror(errno));
                return 1;
        }
        for (struct dirent *e; lines < MAX_LINES && (e = readdir(proc));) {
                _cleanup_close_ int fd = -EBADF;

                if (e->d_name[0] < '1' || e->d_name[0] > '9')
                        continue;
                fd = openat(dirfd(proc), e->d_name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
                if (fd >= 0 && is_holder(fd, mount)) {
                        print_process(fd, e->d_name);
                        lines++;
                }
        }
        closedir(proc);
        return 0;
}
