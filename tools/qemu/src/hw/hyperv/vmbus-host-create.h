/*
 * VMBus devices whose backend is in the host's kernel: a channel is created
 *
 * Copyright (c) 2026 The vmbus_gpadl_map maintainers
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef HW_HYPERV_VMBUS_HOST_CREATE_H
#define HW_HYPERV_VMBUS_HOST_CREATE_H

#include <linux/vmbus_host.h>
#include "vmbus-host-file.h"

/* A device's primary channel that is being created */
typedef struct VMBusHostCreation VMBusHostCreation;

/*
 * Main loop, BQL held: the kernel has created the channel, whose @offer it is,
 * or @ret is -errno.  The creation is not to be used from here on.
 */
typedef void VMBusHostCreated(void *opaque, int ret,
                              const struct vmbus_host_offer *offer);

/*
 * Begin to create it.  Take @config, which is NULL or begins with its size.
 * created() tells the end, unless somebody has waited for that.
 */
VMBusHostCreation *
vmbus_host_creation_new(VMBusHost *host,
                        const struct vmbus_host_channel_create *create,
                        void *config, VMBusHostCreated *created, void *opaque);

/*
 * Wait for @ms milliseconds at most, or, if that is negative, for as long as it
 * takes.  Return whether it has ended, with @ret and @offer as created() has
 * them.
 */
bool vmbus_host_creation_wait(VMBusHostCreation *creation, int ms, int *ret,
                              struct vmbus_host_offer *offer);

/* Nobody wants to know any more: what is created is destroyed. */
void vmbus_host_creation_forsake(VMBusHostCreation *creation);

#endif
