/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fd-message.h"
#include "util.h"

#include <string.h>
#include <sys/socket.h>

typedef union Control {
        struct cmsghdr header;
        char space[CMSG_SPACE(FD_MESSAGE_MAX * sizeof(int))];
} Control;

int fd_message_send(int socket_fd, const int *fds, size_t n_fds)
{
        char byte = 0;
        Control control = {.header = {
                                   .cmsg_level = SOL_SOCKET,
                                   .cmsg_type = SCM_RIGHTS,
                                   .cmsg_len = CMSG_LEN(n_fds * sizeof(int)),
                           }};
        struct msghdr message = {
                .msg_iov = &(struct iovec){&byte, sizeof(byte)},
                .msg_iovlen = 1,
                .msg_control = &control,
                .msg_controllen = CMSG_SPACE(n_fds * sizeof(int)),
        };

        memcpy(CMSG_DATA(&control.header), fds, n_fds * sizeof(int));
        return sendmsg(socket_fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL) < 0 ? -errno : 0;
}

int fd_message_receive(int socket_fd, int *ret_fds, size_t n_fds)
{
        char byte;
        Control control = {};
        struct msghdr message = {
                .msg_iov = &(struct iovec){&byte, sizeof(byte)},
                .msg_iovlen = 1,
                .msg_control = &control,
                .msg_controllen = sizeof(control),
        };
        const struct cmsghdr *c;

        if (recvmsg(socket_fd, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC) < 0)
                return -errno;
        c = CMSG_FIRSTHDR(&message);
        if (!c || c->cmsg_type != SCM_RIGHTS || c->cmsg_len != CMSG_LEN(n_fds * sizeof(int)))
                return -EPROTO;
        memcpy(ret_fds, CMSG_DATA(c), n_fds * sizeof(int));
        return 0;
}
