/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The networks that a build must not reach: loopback, link-local, multicast, private, carrier-grade,
 * unique-local, and every address and on-link prefix of this host. systemd fails open where BPF is missing,
 * so the filter is tried once at start (left4me-tree probe-filter in a transient unit). */
#pragma once

#include <glib.h>
#include <stdint.h>
#include <sys/socket.h>

typedef struct AddressPrefix {
        int family;          /* AF_INET or AF_INET6 */
        uint8_t address[16]; /* network byte order, 4 or 16 bytes used, host bits zero */
        unsigned length;
} AddressPrefix;

/* Returns: how many bytes of the address are used. */
static inline size_t address_prefix_size(const AddressPrefix *prefix)
{
        return prefix->family == AF_INET ? 4 : 16;
}

/* The constant list and what the kernel's routing tables say now: each address of this host, and what it
 * reaches without a gateway. See proc(5), /proc/net. Returns: an array of AddressPrefix without duplicates;
 * NULL with a negative errno in *ret_error. */
GArray *address_filter_collect(int *ret_error);
