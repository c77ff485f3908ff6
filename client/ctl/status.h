/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The parts of what `status` shows. */
#pragma once

#include "ctl.h"

void host_print(const Ctl *ctl, const l4h_manager *manager);
/* `list`: what there is beside it. */
void instance_print(Ctl *ctl, const l4h_instance *instance, const l4h_list *list);
/* Memory and CPU time of a unit, where systemd counts them. */
void resources_print(Ctl *ctl, const char *unit);
