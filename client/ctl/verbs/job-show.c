/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* job show: jobs closely. */
#include "show.h"

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
        _cleanup_free_ char *id = format("%" PRIu64, l4h_job_get_id(job));
        print_title(l4h_job_get_state(job), id, what);
        print_state(l4h_job_get_state(job), NULL);
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

static int show(Ctl *ctl, const char *name, json_object *array)
{
        uint64_t id;
        l4h_job *job;
        (void)number_parse(name, UINT64_MAX, &id, NULL);
        if (l4h_job_find(ctl->host, id, &job) < 0)
                return ctl_fail(ctl);
        if (array) {
                json_push(array, json_job(job));
        } else {
                shown_begin(ctl);
                job_print(job);
        }
        l4h_job_unref(job);
        return EXIT_DONE;
}

static int run(Ctl *ctl, char **arguments)
{
        int status = ids_check(arguments);
        return status != EXIT_DONE ? status : each_shown(ctl, arguments, show);
}

const Verb verb_job_show = {
        .name = "job show",
        .arguments = "ID...",
        .min = 1,
        .max = ANY,
        .first = WORDS_JOBS,
        .others = WORDS_JOBS,
        .options = OPTION_JSON,
        .help = "Show jobs",
        .run = run,
};
