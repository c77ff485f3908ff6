/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "daemon/address-filter.h"
#include <arpa/inet.h>
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

static void add_address(const char *arguments)
{
        g_autofree char *command = g_strdup_printf("ip address add %s dev lo", arguments);
        g_autoptr(GError) error = NULL;
        int status;
        g_spawn_command_line_sync(command, NULL, NULL, &status, &error);
        g_assert_no_error(error);
        g_assert_true(g_spawn_check_wait_status(status, NULL));
}

/* In a network of its own, with addresses that a host could have. */
static void test_own_addresses(void)
{
        static const char *const expected[] = {
                "198.51.100.77/32",
                "198.51.100.64/26", /* an address and its link */
                "192.0.2.1/32",
                "203.0.113.0/24", /* an address with a peer behind it */
                "2001:db8:1::5/128",
                "2001:db8:1::/64",
        };
        g_assert_cmpint(unshare(CLONE_NEWNET), ==, 0);
        add_address("198.51.100.77/26");
        add_address("192.0.2.1 peer 203.0.113.9/24");
        add_address("2001:db8:1::5/64");

        guint n;
        g_autoptr(GHashTable) set = collect(&n);
        for (size_t i = 0; i < G_N_ELEMENTS(expected); i++)
                if (!g_hash_table_contains(set, expected[i]))
                        g_error("%s can be reached", expected[i]);
        g_assert_cmpuint(g_hash_table_size(set), ==, n);
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
        g_test_add_func("/address-filter/own-addresses", test_own_addresses);
        g_test_add_func("/address-filter/host-bits-are-zero", test_host_bits_are_zero);
        return g_test_run();
}
