/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The table of what a transient unit gets. A row is a property of StartTransientUnit(), the oldest systemd
 * that knows it (systemd refuses the whole call for one it does not know), the units that
 * get it, and how its value is written; the comment over it says why it is there. A name may
 * stand in several rows.
 *
 * The unit does not see the host's file tree: its root is an empty directory into which the few things that
 * it may see are bound. So nothing need be hidden, and the places where its own trees appear are not made in
 * the host's root. */

#include "sandbox.h"
#include "address-filter.h"
#include "dbus/names.h"
#include "paths.h"
#include <errno.h>
#include <inttypes.h>
#include <linux/capability.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <unistd.h>

/* Every i386 program needs it, and finds the host's. */
#define PATH_I386_LOADER "/lib/ld-linux.so.2"

#define MIB (1024 * 1024ULL)
#define GIB (1024 * MIB)

typedef struct Property Property;
typedef int (*PropertyWriter)(sd_bus_message *m, const Property *p, const SandboxSpec *spec);

typedef enum PropertyUnits { ALWAYS, WITH_NETWORK, WITHOUT_NETWORK, WATCHER, NOT_WATCHER } PropertyUnits;

struct Property {
        const char *name;
        unsigned since; /* systemd's version; 0: older than its manual pages tell */
        PropertyUnits units;
        PropertyWriter write;
        const char *text; /* the value, for writers that take it from here; lists are separated by blanks */
        uint64_t number;
};

static int property_open(sd_bus_message *m, const char *name, const char *type)
{
        int r = sd_bus_message_open_container(m, 'r', "sv");
        if (r >= 0)
                r = sd_bus_message_append_basic(m, 's', name);
        return r < 0 ? r : sd_bus_message_open_container(m, 'v', type);
}

static int property_close(sd_bus_message *m)
{
        int r = sd_bus_message_close_container(m);
        return r < 0 ? r : sd_bus_message_close_container(m);
}

static int write_text(sd_bus_message *m, const Property *p, const SandboxSpec *spec)
{
        return sd_bus_message_append(m, "(sv)", p->name, "s", p->text);
}

static int write_bool(sd_bus_message *m, const Property *p, const SandboxSpec *spec)
{
        return sd_bus_message_append(m, "(sv)", p->name, "b", (int)p->number);
}

static int write_int(sd_bus_message *m, const Property *p, const SandboxSpec *spec)
{
        return sd_bus_message_append(m, "(sv)", p->name, "i", (int)p->number);
}

static int write_uint32(sd_bus_message *m, const Property *p, const SandboxSpec *spec)
{
        return sd_bus_message_append(m, "(sv)", p->name, "u", (uint32_t)p->number);
}

static int write_uint64(sd_bus_message *m, const Property *p, const SandboxSpec *spec)
{
        return sd_bus_message_append(m, "(sv)", p->name, "t", p->number);
}

static int write_words(sd_bus_message *m, const Property *p, const SandboxSpec *spec)
{
        g_auto(GStrv) words = g_strsplit(p->text, " ", -1);
        int r = property_open(m, p->name, "as");
        if (r >= 0)
                r = sd_bus_message_append_strv(m, words);
        return r < 0 ? r : property_close(m);
}

static int write_architectures(sd_bus_message *m, const Property *p, const SandboxSpec *spec)
{
        bool has_i386 = access(PATH_I386_LOADER, F_OK) == 0;
        return sd_bus_message_append(
                m, "(sv)", p->name, "as", has_i386 ? 2 : 1, "native", has_i386 ? "x86" : NULL);
}

static int write_filter(sd_bus_message *m, const Property *p, bool allow)
{
        g_auto(GStrv) words = g_strsplit(p->text, " ", -1);
        int r = property_open(m, p->name, "(bas)");
        if (r >= 0)
                r = sd_bus_message_open_container(m, 'r', "bas");
        if (r >= 0)
                r = sd_bus_message_append(m, "b", allow);
        if (r >= 0)
                r = sd_bus_message_append_strv(m, words);
        if (r >= 0)
                r = sd_bus_message_close_container(m);
        return r < 0 ? r : property_close(m);
}

