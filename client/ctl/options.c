/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The options, each with what --help says of it. */
#include "ctl.h"
#include <getopt.h>

typedef enum Option {
        HOST,
        MACHINE,
        KIND,
        REPLACE,
        BUILD,
        FOLLOW,
        LINES,
        OUTPUT,
        SINCE,
        UNTIL,
        PRIORITY,
        WAIT,
        NO_WAIT,
        JSON,
        NO_ASK_PASSWORD,
        NO_LEGEND,
        NO_PAGER,
        QUIET,
        HELP,
        SHOW_VERSION,
        N_OPTIONS,
} Option;

static const struct {
        const char *name;
        const char *argument; /* NULL when it takes none */
        char letter;          /* or 0 */
        unsigned verbs;       /* OPTION_* of those that know it, 0 for all */
        const char *help;
} rows[N_OPTIONS] = {
        [HOST] = {"host", "[USER@]HOST[:PORT]", 'H', 0, "on another machine, by ssh"},
        [MACHINE] = {"machine", "NAME", 'M', 0, "in a container, for root"},
        [KIND] = {"kind", "files|script", 0, OPTION_KIND, "what fills the overlay: archives, or a script"},
        [REPLACE] = {"replace", NULL, 0, OPTION_REPLACE, "leave nothing of the files that were there"},
        [BUILD] = {"build", NULL, 0, OPTION_BUILD, "build with the script afterwards"},
        [FOLLOW] = {"follow", NULL, 'f', OPTION_LOG, "go on with what comes"},
        [LINES] = {"lines", "N", 'n', OPTION_LOG, "the last so many lines only"},
        [OUTPUT] = {"output", "short|cat|json", 'o', OPTION_LOG, "with the time, as printed, or objects"},
        [SINCE] = {"since", "TIME", 'S', OPTION_LOG, "what came since 18:00, -2h, 2026-01-31, ..."},
        [UNTIL] = {"until", "TIME", 'U', OPTION_LOG, "what came until then"},
        [PRIORITY] = {"priority", "LEVEL", 'p', OPTION_LOG, "err, warning, ... or 0 to 7, and more urgent"},
        [WAIT] = {"wait", NULL, 0, OPTION_WAIT, "wait for the end of the job: the default"},
        [NO_WAIT] = {"no-wait", NULL, 0, OPTION_WAIT, "print the number of the job instead"},
        [JSON] = {"json", "short|pretty|off", 0, OPTION_JSON, "print JSON, with all there is"},
        [NO_ASK_PASSWORD] = {"no-ask-password", NULL, 0, 0, "never ask for a password"},
        [NO_LEGEND] = {"no-legend", NULL, 0, 0, "tables without headings and count"},
        [NO_PAGER] = {"no-pager", NULL, 0, 0, "do not show long output in a pager"},
        [QUIET] = {"quiet", NULL, 'q', 0, "say nothing when a job went well"},
        [HELP] = {"help", NULL, 'h', 0, "of all, or of a verb"},
        [SHOW_VERSION] = {"version", NULL, 0, 0, "print the version"},
};

static bool json_form_read(const char *word, JsonForm *ret)
{
        static const char *const words[] = {
                [JSON_OFF] = "off", [JSON_SHORT] = "short", [JSON_PRETTY] = "pretty"};
        for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
                if (strcmp(words[i], word) == 0) {
                        *ret = (JsonForm)i;
                        return true;
                }
        return false;
}

/* Returns: -1 to go on, or an exit code. */
static int option_take(Ctl *ctl, Option option, const char *argument)
{
        ctl->given |= 1U << option;
        switch (option) {
        case HOST:
        case MACHINE:
                target_add(ctl, argument, option == MACHINE);
                break;
        case KIND:
                ctl->kind = argument;
                break;
        case REPLACE:
                ctl->replaces = true;
                break;
        case BUILD:
                ctl->builds = true;
                break;
        case FOLLOW:
                ctl->follows = true;
                break;
        case LINES:
                ctl->lines = argument;
                break;
        case OUTPUT:
                ctl->output = argument;
                break;
        case SINCE:
                ctl->since = argument;
                break;
        case UNTIL:
                ctl->until = argument;
                break;
        case PRIORITY:
                ctl->priority = argument;
                break;
        case WAIT:
        case NO_WAIT:
                ctl->waits = option == WAIT;
                break;
        case JSON:
                if (!json_form_read(argument, &ctl->json))
                        return usage_fail("--json= is short, pretty or off, not '%s'.", argument);
                break;
        case NO_ASK_PASSWORD:
                ctl->may_ask = false;
                break;
        case NO_LEGEND:
                ctl->has_legend = false;
                break;
        case NO_PAGER:
                ctl->has_pager = false;
                break;
        case QUIET:
                ctl->is_quiet = true;
                break;
        case HELP:
                ctl->wants_help = true;
                break;
        default:
                puts("l4d2ctl " VERSION);
                return EXIT_DONE;
        }
        return -1;
}

