/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "validate.h"
#include "error.h"
#include <limits.h>
#include <stdbool.h>
#include <string.h>

#define MAX_NAME            32
#define MAX_SHOWN           64
#define MAX_DESCRIPTION     256
#define MAX_ARGUMENT        256
#define MAX_ARGUMENTS       64
#define MAX_ARGUMENTS_BYTES 2048

#define LOWER_OR_DIGIT "abcdefghijklmnopqrstuvwxyz0123456789"

static gboolean refuse(GError **error, HostError code, const char *format, ...) G_GNUC_PRINTF(3, 4);
static gboolean refuse(GError **error, HostError code, const char *format, ...)
{
        g_autofree char *message = NULL;
        va_list args;

        va_start(args, format);
        message = g_strdup_vprintf(format, args);
        va_end(args);
        g_set_error_literal(error, HOST_ERROR, code, message);
        return FALSE;
}

char *name_show(const char *name)
{
        g_autofree char *escaped = g_strescape(name, NULL);

        return g_strndup(escaped, MAX_SHOWN);
}

gboolean validate_name(const char *what, const char *name, GError **error)
{
        size_t length = strlen(name);
        g_autofree char *shown = NULL;

        if (length >= 1 && length <= MAX_NAME && strchr("_-", name[0]) == NULL &&
                strspn(name, LOWER_OR_DIGIT "_-") == length)
                return TRUE;
        shown = name_show(name);
        return refuse(error, HOST_ERROR_INVALID_NAME,
                "\"%s\" is no name for an %s: use 1 to %d of a-z, 0-9, _ and -, and begin with a letter "
                "or digit.",
                shown, what, MAX_NAME);
}

/* An argument is written into an environment file, split by systemd where it has blanks, and expanded once
 * more, unquoted, by the shell script srcds_run: what one of them would change is refused, so that what is
 * accepted arrives as it was given.
 * `;` ends a command for the game's console too, and would carry a second one past the checks below. */
static gboolean check_characters(unsigned number, const char *argument, GError **error)
{
        size_t length = strlen(argument), good;

        if (length == 0)
                return refuse(error, HOST_ERROR_INVALID_SETTING,
                        "Argument %u is empty: leave it out, there is no way to pass it on.", number);
        if (length > MAX_ARGUMENT)
                return refuse(error, HOST_ERROR_INVALID_SETTING,
                        "Argument %u has %zu bytes: at most %d are allowed.", number, length, MAX_ARGUMENT);
        for (good = 0; good < length; good++)
                if (!g_ascii_isgraph(argument[good]) || strchr("'\"`\\$%*?[;|&<>()", argument[good]))
                        break;
        if (good == length)
                return TRUE;
        if (argument[good] == ' ' || argument[good] == '\t')
                return refuse(error, HOST_ERROR_INVALID_SETTING,
                        "Argument %u has a blank in it: give each word as an argument of its own.", number);
        if (g_ascii_isgraph(argument[good]))
                return refuse(error, HOST_ERROR_INVALID_SETTING,
                        "Argument %u has a %c in it, which would not reach the server as it is: arguments "
                        "must do without ' \" ` \\ $ %% * ? [ ; | & < > ( and ). Settings that need one "
                        "belong into the configuration: use SetConfig.",
                        number, argument[good]);
        return refuse(error, HOST_ERROR_INVALID_SETTING,
                "Argument %u has a byte in it that is not printable ASCII (0x%02x).", number,
                (unsigned char)argument[good]);
}

/* The setting that an argument names: what follows `-` or `+`, or the word after a `+set` (idTech servers
 * know it), up to a `=`. Returns: the name in lower case, NULL when the argument names none. */
static char *setting_name(char *const *arguments, unsigned i)
{
        static const char *const setters[] = {"+set", "+seta", "+sets", "+setu"};
        const char *name = arguments[i] + strspn(arguments[i], "+-");
        gboolean is_named = name > arguments[i];

        for (size_t k = 0; k < G_N_ELEMENTS(setters) && i > 0 && !is_named; k++)
                is_named = g_ascii_strcasecmp(arguments[i - 1], setters[k]) == 0;
        return is_named ? g_ascii_strdown(name, (gssize)strcspn(name, "=")) : NULL;
}

/* A mistake is caught here with a hint; that no server takes another's port is the unit's SocketBindAllow=.
 */
