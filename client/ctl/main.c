/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* l4d2ctl: from the command line to a verb and its exit code. */
#include "ctl.h"
#include <errno.h>
#include <unistd.h>

/* Returns: EXIT_DONE, or EXIT_USAGE after a sentence. */
static int arguments_check(const Verb *verb, char **arguments)
{
        int n = 0;
        while (arguments[n])
                n++;
        if (n >= verb->min && n <= verb->max)
                return EXIT_DONE;
        _cleanup_free_ char *usage = verb_usage(verb);
        return usage_fail("Too %s arguments: l4d2ctl %s", n < verb->min ? "few" : "many", usage);
}

/* Runs the verb where it can ask for a password, and sees all that it prints out. */
static int verb_run(const Verb *verb, Ctl *ctl, char **arguments)
{
        if (ctl->asks)
                agent_start();
        int status = verb->run(ctl, arguments);
        agent_stop();
        if (fflush(stdout) != 0 || ferror(stdout)) {
                fprintf(stderr, "Cannot write to standard output: %s.\n", strerror(errno));
                status = EXIT_FAILED;
        }
        pager_close();
        return status;
}

static int verb_start_up(const Verb *verb, Ctl *ctl, char **arguments)
{
        int status = arguments_check(verb, arguments);
        if (status == EXIT_DONE)
                status = options_check(ctl, verb);
        if (status != EXIT_DONE)
                return status;

        /* An agent of ours is one of this machine's sessions; of others it knows nothing. */
        ctl->asks = verb->may_ask && ctl->may_ask && ctl->n_targets == 0 && isatty(STDIN_FILENO);
        /* A verb that works on several opens each for itself. */
        if (!has_several_targets(ctl))
                status = target_open(ctl, ctl->targets);
        if (status == EXIT_DONE)
                status = verb_run(verb, ctl, arguments);
        target_close(ctl);
        return status;
}

static int command_run(Ctl *ctl, int argc, char **argv)
{
        char **arguments;
        int status = options_read(ctl, argc, argv, &arguments);
        if (status >= 0)
                return status;
        bool is_alone = !*arguments || (is_family(*arguments) && !arguments[1]);
        if (ctl->wants_help && is_alone) {
                help_all(*arguments);
                return EXIT_DONE;
        }
        const Verb *verb = verb_find(&arguments);
        if (!verb)
                return EXIT_USAGE;
        if (ctl->wants_help) {
                help_verb(verb);
                return EXIT_DONE;
        }
        return verb_start_up(verb, ctl, arguments);
}

int main(int argc, char **argv)
{
        (void)setvbuf(stdout, NULL, _IOLBF, 0); /* in order with standard error, and at once */
        terminal_look();
        if (argc > 1 && strcmp(argv[1], "__complete") == 0)
                return complete(argv + 2);
        Ctl ctl = {.has_legend = true, .has_pager = true, .waits = true, .may_ask = true};
        int status = command_run(&ctl, argc, argv);
        free(ctl.targets);
        return status;
}
