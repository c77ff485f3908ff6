/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Printing logs. What is followed is opened again behind the last line when the service or the connection was
 * lost. */
#include "ctl.h"
#include "dbus/names.h"
#include <errno.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#define FOLLOW_LINES 10 /* that are there already */
#define RETRY_SEC    1

/* Whose log it is, and how far it was read. */
typedef struct Log {
        Ctl *ctl;
        const char *instance; /* NULL: of the job */
        uint64_t job;
        enum { SHORT, CAT, JSON } output;
        bool follows;
        uint32_t lines; /* UINT32_MAX: all */
        bool is_terminal;
        char *cursor;      /* of the last line, "" before the first or when that is gone */
        uint64_t time;     /* of the last line */
        uint64_t since;    /* what is older is not wanted */
        uint64_t until;    /* nor what is newer */
        uint32_t priority; /* nor what is less urgent */
        bool was_open;     /* it could be read once */
        bool was_over;     /* the job, when the log was opened last */
        bool is_silent;    /* the last pipe brought nothing */
} Log;

static void text_print(const Log *log, const char *text, size_t size)
{
        if (!log->is_terminal) {
                fwrite(text, 1, size, stdout);
                putchar('\n');
                return;
        }
        /* To a terminal goes nothing that it might obey. */
        _cleanup_free_ char *copy = format("%.*s", (int)size, text);
        for (char *tab = copy; (tab = strchr(tab, '\t'));)
                *tab = ' ';
        _cleanup_free_ char *shown = format_text(copy);
        puts(shown);
}

static void line_print(const Log *log, const l4h_line *line)
{
        if (log->output == SHORT) {
                time_t seconds = (time_t)(line->time / 1000000);
                struct tm tm;
                char buffer[32];
                if (localtime_r(&seconds, &tm) && strftime(buffer, sizeof buffer, "%b %d %H:%M:%S", &tm) > 0)
                        printf("%s ", buffer);
        }
        text_print(log, line->text, line->size);
}

static void log_take(Log *log, const l4h_line *line, const char *record)
{
        log->is_silent = false;
        if (record && log->output == JSON)
                text_print(log, record, strlen(record));
        else if (line->text)
                line_print(log, line);
        else
                fputs("Lines are missing here: the journal has let go of them.\n", stderr);
        log->time = line->time;
        if (*line->cursor) {
                free(log->cursor);
                log->cursor = format("%s", line->cursor);
        }
}

/* Asks for all that was not seen yet. */
static int log_open(Log *log, int *ret)
{
        _cleanup_(log_options_unrefp) l4h_log_options *options = NULL;
        (void)l4h_log_options_new(&options);
        must(options);
        l4h_log_options_set_json(options, true);
        l4h_log_options_set_follow(options, log->follows);
        if (log->until != UINT64_MAX)
                l4h_log_options_set_until(options, log->until);
        if (log->priority < LOG_DEBUG)
                l4h_log_options_set_priority(options, log->priority);
        if (log->since > 0)
                l4h_log_options_set_since(options, log->since);
        if (*log->cursor)
                must(l4h_log_options_set_cursor(options, log->cursor) < 0 ? NULL : options);
        else if (log->lines != UINT32_MAX)
                l4h_log_options_set_lines(options, log->lines);
        return log->instance ? l4h_instance_open_log(log->ctl->host, log->instance, options, ret)
                             : l4h_job_open_log(log->ctl->host, log->job, options, ret);
}

/* Returns: whether `r` says that the line that was printed last is gone; then the log goes on by time. */
static bool is_cursor_gone(Log *log, int r)
{
        if (r != -ESTALE || !*log->cursor)
                return false;
        fputs("Lines may be missing here: the journal has let go of the last one.\n", stderr);
        *log->cursor = '\0';
        log->since = log->time + 1;
        log->lines = UINT32_MAX; /* it would be the last of those that are left */
        return true;
}

static int log_open_again(Log *log, int *ret)
{
        int r = log_open(log, ret);
        return is_cursor_gone(log, r) ? log_open(log, ret) : r;
}

/* Prints what comes through the pipe. Takes `fd`. Returns: 0 at its end, or negative errno. */
static int pipe_print(Log *log, int fd)
{
        l4h_reader *reader;
        must(l4h_reader_new(fd, &reader) < 0 ? NULL : &reader);
        l4h_line line;
        int r;
        log->is_silent = true;
        while ((r = l4h_reader_next(reader, &line)) > 0 && !ferror(stdout))
                log_take(log, &line, l4h_reader_get_record(reader));
        l4h_reader_unref(reader);
        return r;
}

/* Whether nothing more can come: the job was over before its log was opened. */
static bool is_over(Log *log)
{
        if (!log->follows || log->was_over)
                return true;
        l4h_job *job;
        if (!log->instance && l4h_job_find(log->ctl->host, log->job, &job) >= 0) {
                log->was_over = l4h_job_is_finished(job);
                l4h_job_unref(job);
        }
        return false;
}

