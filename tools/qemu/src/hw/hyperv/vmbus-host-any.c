/*
 * A VMBus device of any interface type, by its number, whose backend is in the
 * host's kernel
 *
 * Copyright (c) 2026 The vmbus_gpadl_map maintainers
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qemu/bswap.h"
#include "hw/qdev-properties.h"
#include "hw/qdev-properties-system.h"
#include "vmbus-host.h"

#define TYPE_VMBUS_HOST_ANY "vmbus-host"
OBJECT_DECLARE_SIMPLE_TYPE(VMBusHostAny, VMBUS_HOST_ANY)

struct VMBusHostAny {
    VMBusHostDevice parent_obj;

    char *config;
};

/*
 * The backend's structure as it is in memory, in hexadecimal digits: QEMU knows
 * nothing of it, but for its size, by which the kernel reads it.
 */
static void *vmbus_host_any_config(VMBusHostDevice *dev, Error **errp)
{
    VMBusHostAny *any = VMBUS_HOST_ANY(dev);
    g_autofree uint8_t *config = NULL;
    size_t i, len;
    int high, low;

    if (!any->config) {
        return NULL;
    }
    len = strlen(any->config) / 2;
    config = g_malloc0(len + sizeof(uint32_t));
    for (i = 0; i < len; i++) {
        high = g_ascii_xdigit_value(any->config[2 * i]);
        low = g_ascii_xdigit_value(any->config[2 * i + 1]);
        if (high < 0 || low < 0) {
            error_setg(errp, "config has to be hexadecimal digits");
            return NULL;
        }
        config[i] = high << 4 | low;
    }
    if (strlen(any->config) % 2 || len < sizeof(uint32_t) ||
        len > VMBUS_HOST_CONFIG_MAX || ldl_he_p(config) != len) {
        error_setg(errp, "config has to begin with its size, 32 bits, and to "
                   "have %u bytes at most", VMBUS_HOST_CONFIG_MAX);
        return NULL;
    }
    return g_steal_pointer(&config);
}

static const Property vmbus_host_any_props[] = {
    DEFINE_PROP_UUID_NODEFAULT("if-type", VMBusHostDevice, if_type),
    DEFINE_PROP_UINT16("subchannels", VMBusHostDevice, subchannels, 0),
    DEFINE_PROP_STRING("config", VMBusHostAny, config),
};

static void vmbus_host_any_class_init(ObjectClass *klass, const void *data)
{
    DeviceClass *dc = DEVICE_CLASS(klass);

    device_class_set_props(dc, vmbus_host_any_props);
    object_class_property_set_description(klass, "if-type",
        "GUID of the interface type");
    object_class_property_set_description(klass, "subchannels",
        "Sub-channels that the guest may ask for");
    object_class_property_set_description(klass, "config",
        "Structure that the backend takes, in hexadecimal digits");
    dc->desc = "VMBus device with a backend in the host's kernel";
    set_bit(DEVICE_CATEGORY_MISC, dc->categories);
    VMBUS_HOST_BASE_CLASS(klass)->config = vmbus_host_any_config;
}

static const TypeInfo vmbus_host_any_types[] = {
    {
        .name = TYPE_VMBUS_HOST_ANY,
        .parent = TYPE_VMBUS_HOST_BASE,
        .instance_size = sizeof(VMBusHostAny),
        .class_init = vmbus_host_any_class_init,
    },
};

DEFINE_TYPES(vmbus_host_any_types)
