/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* l4d2ctl: what its verbs share. Each verb has a file of its own in verbs/, which says what it is called,
 * what it takes, what --help says of it, and what it does; verb-list.c has the list of all. */
#pragma once

#include "left4me-host.h"
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define _cleanup_(f)   __attribute__((cleanup(f)))
#define _cleanup_free_ _cleanup_(freep)
static inline void freep(void *p)
{
        free(*(void **)p);
}

enum {
        EXIT_DONE = 0,
        EXIT_FAILED = 1,
        EXIT_USAGE = 2,
        EXIT_LEFT = 3, /* a job goes on, as the person wanted */
};

typedef enum JsonForm { JSON_OFF, JSON_SHORT, JSON_PRETTY } JsonForm;

/* A host that was named. */
typedef struct Target {
        const char *where; /* of --host= or --machine= */
        bool is_machine;
} Target;

/* What was asked for on the command line. */
typedef struct Ctl {
        l4h_host *host;
        const Target *target;   /* where that is, NULL for this machine */
        struct sd_bus *systemd; /* to the same bus, NULL before ctl_systemd() */
        Target *targets;        /* all that were named */
        size_t n_targets;
        unsigned given;             /* which options were given, for options_check() */
        bool wants_help;            /* --help */
        bool is_quiet;              /* --quiet */
        bool has_legend;            /* not --no-legend */
        bool has_pager;             /* not --no-pager */
        bool has_shown;             /* an object, closely */
        bool waits;                 /* not --no-wait: for the jobs it queues */
        bool may_ask;               /* not --no-ask-password */
        bool asks;                  /* for passwords: somebody is there, and it helps */
        JsonForm json;              /* --json= */
        const char *kind;           /* --kind=, NULL when it is not given */
        bool replaces;              /* --replace */
        bool builds;                /* --build */
        bool follows;               /* --follow */
        const char *lines, *output; /* --lines=, --output=, NULL when they are not given */
        const char *since, *until;  /* --since=, --until=, as well */
        const char *priority;       /* --priority=, as well */
} Ctl;

/* Options that belong to some verbs alone. */
enum {
        OPTION_JSON = 1 << 0,
        OPTION_WAIT = 1 << 1, /* and --no-wait */
        OPTION_KIND = 1 << 2,
        OPTION_REPLACE = 1 << 3,
        OPTION_BUILD = 1 << 5,
        OPTION_LOG = 1 << 6,   /* those that say what of a log, and how */
        OPTION_HOSTS = 1 << 4, /* --host= and --machine= more than once */
};

#define ANY 1000000

/* What an argument is, for completion. */
typedef enum Words {
        WORDS_NONE,
        WORDS_INSTANCES,
        WORDS_OVERLAYS,
        WORDS_JOBS,
        WORDS_OBJECTS,
        WORDS_GENERATIONS, /* of the overlay before */
        WORDS_INSTANCE_KEYS,
        WORDS_OVERLAY_KEYS,
        WORDS_FILES,
} Words;

typedef struct Verb {
        const char *name;                       /* one word, or two: "overlay build" */
        const char *arguments;                  /* as the usage line has them */
        int min, max;                           /* how many there are */
        Words first, others;                    /* what they are */
        unsigned options;                       /* OPTION_* that it knows */
        bool may_ask;                           /* for a password: it changes something or shows secrets */
        const char *help;                       /* a few words */
        const char *details;                    /* lines for its own --help, or NULL */
        int (*run)(Ctl *ctl, char **arguments); /* returns an exit code; `arguments` go up to NULL */
} Verb;

/* ---- verb-list.c ---- */

extern const Verb *const verbs[]; /* up to NULL */
/* Takes the words of the verb off `*arguments`. Returns: the verb, or NULL after a sentence. */
const Verb *verb_find(char ***arguments);

/* The same without a sentence. */
const Verb *verb_match_words(char ***arguments);

/* ---- complete.c ---- */

/* Prints what the last of `words` can become. Returns: an exit code. */
int complete(char **words);

/* ---- options.c, help.c ---- */

/* For completion: whether the word is an option whose argument is the next word; whether it names a host. */
bool option_takes_next(const char *word);
bool option_is_host(const char *word);
/* Prints `prefix` with each of the words that an option can have. */
void option_values_print(const char *word, const char *prefix);
/* Prints the options that `word` can become. `verb` may be NULL. */
void options_complete(const Verb *verb, const char *word);