/* What to do when the log cannot be read. Returns: -1 to try again, or an exit code. */
static int log_failed(Log *log, int r)
{
        if (log->was_open && r == -ENOENT)
                return EXIT_DONE; /* deleted meanwhile */
        if (!log->was_open || !log->follows || !l4h_error_is_unreachable(log->ctl->host))
                return ctl_fail(log->ctl);
        (void)sleep(RETRY_SEC);
        (void)ctl_connect(log->ctl);
        l4h_set_auto_start(log->ctl->host, false);
        return -1;
}

static void log_opened(Log *log)
{
        log->was_open = true;
        l4h_set_auto_start(log->ctl->host, false); /* who stops it wants it stopped */
        if (!log->follows)
                pager_open(log->ctl);
}

/* ---- Where no pipe can be had ---- */

/* What was read and is not printed yet: the last of it may be all that is wanted. */
typedef struct Pages {
        struct {
                l4h_log *log;
                size_t n_wanted; /* of its lines */
        } * items;
        size_t n, n_wanted;
} Pages;

static bool is_wanted(const Log *log, const l4h_line *line)
{
        return line->time >= log->since && line->time <= log->until && line->priority <= log->priority;
}

static size_t count_wanted(const Log *log, const l4h_log *page)
{
        size_t n = 0;
        for (size_t i = 0; i < l4h_log_count_lines(page); i++) {
                l4h_line line = l4h_log_get_line(page, i);
                n += is_wanted(log, &line);
        }
        return n;
}

static void pages_drop_first(Pages *pages)
{
        pages->n_wanted -= pages->items->n_wanted;
        l4h_log_unref(pages->items->log);
        memmove(pages->items, pages->items + 1, --pages->n * sizeof *pages->items);
}

/* Takes `page`; keeps those alone that have some of the last lines. */
static void pages_add(const Log *log, Pages *pages, l4h_log *page)
{
        size_t n_wanted = count_wanted(log, page);
        if (n_wanted == 0) {
                l4h_log_unref(page);
                return;
        }
        pages->items = must(reallocarray(pages->items, pages->n + 1, sizeof *pages->items));
        pages->items[pages->n].log = page;
        pages->items[pages->n++].n_wanted = n_wanted;
        pages->n_wanted += n_wanted;
        while (pages->n > 0 && pages->n_wanted - pages->items->n_wanted >= log->lines)
                pages_drop_first(pages);
}

static void pages_print(Log *log, Pages *pages)
{
        size_t skipped = pages->n_wanted > log->lines ? pages->n_wanted - log->lines : 0;
        for (; pages->n > 0; pages_drop_first(pages))
                for (size_t i = 0; i < l4h_log_count_lines(pages->items->log); i++) {
                        l4h_line line = l4h_log_get_line(pages->items->log, i);
                        if (!is_wanted(log, &line))
                                continue;
                        if (skipped > 0)
                                skipped--;
                        else
                                line_print(log, &line);
                }
}

static void pages_done(Pages *pages)
{
        while (pages->n > 0)
                l4h_log_unref(pages->items[--pages->n].log);
        free(pages->items);
}

/* The page behind the last one. Returns: -1 and the page, or an exit code. */
static int page_read(Log *log, l4h_log **ret)
{
        for (;;) {
                l4h_host *host = log->ctl->host;
                int r = log->instance ? l4h_instance_read_log(host, log->instance, log->cursor, 0, ret)
                                      : l4h_job_read_log(host, log->job, log->cursor, 0, ret);
                if (r >= 0) {
                        log_opened(log);
                        free(log->cursor);
                        log->cursor = format("%s", l4h_log_get_next(*ret));
                        size_t n = l4h_log_count_lines(*ret);
                        if (n > 0)
                                log->time = l4h_log_get_line(*ret, n - 1).time;
                        return -1;
                }
                int status = is_cursor_gone(log, r) ? -1 : log_failed(log, r);
                if (status >= 0)
                        return status;
        }
}

/* Asks for lines, again and again when they are followed. */
static int read_by_calls(Log *log)
{
        _cleanup_(pages_done) Pages pages = {0};
        for (;;) {
                l4h_log *page;
                int status = page_read(log, &page);
                if (status >= 0)
                        return status;
                bool is_at_end = l4h_log_is_at_end(page);
                pages_add(log, &pages, page);
                if (is_at_end || log->lines == UINT32_MAX)
                        pages_print(log, &pages);
                if (!is_at_end)
                        continue;
                log->lines = UINT32_MAX; /* of what comes now, all */
                if (is_over(log) || ferror(stdout))
                        return EXIT_DONE;
                (void)sleep(RETRY_SEC);
        }
}

