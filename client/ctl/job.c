/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* job list, show, wait, log, cancel. */
#include "ctl.h"

int verb_job_list(Ctl *ctl, char **arguments)
{
        _cleanup_(list_unrefp) l4h_list *list = NULL;
        if (l4h_list_new(ctl->host, &list) < 0)
                return ctl_fail(ctl);

        static const char *const headings[] = {"ID", "WORK", "STATE", "QUEUED", "RESULT", NULL};
        _cleanup_(table_freep) Table *table = table_new(headings);
        for (size_t i = 0; i < l4h_list_count_jobs(list); i++) {
                const l4h_job *job = l4h_list_get_job(list, i);
                table_add(table, format("%" PRIu64, l4h_job_get_id(job)));
                table_add(table, job_describe(job));
                table_add(table, format("%s", l4h_job_get_state(job)));
                table_add(table, format_time(l4h_job_get_queued_at(job)));
                table_add(table, format("%s", l4h_job_get_result(job)));
        }
        table_print(table, ctl);
        return EXIT_DONE;
}

/* Does something with each job named by its number. */
static int each(Ctl *ctl, char **ids, int (*run)(Ctl *ctl, uint64_t id))
{
        uint64_t id;
        for (char **word = ids; *word; word++)
                if (!number_parse(*word, UINT64_MAX, &id, NULL))
                        return usage_fail("'%s' is not the number of a job.", *word);

        int status = EXIT_DONE;
        for (; *ids; ids++)
                if (number_parse(*ids, UINT64_MAX, &id, NULL) && run(ctl, id) != EXIT_DONE)
                        status = EXIT_FAILED;
        return status;
}

static void requesters_print(const l4h_job *job)
{
        const uint32_t *uids;
        size_t n = l4h_job_get_requesters(job, &uids);
        char *list = format("%s", n == 0 ? "the service" : "");
        for (size_t i = 0; i < n; i++) {
                char *longer = format("%s%suid %" PRIu32, list, i > 0 ? ", " : "", uids[i]);
                free(list);
                list = longer;
        }
        print_field("Asked for by", list);
}

static void progress_print(const l4h_job *job)
{
        double progress = l4h_job_get_progress(job);
        _cleanup_free_ char *text = format_text(l4h_job_get_progress_text(job));
        if (progress >= 0)
                print_field("Progress", format("%.0f%%%s%s", 100 * progress, *text ? " - " : "", text));
        else if (*text)
                print_field("Progress", format("%s", text));
}

static void job_print(const l4h_job *job)
{
        _cleanup_free_ char *what = job_describe(job);
        printf("%" PRIu64 " - %s\n", l4h_job_get_id(job), what);
        print_field("State", format("%s", l4h_job_get_state(job)));
        if (*l4h_job_get_result(job))
                print_field("Result", format("%s", l4h_job_get_result(job)));
        if (*l4h_job_get_message(job))
                print_field("Message", format_text(l4h_job_get_message(job)));
        if (l4h_job_get_exit_status(job) != 0)
                print_field("Exit status", format("%" PRId32, l4h_job_get_exit_status(job)));
        progress_print(job);
        requesters_print(job);
        print_field("Queued", format_time(l4h_job_get_queued_at(job)));
        print_field("Started", format_time(l4h_job_get_started_at(job)));
        print_field("Finished", format_time(l4h_job_get_finished_at(job)));
        if (*l4h_job_get_unit(job))
                print_field("Unit", format("%s", l4h_job_get_unit(job)));
}

static int show(Ctl *ctl, uint64_t id)
{
        l4h_job *job;
        if (l4h_job_find(ctl->host, id, &job) < 0)
                return ctl_fail(ctl);
        job_print(job);
        l4h_job_unref(job);
        return EXIT_DONE;
}

static int cancel(Ctl *ctl, uint64_t id)
{
        return l4h_job_cancel(ctl->host, id) < 0 ? ctl_fail(ctl) : EXIT_DONE;
}

int verb_job_log(Ctl *ctl, char **arguments)
{
        if (ctl->follows && arguments[1])
                return usage_fail("--follow follows one job.");
        return each(ctl, arguments, job_log);
}

int verb_job_show(Ctl *ctl, char **arguments)
{
        return each(ctl, arguments, show);
}

int verb_job_wait(Ctl *ctl, char **arguments)
{
        return each(ctl, arguments, job_wait);
}

int verb_job_cancel(Ctl *ctl, char **arguments)
{
        return each(ctl, arguments, cancel);
}
