/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Starting and stopping through systemd. One operation at a time per instance; each is a chain of calls to
 * systemd in which every answer starts the next step:
 *
 *   start    wish written -> enabled -> failures reset -> unit started
 *            failed: mount unit stopped -> wish as before -> disabled again
 *   stop     wish written -> disabled -> mount unit stopped (takes the server with it) -> failures reset
 *   restart  other layers needed, or not running: stop of the mount unit, then start; else the server alone
 *
 * The caller is answered when the chain ends, or after 20 s with "still at it", while the chain goes on. */
#include "fault.h"
#include "instance.h"

#include "dbus/names.h"

struct InstanceOp {
        Instance *instance;
        HostDone done; /* NULL once answered */
        void *userdata;
        guint timer;
        bool is_stop;
        bool was_enabled;
        GError *error; /* why a start failed, while what is left of it is ended */
};

static void op_answer(InstanceOp *op, const GError *error)
{
        HostDone done = op->done;

        op->done = NULL;
        if (done)
                done(error, op->userdata);
}

/* Takes `error`. */
static void op_finish(InstanceOp *op, GError *error)
{
        if (op->timer)
                g_source_remove(op->timer);
        op->instance->op = NULL;
        if (error && !op->done)
                g_warning("%s", error->message); /* its caller was told that it goes on */
        op_answer(op, error);
        g_clear_error(&error);
        g_clear_error(&op->error);
        g_free(op);
}

static void log_failure(const char *result, const GError *error, void *userdata)
{
        if (error)
                g_warning("%s", error->message);
}

static gboolean on_answer_due(gpointer userdata)
{
        InstanceOp *op = userdata;
        g_autoptr(GError) error = g_error_new(HOST_ERROR,
                op->is_stop ? HOST_ERROR_STILL_STOPPING : HOST_ERROR_STILL_STARTING,
                "Instance \"%s\" is still %s after %d s, and goes on; watch ActiveState",
                op->instance->row->name, op->is_stop ? "stopping" : "starting", INSTANCE_ANSWER_WITHIN);

        op->timer = 0;
        op_answer(op, error);
        return G_SOURCE_REMOVE;
}

static InstanceOp *op_new(Instance *i, bool is_stop, HostDone done, void *userdata)
{
        InstanceOp *op = g_new0(InstanceOp, 1);

        op->instance = i;
        op->is_stop = is_stop;
        op->done = done;
        op->userdata = userdata;
        op->was_enabled = i->row->enabled;
        op->timer = g_timeout_add_seconds(INSTANCE_ANSWER_WITHIN, on_answer_due, op);
        i->op = op;
        return op;
}

static gboolean save_enabled(Instance *i, bool enabled, GError **error)
{
        char *message = NULL;
        int r;

        if (i->row->enabled == enabled)
                return TRUE;
        i->row->enabled = enabled;
        r = store_save_instance(i->host->store, i->row, &message);
        if (r < 0) {
                i->row->enabled = !enabled;
                return host_store_error(error, r, message);
        }
        instance_changed(i, "Enabled");
        return TRUE;
}

/* Start */

static void on_attempts_ended(const char *result, const GError *error, void *userdata)
{
        InstanceOp *op = userdata;
        Instance *i = op->instance;

        log_failure(result, error, NULL);
        fault_point(FAULT_START_GIVEN_UP);
        if (!op->was_enabled) {
                g_autoptr(GError) store_error = NULL;

                if (!save_enabled(i, false, &store_error))
                        g_warning("%s", store_error->message);
                fault_point(FAULT_START_TAKEN_BACK);
                systemd1_disable(i->host->systemd, i->server_unit, log_failure, NULL);
        }
        op_finish(op, g_steal_pointer(&op->error));
}

/* systemd would go on trying what its caller is told has failed; and the wish is as it was. Takes `error`. */
static void start_failed(InstanceOp *op, GError *error)
{
        op->error = error;
        fault_point(FAULT_START_FAILED);
        systemd1_stop(op->instance->host->systemd, op->instance->mount_unit, on_attempts_ended, op);
}

static GError *start_error(Instance *i, const char *result)
{
        g_autofree char *message = instance_message(i);

        return g_error_new(HOST_ERROR, HOST_ERROR_START_FAILED,
                "Instance \"%s\" did not start (%s)%s%s; see journalctl -u %s", i->row->name, result,
                *message ? ": " : "", message, i->server_unit);
}

static void on_started(const char *result, const GError *error, void *userdata)
{
        InstanceOp *op = userdata;
        Instance *i = op->instance;

        fault_point(FAULT_START_ENDED);
        if (error)
                return start_failed(op, g_error_copy(error));
        if (g_str_equal(result, "done"))
                return op_finish(op, NULL);
        if (g_str_equal(result, "dependency") && i->mount_error)
                return start_failed(op, g_error_copy(i->mount_error));
        if (g_str_equal(result, "dependency"))
                return start_failed(op, g_error_new(HOST_ERROR, HOST_ERROR_START_FAILED,
                                                "The mount of instance \"%s\" failed; see journalctl -u %s",
                                                i->row->name, i->mount_unit));
        start_failed(op, start_error(i, result));
}

static void on_start_reset(const char *result, const GError *error, void *userdata)
{
        InstanceOp *op = userdata;

        if (error)
                return start_failed(op, g_error_copy(error));
        fault_point(FAULT_START_RESET);
        systemd1_start(op->instance->host->systemd, op->instance->server_unit, on_started, op);
        fault_point(FAULT_START_SENT);
}

