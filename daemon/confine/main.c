/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* left4me-confine PROGRAM ARGUMENT...: becomes PROGRAM, which can from then on neither connect to an abstract
 * unix socket nor signal a process, unless those are of its own making. A build is started by it. It shares
 * the host's network namespace, in which abstract sockets are, and whoever listens there could be given a
 * descriptor of the generation and write to it when it is sealed. systemd's filter of address families keeps
 * a build from unix sockets as well, but does not see what i386 programs do.
 *
 * This is Landlock's scoping, which Linux 6.12 brought. On an older kernel the filter stands alone. */
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sysexits.h>
#include <unistd.h>

/* From linux/landlock.h, which is older than the scopes on Debian 12. */
#define CREATE_RULESET_VERSION     (1U << 0)
#define SCOPE_ABSTRACT_UNIX_SOCKET (1ULL << 0)
#define SCOPE_SIGNAL               (1ULL << 1)
#define VERSION_WITH_SCOPES        6

typedef struct Ruleset {
        uint64_t handled_access_fs;
        uint64_t handled_access_net;
        uint64_t scoped;
} Ruleset;

/* Returns: Landlock's version, 0 where the kernel was built or booted without it, or -1 with errno. */
static long landlock_version(void)
{
        long version = syscall(SYS_landlock_create_ruleset, NULL, 0, CREATE_RULESET_VERSION);

        return version < 0 && (errno == ENOSYS || errno == EOPNOTSUPP) ? 0 : version;
}

/* Returns: 0, or -1 with errno. */
static int confine(void)
{
        const Ruleset ruleset = {.scoped = SCOPE_ABSTRACT_UNIX_SOCKET | SCOPE_SIGNAL};
        long version = landlock_version();
        long fd;

        if (version < VERSION_WITH_SCOPES)
                return version < 0 ? -1 : 0;
        fd = syscall(SYS_landlock_create_ruleset, &ruleset, sizeof(ruleset), 0); /* closed by execv() */
        return fd < 0 || syscall(SYS_landlock_restrict_self, fd, 0) < 0 ? -1 : 0;
}

int main(int argc, char **argv)
{
        if (argc < 2) {
                (void)fputs("Usage: left4me-confine PROGRAM ARGUMENT...\n", stderr);
                return EX_USAGE;
        }
        if (confine() < 0) {
                (void)fprintf(stderr, "Cannot confine %s: %s\n", argv[1], strerror(errno));
                return EX_OSERR;
        }
        execv(argv[1], argv + 1);
        (void)fprintf(stderr, "Cannot execute %s: %s\n", argv[1], strerror(errno));
        return EX_OSERR;
}
