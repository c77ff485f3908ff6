/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The pager, chosen as systemctl(1) chooses it. */
#include "ctl.h"
#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <systemd/sd-login.h>
#include <unistd.h>

static pid_t pager = 0;
static bool takes_stderr = false;

/* Whether this runs as another user than the one who sits there: then a pager must let nobody out into a
 * shell, and none of that person's choice is run. */
static bool is_elevated(void)
{
        uid_t uid;
        return sd_pid_get_owner_uid(0, &uid) >= 0 && uid != geteuid();
}

/* Returns: a command for sh(1), or NULL where none is wanted. */
static const char *pager_choose(void)
{
        const char *chosen = getenv("SYSTEMD_PAGER");
        if (!chosen)
                chosen = getenv("PAGER");
        if (chosen && (!*chosen || strcmp(chosen, "cat") == 0))
                return NULL;
        return chosen && !is_elevated() ? chosen : "less";
}

static _Noreturn void pager_exec(const char *command, int input, pid_t parent)
{
        (void)signal(SIGINT, SIG_DFL);
        if (prctl(PR_SET_PDEATHSIG, SIGTERM) < 0 || getppid() != parent)
                _exit(EXIT_FAILED);
        (void)dup2(input, STDIN_FILENO);
        const char *options = getenv("SYSTEMD_LESS");
        (void)setenv("LESS", options ? options : "FRSXMK", true);
        if (is_elevated())
                (void)setenv("LESSSECURE", "1", true);
        execl("/bin/sh", "sh", "-c", command, NULL);
        _exit(EXIT_FAILED);
}

/* Whether there is such a program: without one, what is printed must still be seen. */
static bool has_less(void)
{
        return access("/usr/bin/less", X_OK) == 0;
}

void pager_open(const Ctl *ctl)
{
        const char *command = ctl->has_pager && terminal_is_output() && !pager ? pager_choose() : NULL;
        int fds[2];
        if (!command || (strcmp(command, "less") == 0 && !has_less()) || pipe2(fds, O_CLOEXEC) < 0)
                return;

        pid_t self = getpid();
        pager = fork();
        if (pager == 0)
                pager_exec(command, fds[0], self);
        (void)close(fds[0]);
        if (pager > 0) {
                /* What went wrong belongs beside what went well, and the pager would write over it. */
                (void)dup2(fds[1], STDOUT_FILENO);
                takes_stderr = isatty(STDERR_FILENO);
                if (takes_stderr)
                        (void)dup2(fds[1], STDERR_FILENO);
                (void)signal(SIGINT, SIG_IGN); /* the pager's business */
        }
        (void)close(fds[1]);
}

void pager_close(void)
{
        if (pager <= 0)
                return;
        (void)fflush(stdout);
        (void)close(STDOUT_FILENO);
        if (takes_stderr)
                (void)close(STDERR_FILENO);
        (void)waitpid(pager, NULL, 0);
        pager = 0;
}
