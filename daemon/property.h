/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Getters of simple properties in one line each: PROPERTY(function, Type, object, signature, expression...).
 */
#pragma once

#define PROPERTY(function, Type, object, signature, ...)                                                     \
        static int function(sd_bus *bus, const char *path, const char *interface, const char *name,          \
                sd_bus_message *reply, void *userdata, sd_bus_error *ret_error)                              \
        {                                                                                                    \
                Type *object = userdata;                                                                     \
                                                                                                             \
                return sd_bus_message_append(reply, signature, __VA_ARGS__);                                 \
        }

#define CHANGES SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE
#define CONST   SD_BUS_VTABLE_PROPERTY_CONST
