/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What --json prints: objects with all their properties, spelled as on the bus. Other objects stand in them
 * by their names, jobs by their numbers. */
#pragma once

#include "ctl.h"
#include <json.h>

json_object *json_manager(const l4h_manager *manager);
json_object *json_instance(const l4h_instance *instance);
json_object *json_overlay(const l4h_overlay *overlay);
json_object *json_job(const l4h_job *job);

/* Adds where the object is, when there are several hosts. Returns: `object`. */
json_object *json_of_target(const Ctl *ctl, json_object *object);
/* Takes `value`. */
void json_add(json_object *object, const char *key, json_object *value);
json_object *json_text(const char *text);
/* Takes `value`. */
void json_push(json_object *array, json_object *value);
json_object *json_array(void);
/* Prints it in the form that --json= asks for. Takes `value`. */
void json_print(json_object *value, const Ctl *ctl);

/* Prints what a list verb has gathered, as --json= asks. `noun`: what a row is. Takes `array`. */
void list_print(const Ctl *ctl, const Table *table, const char *noun, json_object *array);
/* Before each object that is shown for people: an empty line parts it from the one before. */
void shown_begin(Ctl *ctl);
/* Prints all that are shown for programs. Takes `array`. */
void shown_print(json_object *array, const Ctl *ctl);
/* Shows each object that is named: `show` adds it to the array, or prints it when that is NULL. Returns: an
 * exit code. */
int each_shown(Ctl *ctl, char **names, int (*show)(Ctl *ctl, const char *name, json_object *array));
