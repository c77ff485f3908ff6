/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The object tree: which vtables stand where. Handlers parse, call one function of the domain, and answer;
 * `userdata` of each is the object itself, or the Host for the manager. */
#pragma once

#include "gate.h"

/* Adds manager, instances, overlays and jobs, ObjectManager included, and makes the host's changes signals.
 * Returns: 0 or negative errno. */
int objects_add(sd_bus *bus, Gate *gate, Host *host);

extern const sd_bus_vtable manager_vtable[];
extern const sd_bus_vtable instance_vtable[];
extern const sd_bus_vtable overlay_vtable[];
extern const sd_bus_vtable job_vtable[];

/* For handlers: takes the message's call, and refuses options other than OnBehalfOf where that is all there
 * is. */
Call *objects_take_call(sd_bus_message *m);
/* Returns: NULL with the refusal already sent when the options name anything but OnBehalfOf. */
Call *objects_take_call_without_options(sd_bus_message *m);

/* Appends the path of object `id` below `prefix`; "/" when `id` is NULL. */
int objects_append_path(sd_bus_message *m, const char *prefix, const char *id);
