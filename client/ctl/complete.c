/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* "l4d2ctl __complete WORD...": what the last word can become, a line for each, for the completion of shells.
 * ":files" stands for names of files. */
#include "ctl.h"

/* The words before the last, without options. */
typedef struct Before {
        char **words;
        size_t n;
        bool is_elsewhere; /* --host or --machine: asking there may take long */
} Before;

/* ---- Names, from the bus; all stay silent when there is none ---- */

static void names_print(const l4h_list *list, Words words)
{
        bool is_any = words == WORDS_OBJECTS;
        if (words == WORDS_INSTANCES || is_any)
                for (size_t i = 0; i < l4h_list_count_instances(list); i++)
                        printf("%s%s\n", is_any ? "instance/" : "",
                                l4h_instance_get_name(l4h_list_get_instance(list, i)));
        if (words == WORDS_OVERLAYS || is_any)
                for (size_t i = 0; i < l4h_list_count_overlays(list); i++)
                        printf("%s%s\n", is_any ? "overlay/" : "",
                                l4h_overlay_get_name(l4h_list_get_overlay(list, i)));
        if (words == WORDS_JOBS || is_any)
                for (size_t i = 0; i < l4h_list_count_jobs(list); i++)
                        printf("%s%" PRIu64 "\n", is_any ? "job/" : "",
                                l4h_job_get_id(l4h_list_get_job(list, i)));
        if (is_any)
                puts("host");
}

static void generations_print(l4h_host *host, const char *name)
{
        l4h_overlay *overlay;
        if (l4h_overlay_find(host, name, &overlay) < 0)
                return;
        for (size_t i = 0; i < l4h_overlay_count_generations(overlay); i++)
                printf("%" PRIu64 "\n", l4h_overlay_get_generation_at(overlay, i).number);
        l4h_overlay_unref(overlay);
}

static void bus_words_print(const Before *before, Words words)
{
        l4h_host *host;
        l4h_list *list;
        if (before->is_elsewhere || l4h_open_system(&host) < 0)
                return;
        if (words == WORDS_GENERATIONS) {
                generations_print(host, before->words[before->n - 1]);
        } else if (l4h_list_new(host, &list) >= 0) {
                names_print(list, words);
                l4h_list_unref(list);
        }
        l4h_unref(host);
}

static void words_print(const Before *before, Words words)
{
        const char *const *keys = words == WORDS_INSTANCE_KEYS  ? instance_keys
                                  : words == WORDS_OVERLAY_KEYS ? overlay_keys
                                                                : NULL;
        if (words == WORDS_FILES)
                puts(":files");
        else if (!keys && words != WORDS_NONE)
                bus_words_print(before, words);
        for (; keys && *keys; keys++)
                printf("%s=\n", *keys);
}

/* ---- Verbs ---- */

/* The next word of each verb that begins with those before. */
static void verbs_print(const Before *before)
{
        size_t n = before->n > 0 ? strlen(before->words[0]) : 0;
        const char *last = "";
        for (const Verb *const *verb = verbs; *verb; verb++) {
                const char *name = (*verb)->name;
                if (before->n > 0 && (strncmp(name, before->words[0], n) != 0 || name[n] != ' '))
                        continue;
                const char *word = before->n > 0 ? name + n + 1 : name;
                size_t length = strcspn(word, " ");
                if (strncmp(last, word, length) != 0 || last[length] != word[length])
                        printf("%.*s\n", (int)length, word);
                last = word;
        }
}

int complete(char **words)
{
        size_t n = 0;
        while (words[n])
                n++;
        if (n == 0)
                return EXIT_USAGE;
        const char *last = words[n - 1];
        _cleanup_free_ char **kept = must(calloc(n + 1, sizeof *kept));
        Before before = {.words = kept};
        for (size_t i = 0; i + 1 < n; i++) {
                if (*words[i] != '-') {
                        before.words[before.n++] = words[i];
                        continue;
                }
                before.is_elsewhere |= option_is_host(words[i]);
                if (!option_takes_next(words[i]))
                        continue;
                if (++i + 1 == n) { /* the last word is its argument */
                        option_values_print(words[i - 1], "");
                        return EXIT_DONE;
                }
        }
        char **arguments = before.words;
        const Verb *verb = before.n > 0 ? verb_match_words(&arguments) : NULL;
        int given = (int)(before.n - (size_t)(arguments - before.words));
        if (*last == '-')
                options_complete(verb, last);
        else if (!verb && before.n <= 1)
                verbs_print(&before);
        else if (verb && given < verb->max)
                words_print(&before, given == 0 ? verb->first : verb->others);
        return EXIT_DONE;
}
