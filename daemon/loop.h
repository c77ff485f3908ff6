/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* sd-event as one source inside GLib's main loop: polkit-gobject needs GLib, sd-bus wants sd-event, one
 * thread runs both. */
#pragma once

#include <glib.h>
#include <systemd/sd-event.h>

/* Attaches the event loop to the default main context, at default priority like every other source here: with
 * mixed priorities GLib calls prepare without check, and sd-event answers EBUSY. Returns: the source, owned
 * by the caller. */
GSource *loop_source_new(sd_event *event);
