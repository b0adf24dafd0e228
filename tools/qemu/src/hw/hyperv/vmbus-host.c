/*
 * VMBus devices whose backend is in the host's kernel (/dev/vmbus-host)
 *
 * Rings and GPADLs are between guest and kernel, and so are the signals: KVM
 * attaches the guest's to an eventfd, and the kernel sets the event flag and
 * raises the SINT by another.  What is left for QEMU is the life of a channel:
 * it is created, offered, rescinded and destroyed here, for the guest and for
 * the kernel.
 *
 * Copyright (c) 2026 The vmbus_gpadl_map maintainers
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qemu/error-report.h"
#include "qemu/main-loop.h"
#include "qemu/timer.h"
#include "hw/hyperv/hyperv.h"
#include "hw/qdev-properties.h"
#include "trace.h"
#include "vmbus-host.h"

/* until device_del may be repeated: the kernel waits less for a quiet guest */
#define VMBUS_HOST_UNPLUG_MS 40000

/* for so long at most device_add waits for a backend to take the device */
#define VMBUS_HOST_ADD_MS 3000

static VMBusChannel *vmbus_host_chan(VMBusHostDevice *dev, unsigned idx)
{
    return vmbus_device_channel(VMBUS_DEVICE(dev), idx);
}

static uint32_t vmbus_host_relid(VMBusHostDevice *dev, unsigned idx)
{
    return vmbus_channel_id(vmbus_host_chan(dev, idx));
}

/* The guest may ask again, as often as it likes: say so once. */
static void vmbus_host_complain(VMBusHostDevice *dev, Error *err)
{
    if (dev->complained) {
        error_free(err);
    } else {
        dev->complained = true;
        warn_report_err(err);
    }
}

/* ---- Signals ---- */

/* @retarget: for a MODIFYCHANNEL, of whose target the backend is to hear */
static int vmbus_host_set_signals(VMBusChannel *chan, int kick_fd, int call_fd,
                                  void *flags, bool retarget)
{
    VMBusHostDevice *dev = VMBUS_HOST_BASE(vmbus_channel_device(chan));
    struct vmbus_host_signals signals = {
        .size = sizeof(signals),
        .kick_fd = kick_fd,
        .call_fd = call_fd,
        .event_flags = (uintptr_t)flags,
        .flag = vmbus_channel_id(chan),
    };
    struct vmbus_host_channel_modify modify = {
        .size = sizeof(modify),
        .flags = retarget ? VMBUS_HOST_MODIFY_TARGET_VP : 0,
        .relid = vmbus_channel_id(chan),
        .target_vp = retarget ? vmbus_channel_target_vp(chan) : 0,
        .signals = (uintptr_t)&signals,
    };
    int ret = vmbus_host_ioctl(dev->host, VMBUS_HOST_CHANNEL_MODIFY, &modify);
    Error *err = NULL;

    trace_vmbus_host_signals(modify.relid, kick_fd, call_fd, flags, ret);
    /* a channel that is gone needs none */
    if (ret && ret != -ENOENT) {
        error_setg_errno(&err, -ret, "VMBUS_HOST_CHANNEL_MODIFY %u",
                         modify.relid);
        vmbus_host_complain(dev, err);
    }
    return ret;
}

/*
 * The target may be a vCPU whose SynIC the guest has not enabled: Linux does
 * not, for one that was plugged in.  It looks through the flags of any vCPU, so
 * signal the one that gets the messages.
 */
static int vmbus_host_connect_signals(VMBusChannel *chan, bool retarget)
{
    HvSintRoute *route = vmbus_channel_sint_route(chan);
    EventNotifier *kick = vmbus_channel_notifier(chan);
    EventNotifier *call = NULL;
    void *flags = NULL;

    if (route) {
        call = hyperv_sint_route_direct(route, &flags);
        if (!call) {
            call = hyperv_sint_route_direct(vmbus_messages_sint_route(chan),
                                            &flags);
        }
        if (!call) {
            return -ENXIO;
        }
    }
    return vmbus_host_set_signals(chan, event_notifier_get_fd(kick),
                                  call ? event_notifier_get_fd(call) : -1,
                                  flags, retarget);
}