static void on_enabled(const char *result, const GError *error, void *userdata)
{
        InstanceOp *op = userdata;

        if (error)
                return start_failed(op, g_error_copy(error));
        fault_point(FAULT_START_ENABLED);
        /* A person's start counts anew: what systemd held against it is forgotten. */
        systemd1_reset_failed(op->instance->host->systemd, op->instance->server_unit, on_start_reset, op);
}

static void start_now(InstanceOp *op)
{
        Instance *i = op->instance;
        GError *error = NULL;

        g_clear_error(&i->mount_error);
        if (!save_enabled(i, true, &error))
                return op_finish(op, error);
        fault_point(FAULT_START_SAVED);
        systemd1_enable(i->host->systemd, i->server_unit, on_enabled, op);
}

void instance_start(Instance *i, HostDone done, void *userdata)
{
        g_autoptr(GError) error = NULL;
        g_autoptr(GArray) plan = NULL;

        if (!instance_check_free(i, &error) || !(plan = instance_plan(i, &error))) {
                done(error, userdata);
                return;
        }
        start_now(op_new(i, false, done, userdata));
}

/* Stop */

static void on_unmounted(const GError *error, void *userdata)
{
        op_finish(userdata, error ? g_error_copy(error) : NULL);
}

static void on_stop_refreshed(const char *result, const GError *error, void *userdata)
{
        InstanceOp *op = userdata;
        Instance *i = op->instance;

        fault_point(FAULT_STOP_REFRESHED);
        if (error)
                op_finish(op, g_error_copy(error));
        else if (i->is_mounted && i->mount_error)
                op_finish(op, g_error_copy(i->mount_error));
        else if (i->is_mounted && !i->row->mounted_by_hand)
                /* Left over from a stop at which it was in use: its unit has nothing to stop any more. */
                instance_unmount(i, true, on_unmounted, op);
        else
                op_finish(op, NULL);
}

static void on_stop_reset(const char *result, const GError *error, void *userdata)
{
        InstanceOp *op = userdata;

        if (error)
                return op_finish(op, g_error_copy(error));
        fault_point(FAULT_STOP_RESET);
        systemd1_refresh(op->instance->host->systemd, op->instance->server_unit, on_stop_refreshed, op);
}

/* Returns: what went wrong with the stop of the mount unit, or NULL. */
static GError *stop_error(Instance *i, const char *result, const GError *error)
{
        if (error)
                return g_error_copy(error);
        if (g_str_equal(result, "done"))
                return NULL;
        return g_error_new(HOST_ERROR, HOST_ERROR_STOP_FAILED,
                "Instance \"%s\" did not stop (%s); see journalctl -u %s", i->row->name, result,
                i->server_unit);
}

static void on_stopped(const char *result, const GError *error, void *userdata)
{
        InstanceOp *op = userdata;
        Instance *i = op->instance;
        GError *failure = stop_error(i, result, error);

        if (failure)
                return op_finish(op, failure);
        fault_point(FAULT_STOP_ENDED);
        systemd1_reset_failed(i->host->systemd, i->mount_unit, log_failure, NULL);
        systemd1_reset_failed(i->host->systemd, i->server_unit, on_stop_reset, op);
}

/* Not the server's unit: a stop of that one ends before the mount is gone. */
static void stop_both(InstanceOp *op, Systemd1Done done)
{
        g_clear_error(&op->instance->mount_error); /* it is what the unmount says that counts */
        systemd1_stop(op->instance->host->systemd, op->instance->mount_unit, done, op);
        fault_point(FAULT_STOP_SENT);
}

static void on_disabled(const char *result, const GError *error, void *userdata)
{
        InstanceOp *op = userdata;

        if (error)
                return op_finish(op, g_error_copy(error));
        fault_point(FAULT_STOP_DISABLED);
        stop_both(op, on_stopped);
}

void instance_stop(Instance *i, HostDone done, void *userdata)
{
        GError *error = NULL;
        InstanceOp *op;

        if (!instance_check_free(i, &error)) {
                done(error, userdata);
                g_clear_error(&error);
                return;
        }
        op = op_new(i, true, done, userdata);
        if (!save_enabled(i, false, &error))
                return op_finish(op, error);
        fault_point(FAULT_STOP_SAVED);
        systemd1_disable(i->host->systemd, i->server_unit, on_disabled, op);
}

/* Restart */

static void on_stopped_for_restart(const char *result, const GError *error, void *userdata)
{
        InstanceOp *op = userdata;
        Instance *i = op->instance;

        GError *failure = stop_error(i, result, error);

        if (!failure && i->is_mounted && i->mount_error)
                failure = g_error_copy(i->mount_error);
        if (failure)
                return op_finish(op, failure);
        fault_point(FAULT_RESTART_STOPPED);
        start_now(op);
}

static void on_restart_reset(const char *result, const GError *error, void *userdata)
{
        InstanceOp *op = userdata;

        if (error)
                return op_finish(op, g_error_copy(error));
        fault_point(FAULT_RESTART_RESET);
        systemd1_restart(op->instance->host->systemd, op->instance->server_unit, on_started, op);
        fault_point(FAULT_RESTART_SENT);
}

void instance_restart(Instance *i, HostDone done, void *userdata)
{
        g_autoptr(GError) error = NULL;
        g_autoptr(GArray) plan = NULL;
        InstanceOp *op;

        if (!instance_check_free(i, &error) || !(plan = instance_plan(i, &error))) {
                done(error, userdata);
                return;
        }
        op = op_new(i, false, done, userdata);
        if (instance_is_stopped(i) || !i->is_mounted || instance_is_outdated(i))
                stop_both(op, on_stopped_for_restart);
        else
                systemd1_reset_failed(i->host->systemd, i->server_unit, on_restart_reset, op);
}
