/*
 * /dev/vmbus-host: the guest as the host's kernel knows it
 *
 * One file is one guest, for all devices.  What goes through it are the VMBus
 * messages of their channels, in both directions; where guest memory is; and
 * requests to let go of it.  Such a request may take as long as a backend
 * likes, so nothing here waits for one: an event tells when it is done.
 *
 * Copyright (c) 2026 The vmbus_gpadl_map maintainers
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include <sys/ioctl.h>
#include <glib-unix.h>
#include "qapi/error.h"
#include "qemu/bswap.h"
#include "qemu/error-report.h"
#include "qemu/main-loop.h"
#include "hw/hyperv/hyperv.h"
#include "migration/blocker.h"
#include "monitor/monitor.h"
#include "system/address-spaces.h"
#include "system/memory.h"
#include "system/reset.h"
#include "system/runstate.h"
#include "trace.h"
#include "vmbus-host-file.h"

/* as many are heard before the main loop goes on */
#define HOST_EVENTS_AT_ONCE 64

struct VMBusHost {
    int fd;
    guint event_watch;
    VMBus *vmbus;
    QLIST_HEAD(, VMBusHostUser) users;
    Error *migration_blocker;
    VMChangeStateEntry *vm_state;

    MemoryListener listener;
    /* what the kernel knows, by slot; .bytes 0: free */
    struct vmbus_host_region slots[VMBUS_HOST_REGION_SLOTS];
    /* guest memory as it will be after the transaction, ascending */
    GArray *regions;
    /* what the last region is part of */
    RAMBlock *last_block;
    /* end of the run of overlays that began at the end of the last region */
    hwaddr overlay_end;
    /*
     * -errno if the kernel did not take a change of guest memory, or did not
     * reset the guest.  Until the machine is reset, and the kernel takes that,
     * it is stopped, and stopped again as soon as somebody has it go on.
     */
    int stale;

    /* the last reset is not done */
    bool resetting;
    /*
     * and so the machine, which was reset, may not run yet; whether it shall
     * when it may is vm_get_start_pending()
     */
    bool held;
};

/* There is one VMBus, so there is one of these. */
static VMBusHost *the_host;

int vmbus_host_ioctl(VMBusHost *host, unsigned long request, void *arg)
{
    return ioctl(host->fd, request, arg) ? -errno : 0;
}

int vmbus_host_dup(VMBusHost *host)
{
    int fd = qemu_dup(host->fd);

    return fd < 0 ? -errno : fd;
}

/* ---- Guest memory ---- */

static void host_listener_begin(MemoryListener *listener)
{
    VMBusHost *host = container_of(listener, VMBusHost, listener);

    g_array_set_size(host->regions, 0);
    host->overlay_end = 0;
    host->last_block = NULL;
}

/* Memory that a backend may be given, the whole pages of it */
static bool host_section_usable(MemoryRegionSection *section)
{
    return memory_region_is_ram(section->mr) && !section->readonly &&
           !memory_region_is_rom(section->mr) &&
           !memory_region_is_ram_device(section->mr);
}

/* In ascending order: those that are new, and those that stay. */
static void host_listener_add(MemoryListener *listener,
                              MemoryRegionSection *section)
{
    VMBusHost *host = container_of(listener, VMBusHost, listener);
    hwaddr start = section->offset_within_address_space;
    hwaddr page = qemu_real_host_page_size();
    hwaddr gpa = QEMU_ALIGN_UP(start, page), end;
    struct vmbus_host_region *last = NULL, region;
    bool adjoins = false;
    uint64_t bytes;
    uintptr_t hva;

    if (!host_section_usable(section)) {
        return;
    }
    end = QEMU_ALIGN_DOWN(start + int128_get64(section->size), page);
    hva = (uintptr_t)memory_region_get_ram_ptr(section->mr) +
          section->offset_within_region + (gpa - start);
    if (gpa >= end || !QEMU_IS_ALIGNED(hva, page)) {
        return;
    }
    bytes = end - gpa;
    if (host->regions->len) {
        last = &g_array_index(host->regions, struct vmbus_host_region,
                              host->regions->len - 1);
        adjoins = last->gpa + last->bytes == gpa || host->overlay_end == gpa;
    }

    /*
     * The guest moves the SynIC's pages as it likes, and each would cost two
     * regions, of which there are not that many.  They are no memory to give to
     * a backend, so look through them: at what is between two sections of one
     * block, and so the guest's, whatever else the pages may be laid over.
     */
    if (hyperv_is_synic_page(section->mr)) {
        if (adjoins) {
            host->overlay_end = gpa + bytes;
        }
        return;
    }

    if (adjoins && host->last_block == section->mr->ram_block &&
        last->hva - last->gpa == hva - gpa) {
        last->bytes = gpa + bytes - last->gpa;
        return;
    }
    region = (struct vmbus_host_region) {
        .size = sizeof(region),
        .gpa = gpa,
        .bytes = bytes,
        .hva = hva,
    };
    g_array_append_val(host->regions, region);
    host->last_block = section->mr->ram_block;
}

