/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* l4d2ctl: options, the table of verbs, and nothing of what they do. */
#include "ctl.h"
#include <errno.h>
#include <getopt.h>
#include <unistd.h>

#define ANY 1000000

typedef struct VerbRow {
        const char *family; /* first word of two, or NULL */
        const char *name;
        const char *arguments;
        int min, max; /* how many arguments */
        bool may_ask; /* for a password: it changes something or shows secrets */
        Verb *run;
        const char *help;
} VerbRow;

static const VerbRow verbs[] = {
        {NULL, "list", "", 0, 0, false, verb_list, "List the instances"},
        {NULL, "status", "[NAME...]", 0, ANY, false, verb_status, "Show instances, or the host"},
        {NULL, "create", "NAME [KEY=VALUE...]", 1, ANY, true, verb_create, "Make an instance"},
        {NULL, "configure", "NAME KEY=VALUE...", 2, ANY, true, verb_configure, "Change an instance"},
        {NULL, "set-config", "NAME FILE|-", 2, 2, true, verb_set_config, "Store its server.cfg"},
        {NULL, "get-config", "NAME", 1, 1, true, verb_get_config, "Print its server.cfg"},
        {NULL, "start", "NAME...", 1, ANY, true, verb_start, "Start, now and at boot"},
        {NULL, "stop", "NAME...", 1, ANY, true, verb_stop, "Stop, now and at boot"},
        {NULL, "restart", "NAME...", 1, ANY, true, verb_restart, "Stop and start"},
        {NULL, "logs", "NAME", 1, 1, true, verb_logs, "Print what the server prints"},
        {NULL, "mount", "NAME...", 1, ANY, true, verb_mount, "Mount the layers only"},
        {NULL, "unmount", "NAME...", 1, ANY, true, verb_unmount, "Unmount them"},
        {NULL, "reset", "NAME...", 1, ANY, true, verb_reset, "Delete what the server wrote"},
        {NULL, "delete", "NAME...", 1, ANY, true, verb_delete, "Delete instances"},
        {NULL, "can", "", 0, 0, false, verb_can, "Show what you may do"},
        {NULL, "reload", "", 0, 0, true, verb_reload, "Read host.conf again"},
        {"overlay", "list", "", 0, 0, false, verb_overlay_list, "List the overlays"},
        {"overlay", "show", "NAME...", 1, ANY, false, verb_overlay_show, "Show overlays"},
        {"overlay", "create", "NAME [KEY=VALUE...]", 1, ANY, true, verb_overlay_create, "Make an overlay"},
        {"overlay", "configure", "NAME KEY=VALUE...", 2, ANY, true, verb_overlay_configure,
                "Change an overlay"},
        {"overlay", "set-script", "NAME FILE|-", 2, 2, true, verb_overlay_set_script, "Store its script"},
        {"overlay", "get-script", "NAME", 1, 1, true, verb_overlay_get_script, "Print its script"},
        {"overlay", "build", "NAME...", 1, ANY, true, verb_overlay_build, "Build with the script"},
        {"overlay", "import", "NAME FILE", 2, 2, true, verb_overlay_import, "Unpack tar, zip, 7z or VPK"},
        {"overlay", "revert", "NAME GENERATION", 2, 2, true, verb_overlay_revert, "Go back to a generation"},
        {"overlay", "wipe", "NAME...", 1, ANY, true, verb_overlay_wipe, "Make overlays empty"},
        {"overlay", "wipe-cache", "NAME...", 1, ANY, true, verb_overlay_wipe_cache,
                "Delete what builds keep"},
        {"overlay", "delete", "NAME...", 1, ANY, true, verb_overlay_delete, "Delete overlays"},
        {"job", "list", "", 0, 0, false, verb_job_list, "List the jobs"},
        {"job", "show", "ID...", 1, ANY, false, verb_job_show, "Show jobs"},
        {"job", "wait", "ID...", 1, ANY, false, verb_job_wait, "Wait for the end of jobs"},
        {"job", "log", "ID...", 1, ANY, true, verb_job_log, "Print what jobs print"},
        {"job", "cancel", "ID...", 1, ANY, true, verb_job_cancel, "Cancel jobs"},
};
#define N_VERBS (sizeof verbs / sizeof verbs[0])

