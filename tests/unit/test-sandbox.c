/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "daemon/address-filter.h"
#include "daemon/sandbox.h"
#include "daemon/util.h"
#include <string.h>
#include <sys/socket.h>

/* A message can only be made on a started connection; nobody need answer at its other end. */
static sd_bus *bus_new(int *ret_other_end)
{
        int fds[2];
        sd_bus *bus;
        g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), ==, 0);
        g_assert_cmpint(sd_bus_new(&bus), >=, 0);
        g_assert_cmpint(sd_bus_set_fd(bus, fds[0], fds[0]), >=, 0);
        g_assert_cmpint(sd_bus_start(bus), >=, 0);
        *ret_other_end = fds[1];
        return bus;
}

/* Writes a value of any type down as text: "word", 5, [a b], (a b), fd. */
static void value_print(sd_bus_message *m, GString *to)
{
        char type;
        const char *contents;
        g_assert_cmpint(sd_bus_message_peek_type(m, &type, &contents), >, 0);
        if (strchr("av(r", type)) {
                const char *brackets = type == 'a' ? "[]" : type == 'v' ? "<>" : "()";
                g_assert_cmpint(sd_bus_message_enter_container(m, type, contents), >, 0);
                g_string_append_c(to, brackets[0]);
                for (bool first = true; !sd_bus_message_at_end(m, false); first = false) {
                        if (!first)
                                g_string_append_c(to, ' ');
                        value_print(m, to);
                }
                g_string_append_c(to, brackets[1]);
                g_assert_cmpint(sd_bus_message_exit_container(m), >=, 0);
                return;
        }
        union {
                const char *s;
                uint64_t t;
                uint32_t u;
                uint16_t q;
                int i;
                uint8_t y;
        } value;
        g_assert_cmpint(sd_bus_message_read_basic(m, type, &value), >, 0);
        switch (type) {
        case 's':
                g_string_append(to, value.s);
                break;
        case 't':
                g_string_append_printf(to, "%" G_GUINT64_FORMAT, value.t);
                break;
        case 'u':
                g_string_append_printf(to, "%u", value.u);
                break;
        case 'q':
                g_string_append_printf(to, "%u", value.q);
                break;
        case 'b':
        case 'i':
                g_string_append_printf(to, "%d", value.i);
                break;
        case 'y':
                g_string_append_printf(to, "%u", value.y);
                break;
        case 'h':
                g_string_append(to, "fd");
                break;
        default:
                g_error("no property has a value of type '%c'", type);
        }
}

/* Returns: what the unit gets, one "Name=<value>" a line; a name that is there several times has its values
 * joined. */
static GHashTable *properties_of(const SandboxSpec *spec, unsigned systemd_version)
{
        _cleanup_close_ int other_end = -1;
        sd_bus *bus = bus_new(&other_end);
        sd_bus_message *m;
        g_assert_cmpint(
                sd_bus_message_new_method_call(bus, &m, "a.b", "/a", "a.b", "StartTransientUnit"), >=, 0);
        g_assert_cmpint(sandbox_append_properties(m, spec, systemd_version), >=, 0);
        g_assert_cmpint(sd_bus_message_seal(m, 1, 0), >=, 0);

        GHashTable *properties = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
        g_assert_cmpint(sd_bus_message_enter_container(m, 'a', "(sv)"), >, 0);
        while (sd_bus_message_enter_container(m, 'r', "sv") > 0) {
                const char *name;
                g_assert_cmpint(sd_bus_message_read_basic(m, 's', &name), >, 0);
                const char *before = g_hash_table_lookup(properties, name);
                g_autoptr(GString) value = g_string_new(before);
                value_print(m, value);
                g_hash_table_replace(properties, g_strdup(name), g_strdup(value->str));
                g_assert_cmpint(sd_bus_message_exit_container(m), >=, 0);
        }
        sd_bus_message_unref(m);
        sd_bus_close_unref(bus);
        return properties;
}

static const SandboxBind binds[] = {
        {"/run/left4me/staging/7/overlay", "/overlay", false},
        {"/run/left4me/staging/7/previous", "/previous", true},
};
static char *const command[] = {(char *)"/bin/bash", (char *)"/script", NULL};