static bool host_region_equal(const struct vmbus_host_region *a,
                              const struct vmbus_host_region *b)
{
    return a->gpa == b->gpa && a->bytes == b->bytes && a->hva == b->hva;
}

/*
 * Slots that do not change stay; the others get what is new, or nothing.
 * Return the number of changes; -ENOSPC if there are not enough slots.
 */
static int host_regions_diff(VMBusHost *host, struct vmbus_host_region *change)
{
    g_autofree bool *known = g_new0(bool, host->regions->len + 1);
    g_autofree bool *stays = g_new0(bool, VMBUS_HOST_REGION_SLOTS);
    struct vmbus_host_region *region =
        (struct vmbus_host_region *)host->regions->data;
    unsigned slot, i, next = 0;
    int n = 0;

    for (slot = 0; slot < VMBUS_HOST_REGION_SLOTS; slot++) {
        for (i = 0; i < host->regions->len && !stays[slot]; i++) {
            stays[slot] = host->slots[slot].bytes &&
                          host_region_equal(&host->slots[slot], &region[i]);
            known[i] |= stays[slot];
        }
    }
    for (slot = 0; slot < VMBUS_HOST_REGION_SLOTS; slot++) {
        while (next < host->regions->len && known[next]) {
            next++;
        }
        if (stays[slot]) {
            continue;
        }
        if (next < host->regions->len) {
            change[n] = region[next++];
        } else if (host->slots[slot].bytes) {
            change[n] = (struct vmbus_host_region) { .size = sizeof(*region) };
        } else {
            continue;
        }
        change[n++].slot = slot;
    }
    while (next < host->regions->len && known[next]) {
        next++;
    }
    return next < host->regions->len ? -ENOSPC : n;
}

/*
 * A memory listener cannot refuse a change, hence RETIRE: what a backend has
 * mapped of memory that goes stays pinned until it lets go of that, and a new
 * map does not find it.
 */
static int host_set_regions(VMBusHost *host)
{
    g_autofree struct vmbus_host_region *change =
        g_new0(struct vmbus_host_region, VMBUS_HOST_REGION_SLOTS);
    struct vmbus_host_set_regions set = {
        .size = sizeof(set),
        .flags = VMBUS_HOST_SET_REGIONS_RETIRE,
        .regions = (uintptr_t)change,
    };
    int i, n, ret;

    n = host_regions_diff(host, change);
    if (n <= 0) {
        return n;
    }
    set.nr = n;
    ret = vmbus_host_ioctl(host, VMBUS_HOST_SET_REGIONS, &set);
    if (ret) {
        return ret;
    }
    for (i = 0; i < n; i++) {
        trace_vmbus_host_region(change[i].slot, change[i].gpa, change[i].bytes,
                                change[i].hva);
        host->slots[change[i].slot] = change[i];
    }
    return 0;
}

static int host_ask_reset(VMBusHost *host)
{
    struct vmbus_host_reset reset = { .size = sizeof(reset) };
    int ret = vmbus_host_ioctl(host, VMBUS_HOST_RESET, &reset);

    trace_vmbus_host_reset(ret);
    return ret;
}

/* Whether the machine may not run, and what it is then */
static bool host_forbids_run(VMBusHost *host, RunState *state)
{
    *state = host->stale ? RUN_STATE_INTERNAL_ERROR : RUN_STATE_PAUSED;
    return host->stale || host->held;
}

/* Whoever else stops the machine takes back that it is to be started */
static void host_stop_now(VMBusHost *host, RunState state)
{
    vm_stop(state);
    vm_set_start_pending(!host->stale);
}

