/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a transient unit of a job may do: the whole property table in one place, each row with its reason and
 * the oldest systemd that knows it. Build scripts get it with the network; sealing and emptying get it
 * without. See systemd.exec(5), systemd.resource-control(5), org.freedesktop.systemd1(5). */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>
#include <systemd/sd-bus.h>

typedef struct SandboxBind {
        const char *source; /* absolute, on the host */
        const char *target; /* absolute, inside */
        bool read_only;
} SandboxBind;

typedef struct SandboxSpec {
        const char *description;
        unsigned slot;        /* runs as l4d2-sandbox-<slot> */
        bool is_watcher;      /* runs as l4d2-sandbox-watch, which can read every directory of its own */
        const char *bound_to; /* a unit without which it does not run, or NULL */
        char *const *argv;    /* argv[0] is the absolute path */
        const SandboxBind *binds;
        size_t n_binds;
        const char *working_directory;
        bool has_network;               /* the internet, never this host and its networks */
        const GArray *denied;           /* AddressPrefix, see address-filter.h; used when has_network */
        uint16_t port_first, port_last; /* the servers'; used when has_network */
        uint64_t time_limit;            /* microseconds */
        uint64_t file_size_limit;       /* bytes in one file; 0: it writes none */
        int stdin_fd;                   /* 0: nothing to read */
        int stdout_fd;                  /* -1: the journal */
        uint64_t job;                   /* LEFT4ME_JOB= on every line in the journal */
} SandboxSpec;

/* Appends the a(sv) of StartTransientUnit(). `systemd_version` (257) picks the rows.
 * Returns: 0 or negative errno. */
int sandbox_append_properties(sd_bus_message *m, const SandboxSpec *spec, unsigned systemd_version);