static const char options_help[] =
        "\n"
        "  -H, --host=[USER@]HOST[:PORT]  on another machine, by ssh\n"
        "  -M, --machine=NAME             in a container, for root\n"
        "  --kind=files       create: an overlay that archives are imported into, not built by a script\n"
        "  --replace          import: leave nothing of the files that were there\n"
        "  -f, --follow       logs, job log: go on with what comes\n"
        "  -n, --lines=N      logs, job log: the last so many lines only\n"
        "  -o, --output=WORD  logs, job log: short (with the time), cat (as printed), json\n"
        "  --no-wait          do not wait for the job of a build, import, reset, wipe or delete: print its "
        "number\n"
        "  --no-ask-password  never ask for a password\n"
        "  --no-legend        tables without headings\n"
        "  --quiet            say nothing when it went well\n"
        "  --help, --version\n"
        "\n"
        "Keys of instances: Description, Port, Arguments (with blanks between), Overlays (with commas "
        "between).\n"
        "Keys of overlays: Description, TimeLimit (30s, 20min, 2h), SizeLimit (500M, 20G), FileLimit,\n"
        "KeepGenerations.\n"
        "Exit status: 0 done, 1 failed, 2 called wrongly. See l4d2ctl(1).\n";

static char *verb_usage(const VerbRow *verb)
{
        return format("%s%s%s%s%s", verb->family ? verb->family : "", verb->family ? " " : "", verb->name,
                *verb->arguments ? " " : "", verb->arguments);
}

static int help(void)
{
        puts("Usage: l4d2ctl [OPTION...] VERB\n");
        for (size_t i = 0; i < N_VERBS; i++) {
                _cleanup_free_ char *usage = verb_usage(&verbs[i]);
                printf("  %-36s %s\n", usage, verbs[i].help);
        }
        fputs(options_help, stdout);
        return EXIT_DONE;
}

/* Takes the words of the verb off `*arguments`. Returns: the verb, or NULL after a sentence. */
static const VerbRow *verb_find(char ***arguments)
{
        const char *first = **arguments ? *(*arguments)++ : "list";
        const VerbRow *any_of_family = NULL;
        for (size_t i = 0; i < N_VERBS; i++) {
                if (!verbs[i].family && strcmp(verbs[i].name, first) == 0)
                        return &verbs[i];
                if (!verbs[i].family || strcmp(verbs[i].family, first) != 0)
                        continue;
                if (!any_of_family)
                        any_of_family = &verbs[i];
                if (**arguments && strcmp(verbs[i].name, **arguments) == 0) {
                        (*arguments)++;
                        return &verbs[i];
                }
        }
        if (any_of_family && !**arguments)
                (void)usage_fail(
                        "'%s' needs a verb of its own, such as '%s %s'.", first, first, any_of_family->name);
        else if (any_of_family)
                (void)usage_fail("Unknown verb '%s %s'; see l4d2ctl --help.", first, **arguments);
        else
                (void)usage_fail("Unknown verb '%s'; see l4d2ctl --help.", first);
        return NULL;
}

int ctl_connect(Ctl *ctl)
{
        l4h_host *host;
        int r = !ctl->where       ? l4h_open_system(&host)
                : ctl->is_machine ? l4h_open_machine(ctl->where, &host)
                                  : l4h_open_remote(ctl->where, &host);
        if (r < 0)
                return r;
        l4h_unref(ctl->host);
        ctl->host = host;
        l4h_set_interactive(host, ctl->asks);
        return 0;
}