static int vmbus_host_open_channel(VMBusChannel *chan)
{
    return vmbus_host_connect_signals(chan, false);
}

static int vmbus_host_retarget_channel(VMBusChannel *chan)
{
    return vmbus_host_connect_signals(chan, true);
}

static void vmbus_host_close_channel(VMBusChannel *chan)
{
    vmbus_host_set_signals(chan, -1, -1, NULL, false);
}

/* ---- Create and offer ---- */

static void vmbus_host_fill_create(VMBusHostDevice *dev, unsigned idx,
                                   struct vmbus_host_channel_create *create)
{
    /* Hyper-V's are little endian */
    QemuUUID type = qemu_uuid_bswap(dev->if_type);
    QemuUUID instance = qemu_uuid_bswap(VMBUS_DEVICE(dev)->instanceid);

    *create = (struct vmbus_host_channel_create) {
        .size = sizeof(*create),
        .relid = vmbus_host_relid(dev, idx),
        .primary = idx ? vmbus_host_relid(dev, 0) : 0,
        .index = idx,
    };
    memcpy(create->if_type, &type, sizeof(create->if_type));
    memcpy(create->if_instance, &instance, sizeof(create->if_instance));
}

/* Return whether the channel is there. */
static bool vmbus_host_end_create(VMBusHostDevice *dev, unsigned idx,
                                  const struct vmbus_host_offer *offer, int ret,
                                  Error **errp)
{
    ERRP_GUARD();
    VMBusHostDeviceClass *hdc = VMBUS_HOST_BASE_GET_CLASS(dev);
    const char *hint;

    if (!ret) {
        dev->chan[idx].state = VMBUS_HOST_CREATED;
        dev->chan[idx].offer = *offer;
        return true;
    }
    dev->chan[idx].state = VMBUS_HOST_NONE;
    error_setg_errno(errp, -ret, "VMBUS_HOST_CHANNEL_CREATE %u",
                     vmbus_host_relid(dev, idx));
    hint = ret == -ENODEV ? "nobody in the host's kernel serves this "
                            "interface type" :
           hdc->explain ? hdc->explain(-ret) : NULL;
    if (hint) {
        error_append_hint(errp, "That is, %s.\n", hint);
    }
    return false;
}

/* No backend is asked for a sub-channel, so nothing waits for one. */
static bool vmbus_host_create_subchannel(VMBusHostDevice *dev, unsigned idx,
                                         Error **errp)
{
    struct vmbus_host_offer offer = { .size = sizeof(offer) };
    struct vmbus_host_channel_create create;
    int ret;

    vmbus_host_fill_create(dev, idx, &create);
    create.offer = (uintptr_t)&offer;
    ret = vmbus_host_ioctl(dev->host, VMBUS_HOST_CHANNEL_CREATE, &create);
    trace_vmbus_host_create(create.relid, create.primary, idx, ret);
    return vmbus_host_end_create(dev, idx, &offer, ret, errp);
}

static void vmbus_host_primary_created(void *opaque, int ret,
                                       const struct vmbus_host_offer *offer);

static bool vmbus_host_begin_primary(VMBusHostDevice *dev, Error **errp)
{
    ERRP_GUARD();
    VMBusHostDeviceClass *hdc = VMBUS_HOST_BASE_GET_CLASS(dev);
    struct vmbus_host_channel_create create;
    void *config = NULL;

    if (hdc->config) {
        config = hdc->config(dev, errp);
        if (*errp) {
            return false;
        }
    }
    vmbus_host_fill_create(dev, 0, &create);
    dev->chan[0].state = VMBUS_HOST_CREATING;
    dev->creation = vmbus_host_creation_new(dev->host, &create, config,
                                            vmbus_host_primary_created, dev);
    return true;
}

static void vmbus_host_offer(VMBusHostDevice *dev, unsigned idx)
{
    if (!idx) {
        dev->complained = false;
    }
    vmbus_channel_offer(vmbus_host_chan(dev, idx));
}

/* It is offered when the kernel has created it */
static void vmbus_host_bring_primary(VMBusHostDevice *dev)
{
    Error *err = NULL;

    if (!vmbus_host_begin_primary(dev, &err)) {
        vmbus_host_complain(dev, err);
    }
}