int options_read(Ctl *ctl, int argc, char **argv, char ***ret_arguments)
{
        enum { FIRST = 256 };
        struct option options[N_OPTIONS + 1] = {0};
        char letters[2 * N_OPTIONS + 1] = "", *letter = letters;
        for (int i = 0; i < N_OPTIONS; i++) {
                options[i] = (struct option){
                        rows[i].name, rows[i].argument ? required_argument : no_argument, NULL, FIRST + i};
                if (!rows[i].letter)
                        continue;
                *letter++ = rows[i].letter;
                if (rows[i].argument)
                        *letter++ = ':';
        }

        int c, status;
        while ((c = getopt_long(argc, argv, letters, options, NULL)) >= 0) {
                int i = c - FIRST;
                for (int row = 0; row < N_OPTIONS && i < 0; row++)
                        if (rows[row].letter == c)
                                i = row;
                if (i < 0) /* getopt has named the option */
                        return EXIT_USAGE;
                status = option_take(ctl, (Option)i, optarg);
                if (status >= 0)
                        return status;
        }
        *ret_arguments = argv + optind;
        return -1;
}

int options_check(const Ctl *ctl, const Verb *verb)
{
        for (int i = 0; i < N_OPTIONS; i++)
                if (ctl->given & 1U << i && rows[i].verbs && !(rows[i].verbs & verb->options))
                        return usage_fail("--%s does not belong to '%s'; see l4d2ctl %s --help.",
                                rows[i].name, verb->name, verb->name);
        if (has_several_targets(ctl) && !(verb->options & OPTION_HOSTS))
                return usage_fail("'%s' works on one host: give --host= or --machine= once.", verb->name);
        return EXIT_DONE;
}

void options_help(unsigned mask)
{
        for (int i = 0; i < N_OPTIONS; i++) {
                if (mask ? !(rows[i].verbs & mask) : rows[i].verbs != 0)
                        continue;
                char letter[] = {rows[i].letter ? '-' : ' ', rows[i].letter ? rows[i].letter : ' ', '\0'};
                _cleanup_free_ char *name = format("%s --%s%s%s", letter, rows[i].name,
                        rows[i].argument ? "=" : "", rows[i].argument ? rows[i].argument : "");
                printf("  %-32s %s\n", name, rows[i].help);
        }
}

/* ---- Completion ---- */

/* Returns: the row of an option as it was typed, or -1. */
static int option_find(const char *word)
{
        size_t n = strcspn(word, "=");
        for (int i = 0; i < N_OPTIONS; i++) {
                bool is_short = rows[i].letter && word[1] == rows[i].letter && word[2] == '\0';
                bool is_long = n > 2 && strncmp(word, "--", 2) == 0 && strlen(rows[i].name) == n - 2 &&
                               strncmp(rows[i].name, word + 2, n - 2) == 0;
                if (is_short || is_long)
                        return i;
        }
        return -1;
}

bool option_takes_next(const char *word)
{
        int i = option_find(word);
        return i >= 0 && rows[i].argument && !strchr(word, '=');
}

bool option_is_host(const char *word)
{
        int i = option_find(word);
        return i == HOST || i == MACHINE;
}

void option_values_print(const char *word, const char *prefix)
{
        int i = option_find(word);
        if (i < 0 || !rows[i].argument || !strchr(rows[i].argument, '|'))
                return; /* not words but anything */
        _cleanup_free_ char *copy = format("%s", rows[i].argument);
        char *state = NULL;
        for (char *value = strtok_r(copy, "|", &state); value; value = strtok_r(NULL, "|", &state))
                printf("%s%s\n", prefix, value);
}

void options_complete(const Verb *verb, const char *word)
{
        const char *equals = strchr(word, '=');
        if (equals) {
                _cleanup_free_ char *prefix = format("%.*s", (int)(equals - word + 1), word);
                option_values_print(word, prefix);
                return;
        }
        for (int i = 0; i < N_OPTIONS; i++)
                if (!rows[i].verbs || !verb || rows[i].verbs & verb->options)
                        printf("--%s%s\n", rows[i].name, rows[i].argument ? "=" : "");
}