/* A bottom half that no nested event loop runs.  The host may be gone. */
static void host_stop(void *opaque)
{
    RunState state;

    if (the_host && host_forbids_run(the_host, &state) &&
        runstate_is_running()) {
        host_stop_now(the_host, state);
    }
}

/*
 * Whoever has changed the memory, or has the machine go on, may have vCPUs
 * paused, or about to run: stop it later.  Not by a request of
 * qemu_system_vmstop_request(), which vm_start() of a machine that runs already
 * throws away.
 */
static void host_schedule_stop(void)
{
    aio_bh_schedule_oneshot(iohandler_get_aio_context(), host_stop, NULL);
}

/* Backends may have memory that is not the guest's any more. */
static void host_is_stale(VMBusHost *host, int err, const char *why)
{
    host->stale = err;
    error_report("vmbus-host: the kernel does not %s: %s; the machine is "
                 "stopped until it is reset", why, strerror(-err));
    host_schedule_stop();
}

/*
 * If backends went on with memory that is not the guest's any more, they would
 * write to it: take all back that they have, and stop.  A reset of the machine
 * tries again.
 */
static void host_memory_is_stale(VMBusHost *host, int err)
{
    host->resetting = host_ask_reset(host);
    host_is_stale(host, err, "take the change of guest memory");
}

static void host_listener_commit(MemoryListener *listener)
{
    VMBusHost *host = container_of(listener, VMBusHost, listener);
    int ret = host_set_regions(host);

    if (!ret) {
        return;
    }
    if (host == the_host) {
        host_memory_is_stale(host, ret);
    } else {
        host->stale = ret;
    }
}

/* ---- Messages ---- */

static void host_wake(void *opaque)
{
    VMBusHost *host = opaque;

    /* until the bus has come to read or write, and found that it cannot */
    qemu_set_fd_handler(host->fd, NULL, NULL, NULL);
    vmbus_relay_wakeup(host->vmbus);
}

static int host_write(void *opaque, const void *msg, uint32_t msglen)
{
    VMBusHost *host = opaque;
    int err;

    /* until the machine is stopped: nothing new for a backend */
    if (host->stale) {
        return -ENXIO;
    }
    err = write(host->fd, msg, msglen) < 0 ? errno : 0;
    trace_vmbus_host_write(ldl_le_p(msg), msglen, err);
    if (err == EAGAIN || err == EINTR) {
        qemu_set_fd_handler(host->fd, host_wake, host_wake, host);
        return -EAGAIN;
    }
    /* the rest is between guest and kernel: QEMU answers no message here */
    return -err;
}

static uint32_t host_read(void *opaque, void *msg, uint32_t maxlen)
{
    VMBusHost *host = opaque;
    ssize_t len = read(host->fd, msg, maxlen);

    if (len < 0) {
        if (errno != EAGAIN && errno != EINTR) {
            error_report("vmbus-host: read: %s", strerror(errno));
            return 0;
        }
        qemu_set_fd_handler(host->fd, host_wake, NULL, host);
        return 0;
    }
    trace_vmbus_host_read(ldl_le_p(msg), len);
    return len;
}

/* ---- Reset ---- */

/* If it shall, the machine goes on; not if it has stopped for something else */
static void host_resume(bool may)
{
    bool shall = vm_get_start_pending();

    vm_set_start_pending(false);
    if (may && shall && (runstate_check(RUN_STATE_PAUSED) ||
                         runstate_check(RUN_STATE_PRELAUNCH))) {
        vm_start();
    }
}

/*
 * A bottom half, as a reset may be done in the middle of one of the machine;
 * one that no nested event loop runs.  The host may be gone by then.
 */
static void host_release(void *opaque)
{
    VMBusHost *host = the_host;

    if (!host || !host->held || host->resetting) {
        return;
    }
    host->held = false;
    host_resume(!host->stale);
}

static void host_set_resetting(VMBusHost *host, bool resetting)
{
    host->resetting = resetting;
    if (!resetting) {
        aio_bh_schedule_oneshot(iohandler_get_aio_context(), host_release,
                                NULL);
    }
}

/* @again: have devices created that could not be the last time */
static void host_reset_guest(VMBusHost *host, bool again)
{
    VMBusHostUser *user;
    int ret = host_ask_reset(host);

    /* after an error it is never done, and backends may have anything */
    if (ret && ret != -EINPROGRESS) {
        host_is_stale(host, ret, "reset the guest");
    }
    host_set_resetting(host, ret);
    QLIST_FOREACH(user, &host->users, next) {
        user->ops->begin_anew(user, !ret, again);
    }
}

