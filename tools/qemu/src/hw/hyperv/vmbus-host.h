/*
 * VMBus devices whose backend is in the host's kernel: what their files share
 *
 * Copyright (c) 2026 The vmbus_gpadl_map maintainers
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef HW_HYPERV_VMBUS_HOST_H
#define HW_HYPERV_VMBUS_HOST_H

#include <linux/vmbus_host.h>
#include "hw/hyperv/vmbus.h"
#include "vmbus-host-create.h"
#include "vmbus-host-file.h"

#define TYPE_VMBUS_HOST_BASE "vmbus-host-base"
OBJECT_DECLARE_TYPE(VMBusHostDevice, VMBusHostDeviceClass, VMBUS_HOST_BASE)

/*
 * What the kernel has of a channel, and what it is waited for:
 *
 *  NONE --> CREATED --> RESCINDING --> RESCINDED --> RELEASED --> DESTROYING -+
 *   ^                  DONE, of the   the guest,    sub-channels  DONE, of    |
 *   |                  kernel         its release   of a primary  the kernel  |
 *   +-------------------------------------------------------------------------+
 *
 * A primary is CREATING before it is CREATED: a thread asks the backend.  From
 * there it goes back to NONE if the backend refuses the device, and to
 * DESTROYING if that has been unplugged meanwhile.
 *
 * From any of these, a reset of the bus leads to CREATED, by way of DESTROYING
 * and CREATING if need be, unless the kernel refuses, or the device goes.
 */
typedef enum VMBusHostState {
    VMBUS_HOST_NONE,
    VMBUS_HOST_CREATING,
    VMBUS_HOST_CREATED,
    VMBUS_HOST_RESCINDING,
    VMBUS_HOST_RESCINDED,
    VMBUS_HOST_RELEASED,
    VMBUS_HOST_DESTROYING,
} VMBusHostState;

/* a channel has a bit of the 2048 event flags, of which 0 is none */
#define VMBUS_HOST_SUBCHANNELS_MAX 2046

typedef struct VMBusHostChannel {
    VMBusHostState state;
    /* of the kernel, for the offer to the guest */
    struct vmbus_host_offer offer;
} VMBusHostChannel;

struct VMBusHostDeviceClass {
    VMBusDeviceClass parent_class;

    DeviceRealize parent_realize;
    /* Check what is configured, before there are channels */
    bool (*prepare)(VMBusHostDevice *dev, Error **errp);
    /*
     * What is configured becomes the kernel's structure, which begins with its
     * size; NULL if there is none, or with an error
     */
    void *(*config)(VMBusHostDevice *dev, Error **errp);
    /* What an errno of the kernel means when there is such a configuration */
    const char *(*explain)(int err);
    /* What an instance id that is not given is made of; NULL: it is random */
    char *(*instance_name)(VMBusHostDevice *dev);
};

struct VMBusHostDevice {
    VMBusDevice parent_obj;

    QemuUUID if_type;
    char *path;
    char *fdname;
    uint16_t subchannels;

    VMBusHost *host;
    VMBusHostUser user;
    /* the primary, and as many sub-channels as there may be */
    VMBusHostChannel *chan;
    /* of the primary, as long as it is CREATING */
    VMBusHostCreation *creation;
    /* sub-channels that the backend has asked for */
    uint32_t wanted;
    /* the device goes when its channels are destroyed */
    bool unplugging;
    /* its backend has gone before it */
    bool gone;
    bool unplug_scheduled;
    /* that a channel cannot be created has been said */
    bool complained;
};

#endif
