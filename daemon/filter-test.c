/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "filter-test.h"
#include "address-filter.h"
#include "job-queue.h"
#include "paths.h"

static void filter_test_finish(Host *host, bool works, const char *why)
{
        if (host->filter != FILTER_UNKNOWN)
                return;
        host->filter = works ? FILTER_WORKS : FILTER_INERT;
        if (!works)
                g_warning(
                        "Builds are refused, since a script could reach this host and its networks: %s", why);
        host_changed(host, OBJECT_MANAGER, "", "Features");
        systemd1_stop(host->systemd, FILTER_TEST_UNIT, NULL, NULL);
        systemd1_reset_failed(host->systemd, FILTER_TEST_UNIT, NULL, NULL);
        jobs_schedule(host);
}

static void judge(Host *host, const UnitState *state)
{
        if (g_str_equal(state->active_state, "failed"))
                filter_test_finish(host, false,
                        g_str_equal(state->result, "exit-code") && state->exec_main_status == 1
                                ? "systemd's IPAddressDeny= lets everything through; is BPF missing?"
                                : "the test of IPAddressDeny= failed; see journalctl -u " FILTER_TEST_UNIT);
        else if (g_str_equal(state->active_state, "active") && g_str_equal(state->sub_state, "exited"))
                filter_test_finish(host, true, NULL);
}

static void on_read(const UnitState *state, const GError *error, void *userdata)
{
        if (error)
                filter_test_finish(userdata, false, error->message);
        else
                judge(userdata, state);
}

static void on_started(const char *result, const GError *error, void *userdata)
{
        Host *host = userdata;

        if (error) {
                filter_test_finish(host, false, error->message);
                return;
        }
        /* From here on states are of this start, and not of one that another program left. */
        host->is_filter_test_begun = true;
        systemd1_read(host->systemd, FILTER_TEST_UNIT, on_read, host);
}

static void on_leftover_reset(const char *result, const GError *error, void *userdata)
{
        Host *host = userdata;
        int r = 0;
        g_autoptr(GArray) denied = address_filter_collect(&r);
        const char *argv[] = {PATH_TREE_PROGRAM, "probe-filter", NULL};

        if (!denied) {
                filter_test_finish(host, false, g_strerror(-r));
                return;
        }
        systemd1_start_transient(host->systemd, FILTER_TEST_UNIT,
                &(SandboxSpec){
                        .description = "Test of the address filter for builds",
                        .argv = (char *const *)argv,
                        .working_directory = "/",
                        .has_network = true,
                        .denied = denied,
                        .port_first = host->settings->port_first,
                        .port_last = host->settings->port_last,
                        .time_limit = UINT64_C(10) * G_USEC_PER_SEC,
                        .stdout_fd = -1,
                },
                on_started, host);
}

static void on_leftover_stopped(const char *result, const GError *error, void *userdata)
{
        Host *host = userdata;

        systemd1_reset_failed(host->systemd, FILTER_TEST_UNIT, on_leftover_reset, host);
}

void filter_test_begin(Host *host)
{
        /* One of a program that was killed in the middle has the name still. */
        systemd1_stop(host->systemd, FILTER_TEST_UNIT, on_leftover_stopped, host);
}

void filter_test_notice(Host *host, const UnitState *state)
{
        if (host->filter == FILTER_UNKNOWN && host->is_filter_test_begun)
                judge(host, state);
}
