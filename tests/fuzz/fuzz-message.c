/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The arguments of a call, as the gate and then the handler read them. They come through a real connection of
 * sd-bus: dbus-broker hands them on without a look. The first byte says of which types they are said to be,
 * the second who reads them. */
#include "daemon/log-bus.h"
#include "daemon/message-size.h"
#include "daemon/options.h"
#include "daemon/settings-bus.h"
#include "daemon/util.h"
#include "fuzz.h"
#include <sys/socket.h>

#define HELLO     "\0AUTH ANONYMOUS\r\nBEGIN\r\n"
#define BODY_MAX  (64 * 1024) /* fits into a socket */
#define SIZE_PAID (1024 * 1024)

static const char *const signatures[] = {
        "a{sv}", "sa{sv}", "ssa{sv}", "ta{sv}", "ha{sv}", "a(os)", "su", "ssv", "s", "v"};

static uint8_t reader;
static unsigned taken;

static void read_settings(sd_bus_message *m)
{
        g_auto(InstanceSettings) instance = {};
        g_auto(OverlaySettings) overlay = {};
        g_auto(ImportSettings) import = {};
        LogWish wish;
        GError *error = NULL;
        gboolean is_right;

        switch (reader % 5) {
        case 0:
                is_right = instance_settings_read(m, &instance, &error);
                break;
        case 1:
                is_right = overlay_settings_read(m, &overlay, &error);
                break;
        case 2:
                is_right = import_settings_read(m, &import, &error);
                break;
        case 3:
                is_right = log_bus_read_wish(m, &wish, &error);
                g_assert_true(!is_right || wish.range.priority <= 7);
                g_assert_true(!is_right || !wish.range.cursor || strlen(wish.range.cursor) <= CURSOR_MAX);
                break;
        default:
                is_right = options_read_none(m, &error);
        }
        fuzz_check_error(is_right, error);
}

static int on_message(sd_bus_message *m, void *userdata, sd_bus_error *ret_error)
{
        const char *signature = sd_bus_message_get_signature(m, true);
        g_autofree char *who = NULL;
        GError *error = NULL;
        size_t size;

        taken++;
        if (message_check_size(m, SIZE_PAID, &size) < 0)
                return 1;
        g_assert_cmpuint(size, <=, SIZE_PAID);
        if (!g_str_has_suffix(signature, "a{sv}"))
                return 1;
        gboolean is_right = options_read_on_behalf_of(m, signature, &who, &error);
        fuzz_check_error(is_right, error);
        if (!is_right)
                return 1;
        g_autofree char *before = g_strndup(signature, strlen(signature) - strlen("a{sv}"));
        if (*before)
                g_assert_cmpint(sd_bus_message_skip(m, before), >=, 0);
        read_settings(m);
        return 1;
}

/* Returns: a connection at whose far end is `*ret_fd`. */
static sd_bus *bus_new(int *ret_fd)
{
        int ends[2];
        sd_bus *bus;

        g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends), ==, 0);
        g_assert_cmpint(sd_bus_new(&bus), >=, 0);
        g_assert_cmpint(sd_bus_set_fd(bus, ends[0], ends[0]), >=, 0);
        g_assert_cmpint(
                sd_bus_set_server(bus, true, SD_ID128_MAKE(1, 2, 3, 4, 5, 6, 7, 8, 9, a, b, c, d, e, f, 0)),
                >=, 0);
        g_assert_cmpint(sd_bus_set_anonymous(bus, true), >=, 0);
        g_assert_cmpint(sd_bus_add_filter(bus, NULL, on_message, NULL), >=, 0);
        g_assert_cmpint(sd_bus_start(bus), >=, 0);
        g_assert_cmpint(write(ends[1], HELLO, sizeof(HELLO) - 1), ==, sizeof(HELLO) - 1);
        *ret_fd = ends[1];
        return bus;
}

static void add_padding(GByteArray *bytes)
{
        static const uint8_t zeros[8];

        g_byte_array_append(bytes, zeros, -bytes->len % 8);
}

static void add_number(GByteArray *bytes, uint32_t number)
{
        number = GUINT32_TO_LE(number);
        g_byte_array_append(bytes, (const uint8_t *)&number, sizeof(number));
}

static void add_field(GByteArray *bytes, uint8_t code, char type, const char *text)
{
        const uint8_t start[] = {code, 1, (uint8_t)type, 0}, size = (uint8_t)strlen(text);

        add_padding(bytes);
        g_byte_array_append(bytes, start, sizeof(start));
        if (type == 'g')
                g_byte_array_append(bytes, &size, 1);
        else
                add_number(bytes, size);
        g_byte_array_append(bytes, (const uint8_t *)text, size + 1);
}

static GByteArray *message_new(const char *signature, const uint8_t *body, size_t size)
{
        GByteArray *bytes = g_byte_array_new();
        const uint8_t start[] = {'l', 1, 0, 1};

        g_byte_array_append(bytes, start, sizeof(start));
        add_number(bytes, (uint32_t)size);
        add_number(bytes, 1); /* serial */
        add_number(bytes, 0);
        add_field(bytes, 1, 'o', "/");
        add_field(bytes, 3, 's', "Member");
        add_field(bytes, 8, 'g', signature);
        uint32_t fields = GUINT32_TO_LE(bytes->len - 16);
        memcpy(bytes->data + 12, &fields, sizeof(fields));
        add_padding(bytes);
        return g_byte_array_append(bytes, body, (guint)size);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        static sd_bus *bus;
        static int fd = -EBADF;
        g_autoptr(GByteArray) message = NULL;
        int r;

        if (size < 2 || size > BODY_MAX)
                return 0;
        reader = data[1];
        message = message_new(signatures[data[0] % G_N_ELEMENTS(signatures)], data + 2, size - 2);
        if (!bus)
                bus = bus_new(&fd);
        g_assert_cmpint(write(fd, message->data, message->len), ==, message->len);
        taken = 0;
        while ((r = sd_bus_process(bus, NULL)) > 0)
                ;
        g_assert_cmpuint(taken, <=, 1);
        if (r < 0) { /* it takes no more of who sends this */
                sd_bus_close_unref(g_steal_pointer(&bus));
                close_fd(&fd);
        }
        return 0;
}
