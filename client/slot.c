/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What is under way: an asynchronous call or a watch. */
#include "internal.h"
#include <errno.h>
#include <string.h>

int slot_new(l4h_host *host, Handler handler, void *userdata, void *state, void (*state_free)(void *state),
        l4h_slot **ret)
{
        l4h_slot *slot = state ? calloc(1, sizeof *slot) : NULL;
        if (!slot) {
                free(state);
                return host_fail(host, -ENOMEM, "What is asked for cannot begin: %s.", strerror(ENOMEM));
        }
        *slot = (l4h_slot){.n_ref = 1,
                .host = l4h_ref(host),
                .holds_host = true,
                .handler = handler,
                .userdata = userdata,
                .state = state,
                .state_free = state_free};
        *ret = slot;
        return 0;
}

void slot_give(l4h_slot *slot, l4h_slot **ret_slot)
{
        if (ret_slot) {
                *ret_slot = slot;
                return;
        }
        slot->is_floating = true;
        slot->next = slot->host->floating;
        slot->host->floating = slot;
        slot_borrow_host(slot);
}

void slot_borrow_host(l4h_slot *slot)
{
        slot->holds_host = false;
        l4h_unref(slot->host);
}

static void slot_silence(l4h_slot *slot)
{
        for (size_t i = 0; i < SLOT_SOURCES_MAX; i++)
                slot->bus_slots[i] = sd_bus_slot_unref(slot->bus_slots[i]);
}

void slot_end(l4h_slot *slot)
{
        slot_silence(slot);
        if (!slot->is_floating)
                return;
        l4h_slot **link = &slot->host->floating;
        while (*link != slot)
                link = &(*link)->next;
        *link = slot->next;
        slot->is_floating = false;
        l4h_slot_unref(slot);
}

l4h_slot *l4h_slot_ref(l4h_slot *slot)
{
        slot->n_ref++;
        return slot;
}

l4h_slot *l4h_slot_unref(l4h_slot *slot)
{
        if (!slot || --slot->n_ref > 0)
                return NULL;
        slot_silence(slot);
        slot->state_free(slot->state);
        if (slot->holds_host)
                l4h_unref(slot->host);
        free(slot);
        return NULL;
}