static int write_allowed(sd_bus_message *m, const Property *p, const SandboxSpec *spec)
{
        return write_filter(m, p, true);
}

static int write_denied(sd_bus_message *m, const Property *p, const SandboxSpec *spec)
{
        return write_filter(m, p, false);
}

static int write_description(sd_bus_message *m, const Property *p, const SandboxSpec *spec)
{
        return sd_bus_message_append(m, "(sv)", p->name, "s", spec->description);
}

static int write_user(sd_bus_message *m, const Property *p, const SandboxSpec *spec)
{
        g_autofree char *user = spec->is_watcher ? g_strdup(USER_WATCHER)
                                                 : g_strdup_printf(USER_SANDBOX_PREFIX "%u", spec->slot);
        return sd_bus_message_append(m, "(sv)", p->name, "s", user);
}

static int write_command(sd_bus_message *m, const Property *p, const SandboxSpec *spec)
{
        int r = property_open(m, p->name, "a(sasb)");
        if (r >= 0)
                r = sd_bus_message_open_container(m, 'a', "(sasb)");
        if (r >= 0)
                r = sd_bus_message_open_container(m, 'r', "sasb");
        if (r >= 0)
                r = sd_bus_message_append_basic(m, 's', spec->argv[0]);
        if (r >= 0)
                r = sd_bus_message_append_strv(m, (char **)spec->argv);
        if (r >= 0)
                r = sd_bus_message_append(m, "b", false);
        if (r >= 0)
                r = sd_bus_message_close_container(m);
        if (r >= 0)
                r = sd_bus_message_close_container(m);
        return r < 0 ? r : property_close(m);
}

static int write_working_directory(sd_bus_message *m, const Property *p, const SandboxSpec *spec)
{
        return sd_bus_message_append(
                m, "(sv)", p->name, "s", spec->working_directory ? spec->working_directory : "/");
}

static int write_bound_to(sd_bus_message *m, const Property *p, const SandboxSpec *spec)
{
        return spec->bound_to ? sd_bus_message_append(m, "(sv)", p->name, "as", 1, spec->bound_to) : 0;
}

static int write_file_size(sd_bus_message *m, const Property *p, const SandboxSpec *spec)
{
        return sd_bus_message_append(m, "(sv)", p->name, "t", spec->file_size_limit ?: MIB);
}

static int write_time_limit(sd_bus_message *m, const Property *p, const SandboxSpec *spec)
{
        return sd_bus_message_append(m, "(sv)", p->name, "t", spec->time_limit);
}

static int write_stdin(sd_bus_message *m, const Property *p, const SandboxSpec *spec)
{
        int r = sd_bus_message_append(m, "(sv)", p->name, "s", "null");
        return r < 0 || !spec->stdin_fd
                       ? r
                       : sd_bus_message_append(m, "(sv)", "StandardInputFileDescriptor", "h", spec->stdin_fd);
}

static int write_stdout(sd_bus_message *m, const Property *p, const SandboxSpec *spec)
{
        if (spec->stdout_fd < 0)
                return sd_bus_message_append(m, "(sv)", p->name, "s", "journal");
        /* Not the journal too: systemd would make the errors, which go there, a copy of this output. */
        return sd_bus_message_append(
                m, "(sv)(sv)", p->name, "s", "null", "StandardOutputFileDescriptor", "h", spec->stdout_fd);
}

static int write_identifier(sd_bus_message *m, const Property *p, const SandboxSpec *spec)
{
        g_autofree char *identifier = g_strdup_printf("left4me-job-%" PRIu64, spec->job);
        return sd_bus_message_append(m, "(sv)", p->name, "s", identifier);
}