static void vmbus_host_bring_subchannel(VMBusHostDevice *dev, unsigned idx)
{
    Error *err = NULL;

    if (vmbus_host_create_subchannel(dev, idx, &err)) {
        vmbus_host_offer(dev, idx);
    } else {
        vmbus_host_complain(dev, err);
    }
}

/* Those that the backend wants; an old one of the same number goes first. */
static void vmbus_host_offer_subchannels(VMBusHostDevice *dev)
{
    unsigned i;

    for (i = 1; i <= dev->wanted; i++) {
        if (dev->chan[i].state == VMBUS_HOST_NONE) {
            vmbus_host_bring_subchannel(dev, i);
        }
    }
}

static void vmbus_host_fill_offer(VMBusChannel *chan,
                                  vmbus_message_offer_channel *msg)
{
    VMBusHostDevice *dev = VMBUS_HOST_BASE(vmbus_channel_device(chan));
    struct vmbus_host_offer *offer = &dev->chan[vmbus_channel_idx(chan)].offer;
    QemuUUID type = qemu_uuid_bswap(dev->if_type);

    QEMU_BUILD_BUG_ON(sizeof(offer->user_defined) != sizeof(msg->user_data));
    memcpy(msg->type_uuid, &type, sizeof(msg->type_uuid));
    msg->channel_flags = offer->flags;
    msg->mmio_size_mb = offer->mmio_megabytes;
    memcpy(msg->user_data, offer->user_defined, sizeof(msg->user_data));
}

/* ---- The way out ---- */

/*
 * Ask for something that may have to wait for a backend.
 * Return whether it is done; if not, the kernel will say so.
 */
static bool vmbus_host_ask(VMBusHostDevice *dev, unsigned idx,
                           unsigned long request)
{
    struct vmbus_host_channel channel = {
        .size = sizeof(channel),
        .relid = vmbus_host_relid(dev, idx),
    };
    int ret = vmbus_host_ioctl(dev->host, request, &channel);

    trace_vmbus_host_ask(channel.relid, request, ret);
    /* not there is what is wanted */
    if (!ret || ret == -ENOENT) {
        return true;
    }
    /* of what has failed nothing is known: the guest keeps what it gave */
    if (ret != -EINPROGRESS) {
        error_report("vmbus-host: request 0x%lx for channel %u: %s", request,
                     channel.relid, strerror(-ret));
    }
    return false;
}

static bool vmbus_host_ask_unplug(VMBusHostDevice *dev)
{
    struct vmbus_host_channel channel = {
        .size = sizeof(channel),
        .relid = vmbus_host_relid(dev, 0),
    };
    int ret = vmbus_host_ioctl(dev->host, VMBUS_HOST_CHANNEL_UNPLUG, &channel);

    trace_vmbus_host_ask(channel.relid, VMBUS_HOST_CHANNEL_UNPLUG, ret);
    return !ret;
}

static bool vmbus_host_has_subchannels(VMBusHostDevice *dev)
{
    unsigned i;

    for (i = 1; i <= dev->subchannels; i++) {
        if (dev->chan[i].state != VMBUS_HOST_NONE) {
            return true;
        }
    }
    return false;
}

static void vmbus_host_unplug(void *opaque)
{
    vmbus_device_unplug(VMBUS_DEVICE(opaque));
}

/* Later, and in no nested event loop: the bus, or a reset, may be at it */
static void vmbus_host_schedule_unplug(VMBusHostDevice *dev)
{
    if (!dev->unplug_scheduled) {
        dev->unplug_scheduled = true;
        aio_bh_schedule_oneshot(iohandler_get_aio_context(), vmbus_host_unplug,
                                dev);
    }
}

static void vmbus_host_destroy(VMBusHostDevice *dev, unsigned idx);

static void vmbus_host_destroyed(VMBusHostDevice *dev, unsigned idx)
{
    unsigned i;

    dev->chan[idx].state = VMBUS_HOST_NONE;
    if (idx) {
        if (dev->chan[0].state == VMBUS_HOST_RELEASED &&
            !vmbus_host_has_subchannels(dev)) {
            vmbus_host_destroy(dev, 0);
        } else if (dev->chan[0].state == VMBUS_HOST_CREATED) {
            vmbus_host_offer_subchannels(dev);
        }
        return;
    }

    /* with the primary, the kernel has destroyed them */
    for (i = 1; i <= dev->subchannels; i++) {
        dev->chan[i].state = VMBUS_HOST_NONE;
    }
    if (dev->unplugging) {
        vmbus_host_schedule_unplug(dev);
    } else {
        vmbus_host_bring_primary(dev);
    }
}

