/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The agent that asks for a password on the terminal: pkttyagent(1), a child for as long as the verb runs. */
#include "ctl.h"
#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

static pid_t agent = 0;

/* Between fork and exec. The agent registers for its parent, says so by closing `notify_fd`, and steps back
 * (--fallback) where the session has an agent of its own. */
static _Noreturn void agent_exec(int notify_fd, int terminal, pid_t parent)
{
        char fd[16];
        (void)snprintf(fd, sizeof fd, "%d", notify_fd);
        if (prctl(PR_SET_PDEATHSIG, SIGTERM) < 0 || getppid() != parent)
                _exit(EXIT_FAILED);

        /* What it asks is for the person, wherever our own output goes. */
        (void)dup2(terminal, STDIN_FILENO);
        (void)dup2(terminal, STDOUT_FILENO);
        (void)dup2(terminal, STDERR_FILENO);
        execl("/usr/bin/pkttyagent", "pkttyagent", "--notify-fd", fd, "--fallback", NULL);
        _exit(EXIT_FAILED);
}

static void agent_spawn(int terminal)
{
        int notify[2];
        if (pipe2(notify, O_CLOEXEC) < 0)
                return;
        pid_t self = getpid();
        agent = fork();
        if (agent == 0) {
                (void)fcntl(notify[1], F_SETFD, 0);
                agent_exec(notify[1], terminal, self);
        }
        (void)close(notify[1]);

        /* It is ready, or could not be had: then the service says that authentication is needed. */
        char byte;
        if (agent > 0)
                while (read(notify[0], &byte, 1) > 0)
                        ;
        (void)close(notify[0]);
}

void agent_start(void)
{
        if (geteuid() == 0)
                return;
        int terminal = open("/dev/tty", O_RDWR | O_NOCTTY | O_CLOEXEC);
        if (terminal < 0)
                return;
        agent_spawn(terminal);
        (void)close(terminal);
}

void agent_stop(void)
{
        if (agent <= 0)
                return;
        (void)kill(agent, SIGTERM);
        (void)kill(agent, SIGCONT); /* it may have been stopped for reading in the background */
        (void)waitpid(agent, NULL, 0);
        agent = 0;
}
