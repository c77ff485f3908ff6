/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* job list: a line for each job. */
#include "show.h"

static void row_add(Table *table, const l4h_job *job)
{
        table_add(table, format("%" PRIu64, l4h_job_get_id(job)));
        table_add(table, job_describe(job));
        table_add_colour(table, format("%s", l4h_job_get_state(job)), state_colour(l4h_job_get_state(job)));
        table_add(table, format_ago(l4h_job_get_queued_at(job)));
        table_add(table, format("%s", l4h_job_get_result(job)));
}

static int run(Ctl *ctl, char **arguments)
{
        static const char *const headings[] = {"ID", "WORK", "STATE", "QUEUED", "RESULT", NULL};
        _cleanup_(list_unrefp) l4h_list *list = NULL;
        if (l4h_list_new(ctl->host, &list) < 0)
                return ctl_fail(ctl);

        _cleanup_(table_freep) Table *table = table_new(headings);
        json_object *array = json_array();
        for (size_t i = 0; i < l4h_list_count_jobs(list); i++) {
                json_push(array, json_job(l4h_list_get_job(list, i)));
                row_add(table, l4h_list_get_job(list, i));
        }
        list_print(ctl, table, "job", array);
        return EXIT_DONE;
}

const Verb verb_job_list = {
        .name = "job list",
        .arguments = "",
        .options = OPTION_JSON,
        .help = "List the jobs",
        .run = run,
};