/* Asked again after a reset: what has failed is not done by itself */
static void vmbus_host_destroy(VMBusHostDevice *dev, unsigned idx)
{
    /* one that is being created has nothing of the guest's */
    if (dev->chan[idx].state == VMBUS_HOST_NONE ||
        dev->chan[idx].state == VMBUS_HOST_CREATING) {
        return;
    }
    dev->chan[idx].state = VMBUS_HOST_DESTROYING;
    vmbus_channel_rescind(vmbus_host_chan(dev, idx));
    if (vmbus_host_ask(dev, idx, VMBUS_HOST_CHANNEL_DESTROY)) {
        vmbus_host_destroyed(dev, idx);
    }
}

/* Somebody may have unplugged the device meanwhile */
static void vmbus_host_primary_created(void *opaque, int ret,
                                       const struct vmbus_host_offer *offer)
{
    VMBusHostDevice *dev = opaque;
    Error *err = NULL;

    dev->creation = NULL;
    if (vmbus_host_end_create(dev, 0, offer, ret, &err)) {
        if (dev->unplugging) {
            vmbus_host_destroy(dev, 0);
        } else {
            vmbus_host_offer(dev, 0);
        }
    } else if (dev->unplugging) {
        error_free(err);
        vmbus_host_schedule_unplug(dev);
    } else {
        vmbus_host_complain(dev, err);
    }
}

/*
 * The channel is nothing to the guest any more.  The kernel destroys
 * sub-channels with the primary, which therefore waits until the guest has
 * released them too.
 */
static void vmbus_host_released(VMBusHostDevice *dev, unsigned idx)
{
    if (!idx && vmbus_host_has_subchannels(dev)) {
        dev->chan[0].state = VMBUS_HOST_RELEASED;
        return;
    }
    vmbus_host_destroy(dev, idx);
}

static void vmbus_host_tell_guest(VMBusHostDevice *dev, unsigned idx)
{
    if (dev->chan[idx].state != VMBUS_HOST_CREATED &&
        dev->chan[idx].state != VMBUS_HOST_RESCINDING) {
        return;
    }
    dev->chan[idx].state = VMBUS_HOST_RESCINDED;
    if (!vmbus_channel_rescind(vmbus_host_chan(dev, idx))) {
        vmbus_host_released(dev, idx);
    }
}

/*
 * The guest frees what it gave as soon as it hears of it, so the kernel comes
 * first.  With a primary, it has taken the sub-channels back as well, of which
 * the guest is to hear first.
 */
static void vmbus_host_rescinded(VMBusHostDevice *dev, unsigned idx)
{
    unsigned i;

    for (i = 1; !idx && i <= dev->subchannels; i++) {
        vmbus_host_tell_guest(dev, i);
    }
    vmbus_host_tell_guest(dev, idx);
}

static void vmbus_host_rescind(VMBusHostDevice *dev, unsigned idx)
{
    if (dev->chan[idx].state != VMBUS_HOST_CREATED) {
        return;
    }
    dev->chan[idx].state = VMBUS_HOST_RESCINDING;
    if (!idx) {
        dev->wanted = 0;
    }
    if (vmbus_host_ask(dev, idx, VMBUS_HOST_CHANNEL_RESCIND)) {
        vmbus_host_rescinded(dev, idx);
    }
}

/* ---- What the guest does ---- */

/* It asks for sub-channels anew when it has opened the primary again. */
static void vmbus_host_channel_closed(VMBusChannel *chan)
{
    VMBusHostDevice *dev = VMBUS_HOST_BASE(vmbus_channel_device(chan));
    unsigned i;

    if (vmbus_channel_idx(chan)) {
        return;
    }
    dev->wanted = 0;
    for (i = 1; i <= dev->subchannels; i++) {
        vmbus_host_rescind(dev, i);
    }
}

