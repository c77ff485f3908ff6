/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* l4d2ctl: what its verbs share. A verb is a function verb_*() in the file named after it or its family;
 * main.c has the table of all. Each returns one of the exit codes below. */
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

enum { EXIT_DONE = 0, EXIT_FAILED = 1, EXIT_USAGE = 2 };

typedef struct Ctl {
        l4h_host *host;
        const char *where; /* --host= or --machine=, NULL for this machine */
        bool is_machine;
        bool is_quiet;              /* --quiet */
        bool has_legend;            /* not --no-legend */
        bool waits;                 /* not --no-wait: for the jobs it queues */
        bool may_ask;               /* not --no-ask-password */
        bool asks;                  /* for passwords: somebody is there, and it helps */
        const char *kind;           /* --kind=, NULL when it is not given */
        bool replaces;              /* --replace */
        bool follows;               /* --follow */
        const char *lines, *output; /* --lines=, --output=, NULL when they are not given */
} Ctl;

/* ---- main.c ---- */

/* Connects, again where there is a connection. Returns: 0 or negative errno. */
int ctl_connect(Ctl *ctl);

/* ---- ctl.c: what is said to people ---- */

/* Prints what the library says about the last failure. Returns: EXIT_FAILED. */
int ctl_fail(const Ctl *ctl);
/* Prints a sentence on standard error. Returns: EXIT_USAGE. */
int usage_fail(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* Out of memory ends the program: nothing is half done in a client. */
void *must(void *p);
char *format(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* Text of somebody else's for a terminal: control characters become "?". Returns: a string to be freed. */
char *format_text(const char *text);
char *format_time(uint64_t usec); /* "-" for 0 */
char *format_span(uint64_t usec); /* "90min" */
char *format_size(uint64_t bytes);
/* Returns: the strings with `separator` between them, `none` when there are none; to be freed. */
char *format_strings(const char *const *strings, const char *separator, const char *none);

/* Prints a line of a description. Frees `value`. */
void print_field(const char *label, char *value);
/* Reads a number in decimal. Returns: whether it is one, at most `max`; `*ret_end` is what follows it, and
 * nothing may follow when that is NULL. */
bool number_parse(const char *text, uint64_t max, uint64_t *ret, const char **ret_end);

/* ---- table.c: columns as wide as what is in them ---- */

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
void table_print(const Table *table, const Ctl *ctl);

/* ---- assign.c: KEY=VALUE ---- */

extern const char *const instance_keys[], *const overlay_keys[]; /* up to NULL */
/* Reads assignments up to NULL. Returns: EXIT_DONE, or EXIT_USAGE after a sentence. */
int assign(char **arguments, const char *const *keys, l4h_settings **ret);
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

/* ---- outcome.c ---- */

/* "build maps", to be freed. */
char *job_describe(const l4h_job *job);
/* Waits for a job and says how it ended. Returns: an exit code. */
int job_wait(Ctl *ctl, uint64_t id);
/* The same for a job that was queued just now; with --no-wait prints its number. */
int job_outcome(Ctl *ctl, uint64_t id);

/* ---- logs.c ---- */

/* Prints the log of a job. Returns: an exit code. */
int job_log(Ctl *ctl, uint64_t id);

/* ---- shutdown.c ---- */

/* Whether systemd is taking the system down. */
bool system_is_stopping(void);

/* ---- agent.c ---- */

/* Starts pkttyagent(1) for this process, on a terminal, for others than root. */
void agent_start(void);
void agent_stop(void);

/* ---- verbs; `arguments` are those after the verb, up to NULL, as many as the table says ---- */

typedef int Verb(Ctl *ctl, char **arguments);
Verb verb_can, verb_configure, verb_create, verb_delete, verb_get_config, verb_list, verb_logs, verb_mount,
        verb_reload, verb_reset, verb_restart, verb_set_config, verb_start, verb_status, verb_stop,
        verb_unmount;
Verb verb_overlay_build, verb_overlay_configure, verb_overlay_create, verb_overlay_delete,
        verb_overlay_get_script, verb_overlay_import, verb_overlay_list, verb_overlay_revert,
        verb_overlay_set_script, verb_overlay_show, verb_overlay_wipe, verb_overlay_wipe_cache;
Verb verb_job_cancel, verb_job_list, verb_job_log, verb_job_show, verb_job_wait;
