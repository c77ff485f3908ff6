/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* --help: of everything, and of one verb. */
#include "ctl.h"

char *verb_usage(const Verb *verb)
{
        return format("%s%s%s", verb->name, *verb->arguments ? " " : "", verb->arguments);
}

/* Whether it is one of the verbs of two words that begin with this one. */
static bool is_of_family(const Verb *verb, const char *family)
{
        size_t n = strlen(family);
        return strncmp(verb->name, family, n) == 0 && verb->name[n] == ' ';
}

bool is_family(const char *word)
{
        for (const Verb *const *verb = verbs; *verb; verb++)
                if (is_of_family(*verb, word))
                        return true;
        return false;
}

void help_all(const char *family)
{
        printf("Usage: l4d2ctl [OPTION...] %s%sVERB\n\n", family ? family : "", family ? " " : "");
        for (const Verb *const *verb = verbs; *verb; verb++) {
                if (family && !is_of_family(*verb, family))
                        continue;
                _cleanup_free_ char *usage = verb_usage(*verb);
                printf("  %-38s %s\n", usage, (*verb)->help);
        }
        puts("\nOptions, beside those of a verb ('l4d2ctl VERB --help'):");
        options_help(0);
        puts("\nExit status: 0 done, 1 failed, 2 called wrongly, 3 a job was left running.\n"
             "See l4d2ctl(1).");
}

void help_verb(const Verb *verb)
{
        _cleanup_free_ char *usage = verb_usage(verb);
        printf("Usage: l4d2ctl [OPTION...] %s\n\n%s.\n%s", usage, verb->help,
                verb->details ? verb->details : "");
        if (verb->options)
                puts("\nOptions of this verb:");
        if (verb->options)
                options_help(verb->options);
        puts("\nOptions of all:");
        options_help(0);
}