static void vmbus_host_channel_released(VMBusChannel *chan)
{
    VMBusHostDevice *dev = VMBUS_HOST_BASE(vmbus_channel_device(chan));
    unsigned idx = vmbus_channel_idx(chan);

    switch (dev->chan[idx].state) {
    case VMBUS_HOST_RESCINDED:
        vmbus_host_released(dev, idx);
        break;
    case VMBUS_HOST_CREATED:
        /* not asked to: it can make nothing of the offer, or unloads */
        if (idx) {
            dev->wanted = 0;
            vmbus_host_destroy(dev, idx);
        }
        break;
    default:
        break;
    }
}

static VMBusHostDevice *vmbus_host_user_device(VMBusHostUser *user)
{
    return container_of(user, VMBusHostDevice, user);
}

static void vmbus_host_begin_anew(VMBusHostUser *user, bool clean, bool again)
{
    VMBusHostDevice *dev = vmbus_host_user_device(user);
    unsigned i;

    dev->wanted = 0;
    for (i = 1; i <= dev->subchannels; i++) {
        /* not to be offered before the backend asks for them again */
        vmbus_channel_rescind(vmbus_host_chan(dev, i));
        /* those of a backend that is not done go with the primary */
        if (clean) {
            vmbus_host_destroy(dev, i);
        }
    }
    if (dev->chan[0].state == VMBUS_HOST_NONE && again && !dev->unplugging) {
        /*
         * it could not be created the last time; not as often as a guest likes,
         * since the kernel may run modprobe for it
         */
        vmbus_host_bring_primary(dev);
    } else if (dev->chan[0].state != VMBUS_HOST_CREATED || !clean ||
               dev->unplugging) {
        vmbus_host_destroy(dev, 0);
    }
    if (dev->chan[0].state != VMBUS_HOST_CREATED) {
        /* not to be offered before it is there */
        vmbus_channel_rescind(vmbus_host_chan(dev, 0));
    }
}

/* ---- What the kernel says ---- */

static void vmbus_host_request_done(VMBusHostDevice *dev, unsigned idx,
                                    uint32_t request)
{
    if (request == VMBUS_HOST_CHANNEL_RESCIND &&
        dev->chan[idx].state == VMBUS_HOST_RESCINDING) {
        vmbus_host_rescinded(dev, idx);
    } else if (request == VMBUS_HOST_CHANNEL_DESTROY &&
               dev->chan[idx].state == VMBUS_HOST_DESTROYING &&
               /* the event may be one of a channel before with this number */
               vmbus_host_ask(dev, idx, VMBUS_HOST_CHANNEL_DESTROY)) {
        vmbus_host_destroyed(dev, idx);
    }
}

/* The device goes of its own accord, as those do that vfio passes on. */
static void vmbus_host_gone(VMBusHostDevice *dev)
{
    Error *err = NULL;

    dev->gone = true;
    qdev_unplug(DEVICE(dev), &err);
    if (err) {
        error_reportf_err(err, "vmbus-host: the backend is gone: ");
    }
}

static bool vmbus_host_hear(VMBusHostUser *user,
                            const struct vmbus_host_event *event)
{
    VMBusHostDevice *dev = vmbus_host_user_device(user);
    unsigned idx;

    for (idx = 0; idx <= dev->subchannels; idx++) {
        if (vmbus_host_relid(dev, idx) == event->relid) {
            break;
        }
    }
    if (idx > dev->subchannels) {
        return false;
    }

    switch (event->type) {
    case VMBUS_HOST_EVENT_DONE:
        vmbus_host_request_done(dev, idx, event->value);
        break;
    case VMBUS_HOST_EVENT_OFFER_SUBCHANNELS:
        if (dev->chan[0].state == VMBUS_HOST_CREATED &&
            vmbus_channel_is_open(vmbus_host_chan(dev, 0))) {
            dev->wanted = MIN(event->value, dev->subchannels);
            vmbus_host_offer_subchannels(dev);
        }
        break;
    case VMBUS_HOST_EVENT_RESCIND:
        if (dev->unplugging) {
            vmbus_host_rescind(dev, 0);
        } else {
            vmbus_host_gone(dev);
        }
        break;
    case VMBUS_HOST_EVENT_BROKEN:
        /* once: it can do so as often as it likes */
        warn_report_once("vmbus-host: a ring of channel %u is of no use any "
                         "more", event->relid);
        break;
    }
    return true;
}

