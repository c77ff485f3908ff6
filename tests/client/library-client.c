/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A front end on the library's asynchronous half: does what the lines say that it reads, and prints what it
 * is told, a line each, while one event loop carries all of it.
 *
 *   watch | unwatch             the first word of what is told: added, changed, removed, ready, away, lost
 *   CALL NAME [TEXT]            a row of the table below; told as "CALL NAME: ANSWER" or "CALL NAME: -ERRNO
 * SENTENCE" cancel CALL NAME [TEXT]     the same, and takes it back at once float CALL NAME [TEXT]      the
 * same, with nobody holding the slot wait-here JOB               l4h_job_wait(), while the loop stands still
 *   leave                       gives up the connection, whatever is under way
 */
#include "left4me-host.h"
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <systemd/sd-event.h>
#include <unistd.h>

static l4h_host *host;
static l4h_slot *watch;

/* ---- What is watched ---- */

static void on_event(l4h_host *h, const l4h_event *event, void *userdata)
{
        static const char *const words[] = {"added", "changed", "removed", "ready", "away", "lost"};
        const char *word = words[event->change];
        if (event->instance)
                printf("%s instance %s %s\n", word, l4h_instance_get_name(event->instance),
                        l4h_instance_get_active_state(event->instance));
        else if (event->overlay)
                printf("%s overlay %s %s %s\n", word, l4h_overlay_get_name(event->overlay),
                        l4h_overlay_get_state(event->overlay), l4h_overlay_get_description(event->overlay));
        else if (event->job)
                printf("%s job %" PRIu64 " %s %.2f\n", word, l4h_job_get_id(event->job),
                        l4h_job_get_state(event->job), l4h_job_get_progress(event->job));
        else if (event->manager)
                printf("%s manager %" PRIu32 "\n", word, l4h_manager_get_running_jobs(event->manager));
        else
                printf("%s %s\n", word, event->change == L4H_READY ? "" : l4h_error_message(h));
}

/* ---- Calls ---- */

typedef struct Asked {
        char *words;
        l4h_slot *slot;
        struct Asked *next;
} Asked;

static Asked *all_asked; /* and not answered */

static void asked_free(Asked *asked)
{
        Asked **link = &all_asked;
        while (*link != asked)
                link = &(*link)->next;
        *link = asked->next;
        l4h_slot_unref(asked->slot);
        free(asked->words);
        free(asked);
}

static void tell(l4h_host *h, int r, Asked *asked, const char *answer)
{
        if (r < 0)
                printf("%s: %d %s\n", asked->words, r, l4h_error_message(h));
        else
                printf("%s: %s\n", asked->words, answer);
        asked_free(asked);
}

static void on_done(l4h_host *h, int r, void *asked)
{
        tell(h, r, asked, "done");
}

static void on_queued(l4h_host *h, int r, uint64_t job, void *asked)
{
        char number[32];
        (void)snprintf(number, sizeof number, "job %" PRIu64, job);
        tell(h, r, asked, number);
}

static void on_text(l4h_host *h, int r, const char *text, void *asked)
{
        tell(h, r, asked, text);
}

static void on_instance(l4h_host *h, int r, l4h_instance *instance, void *asked)
{
        tell(h, r, asked, r < 0 ? "" : l4h_instance_get_active_state(instance));
}

static void on_overlay(l4h_host *h, int r, l4h_overlay *overlay, void *asked)
{
        tell(h, r, asked, r < 0 ? "" : l4h_overlay_get_state(overlay));
}

static void on_job(l4h_host *h, int r, l4h_job *job, void *asked)
{
        tell(h, r, asked, r < 0 ? "" : l4h_job_get_state(job));
}

static void on_manager(l4h_host *h, int r, l4h_manager *manager, void *asked)
{
        tell(h, r, asked, r < 0 ? "" : l4h_manager_get_version(manager));
}

static void on_list(l4h_host *h, int r, l4h_list *list, void *asked)
{
        char number[64] = "";
        if (r >= 0)
                (void)snprintf(number, sizeof number, "%zu %zu", l4h_list_count_instances(list),
                        l4h_list_count_overlays(list));
        tell(h, r, asked, number);
}

/* How many lines there are, and the last one. */
static void on_pipe(l4h_host *h, int r, int fd, void *asked)
{
        l4h_reader *reader;
        l4h_line line;
        char *said = NULL;
        size_t n = 0;
        int copy = r < 0 ? -1 : dup(fd); /* it is ours for the moment alone */
        if (copy >= 0 && l4h_reader_new(copy, &reader) >= 0) {
                while ((r = l4h_reader_next(reader, &line)) > 0) {
                        free(said);
                        if (asprintf(&said, "%zu %.*s", ++n, (int)line.size, (const char *)line.text) < 0)
                                abort();
                }
                l4h_reader_unref(reader);
        }
        tell(h, r, asked, said ? said : "");
        free(said);
}

static int open_log(l4h_host *h, const char *name, void *userdata, l4h_slot **slot)
{
        l4h_log_options *options;
        if (l4h_log_options_new(&options) < 0)
                abort();
        l4h_log_options_set_json(options, true);
        l4h_log_options_set_lines(options, 3);
        int r = l4h_instance_open_log_async(h, name, options, on_pipe, userdata, slot);
        l4h_log_options_unref(options);
        return r;
}

static void on_answers(l4h_host *h, int r, const l4h_answer *answers, size_t n, void *asked)
{
        static const char *const words[] = {"no", "challenge", "yes"};
        tell(h, r, asked, r < 0 || n != 1 ? "" : words[answers[0]]);
}