static int write_log_fields(sd_bus_message *m, const Property *p, const SandboxSpec *spec)
{
        g_autofree char *field = g_strdup_printf(HOST_JOURNAL_JOB "=%" PRIu64, spec->job);
        int r = property_open(m, p->name, "aay");
        if (r >= 0)
                r = sd_bus_message_open_container(m, 'a', "ay");
        if (r >= 0)
                r = sd_bus_message_append_array(m, 'y', field, strlen(field));
        if (r >= 0)
                r = sd_bus_message_close_container(m);
        return r < 0 ? r : property_close(m);
}

static int write_denied_addresses(sd_bus_message *m, const Property *p, const SandboxSpec *spec)
{
        int r = property_open(m, p->name, "a(iayu)");
        if (r >= 0)
                r = sd_bus_message_open_container(m, 'a', "(iayu)");
        for (guint i = 0; r >= 0 && i < spec->denied->len; i++) {
                const AddressPrefix *prefix = &g_array_index(spec->denied, AddressPrefix, i);
                r = sd_bus_message_open_container(m, 'r', "iayu");
                if (r >= 0)
                        r = sd_bus_message_append(m, "i", prefix->family);
                if (r >= 0)
                        r = sd_bus_message_append_array(m, 'y', prefix->address, address_prefix_size(prefix));
                if (r >= 0)
                        r = sd_bus_message_append(m, "u", prefix->length);
                if (r >= 0)
                        r = sd_bus_message_close_container(m);
        }
        if (r >= 0)
                r = sd_bus_message_close_container(m);
        return r < 0 ? r : property_close(m);
}

/* p->text: places of the host that appear under the same name where they exist. */
static int write_host_binds(sd_bus_message *m, const Property *p, const SandboxSpec *spec)
{
        g_auto(GStrv) paths = g_strsplit(p->text, " ", -1);
        int r = property_open(m, p->name, "a(ssbt)");
        if (r >= 0)
                r = sd_bus_message_open_container(m, 'a', "(ssbt)");
        for (char **path = paths; r >= 0 && *path; path++)
                r = sd_bus_message_append(m, "(ssbt)", *path, *path, true, (uint64_t)MS_REC);
        if (r >= 0)
                r = sd_bus_message_close_container(m);
        return r < 0 ? r : property_close(m);
}

static int write_resolv_conf(sd_bus_message *m, const Property *p, const SandboxSpec *spec)
{
        return sd_bus_message_append(
                m, "(sv)", p->name, "a(ssbt)", 1, PATH_RESOLV_CONF, "/etc/resolv.conf", false, (uint64_t)0);
}

/* p->text: place and options, separated by a colon. */
static int write_tmpfs(sd_bus_message *m, const Property *p, const SandboxSpec *spec)
{
        g_auto(GStrv) words = g_strsplit(p->text, ":", 2);
        return sd_bus_message_append(m, "(sv)", p->name, "a(ss)", 1, words[0], words[1]);
}

static int write_server_ports(sd_bus_message *m, const Property *p, const SandboxSpec *spec)
{
        return sd_bus_message_append(m, "(sv)", p->name, "a(iiqq)", 1, AF_UNSPEC, 0,
                spec->port_last - spec->port_first + 1, spec->port_first);
}

/* p->number: whether the read-only ones are meant. An empty list would take away what other rows gave. */
static int write_binds(sd_bus_message *m, const Property *p, const SandboxSpec *spec)
{
        for (size_t i = 0; i < spec->n_binds; i++) {
                const SandboxBind *bind = &spec->binds[i];
                if (bind->read_only != (bool)p->number)
                        continue;
                int r = sd_bus_message_append(
                        m, "(sv)", p->name, "a(ssbt)", 1, bind->source, bind->target, false, (uint64_t)0);
                if (r < 0)
                        return r;
        }
        return 0;
}

