/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "address-filter.h"
#include <arpa/inet.h>
#include <errno.h>
#include <ifaddrs.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <string.h>

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

static void prefix_add(GArray *prefixes, int family, const void *address, unsigned length)
{
        AddressPrefix prefix = {.family = family, .length = length};
        memcpy(prefix.address, address, address_prefix_size(&prefix));
        for (unsigned bit = length; bit < 8 * sizeof(prefix.address); bit++)
                prefix.address[bit / 8] &= (uint8_t) ~(0x80 >> bit % 8);
        if (!prefix_is_known(prefixes, &prefix))
                g_array_append_val(prefixes, prefix);
}

/* Returns: the bytes of an IPv4 or IPv6 address, borrowed; NULL for others. */
static const uint8_t *sockaddr_bytes(const struct sockaddr *sa)
{
        if (sa && sa->sa_family == AF_INET)
                return (const uint8_t *)&((const struct sockaddr_in *)(const void *)sa)->sin_addr;
        if (sa && sa->sa_family == AF_INET6)
                return (const uint8_t *)&((const struct sockaddr_in6 *)(const void *)sa)->sin6_addr;
        return NULL;
}

static unsigned mask_length(const uint8_t *mask, size_t size)
{
        unsigned length = 0;
        for (size_t i = 0; i < size; i++)
                length += (unsigned)__builtin_popcount(mask[i]);
        return length;
}

static void interface_add(GArray *prefixes, const struct ifaddrs *interface)
{
        const uint8_t *address = sockaddr_bytes(interface->ifa_addr);
        if (!address)
                return;
        int family = interface->ifa_addr->sa_family;
        unsigned size = family == AF_INET ? 4 : 16;
        prefix_add(prefixes, family, address, 8 * size);

        const uint8_t *mask = sockaddr_bytes(interface->ifa_netmask);
        if (!mask)
                return;
        unsigned length = mask_length(mask, size);
        prefix_add(prefixes, family, address, length);
        /* The peer's address, whose prefix it then is, or the broadcast address, which is in the same. */
        const uint8_t *other = sockaddr_bytes(interface->ifa_dstaddr);
        if (other)
                prefix_add(prefixes, family, other, length);
}

GArray *address_filter_collect(int *ret_error)
{
        struct ifaddrs *interfaces;
        if (getifaddrs(&interfaces) < 0) {
                *ret_error = -errno;
                return NULL;
        }

        GArray *prefixes = g_array_new(FALSE, FALSE, sizeof(AddressPrefix));
        for (size_t i = 0; i < G_N_ELEMENTS(never_reached); i++) {
                uint8_t address[16];
                int family = strchr(never_reached[i].address, ':') ? AF_INET6 : AF_INET;
                if (inet_pton(family, never_reached[i].address, address) != 1)
                        g_assert_not_reached();
                prefix_add(prefixes, family, address, never_reached[i].length);
        }
        for (const struct ifaddrs *i = interfaces; i; i = i->ifa_next)
                interface_add(prefixes, i);
        freeifaddrs(interfaces);
        return prefixes;
}
