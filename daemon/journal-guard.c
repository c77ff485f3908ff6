/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Nothing but system calls: most of what is here runs in a signal handler. */
#include "journal-guard.h"
#include "util.h"

#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>

#define JOURNAL_FILE ".journal" /* also in the name of one that is archived, damaged or deleted */

static uintptr_t page_size;

static const char *read_address(const char *text, uintptr_t *ret)
{
        uintptr_t address = 0;

        for (;; text++) {
                if (*text >= '0' && *text <= '9')
                        address = address << 4 | (uintptr_t)(*text - '0');
                else if (*text >= 'a' && *text <= 'f')
                        address = address << 4 | (uintptr_t)(*text - 'a' + 10);
                else
                        break;
        }
        *ret = address;
        return text;
}

/* Whether a line of /proc/self/maps is about this address. */
static bool is_about(const char *line, uintptr_t address)
{
        uintptr_t begin, end;

        line = read_address(line, &begin);
        if (*line != '-')
                return false;
        read_address(line + 1, &end);
        return address >= begin && address < end;
}

static bool is_in_journal(uintptr_t address)
{
        _cleanup_close_ int fd = open("/proc/self/maps", O_RDONLY | O_CLOEXEC);
        char buffer[1024], line[1024];
        size_t length = 0;
        ssize_t n;

        while (fd >= 0 && (n = read(fd, buffer, sizeof(buffer))) > 0)
                for (ssize_t i = 0; i < n; i++) {
                        if (buffer[i] != '\n') {
                                if (length < sizeof(line) - 1)
                                        line[length++] = buffer[i];
                                continue;
                        }
                        line[length] = '\0';
                        length = 0;
                        if (is_about(line, address))
                                return strstr(line, JOURNAL_FILE) != NULL;
                }
        return false;
}

static void on_sigbus(int number, siginfo_t *info, void *context)
{
        uintptr_t address = (uintptr_t)info->si_addr, page = address & ~(page_size - 1);
        int saved = errno;

        if (info->si_code == BUS_ADRERR && is_in_journal(address) &&
                mmap((void *)page, page_size, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) !=
                        MAP_FAILED) {
                errno = saved;
                return;
        }
        (void)signal(SIGBUS, SIG_DFL); /* it comes again at once */
}

void journal_guard_install(void)
{
        struct sigaction action = {.sa_sigaction = on_sigbus, .sa_flags = SA_SIGINFO};

        page_size = (uintptr_t)sysconf(_SC_PAGESIZE);
        (void)sigaction(SIGBUS, &action, NULL);
}