static void host_reset(void *opaque)
{
    host_reset_guest(opaque, false);
}

static bool host_reset_done(void *opaque)
{
    VMBusHost *host = opaque;

    return !host->resetting;
}

static const VMBusRelayOps host_relay_ops = {
    .write = host_write,
    .read = host_read,
    .reset = host_reset,
    .reset_done = host_reset_done,
};

/*
 * The machine is reset, of which the guest knows nothing: as long as a backend
 * has requests of before, it would write into the memory of the next guest.
 * A machine that does not run now must not do so before that, either.
 */
static void host_machine_reset(void *opaque)
{
    VMBusHost *host = opaque;
    RunState state;
    int ret;

    if (host->stale) {
        host->stale = 0;
        ret = host_set_regions(host);
        if (ret) {
            host_is_stale(host, ret, "take the change of guest memory");
        }
    }
    host_reset_guest(host, true);
    /* one that is held already goes on as host_release() has it */
    host->held |= host->resetting;
    if (!runstate_is_running() || !host_forbids_run(host, &state)) {
        return;
    }
    if (!host->stale) {
        warn_report("vmbus-host: a backend still has memory of the guest; "
                    "the machine goes on when it has let go of that");
    }
    /* now: the vCPUs are paused while the machine is reset, and not later */
    host_stop_now(host, state);
}

/*
 * There is no refusing: stop it again.  One that is suspended does not run, and
 * what wakes it resets it.
 */
static void host_vm_state(void *opaque, bool running, RunState state)
{
    VMBusHost *host = opaque;

    if (!running || state != RUN_STATE_RUNNING) {
        return;
    }
    if (host->stale) {
        error_report("vmbus-host: backends may have memory that is not the "
                     "guest's: the machine has to be reset");
        host_schedule_stop();
    } else if (host->held) {
        error_report("vmbus-host: a backend still has memory of the guest "
                     "before the reset: the machine goes on when it has let go "
                     "of that");
        host_schedule_stop();
    }
}

static void host_reset_is_done(VMBusHost *host)
{
    host_set_resetting(host, false);
    vmbus_relay_wakeup(host->vmbus);
}

/* ---- Events ---- */

static void host_hear(VMBusHost *host, const struct vmbus_host_event *event)
{
    VMBusHostUser *user;

    trace_vmbus_host_event(event->type, event->relid, event->value);
    if (event->type == VMBUS_HOST_EVENT_DONE &&
        event->value == VMBUS_HOST_RESET) {
        host_reset_is_done(host);
        return;
    }
    QLIST_FOREACH(user, &host->users, next) {
        if (user->ops->hear(user, event)) {
            return;
        }
    }
}

/* Main loop, BQL held.  An fd handler of QEMU's cannot wait for POLLPRI. */
static gboolean host_event_ready(gint fd, GIOCondition condition,
                                 gpointer opaque)
{
    VMBusHost *host = opaque;
    struct vmbus_host_event event;
    int i, ret = 0;

    if (condition & G_IO_ERR) {
        error_report("vmbus-host: the kernel has given the guest up");
        host->event_watch = 0;
        return G_SOURCE_REMOVE;
    }
    /* the guest may cause them as fast as they are heard: others have a turn */
    for (i = 0; i < HOST_EVENTS_AT_ONCE && !ret; i++) {
        event = (struct vmbus_host_event) { .size = sizeof(event) };
        ret = vmbus_host_ioctl(host, VMBUS_HOST_NEXT_EVENT, &event);
        if (!ret) {
            host_hear(host, &event);
        }
    }
    if (ret && ret != -EAGAIN && ret != -EINTR) {
        error_report("vmbus-host: VMBUS_HOST_NEXT_EVENT: %s", strerror(-ret));
    }
    return G_SOURCE_CONTINUE;
}

/* ---- The file ---- */

