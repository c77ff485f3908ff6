/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The options that Create and Configure share, one parser for both forms, and those of Import. */
#pragma once

#include "instance.h"
#include "overlay.h"
#include <systemd/sd-bus.h>

gboolean instance_settings_read(sd_bus_message *m, InstanceSettings *settings, GError **error);
gboolean import_settings_read(sd_bus_message *m, ImportSettings *settings, GError **error);
gboolean overlay_settings_read(sd_bus_message *m, OverlaySettings *settings, GError **error);