static int can_start(
        l4h_host *h, const char *name, l4h_answers_handler handler, void *userdata, l4h_slot **slot)
{
        const l4h_call call = {L4H_INSTANCE, name, "Start"};
        return l4h_can_async(h, &call, 1, handler, userdata, slot);
}

/* Returns: what the call returns, or 1 when there is none of this name. */
static int ask(const char *call, const char *name, const char *text, void *asked, l4h_slot **slot)
{
        uint64_t number = strtoull(name, NULL, 10);
#define ROW(word, expression)                                                                                \
        if (strcmp(call, word) == 0)                                                                         \
                return expression;
        ROW("create", l4h_instance_create_async(host, name, NULL, on_done, asked, slot))
        ROW("start", l4h_instance_start_async(host, name, on_done, asked, slot))
        ROW("stop", l4h_instance_stop_async(host, name, on_done, asked, slot))
        ROW("set-config", l4h_instance_set_config_async(host, name, text, on_done, asked, slot))
        ROW("get-config", l4h_instance_get_config_async(host, name, on_text, asked, slot))
        ROW("delete", l4h_instance_delete_async(host, name, on_queued, asked, slot))
        ROW("instance", l4h_instance_find_async(host, name, on_instance, asked, slot))
        ROW("open-log", open_log(host, name, asked, slot))
        ROW("can", can_start(host, name, on_answers, asked, slot))
        ROW("create-overlay", l4h_overlay_create_script_async(host, name, NULL, on_done, asked, slot))
        ROW("set-script", l4h_overlay_set_script_async(host, name, text, on_done, asked, slot))
        ROW("build", l4h_overlay_build_async(host, name, on_queued, asked, slot))
        ROW("overlay", l4h_overlay_find_async(host, name, on_overlay, asked, slot))
        ROW("job", l4h_job_find_async(host, number, on_job, asked, slot))
        ROW("wait", l4h_job_wait_async(host, number, on_job, asked, slot))
        ROW("cancel-job", l4h_job_cancel_async(host, number, on_done, asked, slot))
        ROW("manager", l4h_manager_find_async(host, on_manager, asked, slot))
        ROW("list", l4h_list_new_async(host, on_list, asked, slot))
        return 1;
}

static void call(const char *how, char *words)
{
        Asked *asked = calloc(1, sizeof *asked);
        char *rest = words, *verb = strsep(&rest, " "), *name = strsep(&rest, " ");
        if (asprintf(&asked->words, "%s %s", verb, name ? name : "-") < 0)
                abort();
        asked->next = all_asked;
        all_asked = asked;
        bool floats = strcmp(how, "float") == 0;
        int r = ask(verb, name ? name : "-", rest ? rest : "", asked, floats ? NULL : &asked->slot);
        if (r != 0)
                tell(host, r, asked, "no such call");
        else if (strcmp(how, "cancel") == 0)
                asked_free(asked);
}

static void wait_here(const char *number)
{
        l4h_job *job;
        int r = l4h_job_wait(host, strtoull(number, NULL, 10), &job);
        printf("wait-here %s: %s\n", number, r < 0 ? l4h_error_message(host) : l4h_job_get_state(job));
        if (r >= 0)
                l4h_job_unref(job);
}

static void obey(char *line)
{
        char *rest = line, *word = strsep(&rest, " ");
        if (strcmp(word, "watch") == 0) {
                if (l4h_watch(host, on_event, NULL, &watch) < 0)
                        printf("watch: %s\n", l4h_error_message(host));
        } else if (strcmp(word, "unwatch") == 0) {
                watch = l4h_slot_unref(watch);
                puts("unwatched");
        } else if (strcmp(word, "wait-here") == 0) {
                wait_here(rest);
        } else if (strcmp(word, "leave") == 0) {
                host = l4h_unref(host);
                puts("left");
        } else if (strcmp(word, "cancel") == 0 || strcmp(word, "float") == 0) {
                call(word, rest);
        } else {
                if (rest)
                        rest[-1] = ' ';
                call("hold", line);
        }
}

static int on_input(sd_event_source *source, int fd, uint32_t events, void *userdata)
{
        static char text[65536];
        static size_t size;
        ssize_t n = read(fd, text + size, sizeof text - size);
        if (n <= 0)
                return sd_event_exit(sd_event_source_get_event(source), 0);
        size += (size_t)n;
        char *end;
        while ((end = memchr(text, '\n', size))) {
                *end = '\0';
                obey(text);
                size -= (size_t)(end + 1 - text);
                memmove(text, end + 1, size);
        }
        return 0;
}

int main(int argc, char **argv)
{
        sd_event *event;
        (void)setvbuf(stdout, NULL, _IOLBF, 0);
        int r = sd_event_default(&event);
        if (r >= 0)
                r = argc > 1 ? l4h_open_remote(argv[1], &host) : l4h_open_system(&host);
        if (r >= 0)
                r = l4h_attach_event(host, event);
        if (r >= 0)
                r = sd_event_add_io(event, NULL, STDIN_FILENO, 1 /* EPOLLIN */, on_input, NULL);
        if (r >= 0)
                r = sd_event_loop(event);
        l4h_slot_unref(watch);
        l4h_unref(host);
        while (all_asked)
                asked_free(all_asked);
        sd_event_unref(event);
        if (r < 0)
                fprintf(stderr, "%s\n", strerror(-r));
        return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
