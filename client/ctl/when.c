/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Times and spans as people write them: what is most used of systemd.time(7). */
#include "ctl.h"
#include <time.h>

#define USEC_PER_SEC UINT64_C(1000000)

bool span_parse(const char *text, uint64_t *ret)
{
        static const struct {
                const char *unit;
                uint64_t seconds;
        } units[] = {{"", 1}, {"s", 1}, {"min", 60}, {"h", 3600}, {"d", 86400}};
        uint64_t number;
        const char *unit;
        if (!number_parse(text, UINT64_MAX / 86400 / USEC_PER_SEC, &number, &unit))
                return false;
        for (size_t i = 0; i < sizeof units / sizeof units[0]; i++)
                if (strcmp(unit, units[i].unit) == 0) {
                        *ret = number * units[i].seconds * USEC_PER_SEC;
                        return true;
                }
        return false;
}

/* "-90min" or "90min ago". */
static bool ago_parse(const char *text, uint64_t *ret)
{
        static const char ago[] = " ago";
        size_t size = strlen(text), n = sizeof ago - 1;
        _cleanup_free_ char *span = NULL;
        if (*text == '-')
                span = format("%s", text + 1);
        else if (size > n && strcmp(text + size - n, ago) == 0)
                span = format("%.*s", (int)(size - n), text);
        return span && span_parse(span, ret);
}

/* Returns: the midnight that began the day, so many days before today, for mktime(). */
static struct tm midnight(time_t now, int days_ago)
{
        struct tm tm = {0};
        (void)localtime_r(&now, &tm);
        return (struct tm){
                .tm_mday = tm.tm_mday - days_ago, .tm_mon = tm.tm_mon, .tm_year = tm.tm_year, .tm_isdst = -1};
}

/* A day, a time of it, or both; what is left out is the beginning of it, and the day today. */
static bool date_parse(const char *text, time_t now, time_t *ret)
{
        static const char *const forms[] = {
                "%Y-%m-%d %H:%M:%S", "%Y-%m-%d %H:%M", "%Y-%m-%d", "%H:%M:%S", "%H:%M"};
        for (size_t i = 0; i < sizeof forms / sizeof forms[0]; i++) {
                struct tm tm = midnight(now, 0);
                const char *end = strptime(text, forms[i], &tm);
                if (!end || *end)
                        continue;
                *ret = mktime(&tm);
                return *ret >= 0;
        }
        return false;
}

/* "today" and "yesterday". */
static bool day_parse(const char *text, time_t now, time_t *ret)
{
        bool is_yesterday = strcmp(text, "yesterday") == 0;
        struct tm tm = midnight(now, is_yesterday);
        *ret = mktime(&tm);
        return is_yesterday || strcmp(text, "today") == 0;
}

bool time_parse(const char *text, uint64_t *ret)
{
        time_t now = time(NULL), then;
        uint64_t number;
        if (ago_parse(text, &number)) {
                uint64_t usec = (uint64_t)now * USEC_PER_SEC;
                *ret = usec > number ? usec - number : 0;
                return true;
        }
        if (*text == '@') {
                if (!number_parse(text + 1, UINT64_MAX / USEC_PER_SEC, &number, NULL))
                        return false;
                *ret = number * USEC_PER_SEC;
                return true;
        }
        if (strcmp(text, "now") == 0)
                then = now;
        else if (!day_parse(text, now, &then) && !date_parse(text, now, &then))
                return false;
        *ret = (uint64_t)then * USEC_PER_SEC;
        return true;
}
