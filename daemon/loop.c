/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "loop.h"

typedef struct LoopSource {
        GSource source;
        GPollFD pollfd;
        sd_event *event;
} LoopSource;

static gboolean loop_prepare(GSource *source, gint *timeout)
{
        *timeout = -1;
        return sd_event_prepare(((LoopSource *)source)->event) > 0;
}

static gboolean loop_check(GSource *source)
{
        return sd_event_wait(((LoopSource *)source)->event, 0) > 0;
}

static gboolean loop_dispatch(GSource *source, GSourceFunc callback, gpointer userdata)
{
        /* Zero means an exit code of 0, not "remove me": only an error ends the source. */
        return sd_event_dispatch(((LoopSource *)source)->event) >= 0 ? G_SOURCE_CONTINUE : G_SOURCE_REMOVE;
}

static void loop_finalize(GSource *source)
{
        sd_event_unref(((LoopSource *)source)->event);
}

GSource *loop_source_new(sd_event *event)
{
        static GSourceFuncs funcs = {
                .prepare = loop_prepare,
                .check = loop_check,
                .dispatch = loop_dispatch,
                .finalize = loop_finalize,
        };
        LoopSource *s = (LoopSource *)g_source_new(&funcs, sizeof(LoopSource));

        s->event = sd_event_ref(event);
        s->pollfd = (GPollFD){.fd = sd_event_get_fd(event), .events = G_IO_IN | G_IO_HUP | G_IO_ERR};
        g_source_add_poll(&s->source, &s->pollfd);
        g_source_attach(&s->source, NULL);
        return &s->source;
}