static int verb_run(const VerbRow *verb, Ctl *ctl, char **arguments)
{
        int n = 0;
        while (arguments[n])
                n++;
        if (n < verb->min || n > verb->max) {
                _cleanup_free_ char *usage = verb_usage(verb);
                return usage_fail("Too %s arguments: l4d2ctl %s", n < verb->min ? "few" : "many", usage);
        }

        if (ctl->kind && verb->run != verb_overlay_create)
                return usage_fail("--kind belongs to 'overlay create' alone.");
        if (ctl->replaces && verb->run != verb_overlay_import)
                return usage_fail("--replace belongs to 'overlay import' alone.");

        if ((ctl->follows || ctl->lines || ctl->output) && verb->run != verb_logs &&
                verb->run != verb_job_log)
                return usage_fail("--follow, --lines and --output belong to 'logs' and 'job log' alone.");

        /* An agent of ours is one of this machine's sessions; of others it knows nothing. */
        ctl->asks = verb->may_ask && ctl->may_ask && !ctl->where && isatty(STDIN_FILENO);
        int r = ctl_connect(ctl);
        if (r < 0) {
                fprintf(stderr, "Cannot connect to the system bus%s%s: %s.\n", ctl->where ? " of " : "",
                        ctl->where ? ctl->where : "", strerror(-r));
                return EXIT_FAILED;
        }
        if (ctl->asks)
                agent_start();
        int status = verb->run(ctl, arguments);
        agent_stop();
        l4h_unref(ctl->host);

        if (fflush(stdout) != 0 || ferror(stdout)) {
                fprintf(stderr, "Cannot write to standard output: %s.\n", strerror(errno));
                return EXIT_FAILED;
        }
        return status;
}

int main(int argc, char **argv)
{
        enum { KIND = 256, REPLACE, NO_WAIT, NO_ASK_PASSWORD, NO_LEGEND, QUIET, HELP, SHOW_VERSION };
        static const struct option options[] = {
                {"host", required_argument, NULL, 'H'},
                {"machine", required_argument, NULL, 'M'},
                {"kind", required_argument, NULL, KIND},
                {"replace", no_argument, NULL, REPLACE},
                {"follow", no_argument, NULL, 'f'},
                {"lines", required_argument, NULL, 'n'},
                {"output", required_argument, NULL, 'o'},
                {"no-wait", no_argument, NULL, NO_WAIT},
                {"no-ask-password", no_argument, NULL, NO_ASK_PASSWORD},
                {"no-legend", no_argument, NULL, NO_LEGEND},
                {"quiet", no_argument, NULL, QUIET},
                {"help", no_argument, NULL, HELP},
                {"version", no_argument, NULL, SHOW_VERSION},
                {NULL},
        };
        (void)setvbuf(stdout, NULL, _IOLBF, 0); /* in order with standard error, and at once */
        Ctl ctl = {.has_legend = true, .waits = true, .may_ask = true};

        int option;
        while ((option = getopt_long(argc, argv, "qhfn:o:H:M:", options, NULL)) >= 0)
                switch (option) {
                case 'H':
                case 'M':
                        if (ctl.where)
                                return usage_fail("One of --host and --machine can be given, and once.");
                        ctl.where = optarg;
                        ctl.is_machine = option == 'M';
                        break;
                case KIND:
                        ctl.kind = optarg;
                        break;
                case REPLACE:
                        ctl.replaces = true;
                        break;
                case 'f':
                        ctl.follows = true;
                        break;
                case 'n':
                        ctl.lines = optarg;
                        break;
                case 'o':
                        ctl.output = optarg;
                        break;
                case NO_WAIT:
                        ctl.waits = false;
                        break;
                case NO_ASK_PASSWORD:
                        ctl.may_ask = false;
                        break;
                case NO_LEGEND:
                        ctl.has_legend = false;
                        break;
                case 'q':
                case QUIET:
                        ctl.is_quiet = true;
                        break;
                case 'h':
                case HELP:
                        return help();
                case SHOW_VERSION:
                        puts("l4d2ctl " VERSION);
                        return EXIT_DONE;
                default: /* getopt has named the option */
                        return EXIT_USAGE;
                }

        char **arguments = argv + optind;
        const VerbRow *verb = verb_find(&arguments);
        return verb ? verb_run(verb, &ctl, arguments) : EXIT_USAGE;
}
