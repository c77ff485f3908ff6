/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "audit.h"
#include "gate-table.h"

#include "dbus/names.h"
#include <inttypes.h>
#include <string.h>
#include <systemd/sd-journal.h>

#define REFUSALS_PER_MINUTE 20

/* Refusals of one uid in the current minute. */
typedef struct RefusalCount {
        uid_t uid;
        unsigned n;
        guint timer;
} RefusalCount;

static GHashTable *refusal_counts; /* uid -> RefusalCount */

static void audit_send(const Call *call, const char *event, const char *verdict, const char *outcome,
        const char *job, const char *message)
{
        int r = sd_journal_send("MESSAGE=%s", message, "PRIORITY=%i", LOG_NOTICE,
                HOST_JOURNAL_CALL "=%" PRIu64, call->id, HOST_JOURNAL_EVENT "=%s", event,
                HOST_JOURNAL_UID "=%u", call_uid(call), HOST_JOURNAL_CALLER_UNIT "=%s",
                call->caller->unit ?: "", HOST_JOURNAL_ON_BEHALF_OF "=%s", call->on_behalf_of ?: "",
                HOST_JOURNAL_ACTION "=%s", call->action, HOST_JOURNAL_MEMBER "=%s", call->row->member,
                HOST_JOURNAL_OBJECT "=%s", sd_bus_message_get_path(call->message), HOST_JOURNAL_VERDICT "=%s",
                verdict, HOST_JOURNAL_OUTCOME "=%s", outcome, HOST_JOURNAL_JOB "=%s", job ?: "", NULL);

        if (r < 0)
                g_warning("The audit entry \"%s\" is not in the journal: %s", message, g_strerror(-r));
}

/* In quotes that the text cannot end, so that it passes for nothing that the service says; its letters stay.
 */
static char *quote(const char *text)
{
        GString *quoted = g_string_new("\"");

        for (; *text; text++) {
                if (strchr("\"\\", *text))
                        g_string_append_c(quoted, '\\');
                g_string_append_c(quoted, *text);
        }
        g_string_append_c(quoted, '"');
        return g_string_free(quoted, FALSE);
}

static char *audit_subject(const Call *call)
{
        const char *name = g_hash_table_lookup(call->details, "instance")
                ?: g_hash_table_lookup(call->details, "overlay")
                ?: g_hash_table_lookup(call->details, "job")
                ?: "";

        g_autofree char *behalf = call->on_behalf_of ? quote(call->on_behalf_of) : g_strdup("");

        return g_strdup_printf("%s%s%s by user %u%s%s", call->row->member, *name ? " of " : "", name,
                call_uid(call), *behalf ? " on behalf of " : "", behalf);
}

void audit_accepted(const Call *call)
{
        g_autofree char *subject = audit_subject(call);
        g_autofree char *message = g_strconcat("Accepted: ", subject, NULL);

        audit_send(call, "accepted", "yes", "", NULL, message);
}

static gboolean on_minute_over(gpointer userdata)
{
        RefusalCount *count = userdata;

        if (count->n > REFUSALS_PER_MINUTE)
                sd_journal_send("MESSAGE=%u more calls by user %u were refused within a minute",
                        count->n - REFUSALS_PER_MINUTE, count->uid, "PRIORITY=%i", LOG_NOTICE,
                        HOST_JOURNAL_EVENT "=refused", HOST_JOURNAL_UID "=%u", count->uid,
                        HOST_JOURNAL_VERDICT "=no", NULL);
        g_hash_table_remove(refusal_counts, GUINT_TO_POINTER(count->uid));
        return G_SOURCE_REMOVE;
}

void audit_refused(const Call *call, const char *why)
{
        gpointer key = GUINT_TO_POINTER(call_uid(call));
        RefusalCount *count;
        g_autofree char *subject = NULL, *message = NULL;

        if (!refusal_counts)
                refusal_counts = g_hash_table_new_full(NULL, NULL, NULL, g_free);
        count = g_hash_table_lookup(refusal_counts, key);
        if (!count) {
                count = g_new0(RefusalCount, 1);
                count->uid = call_uid(call);
                count->timer = g_timeout_add_seconds(60, on_minute_over, count);
                g_hash_table_insert(refusal_counts, key, count);
        }
        if (++count->n > REFUSALS_PER_MINUTE)
                return;
        subject = audit_subject(call);
        message = g_strdup_printf("Refused: %s: %s", subject, why);
        audit_send(call, "refused", "no", "", NULL, message);
}

void audit_finished(const Call *call, const char *outcome, const char *job)
{
        g_autofree char *subject = audit_subject(call);
        g_autofree char *message =
                g_strdup_printf("Finished: %s: %s%s%s", subject, outcome, job ? ", job " : "", job ?: "");

        audit_send(call, "finished", "yes", outcome, job, message);
}