static int host_open(const char *path, const char *fdname, Error **errp)
{
    ERRP_GUARD();
    struct vmbus_host_create create = { .size = sizeof(create) };
    int fd;

    if (fdname && path) {
        error_setg(errp, "path and fd exclude each other");
        return -1;
    }
    if (fdname) {
        fd = monitor_fd_param(monitor_cur(), fdname, errp);
        if (fd < 0) {
            return -1;
        }
        if (!g_unix_set_fd_nonblocking(fd, true, NULL)) {
            error_setg_errno(errp, errno, "cannot set fd '%s' non-blocking",
                             fdname);
            qemu_close(fd);
            return -1;
        }
    } else {
        fd = qemu_open(path ?: "/dev/vmbus-host", O_RDWR | O_NONBLOCK, errp);
        if (fd < 0) {
            error_append_hint(errp, "The host's module vmbus_host makes it.\n");
            return -1;
        }
    }
    if (ioctl(fd, VMBUS_HOST_CREATE, &create)) {
        error_setg_errno(errp, errno, "VMBUS_HOST_CREATE");
        qemu_close(fd);
        return -1;
    }
    return fd;
}

static void host_free(VMBusHost *host)
{
    qemu_close(host->fd);
    g_array_free(host->regions, true);
    g_free(host);
}

static VMBusHost *host_new(VMBus *vmbus, const char *path, const char *fdname,
                           Error **errp)
{
    int fd = host_open(path, fdname, errp);
    VMBusHost *host;

    if (fd < 0) {
        return NULL;
    }
    host = g_new0(VMBusHost, 1);
    host->fd = fd;
    host->vmbus = vmbus;
    host->regions = g_array_new(false, false, sizeof(struct vmbus_host_region));
    host->listener = (MemoryListener) {
        .name = "vmbus-host",
        .begin = host_listener_begin,
        .region_add = host_listener_add,
        .region_nop = host_listener_add,
        .commit = host_listener_commit,
    };
    memory_listener_register(&host->listener, &address_space_memory);
    if (host->stale) {
        error_setg_errno(errp, -host->stale, "VMBUS_HOST_SET_REGIONS");
        goto err;
    }
    error_setg(&host->migration_blocker,
               "vmbus-host: rings and requests are in the host's kernel, "
               "which does not give them away");
    if (migrate_add_blocker(&host->migration_blocker, errp) < 0) {
        goto err;
    }
    return host;

err:
    memory_listener_unregister(&host->listener);
    host_free(host);
    return NULL;
}

VMBusHost *vmbus_host_get(VMBusHostUser *user, VMBus *vmbus, const char *path,
                          const char *fdname, Error **errp)
{
    VMBusHost *host = the_host;
    int ret;

    if (host) {
        if (fdname || path) {
            error_setg(errp, "path and fd are for the first device: a file is "
                       "a guest");
            return NULL;
        }
        QLIST_INSERT_HEAD(&host->users, user, next);
        return host;
    }

    /* pages that are pinned must not be taken away behind the kernel's back */
    ret = ram_block_discard_disable(true);
    if (ret) {
        error_setg_errno(errp, -ret, "guest memory may be discarded");
        return NULL;
    }
    host = host_new(vmbus, path, fdname, errp);
    if (!host) {
        ram_block_discard_disable(false);
        return NULL;
    }
    the_host = host;
    QLIST_INSERT_HEAD(&host->users, user, next);
    qemu_register_reset(host_machine_reset, host);
    host->vm_state = qemu_add_vm_change_state_handler(host_vm_state, host);
    host->event_watch = g_unix_fd_add(host->fd, G_IO_PRI | G_IO_ERR,
                                      host_event_ready, host);
    vmbus_set_relay(host->vmbus, &host_relay_ops, host);
    return host;
}

void vmbus_host_put(VMBusHost *host, VMBusHostUser *user)
{
    bool held;

    QLIST_REMOVE(user, next);
    if (!QLIST_EMPTY(&host->users)) {
        return;
    }
    held = host->held;
    the_host = NULL;
    vmbus_set_relay(host->vmbus, NULL, NULL);
    qemu_set_fd_handler(host->fd, NULL, NULL, NULL);
    if (host->event_watch) {
        g_source_remove(host->event_watch);
    }
    qemu_del_vm_change_state_handler(host->vm_state);
    qemu_unregister_reset(host_machine_reset, host);
    migrate_del_blocker(&host->migration_blocker);
    memory_listener_unregister(&host->listener);
    host_free(host);
    ram_block_discard_disable(false);
    if (held) {
        /* there is nobody left who has memory of the guest */
        host_resume(true);
    }
}
