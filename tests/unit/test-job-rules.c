/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Every pair of kinds of jobs, against what is written down here. */
#include "daemon/job-rules.h"
#include <string.h>

/* One letter for what becomes of the job of the row when it meets that of the column on the same subject,
 * which is queued (first letter) or runs (second):
 *   w  it waits       j  it joins the other       x  it is refused       .  they never have the same subject
 */
#define N 8
static const char *const kinds[N] = {"build", "import", "prune", "wipe-cache", "delete-overlay",
        "reset-instance", "delete-instance", "empty-trash"};
/* clang-format off */
static const char *const expected[N][N] = {
        /*                    build  import prune  wipe   delete reset  delete empty */
        /* build */          {"jw",  "ww",  "ww",  "ww",  "xx",  "..",  "..",  ".."},
        /* import */         {"xx",  "xx",  "ww",  "ww",  "xx",  "..",  "..",  ".."},
        /* prune */          {"ww",  "ww",  "ww",  "ww",  "ww",  "..",  "..",  ".."},
        /* wipe-cache */     {"ww",  "ww",  "ww",  "jw",  "xx",  "..",  "..",  ".."},
        /* delete-overlay */ {"ww",  "ww",  "ww",  "ww",  "xx",  "..",  "..",  ".."},
        /* reset-instance */ {"..",  "..",  "..",  "..",  "..",  "xx",  "xx",  ".."},
        /* delete-instance */{"..",  "..",  "..",  "..",  "..",  "xx",  "xx",  ".."},
        /* empty-trash */    {"..",  "..",  "..",  "..",  "..",  "..",  "..",  "jj"},
};
/* clang-format on */

static int find_kind(const char *name)
{
        for (int n = 0; n < N; n++)
                if (g_str_equal(kinds[n], name))
                        return n;
        g_error("Nothing is written down here about jobs of the kind \"%s\"", name);
}

/* The subjects that a job of this kind can have: 0 and 1. */
static JobRow *make_job(const char *kind, int subject, const char *state)
{
        JobRow *row = job_row_new();

        row->kind = g_strdup(kind);
        row->state = g_strdup(state);
        if (strstr(kind, "instance"))
                row->instance = g_strdup(subject ? "beta" : "alpha");
        else if (!g_str_equal(kind, "empty-trash"))
                row->overlay = 7 + subject;
        return row;
}

static JobMeeting meet(const char *kind, const char *earlier, int subject, const char *state)
{
        g_autoptr(JobRow) a = make_job(kind, 0, "queued"), b = make_job(earlier, subject, state);

        return job_rules_meet(a, b);
}

static JobMeeting meeting_of(char letter)
{
        return letter == 'w'   ? JOB_AFTER
               : letter == 'j' ? JOB_JOIN
               : letter == 'x' ? JOB_REFUSED
                               : JOB_BESIDE;
}

static void test_every_pair(void)
{
        static const char *const ended[] = {"done", "failed", "cancelled", "interrupted"};
        unsigned pairs = 0, meetings = 0;

        for (int a = 0; a < JOB_KINDS; a++)
                for (int b = 0; b < JOB_KINDS; b++, pairs++) {
                        const char *kind = job_rules[a].name, *earlier = job_rules[b].name;
                        const char *wanted = expected[find_kind(kind)][find_kind(earlier)];
                        bool has_subject = !g_str_equal(kind, "empty-trash");

                        g_test_message("%s, and %s before it", kind, earlier);
                        g_assert_cmpint(meet(kind, earlier, 0, "queued"), ==, meeting_of(wanted[0]));
                        g_assert_cmpint(meet(kind, earlier, 0, "running"), ==, meeting_of(wanted[1]));
                        meetings += 2;
                        for (int subject = 0; subject < 2; subject++)
                                for (size_t n = 0; n < G_N_ELEMENTS(ended); n++, meetings++)
                                        g_assert_cmpint(
                                                meet(kind, earlier, subject, ended[n]), ==, JOB_BESIDE);
                        if (!has_subject)
                                continue;
                        g_assert_cmpint(meet(kind, earlier, 1, "queued"), ==, JOB_BESIDE);
                        g_assert_cmpint(meet(kind, earlier, 1, "running"), ==, JOB_BESIDE);
                        meetings += 2;
                }
        g_assert_cmpuint(pairs, ==, N * N);
        g_print("# %u pairs of kinds tried, %u meetings\n", pairs, meetings);
}

/* What each kind is of itself. */
static void test_every_kind(void)
{
        static const struct {
                bool can_be_cancelled, needs_filter, waits_for_mounts;
                const char *right;
        } facts[N] = {
                {true, true, false, "build-overlay"},
                {true, false, false, "manage-overlay"},
                {false, false, false, "manage-overlay"},
                {false, false, false, "manage-overlay"},
                {false, false, true, "manage-overlay"},
                {false, false, false, "manage-instance"},
                {false, false, false, "manage-instance"},
                {false, false, false, "manage-overlay"},
        };

        for (int kind = 0; kind < JOB_KINDS; kind++) {
                const JobRule *rule = &job_rules[kind];
                int n = find_kind(rule->name);

                g_test_message("%s", rule->name);
                g_assert_cmpint(job_kind_from_string(rule->name), ==, kind);
                g_assert_cmpint(rule->makes_generation, ==, facts[n].can_be_cancelled);
                g_assert_cmpint(rule->needs_filter, ==, facts[n].needs_filter);
                g_assert_cmpint(rule->waits_for_mounts, ==, facts[n].waits_for_mounts);
                g_assert_true(g_str_has_prefix(rule->action, "org.left4me.host1."));
                g_assert_cmpstr(rule->action + strlen("org.left4me.host1."), ==, facts[n].right);
        }
        g_assert_cmpint(job_kind_from_string("no-such-kind"), <, 0);
        g_assert_cmpint(job_kind_from_string(""), <, 0);
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/job-rules/every-pair", test_every_pair);
        g_test_add_func("/job-rules/every-kind", test_every_kind);
        return g_test_run();
}
