/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Rows in memory: how they begin and end. What a row cannot do without (name, kind, state) begins as NULL,
 * and the store refuses it so. */
#include "store.h"

InstanceRow *instance_row_new(void)
{
        InstanceRow *row = g_new0(InstanceRow, 1);

        row->description = g_strdup("");
        row->arguments = g_new0(char *, 1);
        row->overlays = g_array_new(FALSE, FALSE, sizeof(uint64_t));
        row->config = g_strdup("");
        row->mounted = g_array_new(FALSE, FALSE, sizeof(LayerRef));
        return row;
}

void instance_row_free(InstanceRow *row)
{
        if (!row)
                return;
        g_free(row->name);
        g_free(row->description);
        g_strfreev(row->arguments);
        g_array_unref(row->overlays);
        g_free(row->config);
        g_array_unref(row->mounted);
        g_free(row);
}

OverlayRow *overlay_row_new(void)
{
        OverlayRow *row = g_new0(OverlayRow, 1);

        row->description = g_strdup("");
        row->script = g_strdup("");
        row->next_generation = 1;
        row->generations = g_ptr_array_new_with_free_func((GDestroyNotify)generation_row_free);
        return row;
}

void overlay_row_free(OverlayRow *row)
{
        if (!row)
                return;
        g_free(row->name);
        g_free(row->description);
        g_free(row->kind);
        g_free(row->script);
        g_ptr_array_unref(row->generations);
        g_free(row);
}

void generation_row_free(GenerationRow *row)
{
        if (!row)
                return;
        g_free(row->digest);
        g_free(row);
}

JobRow *job_row_new(void)
{
        JobRow *row = g_new0(JobRow, 1);

        row->phase = g_strdup("");
        row->result = g_strdup("");
        row->message = g_strdup("");
        row->requesters = g_array_new(FALSE, FALSE, sizeof(uint32_t));
        row->generations = g_array_new(FALSE, FALSE, sizeof(uint64_t));
        row->slot = -1;
        row->boot_id = g_strdup("");
        return row;
}

void job_row_free(JobRow *row)
{
        if (!row)
                return;
        g_free(row->kind);
        g_free(row->instance);
        g_free(row->subject_name);
        g_free(row->state);
        g_free(row->phase);
        g_free(row->result);
        g_free(row->message);
        g_array_unref(row->requesters);
        g_array_unref(row->generations);
        g_free(row->boot_id);
        g_free(row);
}
