/*
 * /dev/vmbus-host: the guest as the host's kernel knows it
 *
 * Copyright (c) 2026 The vmbus_gpadl_map maintainers
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef HW_HYPERV_VMBUS_HOST_FILE_H
#define HW_HYPERV_VMBUS_HOST_FILE_H

#include <linux/vmbus_host.h>
#include "hw/hyperv/vmbus.h"
#include "qemu/queue.h"

/* One file, which is one guest for the kernel, for all devices */
typedef struct VMBusHost VMBusHost;

/* A device, as far as the file is concerned */
typedef struct VMBusHostUser VMBusHostUser;

typedef struct VMBusHostUserOps {
    /*
     * The bus is reset.  @clean: and the backend has let go of all that the
     * guest gave it.  @again: and what could not be done is to be tried again
     */
    void (*begin_anew)(VMBusHostUser *user, bool clean, bool again);
    /* Return whether the event is one of this device */
    bool (*hear)(VMBusHostUser *user, const struct vmbus_host_event *event);
} VMBusHostUserOps;

struct VMBusHostUser {
    const VMBusHostUserOps *ops;
    QLIST_ENTRY(VMBusHostUser) next;
};

/*
 * The first user says which file: that of the monitor's @fdname, or @path; if
 * it has neither of them, /dev/vmbus-host
 */
VMBusHost *vmbus_host_get(VMBusHostUser *user, VMBus *vmbus, const char *path,
                          const char *fdname, Error **errp);
void vmbus_host_put(VMBusHost *host, VMBusHostUser *user);

/* Return 0 or -errno */
int vmbus_host_ioctl(VMBusHost *host, unsigned long request, void *arg);

/* Another descriptor of the file, or -errno */
int vmbus_host_dup(VMBusHost *host);

#endif