/* clang-format off */
static const Property properties[] = {
        /* --- What runs, as whom --- */
        { "Description",             0,   ALWAYS, write_description },
        /* One build cannot touch another: each slot has a user of its own. */
        { "User",                    0,   ALWAYS, write_user },
        /* A sandbox that cannot be set up fails the start, and is not taken for a script that fails. */
        { "Type",                    0,   ALWAYS, write_text, "exec" },
        { "ExecStart",               0,   ALWAYS, write_command },
        { "WorkingDirectory",        0,   ALWAYS, write_working_directory },
        /* Nothing of the service manager's environment decides what a script finds. */
        { "Environment",             0,   ALWAYS, write_words,
          "HOME=/cache TMPDIR=/tmp LANG=C.UTF-8 PATH=/usr/local/bin:/usr/bin:/bin:/usr/local/games:/usr/games" },
        { "UMask",                   0,   ALWAYS, write_uint32, .number = 0022 },

        /* --- How it ends --- */
        /* Both keep the result in systemd until the service has recorded it. */
        { "RemainAfterExit",         0,   NOT_WATCHER, write_bool, .number = true },
        { "CollectMode",             236, ALWAYS, write_text, "inactive" },
        { "RuntimeMaxUSec",          229, ALWAYS, write_time_limit },
        /* Children that are left go with the unit. */
        { "KillMode",                187, ALWAYS, write_text, "control-group" },
        /* A script may put its cache in order; what the service's own programs do is done again from the start. That to end
         * by SIGTERM counts as success for systemd is no trap: see unit_judge(). */
        { "KillSignal",              187, WITH_NETWORK, write_int, .number = SIGTERM },
        { "KillSignal",              187, WITHOUT_NETWORK, write_int, .number = SIGKILL },
        /* Who is deaf to that gets SIGKILL then. */
        { "TimeoutStopUSec",         188, ALWAYS, write_uint64, .number = 5 * G_USEC_PER_SEC },
        /* The watcher looks once more when it is asked to end; where a name stands twice, the last counts. */
        { "KillSignal",              187, WATCHER, write_int, .number = SIGTERM },
        { "TimeoutStopUSec",         188, WATCHER, write_uint64, .number = 90 * G_USEC_PER_SEC },
        /* No build runs unwatched: when its watcher ends, for whatever reason, systemd ends the build. It is not started
         * again by the start of a build that it had ended before: what it said then would be lost. */
        { "StartLimitIntervalUSec",  230, WATCHER, write_uint64, .number = 600 * G_USEC_PER_SEC },
        { "StartLimitBurst",         209, WATCHER, write_uint32, .number = 1 },
        { "BindsTo",                 0,   ALWAYS, write_bound_to },
        { "After",                   0,   ALWAYS, write_bound_to },

        /* --- Where its words go --- */
        /* Nobody answers a question; an import has its archive there. */
        { "StandardInput",           0,   ALWAYS, write_stdin },
        { "StandardOutput",          0,   ALWAYS, write_stdout },
        { "StandardError",           0,   ALWAYS, write_text, "journal" },
        /* The lines of a job can be found by its id. */
        { "SyslogIdentifier",        0,   ALWAYS, write_identifier },
        { "LogExtraFields",          236, ALWAYS, write_log_fields },
        /* Lines come by output and error alone, never by the socket, which takes any field. */
        { "BindLogSockets",          257, ALWAYS, write_bool, .number = false },

        /* --- How much of the machine it gets: what the servers leave --- */
        { "Slice",                   208, ALWAYS, write_text, "l4d2-build.slice" },
        { "Nice",                    0,   ALWAYS, write_int, .number = 10 },
        /* It goes before any server when memory runs out. */
        { "OOMScoreAdjust",          0,   ALWAYS, write_int, .number = 500 },
        /* No MemoryHigh below it: without swap that does not end what goes on eating, but holds it up for hours. */
        { "MemoryMax",               231, ALWAYS, write_uint64, .number = 2 * GIB },
        { "TasksMax",                227, ALWAYS, write_uint64, .number = 512 },
        { "LimitNOFILE",             0,   ALWAYS, write_uint64, .number = 65536 },
        /* Stops a file that runs away before the watcher does, which counts all of them. */
        { "LimitFSIZE",              0,   ALWAYS, write_file_size },
        /* Nobody would look at a dump, and it can be large. */
        { "LimitCORE",               0,   ALWAYS, write_uint64, .number = 0 },

        /* --- Which files it sees --- */
        { "RootDirectory",           0,   ALWAYS, write_text, PATH_SANDBOX_ROOT },
        { "BindReadOnlyPaths",       233, ALWAYS, write_host_binds,
          "/usr /bin /sbin /lib /lib32 /lib64 /libx32" },
        /* To find programs and libraries, the names of users, the time zone, certificates. */
        { "BindReadOnlyPaths",       233, ALWAYS, write_host_binds,
          "/etc/alternatives /etc/ld.so.cache /etc/passwd /etc/group /etc/nsswitch.conf /etc/localtime "
          "/etc/ssl/certs /etc/ssl/openssl.cnf" },
        /* The host's own resolver is mostly among the addresses that a build cannot reach. */
        { "BindReadOnlyPaths",       233, WITH_NETWORK, write_resolv_conf },
        { "BindReadOnlyPaths",       233, ALWAYS, write_binds, .number = true },
        { "BindPaths",               233, ALWAYS, write_binds, .number = false },
        /* All else that is not a bind of ours cannot be written. */
        { "ProtectSystem",           214, ALWAYS, write_text, "strict" },
        { "ProtectHome",             214, ALWAYS, write_text, "yes" },
        /* In memory, where MemoryMax counts them. PrivateTmp's would be on the host's disk, in no place that is watched. */
        { "TemporaryFileSystem",     238, ALWAYS, write_tmpfs, "/tmp:mode=1777,nosuid,nodev,size=1G" },
        { "TemporaryFileSystem",     238, ALWAYS, write_tmpfs, "/var/tmp:mode=1777,nosuid,nodev,size=1G" },
        /* From 257 on the switch itself can mean that, and takes the place of both. */
        { "PrivateTmpEx",            257, ALWAYS, write_text, "disconnected" },
        /* null, zero, random and the like; no disk, no terminal. */
        { "PrivateDevices",          209, ALWAYS, write_bool, .number = true },
        { "DevicePolicy",            208, ALWAYS, write_text, "closed" },
        /* Even private devices have the host's shared memory among them, where servers and other builds are. */
        { "TemporaryFileSystem",     238, ALWAYS, write_tmpfs, "/dev/shm:mode=1777,nosuid,nodev" },

        /* --- Which processes it sees, and what it could share with them --- */
        /* Not PrivatePIDs: 257 then misses the end of a process that ends at once, and takes any exit status for success
         * (6 of 400). The slot's own user keeps it from others' processes as well. */
        { "ProtectProc",             247, ALWAYS, write_text, "invisible" },
        { "ProcSubset",              247, ALWAYS, write_text, "pid" },
        { "PrivateIPC",              248, ALWAYS, write_bool, .number = true },
        /* The next job in this slot has the same user: nothing is left for it. */
        { "RemoveIPC",               232, ALWAYS, write_bool, .number = true },
        { "KeyringMode",             235, ALWAYS, write_text, "private" },

        /* --- Whom it can talk to --- */
        /* The internet, but not this host and its networks. Never IPAddressAllow: what it lists is let through first. */
        { "IPAddressDeny",           235, WITH_NETWORK, write_denied_addresses },
        /* No server finds its port taken, where systemd was built with BPF for that. */
        { "SocketBindDeny",          249, WITH_NETWORK, write_server_ports },
        /* Not AF_UNIX: abstract sockets are in the host's network namespace, and through one a build could hand out
         * a descriptor that writes to its generation when that is sealed. socketpair(2) is not filtered. What i386
         * programs do is not either; see confine/. */
        { "RestrictAddressFamilies", 211, WITH_NETWORK, write_allowed, "AF_INET AF_INET6" },
        { "PrivateNetwork",          0,   WITHOUT_NETWORK, write_bool, .number = true },
        { "RestrictAddressFamilies", 211, WITHOUT_NETWORK, write_allowed, "AF_UNIX" },

        /* --- Which rights it has: none, and no way to any --- */
        { "NoNewPrivileges",         187, ALWAYS, write_bool, .number = true },
        { "CapabilityBoundingSet",   0,   NOT_WATCHER, write_uint64, .number = 0 },
        /* A build must not be able to hide what it takes in directories that it makes unreadable. In the user namespace of
         * the unit this is for the watcher's own files, as which it sees the build's, and for root's, all public there. */
        { "CapabilityBoundingSet",   0,   WATCHER, write_uint64, .number = 1 << CAP_DAC_READ_SEARCH },
        { "AmbientCapabilities",     229, WATCHER, write_uint64, .number = 1 << CAP_DAC_READ_SEARCH },
        { "PrivateUsers",            232, ALWAYS, write_bool, .number = true },
        /* A generation holds no set-id file: sealing would refuse it. */
        { "RestrictSUIDSGID",        242, ALWAYS, write_bool, .number = true },

        /* --- How much of the kernel it can reach --- */
        { "ProtectKernelTunables",   232, ALWAYS, write_bool, .number = true },
        { "ProtectKernelModules",    232, ALWAYS, write_bool, .number = true },
        { "ProtectKernelLogs",       244, ALWAYS, write_bool, .number = true },
        { "ProtectControlGroups",    232, ALWAYS, write_bool, .number = true },
        /* And does not show which servers and builds there are. */
        { "ProtectControlGroupsEx",  257, ALWAYS, write_text, "strict" },
        { "ProtectClock",            245, ALWAYS, write_bool, .number = true },
        { "ProtectHostname",         242, ALWAYS, write_bool, .number = true },
        { "RestrictNamespaces",      233, ALWAYS, write_uint64, .number = 0 },
        { "RestrictRealtime",        231, ALWAYS, write_bool, .number = true },
        { "LockPersonality",         235, ALWAYS, write_bool, .number = true },
        { "MemoryDenyWriteExecute",  231, ALWAYS, write_bool, .number = true },
        /* And i386's, which is steamcmd's, where the host can run its programs. */
        { "SystemCallArchitectures", 209, ALWAYS, write_architectures },
        { "SystemCallFilter",        187, ALWAYS, write_allowed,
          "@system-service landlock_create_ruleset landlock_restrict_self" },
        { "SystemCallFilter",        187, ALWAYS, write_denied,
          "@privileged @resources @keyring io_uring_setup io_uring_enter io_uring_register userfaultfd" },
        /* A tool that asks for too much is told so, not killed without a word. */
        { "SystemCallErrorNumber",   209, ALWAYS, write_int, .number = EPERM },
};
/* clang-format on */

static bool property_applies(const Property *p, const SandboxSpec *spec, unsigned systemd_version)
{
        if (p->since > systemd_version)
                return false;
        switch (p->units) {
        case WITH_NETWORK:
                return spec->has_network;
        case WITHOUT_NETWORK:
                return !spec->has_network;
        case WATCHER:
                return spec->is_watcher;
        case NOT_WATCHER:
                return !spec->is_watcher;
        default:
                return true;
        }
}

int sandbox_append_properties(sd_bus_message *m, const SandboxSpec *spec, unsigned systemd_version)
{
        /* An empty list would let everything through. */
        g_return_val_if_fail(!spec->has_network || (spec->denied && spec->denied->len > 0), -EINVAL);

        int r = sd_bus_message_open_container(m, 'a', "(sv)");
        for (size_t i = 0; r >= 0 && i < G_N_ELEMENTS(properties); i++)
                if (property_applies(&properties[i], spec, systemd_version))
                        r = properties[i].write(m, &properties[i], spec);
        return r < 0 ? r : sd_bus_message_close_container(m);
}