static const VMBusHostUserOps vmbus_host_user_ops = {
    .begin_anew = vmbus_host_begin_anew,
    .hear = vmbus_host_hear,
};

/* ---- The device ---- */

/*
 * The guest is given time to let go of the device, by the device's own
 * protocol: an event will say when it has.  Asked once more, do not wait.
 */
static void vmbus_host_unplug_request(VMBusDevice *vdev, Error **errp)
{
    VMBusHostDevice *dev = VMBUS_HOST_BASE(vdev);
    DeviceState *qdev = DEVICE(dev);
    bool again = dev->unplugging;

    dev->unplugging = true;
    qdev->pending_deleted_event = true;
    qdev->pending_deleted_expires_ms =
        qemu_clock_get_ms(QEMU_CLOCK_VIRTUAL) + VMBUS_HOST_UNPLUG_MS;
    if (dev->chan[0].state == VMBUS_HOST_NONE) {
        vmbus_host_schedule_unplug(dev);
    } else if (dev->chan[0].state == VMBUS_HOST_CREATING) {
        /* it goes when it is there: its number is not free before that */
        return;
    } else if (dev->gone || again || !vmbus_host_ask_unplug(dev)) {
        vmbus_host_rescind(dev, 0);
    }
}

static uint16_t vmbus_host_num_channels(VMBusDevice *vdev)
{
    return 1 + VMBUS_HOST_BASE(vdev)->subchannels;
}

/*
 * What is wrong with the device is to be known to who plugs it in, so wait for
 * that; not for long while a guest runs, which is stopped by it.
 */
static bool vmbus_host_create_primary(VMBusHostDevice *dev, Error **errp)
{
    struct vmbus_host_offer offer;
    int ret;

    if (!vmbus_host_begin_primary(dev, errp)) {
        return false;
    }
    if (!vmbus_host_creation_wait(dev->creation, DEVICE(dev)->hotplugged ?
                                                 VMBUS_HOST_ADD_MS : -1,
                                  &ret, &offer)) {
        warn_report("vmbus-host: the backend takes its time: the guest gets "
                    "channel %u when it is done", vmbus_host_relid(dev, 0));
        return true;
    }
    dev->creation = NULL;
    if (!vmbus_host_end_create(dev, 0, &offer, ret, errp)) {
        return false;
    }
    vmbus_host_offer(dev, 0);
    return true;
}

static void vmbus_host_vmdev_realize(VMBusDevice *vdev, Error **errp)
{
    VMBusHostDevice *dev = VMBUS_HOST_BASE(vdev);

    dev->user.ops = &vmbus_host_user_ops;
    dev->host = vmbus_host_get(&dev->user,
                               VMBUS(qdev_get_parent_bus(DEVICE(dev))),
                               dev->path, dev->fdname, errp);
    if (!dev->host) {
        return;
    }
    dev->chan = g_new0(VMBusHostChannel, 1 + dev->subchannels);
    if (!vmbus_host_create_primary(dev, errp)) {
        vmbus_host_put(dev->host, &dev->user);
        g_clear_pointer(&dev->chan, g_free);
        dev->host = NULL;
    }
}

/* One that was plugged in has no channels any more; else, let them go */
static void vmbus_host_vmdev_unrealize(VMBusDevice *vdev)
{
    VMBusHostDevice *dev = VMBUS_HOST_BASE(vdev);

    if (dev->creation) {
        vmbus_host_creation_forsake(dev->creation);
        dev->creation = NULL;
    } else if (dev->chan[0].state != VMBUS_HOST_NONE) {
        /* the kernel does the rest on its own */
        vmbus_host_ask(dev, 0, VMBUS_HOST_CHANNEL_DESTROY);
    }
    vmbus_host_put(dev->host, &dev->user);
    g_free(dev->chan);
}

