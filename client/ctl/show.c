/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* How verbs that list or show print what they have, for people or for programs. */
#include "show.h"

void list_print(const Ctl *ctl, const Table *table, const char *noun, json_object *array)
{
        pager_open(ctl);
        if (ctl->json == JSON_OFF) {
                table_print(table, ctl, noun);
                json_object_put(array);
        } else {
                json_print(array, ctl);
        }
}

void shown_begin(Ctl *ctl)
{
        pager_open(ctl);
        if (ctl->has_shown)
                putchar('\n');
        ctl->has_shown = true;
}

void shown_print(json_object *array, const Ctl *ctl)
{
        pager_open(ctl);
        json_print(array, ctl);
}

int each_shown(Ctl *ctl, char **names, int (*show)(Ctl *ctl, const char *name, json_object *array))
{
        int status = EXIT_DONE;
        json_object *array = ctl->json != JSON_OFF ? json_array() : NULL;
        for (char **name = names; *name; name++) {
                int r = show(ctl, *name, array);
                if (r > status)
                        status = r;
        }
        if (array)
                shown_print(array, ctl);
        return status;
}
