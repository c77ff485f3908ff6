/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The routing tables are read from /proc, not asked of getifaddrs(3): that would take netlink sockets, which
 * the service needs for nothing else; and a neighbour behind a route without an address of ours would be
 * missed. */

#include "address-filter.h"
#include <arpa/inet.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#define PATH_ROUTES_4 "/proc/self/net/fib_trie"
#define PATH_ROUTES_6 "/proc/self/net/ipv6_route"

/* What is shorter is a tunnel that carries the internet, and not a network of this host's. */
#define SHORTEST_LINK 8

static const struct {
        const char *address;
        unsigned length;
} never_reached[] = {
        {"0.0.0.0", 8},          /* this host: the kernel takes 0.0.0.0 for loopback */
        {"127.0.0.0", 8},        /* loopback */
        {"::1", 128},            /* loopback */
        {"169.254.0.0", 16},     /* link-local, and where clouds keep their metadata */
        {"fe80::", 10},          /* link-local */
        {"224.0.0.0", 4},        /* multicast */
        {"ff00::", 8},           /* multicast */
        {"255.255.255.255", 32}, /* broadcast on the link */
        {"10.0.0.0", 8},         /* private */
        {"172.16.0.0", 12},      /* private */
        {"192.168.0.0", 16},     /* private */
        {"100.64.0.0", 10},      /* carrier-grade NAT */
        {"fc00::", 7},           /* unique local */
};

static bool prefix_is_known(const GArray *prefixes, const AddressPrefix *wanted)
{
        for (guint i = 0; i < prefixes->len; i++) {
                const AddressPrefix *known = &g_array_index(prefixes, AddressPrefix, i);
                if (known->family == wanted->family && known->length == wanted->length &&
                        memcmp(known->address, wanted->address, sizeof(known->address)) == 0)
                        return true;
        }
        return false;
}

static void prefix_add(GArray *prefixes, const AddressPrefix *prefix)
{
        if (!prefix_is_known(prefixes, prefix))
                g_array_append_vals(prefixes, prefix, 1);
}

static void add_never_reached(GArray *prefixes)
{
        for (size_t i = 0; i < G_N_ELEMENTS(never_reached); i++) {
                AddressPrefix prefix = {.length = never_reached[i].length};
                prefix.family = strchr(never_reached[i].address, ':') ? AF_INET6 : AF_INET;
                if (inet_pton(prefix.family, never_reached[i].address, prefix.address) != 1)
                        g_assert_not_reached();
                prefix_add(prefixes, &prefix);
        }
}

/* A line "|-- ADDRESS" and below it one "/LENGTH SCOPE TYPE" for each route; other lines are the tree's inner
 * nodes. Returns: 0; -EBADMSG when there is not even the route to loopback, and so another format. */
static int read_routes_4(GArray *prefixes, FILE *routes)
{
        AddressPrefix prefix = {.family = AF_INET};
        char line[256], address[INET_ADDRSTRLEN], scope[16];
        int r = -EBADMSG;

        while (fgets(line, sizeof(line), routes))
                if (sscanf(line, " |-- %15s", address) == 1) {
                        if (inet_pton(AF_INET, address, prefix.address) != 1)
                                return -EBADMSG;
                } else if (sscanf(line, " /%u %15s", &prefix.length, scope) == 2 &&
                           prefix.length >= SHORTEST_LINK && prefix.length <= 32 &&
                           (g_str_equal(scope, "host") || g_str_equal(scope, "link"))) {
                        prefix_add(prefixes, &prefix);
                        r = 0;
                }
        return r;
}

/* A line is "DESTINATION LENGTH SOURCE LENGTH GATEWAY METRIC ...", in hexadecimal. Returns: 0 or -EBADMSG. */
static int read_routes_6(GArray *prefixes, FILE *routes)
{
        AddressPrefix prefix = {.family = AF_INET6};
        char line[256], destination[33], gateway[33];

        while (fgets(line, sizeof(line), routes)) {
                if (sscanf(line, "%32s %x %*s %*s %32s", destination, &prefix.length, gateway) != 3 ||
                        strspn(destination, "0123456789abcdef") != 32 || prefix.length > 128)
                        return -EBADMSG;
                if (prefix.length < SHORTEST_LINK || strspn(gateway, "0") != 32)
                        continue;
                for (size_t i = 0; i < sizeof(prefix.address); i++)
                        prefix.address[i] = (uint8_t)(g_ascii_xdigit_value(destination[2 * i]) << 4 |
                                                      g_ascii_xdigit_value(destination[2 * i + 1]));
                prefix_add(prefixes, &prefix);
        }
        return 0;
}

static int add_routes(GArray *prefixes, const char *path, int (*read_routes)(GArray *, FILE *))
{
        FILE *routes = fopen(path, "re");
        if (!routes)
                return -errno;
        int r = read_routes(prefixes, routes);
        if (ferror(routes))
                r = -EIO;
        fclose(routes);
        return r;
}

GArray *address_filter_collect(int *ret_error)
{
        g_autoptr(GArray) prefixes = g_array_new(FALSE, FALSE, sizeof(AddressPrefix));
        add_never_reached(prefixes);
        int r = add_routes(prefixes, PATH_ROUTES_4, read_routes_4);
        if (r >= 0) {
                r = add_routes(prefixes, PATH_ROUTES_6, read_routes_6);
                if (r == -ENOENT) /* a kernel without IPv6 */
                        r = 0;
        }
        if (r < 0) {
                *ret_error = r;
                return NULL;
        }
        return g_steal_pointer(&prefixes);
}