static SandboxSpec spec_new(bool has_network, const GArray *denied)
{
        return (SandboxSpec){
                .description = "a build",
                .slot = 3,
                .argv = command,
                .binds = binds,
                .n_binds = G_N_ELEMENTS(binds),
                .working_directory = "/overlay",
                .has_network = has_network,
                .denied = denied,
                .port_first = 27015,
                .port_last = 27314,
                .time_limit = 60 * G_USEC_PER_SEC,
                .stdout_fd = -1,
                .job = 7,
        };
}

static GArray *denied_new(void)
{
        static const AddressPrefix prefixes[] = {
                {AF_INET, {127}, 8},
                {AF_INET6, {0xfc}, 7},
        };
        return g_array_append_vals(g_array_new(FALSE, FALSE, sizeof(AddressPrefix)), prefixes, 2);
}

static void assert_property(GHashTable *properties, const char *name, const char *value)
{
        const char *found = g_hash_table_lookup(properties, name);
        if (g_strcmp0(found, value) != 0)
                g_error("%s is %s, not %s", name, found ? found : "not there", value ? value : "missing");
}

static void test_what_the_caller_says(void)
{
        g_autoptr(GArray) denied = denied_new();
        SandboxSpec spec = spec_new(true, denied);
        g_autoptr(GHashTable) p = properties_of(&spec, 252);
        assert_property(p, "Description", "<a build>");
        assert_property(p, "User", "<l4d2-sandbox-3>");
        assert_property(p, "ExecStart", "<[(/bin/bash [/bin/bash /script] 0)]>");
        assert_property(p, "WorkingDirectory", "</overlay>");
        assert_property(p, "RuntimeMaxUSec", "<60000000>");
        assert_property(p, "BindPaths", "<[(/run/left4me/staging/7/overlay /overlay 0 0)]>");
        assert_property(
                p, "LogExtraFields", "<[[76 69 70 84 52 77 69 95 74 79 66 61 55]]>"); /* LEFT4ME_JOB=7 */
        assert_property(p, "SyslogIdentifier", "<left4me-job-7>");
        const char *read_only = g_hash_table_lookup(p, "BindReadOnlyPaths");
        g_assert_nonnull(strstr(read_only, "(/run/left4me/staging/7/previous /previous 0 0)"));
        g_assert_nonnull(strstr(read_only, "(/usr /usr 1 16384)"));
        g_assert_null(strstr(read_only, "(/etc /etc"));
}

static void test_watcher(void)
{
        SandboxSpec spec = spec_new(false, NULL);
        spec.file_size_limit = 4711;
        spec.bound_to = "watcher.service";
        g_autoptr(GHashTable) build = properties_of(&spec, 252);
        assert_property(build, "BindsTo", "<[watcher.service]>");
        assert_property(build, "After", "<[watcher.service]>");
        assert_property(build, "LimitFSIZE", "<4711>");
        assert_property(build, "AmbientCapabilities", NULL);
        spec = spec_new(false, NULL);
        spec.is_watcher = true;
        g_autoptr(GHashTable) watcher = properties_of(&spec, 252);
        assert_property(watcher, "User", "<l4d2-sandbox-watch>");
        assert_property(watcher, "BindsTo", NULL);
        assert_property(watcher, "LimitFSIZE", "<1048576>");
        /* It may read any directory, and is asked to end. */
        assert_property(watcher, "CapabilityBoundingSet", "<4>");
        assert_property(watcher, "AmbientCapabilities", "<4>");
        assert_property(watcher, "PrivateUsers", "<1>");
        assert_property(watcher, "RemainAfterExit", NULL);
        assert_property(watcher, "KillSignal", "<9><15>");
}

static void test_output_descriptor(void)
{
        SandboxSpec spec = spec_new(false, NULL);
        g_autoptr(GHashTable) journal = properties_of(&spec, 252);
        assert_property(journal, "StandardOutput", "<journal>");
        assert_property(journal, "StandardOutputFileDescriptor", NULL);
        spec.stdout_fd = 0;
        g_autoptr(GHashTable) descriptor = properties_of(&spec, 252);
        assert_property(descriptor, "StandardOutput", "<null>");
        assert_property(descriptor, "StandardOutputFileDescriptor", "<fd>");
        assert_property(descriptor, "StandardError", "<journal>");
}