/* Reads the options. Returns: -1 to go on, with `*ret_arguments` what is left, or an exit code. */
int options_read(Ctl *ctl, int argc, char **argv, char ***ret_arguments);
/* Returns: EXIT_DONE, or EXIT_USAGE after a sentence when an option was given that the verb does not know. */
int options_check(const Ctl *ctl, const Verb *verb);
/* Prints a line for each option that all verbs know, or those of `mask`. */
void options_help(unsigned mask);
/* Of all verbs, or those of a family. */
void help_all(const char *family);
bool is_family(const char *word);   /* "overlay", which is no verb alone */
char *verb_usage(const Verb *verb); /* "overlay build NAME...", to be freed */
void help_verb(const Verb *verb);

/* ---- hosts.c ---- */

/* Connects to the target, again where there is a connection. Returns: 0 or negative errno. */
int ctl_connect(Ctl *ctl);
/* A connection for what systemd alone knows. Returns: one that target_close() closes, or NULL. */
struct sd_bus *ctl_systemd(Ctl *ctl);
void target_add(Ctl *ctl, const char *where, bool is_machine);
/* Connects to a host, this machine for NULL. Returns: EXIT_DONE, or EXIT_FAILED after a sentence. */
int target_open(Ctl *ctl, const Target *target);
void target_close(Ctl *ctl);
bool has_several_targets(const Ctl *ctl);
/* The field Host, where there are several. */
void target_print(const Ctl *ctl);
/* Runs on each host in turn, whatever becomes of the others. Returns: an exit code. */
int each_target(Ctl *ctl, int (*run)(Ctl *ctl, void *userdata), void *userdata);

/* ---- ctl.c: what is said to people ---- */