static gboolean check_setting(unsigned number, const char *name, GError **error)
{
        static const struct {
                const char *name, *hint;
        } given[] = {
                {"port", "the instance's port is given out: use Configure with Port"},
                {"hostport", "the instance's port is given out: use Configure with Port"},
                {"net_port", "the instance's port is given out: use Configure with Port"},
                {"tv_port", "SourceTV's port is given out with the instance's port"},
                {"clientport", "the client port is given out with the instance's port"},
                {"steamport", "the instance's ports are given out, and others are closed"},
                {"netconport", "the instance's ports are given out, and others are closed"},
                {"ip", "the address is ListenAddress in host.conf"},
                {"hostip", "the address is ListenAddress in host.conf"},
                {"net_ip", "the address is ListenAddress in host.conf"},
                {"game", "the game directory is always left4dead2"},
                {"norestart", "it is always given, because systemd restarts the server"},
                {"strictportbind", "it is always given"},
        };

        for (size_t i = 0; i < G_N_ELEMENTS(given); i++)
                if (g_str_equal(name, given[i].name))
                        return refuse(error, HOST_ERROR_INVALID_SETTING,
                                "Argument %u sets \"%s\", which is not yours to set: %s.", number, name,
                                given[i].hint);
        if (g_str_has_suffix(name, "password") || g_str_equal(name, "sv_setsteamaccount"))
                return refuse(error, HOST_ERROR_INVALID_SETTING,
                        "Argument %u sets the secret \"%s\", and every local user can read arguments: it "
                        "belongs into the configuration, use SetConfig.",
                        number, name);
        return TRUE;
}

gboolean validate_arguments(char *const *arguments, GError **error)
{
        size_t bytes = 0;

        for (unsigned i = 0; arguments[i]; i++) {
                g_autofree char *name = NULL;

                if (i >= MAX_ARGUMENTS)
                        return refuse(error, HOST_ERROR_INVALID_SETTING,
                                "There are more than %d arguments: put settings into the configuration, use "
                                "SetConfig.",
                                MAX_ARGUMENTS);
                if (!check_characters(i + 1, arguments[i], error))
                        return FALSE;
                bytes += strlen(arguments[i]);
                if (bytes > MAX_ARGUMENTS_BYTES)
                        return refuse(error, HOST_ERROR_INVALID_SETTING,
                                "The arguments have more than %d bytes in all: put settings into the "
                                "configuration, use SetConfig.",
                                MAX_ARGUMENTS_BYTES);
                name = setting_name(arguments, i);
                if (name && !check_setting(i + 1, name, error))
                        return FALSE;
        }
        return TRUE;
}

gunichar text_find_control(const char *text)
{
        for (; *text; text = g_utf8_next_char(text)) {
                gunichar character = g_utf8_get_char(text);
                GUnicodeType type = g_unichar_type(character);

                if (type == G_UNICODE_CONTROL || type == G_UNICODE_LINE_SEPARATOR ||
                        type == G_UNICODE_PARAGRAPH_SEPARATOR)
                        return character;
        }
        return 0;
}

gboolean validate_description(const char *text, GError **error)
{
        gunichar control;

        if (strlen(text) > MAX_DESCRIPTION)
                return refuse(error, HOST_ERROR_INVALID_SETTING,
                        "The description has %zu bytes: at most %d are allowed.", strlen(text),
                        MAX_DESCRIPTION);
        if (!g_utf8_validate(text, -1, NULL))
                return refuse(error, HOST_ERROR_INVALID_SETTING, "The description is not valid UTF-8.");
        control = text_find_control(text);
        if (control)
                return refuse(error, HOST_ERROR_INVALID_SETTING,
                        "The description has the control character U+%04X in it: write it on one line of "
                        "plain text.",
                        control);
        return TRUE;
}

gboolean validate_text(const char *what, const char *text, size_t limit, GError **error)
{
        size_t length = strlen(text);

        if (length <= limit)
                return TRUE;
        return refuse(error, HOST_ERROR_INVALID_SETTING, "The %s has %zu bytes: at most %zu are allowed.",
                what, length, limit);
}

gboolean validate_vpk_name(const char *name, GError **error)
{
        size_t length = strlen(name);
        bool is_name = length > strlen(".vpk") && length <= NAME_MAX && g_str_has_suffix(name, ".vpk");

        for (const char *c = name; *c && is_name; c++)
                is_name = *c >= ' ' && *c <= '~' && *c != '/';
        if (!is_name)
                g_set_error(error, HOST_ERROR, HOST_ERROR_INVALID_SETTING,
                        "FileName must be the name of a VPK, such as \"map.vpk\": up to %d printable ASCII "
                        "characters without a slash, with .vpk at the end",
                        NAME_MAX);
        return is_name;
}