static void test_with_network(void)
{
        g_autoptr(GArray) denied = denied_new();
        SandboxSpec spec = spec_new(true, denied);
        g_autoptr(GHashTable) p = properties_of(&spec, 252);
        assert_property(
                p, "IPAddressDeny", "<[(2 [127 0 0 0] 8) (10 [252 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0] 7)]>");
        assert_property(p, "IPAddressAllow", NULL);
        assert_property(p, "SocketBindDeny", "<[(0 0 300 27015)]>");
        assert_property(p, "PrivateNetwork", NULL);
        assert_property(p, "RestrictAddressFamilies", "<(1 [AF_INET AF_INET6])>");
        g_assert_nonnull(strstr(g_hash_table_lookup(p, "BindReadOnlyPaths"),
                "(/etc/left4me/sandbox-resolv.conf /etc/resolv.conf 0 0)"));
}

static void test_without_network(void)
{
        SandboxSpec spec = spec_new(false, NULL);
        g_autoptr(GHashTable) p = properties_of(&spec, 252);
        assert_property(p, "PrivateNetwork", "<1>");
        assert_property(p, "IPAddressDeny", NULL);
        assert_property(p, "SocketBindDeny", NULL);
        assert_property(p, "RestrictAddressFamilies", "<(1 [AF_UNIX])>");
        g_assert_null(strstr(g_hash_table_lookup(p, "BindReadOnlyPaths"), "resolv.conf"));
}

/* A systemd that does not know one property refuses the whole unit. */
static void test_version_picks_rows(void)
{
        static const char *const only_257[] = {"BindLogSockets", "PrivateTmpEx", "ProtectControlGroupsEx"};
        SandboxSpec spec = spec_new(false, NULL);
        g_autoptr(GHashTable) p252 = properties_of(&spec, 252);
        g_autoptr(GHashTable) p257 = properties_of(&spec, 257);
        for (size_t i = 0; i < G_N_ELEMENTS(only_257); i++) {
                assert_property(p252, only_257[i], NULL);
                g_assert_true(g_hash_table_contains(p257, only_257[i]));
        }
        g_assert_cmpuint(g_hash_table_size(p257), ==, g_hash_table_size(p252) + G_N_ELEMENTS(only_257));
}

static void test_hardening(void)
{
        static const char *const yes[] = {
                "NoNewPrivileges",
                "PrivateDevices",
                "PrivateIPC",
                "PrivateUsers",
                "ProtectKernelTunables",
                "ProtectKernelModules",
                "ProtectKernelLogs",
                "ProtectControlGroups",
                "ProtectClock",
                "ProtectHostname",
                "RestrictRealtime",
                "RestrictSUIDSGID",
                "RemoveIPC",
                "LockPersonality",
                "MemoryDenyWriteExecute",
                "RemainAfterExit",
        };
        g_autoptr(GArray) denied = denied_new();
        SandboxSpec spec = spec_new(true, denied);
        g_autoptr(GHashTable) p = properties_of(&spec, 252);
        for (size_t i = 0; i < G_N_ELEMENTS(yes); i++)
                assert_property(p, yes[i], "<1>");
        assert_property(p, "CapabilityBoundingSet", "<0>");
        assert_property(p, "RestrictNamespaces", "<0>");
        assert_property(p, "ProtectSystem", "<strict>");
        assert_property(p, "ProtectProc", "<invisible>");
        assert_property(p, "RootDirectory", "</run/left4me/sandbox-root>");
        assert_property(p, "Slice", "<l4d2-build.slice>");
        assert_property(p, "SystemCallArchitectures",
                access("/lib/ld-linux.so.2", F_OK) == 0 ? "<[native x86]>" : "<[native]>");
        assert_property(p, "SystemCallFilter",
                "<(1 [@system-service landlock_create_ruleset landlock_restrict_self])><(0 [@privileged "
                "@resources @keyring io_uring_setup io_uring_enter "
                "io_uring_register userfaultfd])>");
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/sandbox/what-the-caller-says", test_what_the_caller_says);
        g_test_add_func("/sandbox/watcher", test_watcher);
        g_test_add_func("/sandbox/output-descriptor", test_output_descriptor);
        g_test_add_func("/sandbox/with-network", test_with_network);
        g_test_add_func("/sandbox/without-network", test_without_network);
        g_test_add_func("/sandbox/version-picks-rows", test_version_picks_rows);
        g_test_add_func("/sandbox/hardening", test_hardening);
        return g_test_run();
}
