/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "daemon/address-filter.h"
#include <arpa/inet.h>
#include <errno.h>
#include <sched.h>

/* The list of the design; what this host adds is looked for apart. */
static const char *const wanted[] = {
        "127.0.0.0/8",
        "::1/128",
        "169.254.0.0/16",
        "fe80::/10",
        "224.0.0.0/4",
        "ff00::/8",
        "10.0.0.0/8",
        "172.16.0.0/12",
        "192.168.0.0/16",
        "100.64.0.0/10",
        "fc00::/7",
        "0.0.0.0/8",
        "255.255.255.255/32",
};

static char *prefix_to_string(const AddressPrefix *prefix)
{
        char address[INET6_ADDRSTRLEN];
        g_assert_nonnull(inet_ntop(prefix->family, prefix->address, address, sizeof(address)));
        return g_strdup_printf("%s/%u", address, prefix->length);
}

static GHashTable *collect(guint *ret_n)
{
        int error = 0;
        g_autoptr(GArray) prefixes = address_filter_collect(&error);
        g_assert_nonnull(prefixes);
        GHashTable *set = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
        for (guint i = 0; i < prefixes->len; i++)
                g_hash_table_add(set, prefix_to_string(&g_array_index(prefixes, AddressPrefix, i)));
        *ret_n = prefixes->len;
        return set;
}

static void test_constant_list(void)
{
        guint n;
        g_autoptr(GHashTable) set = collect(&n);
        for (size_t i = 0; i < G_N_ELEMENTS(wanted); i++)
                if (!g_hash_table_contains(set, wanted[i]))
                        g_error("%s can be reached", wanted[i]);
}

static void ip(const char *arguments)
{
        g_autofree char *command = g_strdup_printf("ip %s", arguments);
        g_autoptr(GError) error = NULL;
        int status;
        g_spawn_command_line_sync(command, NULL, NULL, &status, &error);
        g_assert_no_error(error);
        g_assert_true(g_spawn_check_wait_status(status, NULL));
}

static void set_up_network(void)
{
        g_assert_cmpint(unshare(CLONE_NEWNET), ==, 0);
        ip("link set lo up");
        ip("link add veth0 type veth peer name veth1");
        ip("link set veth0 up");
        ip("link set veth1 up");
        ip("address add 198.51.100.77/26 dev veth0");
        ip("address add 192.0.2.1 peer 203.0.113.9/32 dev veth0");
        ip("-6 address add 2001:db8:1::5/64 dev veth0 nodad");
        ip("route add 5.5.5.0/24 via 198.51.100.66");
        ip("route add default via 198.51.100.65");
        ip("route add 0.0.0.0/1 dev veth0");
        ip("route add 6.6.6.0/24 dev veth0");
        ip("-6 route add default via 2001:db8:1::1 dev veth0");
        ip("-6 route add 2001:db8:6::/48 dev veth0");
        ip("-6 route add 2001:db8:7::/48 via 2001:db8:1::1 dev veth0");
        ip("-6 route add 2000::/3 dev veth0");
}

/* The kernel makes an IPv6 address's own route a moment after it has answered. */
static void wait_for_route(const char *prefix)
{
        for (unsigned n = 0; n < 1000; n++) {
                guint size;
                g_autoptr(GHashTable) set = collect(&size);
                if (g_hash_table_contains(set, prefix))
                        return;
                g_usleep(10000);
        }
        g_error("There is no route to %s", prefix);
}

/* In a network of its own, with what a host could have. */
static void test_this_host(void)
{
        static const char *const denied[] = {
                "198.51.100.77/32",
                "198.51.100.64/26", /* an address and its link */
                "192.0.2.1/32",
                "203.0.113.9/32", /* an address and its peer */
                "6.6.6.0/24",     /* neighbours without an address of ours among them */
                "2001:db8:1::5/128",
                "2001:db8:1::/64",
                "2001:db8:6::/48",
        };
        static const char *const open[] = {
                "5.5.5.0/24", "2001:db8:7::/48",              /* behind a gateway */
                "0.0.0.0/0", "0.0.0.0/1", "::/0", "2000::/3", /* the internet */
        };
        set_up_network();
        wait_for_route("2001:db8:1::5/128");
        guint n;
        g_autoptr(GHashTable) set = collect(&n);
        for (size_t i = 0; i < G_N_ELEMENTS(denied); i++)
                if (!g_hash_table_contains(set, denied[i]))
                        g_error("%s can be reached", denied[i]);
        for (size_t i = 0; i < G_N_ELEMENTS(open); i++)
                if (g_hash_table_contains(set, open[i]))
                        g_error("%s cannot be reached", open[i]);
        g_assert_cmpuint(g_hash_table_size(set), ==, n);
}

/* What is not understood is no empty list. */
static void test_no_routes(void)
{
        int error = 0;
        g_assert_cmpint(unshare(CLONE_NEWNET), ==, 0);
        g_assert_null(address_filter_collect(&error));
        g_assert_cmpint(error, ==, -EBADMSG);
}

static void test_host_bits_are_zero(void)
{
        int error = 0;
        g_autoptr(GArray) prefixes = address_filter_collect(&error);
        for (guint i = 0; i < prefixes->len; i++) {
                const AddressPrefix *prefix = &g_array_index(prefixes, AddressPrefix, i);
                for (unsigned bit = prefix->length; bit < 8 * sizeof(prefix->address); bit++)
                        g_assert_cmpint(prefix->address[bit / 8] & (0x80 >> bit % 8), ==, 0);
        }
}

int main(int argc, char **argv)
{
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/address-filter/constant-list", test_constant_list);
        g_test_add_func("/address-filter/this-host", test_this_host);
        g_test_add_func("/address-filter/host-bits-are-zero", test_host_bits_are_zero);
        g_test_add_func("/address-filter/no-routes", test_no_routes);
        return g_test_run();
}