/* ---- Whole logs ---- */

static int log_print(Log *log)
{
        for (;;) {
                int fd, r = log_open_again(log, &fd);
                if (r == -EOPNOTSUPP)
                        return read_by_calls(log);
                if (r < 0) {
                        int status = log_failed(log, r);
                        if (status >= 0)
                                return status;
                        continue;
                }
                log_opened(log);
                r = pipe_print(log, fd);
                if (r < 0) {
                        fprintf(stderr, "The log cannot be read: %s.\n", strerror(-r));
                        return EXIT_FAILED;
                }
                if (is_over(log) || ferror(stdout))
                        return EXIT_DONE;
                if (log->is_silent && !log->was_over) /* the service may be unable to follow it */
                        (void)sleep(RETRY_SEC);
        }
}

static Log log_whole(Ctl *ctl, const char *instance)
{
        return (Log){.ctl = ctl,
                .instance = instance,
                .lines = UINT32_MAX,
                .until = UINT64_MAX,
                .priority = LOG_DEBUG,
                .is_terminal = terminal_is_output()};
}

static bool priority_parse(const char *text, uint32_t *ret)
{
        static const char *const words[] = {
                "emerg", "alert", "crit", "err", "warning", "notice", "info", "debug"};
        uint64_t number;
        for (*ret = 0; *ret <= LOG_DEBUG; (*ret)++)
                if (strcmp(text, words[*ret]) == 0)
                        return true;
        if (!number_parse(text, LOG_DEBUG, &number, NULL))
                return false;
        *ret = (uint32_t)number;
        return true;
}

/* `text` may be NULL. Returns: an exit code. */
static int time_read(const char *text, const char *option, uint64_t *ret)
{
        if (!text || time_parse(text, ret))
                return EXIT_DONE;
        return usage_fail("--%s must be a time, such as 18:00, \"2026-01-31 18:00\", -2h or today, not '%s'.",
                option, text);
}

/* Which lines are wanted, as the options say. Returns: an exit code. */
static int range_read(const Ctl *ctl, Log *log)
{
        uint64_t lines = ctl->follows && !ctl->since ? FOLLOW_LINES : UINT32_MAX;
        if (ctl->lines && !number_parse(ctl->lines, UINT32_MAX - 1, &lines, NULL))
                return usage_fail("--lines must be a number, not '%s'.", ctl->lines);
        log->lines = (uint32_t)lines;
        int status = time_read(ctl->since, "since", &log->since);
        if (status == EXIT_DONE)
                status = time_read(ctl->until, "until", &log->until);
        if (status != EXIT_DONE)
                return status;
        if (ctl->until && ctl->follows)
                return usage_fail("--until does not go with --follow, which has no end.");
        if (ctl->priority && !priority_parse(ctl->priority, &log->priority))
                return usage_fail("--priority must be emerg, alert, crit, err, warning, notice, info, debug "
                                  "or a number from 0 to 7, not '%s'.",
                        ctl->priority);
        return EXIT_DONE;
}

int log_run(Ctl *ctl, const char *instance, uint64_t job)
{
        static const char *const outputs[] = {
                [SHORT] = "short", [CAT] = HOST_LOG_CAT, [JSON] = HOST_LOG_JSON};
        Log log = log_whole(ctl, instance);
        log.job = job;
        log.follows = ctl->follows;
        int status = range_read(ctl, &log);
        if (status != EXIT_DONE)
                return status;
        while (ctl->output && strcmp(ctl->output, outputs[log.output]) != 0)
                if (++log.output > JSON)
                        return usage_fail("'%s' is no form of output; there are short, " HOST_LOG_CAT
                                          " and " HOST_LOG_JSON ".",
                                ctl->output);
        if (log.output == JSON && ctl->target && !ctl->target->is_machine)
                return usage_fail(
                        "--output=json does not work with --host, which carries no pipes; do this on the "
                        "host itself.");
        log.cursor = format("%s", "");
        status = log_print(&log);
        free(log.cursor);
        return status;
}

void log_print_last(Ctl *ctl, const char *instance, uint32_t lines)
{
        Log log = log_whole(ctl, instance);
        log.lines = lines;
        log.cursor = format("%s", "");
        int fd, r = log_open(&log, &fd);
        if (r == -EOPNOTSUPP) /* by ssh; "logs" can do it line by line */
                puts("\nThe log is not shown over this connection: see 'l4d2ctl logs'.");
        else if (r == -EACCES)
                puts("\nThe log is not shown: reading it needs more rights, see 'l4d2ctl can'.");
        else if (r < 0)
                printf("\nThe log is not shown. %s\n", l4h_error_message(ctl->host));
        else if (putchar('\n') != EOF)
                (void)pipe_print(&log, fd);
        free(log.cursor);
}
