/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Descriptors in one message of a SOCK_SEQPACKET socket. */
#pragma once

#include <stddef.h>

#define FD_MESSAGE_MAX 2

/* Neither waits. Returns: 0 or negative errno; -EPROTO when the message has not so many. */
int fd_message_send(int socket_fd, const int *fds, size_t n_fds);
int fd_message_receive(int socket_fd, int *ret_fds, size_t n_fds);
