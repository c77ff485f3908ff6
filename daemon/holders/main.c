/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* left4me-holders MAJOR:MINOR: which processes hold a file system, by working directory, root, program, open
 * file or mapping. It runs in a transient unit of its own, so that the daemon needs no right to look into
 * other processes. One line a process. */
#include "daemon/util.h"

#include <dirent.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#define MAX_LINES 5 /* enough for a person; the sentence they end up in has to be read */

static bool is_on_device(int dir_fd, const char *name, dev_t device)
{
        struct stat st;

        return fstatat(dir_fd, name, &st, 0) == 0 && st.st_dev == device;
}

static bool is_in_directory(int proc_fd, const char *name, dev_t device)
{
        int fd = openat(proc_fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
        bool found = false;

        if (!dir)
                return false; /* gone, or a kernel thread */
        for (struct dirent *e; !found && (e = readdir(dir));)
                found = e->d_name[0] != '.' && is_on_device(dirfd(dir), e->d_name, device);
        closedir(dir);
        return found;
}

static bool is_holder(int proc_fd, dev_t device)
{
        return is_on_device(proc_fd, "cwd", device) || is_on_device(proc_fd, "root", device) ||
               is_on_device(proc_fd, "exe", device) || is_in_directory(proc_fd, "fd", device) ||
               is_in_directory(proc_fd, "map_files", device);
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
        (void)fstat(proc_fd, &st);
        user = getpwuid(st.st_uid);
        printf("%s (process %s of %s)\n", comm, pid, user ? user->pw_name : "an unknown user");
}

int main(int argc, char *argv[])
{
        unsigned major_number, minor_number, lines = 0;
        DIR *proc;

        if (argc != 2 || sscanf(argv[1], "%u:%u", &major_number, &minor_number) != 2) {
                fprintf(stderr, "Usage: left4me-holders MAJOR:MINOR\n");
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
                if (fd >= 0 && is_holder(fd, makedev(major_number, minor_number))) {
                        print_process(fd, e->d_name);
                        lines++;
                }
        }
        closedir(proc);
        return 0;
}