/* A UUID of version 5, so that the guest sees the same device at each start */
static void vmbus_host_name_instance(VMBusHostDevice *dev, const char *name)
{
    QemuUUID *uuid = &VMBUS_DEVICE(dev)->instanceid;
    g_autoptr(GChecksum) sum = g_checksum_new(G_CHECKSUM_SHA1);
    uint8_t digest[20];
    gsize len = sizeof(digest);

    g_checksum_update(sum, dev->if_type.data, sizeof(dev->if_type.data));
    g_checksum_update(sum, (const guchar *)name, -1);
    g_checksum_get_digest(sum, digest, &len);
    memcpy(uuid->data, digest, sizeof(uuid->data));
    uuid->data[6] = (uuid->data[6] & 0xf) | 0x50;
    uuid->data[8] = (uuid->data[8] & 0x3f) | 0x80;
}

static void vmbus_host_realize(DeviceState *qdev, Error **errp)
{
    VMBusHostDevice *dev = VMBUS_HOST_BASE(qdev);
    VMBusHostDeviceClass *hdc = VMBUS_HOST_BASE_GET_CLASS(qdev);
    QemuUUID *instance = &VMBUS_DEVICE(dev)->instanceid;
    g_autofree char *name = NULL;

    if (qemu_uuid_is_null(&dev->if_type)) {
        error_setg(errp, "if-type is not set");
        return;
    }
    if (hdc->prepare && !hdc->prepare(dev, errp)) {
        return;
    }
    if (dev->subchannels > VMBUS_HOST_SUBCHANNELS_MAX) {
        error_setg(errp, "subchannels: there cannot be more than %u",
                   VMBUS_HOST_SUBCHANNELS_MAX);
        return;
    }
    if (qemu_uuid_is_null(instance)) {
        name = hdc->instance_name ? hdc->instance_name(dev) :
                                    g_strdup(qdev->id);
        if (name) {
            vmbus_host_name_instance(dev, name);
        } else {
            qemu_uuid_generate(instance);
        }
    }
    hdc->parent_realize(qdev, errp);
}

static const Property vmbus_host_base_props[] = {
    DEFINE_PROP_STRING("path", VMBusHostDevice, path),
    DEFINE_PROP_STRING("fd", VMBusHostDevice, fdname),
};

static void vmbus_host_base_instance_init(Object *obj)
{
    /* not the random one of all VMBus devices; see vmbus_host_realize() */
    VMBUS_DEVICE(obj)->instanceid = (QemuUUID) { };
}

static void vmbus_host_base_class_init(ObjectClass *klass, const void *data)
{
    DeviceClass *dc = DEVICE_CLASS(klass);
    VMBusDeviceClass *vdc = VMBUS_DEVICE_CLASS(klass);
    VMBusHostDeviceClass *hdc = VMBUS_HOST_BASE_CLASS(klass);

    device_class_set_props(dc, vmbus_host_base_props);
    object_class_property_set_description(klass, "path",
        "Device of the kernel that is opened, if not /dev/vmbus-host");
    object_class_property_set_description(klass, "fd",
        "Open file of /dev/vmbus-host, instead of path");
    device_class_set_parent_realize(dc, vmbus_host_realize,
                                    &hdc->parent_realize);
    dc->hotpluggable = true;
    vdc->relayed = true;
    vdc->dynamic_channels = true;
    vdc->num_channels = vmbus_host_num_channels;
    vdc->vmdev_realize = vmbus_host_vmdev_realize;
    vdc->vmdev_unrealize = vmbus_host_vmdev_unrealize;
    vdc->vmdev_unplug_request = vmbus_host_unplug_request;
    vdc->open_channel = vmbus_host_open_channel;
    vdc->retarget_channel = vmbus_host_retarget_channel;
    vdc->close_channel = vmbus_host_close_channel;
    vdc->channel_closed = vmbus_host_channel_closed;
    vdc->channel_released = vmbus_host_channel_released;
    vdc->fill_offer = vmbus_host_fill_offer;
}

static const TypeInfo vmbus_host_types[] = {
    {
        .name = TYPE_VMBUS_HOST_BASE,
        .parent = TYPE_VMBUS_DEVICE,
        .abstract = true,
        .instance_size = sizeof(VMBusHostDevice),
        .instance_init = vmbus_host_base_instance_init,
        .class_size = sizeof(VMBusHostDeviceClass),
        .class_init = vmbus_host_base_class_init,
    },
};

DEFINE_TYPES(vmbus_host_types)
