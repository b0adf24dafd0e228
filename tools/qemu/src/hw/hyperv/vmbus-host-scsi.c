/*
 * VMBus SCSI controllers of the host's kernel
 *
 * A controller is a portal group of the kernel's SCSI target, as it is for
 * vhost-scsi; its disks are LUNs that the operator of the host configures, and
 * that come and go there.  QEMU names the portal group and offers the channels.
 *
 * Copyright (c) 2026 The vmbus_gpadl_map maintainers
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include <linux/vmbus_host_scsi.h>
#include "qapi/error.h"
#include "qemu/cutils.h"
#include "hw/boards.h"
#include "hw/qdev-properties.h"
#include "vmbus-host.h"

#define TYPE_VMBUS_HOST_SCSI "vmbus-host-scsi"
OBJECT_DECLARE_SIMPLE_TYPE(VMBusHostSCSI, VMBUS_HOST_SCSI)

/*
 * Without "subchannels", there are as many as on Hyper-V, which Linux reckons
 * with: it uses a channel whose interrupts another processor gets, if there is
 * one, and so has to wake that for each request.
 */
#define SUBCHANNELS_AUTO UINT16_MAX
#define CPUS_PER_SUBCHANNEL 4

struct VMBusHostSCSI {
    VMBusHostDevice parent_obj;

    char *wwpn;
    uint16_t tag;
    uint32_t max_transfer;
};

static void *vmbus_host_scsi_config(VMBusHostDevice *dev, Error **errp)
{
    VMBusHostSCSI *scsi = VMBUS_HOST_SCSI(dev);
    struct vmbus_host_scsi_config *config = g_new0(typeof(*config), 1);

    config->size = sizeof(*config);
    pstrcpy(config->wwpn, sizeof(config->wwpn), scsi->wwpn);
    config->tpgt = scsi->tag;
    config->subchannels = dev->subchannels;
    config->max_transfer_bytes = scsi->max_transfer;
    return config;
}

static const char *vmbus_host_scsi_explain(int err)
{
    switch (err) {
    case ENOENT:
        return "there is no such target, or no such portal group of it";
    case EBUSY:
        return "the portal group is in use";
    case ENOTCONN:
        return "the portal group has no nexus";
    default:
        return NULL;
    }
}

/* The kernel gives a portal group to one device, so that names it. */
static char *vmbus_host_scsi_instance_name(VMBusHostDevice *dev)
{
    VMBusHostSCSI *scsi = VMBUS_HOST_SCSI(dev);

    return g_strdup_printf("%s:%u", scsi->wwpn, scsi->tag);
}

static bool vmbus_host_scsi_prepare(VMBusHostDevice *dev, Error **errp)
{
    VMBusHostSCSI *scsi = VMBUS_HOST_SCSI(dev);

    if (!scsi->wwpn || !*scsi->wwpn ||
        strlen(scsi->wwpn) >= VMBUS_HOST_SCSI_WWPN_MAX) {
        error_setg(errp, "wwpn has to be the name of a target, of less than %u "
                   "characters", VMBUS_HOST_SCSI_WWPN_MAX);
        return false;
    }
    if (dev->subchannels == SUBCHANNELS_AUTO) {
        dev->subchannels = MIN((current_machine->smp.cpus - 1) /
                               CPUS_PER_SUBCHANNEL,
                               VMBUS_HOST_SCSI_SUBCHANNELS_MAX);
    }
    return true;
}

static const Property vmbus_host_scsi_props[] = {
    DEFINE_PROP_STRING("wwpn", VMBusHostSCSI, wwpn),
    DEFINE_PROP_UINT16("tag", VMBusHostSCSI, tag, 1),
    DEFINE_PROP_UINT16("subchannels", VMBusHostDevice, subchannels,
                       SUBCHANNELS_AUTO),
    DEFINE_PROP_SIZE32("max-transfer", VMBusHostSCSI, max_transfer, 0),
};

static void vmbus_host_scsi_instance_init(Object *obj)
{
    static const uint8_t if_type[] = VMBUS_HOST_SCSI_IF_TYPE;
    QemuUUID le;

    memcpy(le.data, if_type, sizeof(le.data));
    VMBUS_HOST_BASE(obj)->if_type = qemu_uuid_bswap(le);
}

static void vmbus_host_scsi_class_init(ObjectClass *klass, const void *data)
{
    DeviceClass *dc = DEVICE_CLASS(klass);
    VMBusHostDeviceClass *hdc = VMBUS_HOST_BASE_CLASS(klass);

    device_class_set_props(dc, vmbus_host_scsi_props);
    object_class_property_set_description(klass, "wwpn",
        "Name of the target");
    object_class_property_set_description(klass, "tag",
        "Number of its portal group");
    object_class_property_set_description(klass, "subchannels",
        "Sub-channels that the guest may ask for; 65535: one for every four "
        "vCPUs beyond the first");
    object_class_property_set_description(klass, "max-transfer",
        "Longest transfer, in bytes; 0: what the kernel takes for right");
    dc->desc = "VMBus SCSI controller of the host's kernel";
    set_bit(DEVICE_CATEGORY_STORAGE, dc->categories);
    hdc->prepare = vmbus_host_scsi_prepare;
    hdc->config = vmbus_host_scsi_config;
    hdc->explain = vmbus_host_scsi_explain;
    hdc->instance_name = vmbus_host_scsi_instance_name;
}

static const TypeInfo vmbus_host_scsi_types[] = {
    {
        .name = TYPE_VMBUS_HOST_SCSI,
        .parent = TYPE_VMBUS_HOST_BASE,
        .instance_size = sizeof(VMBusHostSCSI),
        .instance_init = vmbus_host_scsi_instance_init,
        .class_init = vmbus_host_scsi_class_init,
    },
};

DEFINE_TYPES(vmbus_host_scsi_types)