/* Prints what the library says about the last failure. Returns: EXIT_FAILED. */
int ctl_fail(const Ctl *ctl);
/* Prints a sentence on standard error. Returns: EXIT_USAGE. */
int usage_fail(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* Out of memory ends the program: nothing is half done in a client. */
void *must(void *p);
char *format(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* Text of somebody else's for standard output: what a terminal might obey or cannot show becomes "?".
 * Returns: a string to be freed. */
char *format_text(const char *text);
char *format_time(uint64_t usec); /* "-" for 0 */
char *format_ago(uint64_t usec);  /* "5min ago", "-" for 0 */
char *format_span(uint64_t usec); /* "90min" */
char *format_size(uint64_t bytes);
/* Returns: the strings with `separator` between them, `none` when there are none; to be freed. */
char *format_strings(const char *const *strings, const char *separator, const char *none);

/* Prints a line of a description, one that goes on without a label. Frees `value`. */
void print_field(const char *label, char *value);
/* Prints the first line of a description, with a dot in the colour of the state. */
void print_title(const char *state, const char *name, const char *description);
/* The field State; `sub_state` may be NULL. */
void print_state(const char *state, const char *sub_state);
/* Reads a number in decimal. Returns: whether it is one, at most `max`; `*ret_end` is what follows it, and
 * nothing may follow when that is NULL. */
bool number_parse(const char *text, uint64_t max, uint64_t *ret, const char **ret_end);

/* ---- when.c ---- */

/* Reads a span of time, "90min", in microseconds. Returns: whether it is one. */
bool span_parse(const char *text, uint64_t *ret);
/* Reads a time, "2026-01-31 18:00" or "2h ago", in microseconds since the epoch. Returns: whether it is one.
 */
bool time_parse(const char *text, uint64_t *ret);

/* ---- terminal.c: what standard output can show, and for whom ---- */

typedef enum Colour { COLOUR_NONE, COLOUR_GREEN, COLOUR_YELLOW, COLOUR_RED, COLOUR_HEADING } Colour;

/* Looks at standard output as it is now. */
void terminal_look(void);
bool terminal_is_output(void); /* it is a terminal */
/* Whether standard output or standard error, as that was, is a terminal that does not take UTF-8. */
bool terminal_is_ascii(int fd);
size_t terminal_columns(void);  /* how many a line may take; SIZE_MAX when it is none */
const char *terminal_dot(void); /* before a name */
/* Returns: what switches to the colour, or with COLOUR_NONE back; "" where colours are off. */
const char *colour(Colour colour);
/* The colour of a state of an instance, an overlay or a job. */
Colour state_colour(const char *state);
/* How many bytes the character at `text` has, 0 when it is none, or the text has ended. */
size_t text_measure_character(const char *text);
/* How many columns a text takes. */
size_t text_width(const char *text);
/* Returns: the text, cut to so many columns with an ellipsis at its end; to be freed. */
char *text_cut(const char *text, size_t width);

/* ---- pager.c ---- */

/* Has what is printed from now on shown by a pager, where standard output is a terminal and one is wanted;
 * until pager_close(), which waits for its end. Called when the answer is there: Ctrl-C is the pager's from
 * then on. */
void pager_open(const Ctl *ctl);
void pager_close(void);

/* ---- table.c: columns as wide as what is in them, or as the terminal allows ---- */

typedef struct Table Table;
/* `headings`: NULL-terminated, static. */
Table *table_new(const char *const *headings);
void table_free(Table *table);
static inline void table_freep(Table **table)
{
        table_free(*table);
}
/* Adds the next cell, row by row. Takes `cell`. */
void table_add(Table *table, char *cell);
void table_add_colour(Table *table, char *cell, Colour colour);
/* `noun`: what a row is, for the line that counts them. */
void table_print(const Table *table, const Ctl *ctl, const char *noun);

/* ---- assign.c: KEY=VALUE ---- */

extern const char *const instance_keys[], *const overlay_keys[]; /* up to NULL */
/* What --help says of the keys. */
#define INSTANCE_KEYS_HELP                                                                                   \
        "Keys: Description, Port, Arguments (with blanks between), Overlays (with commas\n"                  \
        "between).\n"
#define OVERLAY_KEYS_HELP                                                                                    \
        "Keys: Description, TimeLimit (30s, 20min, 2h), SizeLimit (500M, 20G), FileLimit,\n"                 \
        "KeepGenerations.\n"
/* Calls with NAME and the settings made of KEY=VALUE... Returns: an exit code. */
int call_with_settings(Ctl *ctl, char **arguments, const char *const *keys,
        int (*call)(l4h_host *host, const char *name, const l4h_settings *settings));
static inline void list_unrefp(l4h_list **list)
{
        l4h_list_unref(*list);
}
static inline void log_unrefp(l4h_log **log)
{
        l4h_log_unref(*log);
}
static inline void log_options_unrefp(l4h_log_options **options)
{
        l4h_log_options_unref(*options);
}
static inline void settings_unrefp(l4h_settings **settings)
{
        l4h_settings_unref(*settings);
}

/* ---- text-file.c: files in, texts out ---- */

/* Reads a file, standard input for "-". Returns: EXIT_DONE, or EXIT_FAILED after a sentence. */
int file_read(const char *file, char **ret);
/* Calls with NAME and the text of FILE. Returns: an exit code. */
int call_with_file(
        Ctl *ctl, char **arguments, int (*call)(l4h_host *host, const char *name, const char *text));
/* Prints the text that a call with NAME answers. Returns: an exit code. */
int call_print_text(Ctl *ctl, char **arguments, int (*call)(l4h_host *host, const char *name, char **ret));

/* ---- each.c: the same for each that is named; all return an exit code ---- */

int each_name(Ctl *ctl, char **names, int (*call)(l4h_host *host, const char *name));
/* Queues all jobs before it waits for any: they run side by side. */
int each_job(Ctl *ctl, char **names, int (*call)(l4h_host *host, const char *name, uint64_t *ret_job));
/* EXIT_USAGE after a sentence when one is no number. */
int ids_check(char **ids);
int each_id(Ctl *ctl, char **ids, int (*run)(Ctl *ctl, uint64_t id));
/* Calls again while the service is being started anew. Returns: as `call`. */
int call_persistently(l4h_host *host, const char *name, int (*call)(l4h_host *host, const char *name));

/* ---- outcome.c ---- */

/* "build maps", to be freed. */
char *job_describe(const l4h_job *job);
/* Says that a job goes on. */
void job_left(uint64_t id);
/* Waits for a job and says how it ended. Returns: an exit code. */
int job_wait(Ctl *ctl, uint64_t id);
/* The same for a job that was queued just now; with --no-wait prints its number. */
int job_outcome(Ctl *ctl, uint64_t id);

/* ---- log-print.c ---- */

/* Prints the log of an instance, or of the job where that is NULL. Returns: an exit code. */
int log_run(Ctl *ctl, const char *instance, uint64_t job);
/* Prints the last lines below what stands there, or why not. */
void log_print_last(Ctl *ctl, const char *instance, uint32_t lines);

/* ---- job-wait.c ---- */

/* Waits for a job, showing how far it is. Returns: EXIT_DONE and the job as it ended, EXIT_LEFT when the
 * person does not wait for it, or EXIT_FAILED after a sentence. */
int job_follow(Ctl *ctl, uint64_t id, l4h_job **ret);

/* ---- shutdown.c ---- */

/* Whether systemd is taking the system down. */
bool system_is_stopping(void);

/* ---- agent.c ---- */

/* Starts pkttyagent(1) for this process, on a terminal, for others than root. */
void agent_start(void);
void agent_stop(void);
