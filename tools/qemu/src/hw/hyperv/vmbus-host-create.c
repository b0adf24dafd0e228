/*
 * VMBus devices whose backend is in the host's kernel: a channel is created
 *
 * For a primary channel the kernel loads the backend, and has that look at the
 * configuration, which may take as long as the backend likes.  So a thread does
 * it: not one of the thread pool's, which block devices need and a backend
 * might keep.
 *
 * Copyright (c) 2026 The vmbus_gpadl_map maintainers
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include <sys/ioctl.h>
#include "qemu/error-report.h"
#include "qemu/main-loop.h"
#include "qemu/thread.h"
#include "trace.h"
#include "vmbus-host-create.h"

struct VMBusHostCreation {
    /* of the file, for as long as the thread needs it; -errno: there is none */
    int fd;
    struct vmbus_host_channel_create create;
    struct vmbus_host_offer offer;
    void *config;
    int ret;
    /* @ret is there */
    QemuSemaphore answered;

    /* NULL: somebody has waited */
    VMBusHostCreated *created;
    void *opaque;
    bool forsaken;
};

static void creation_undo(VMBusHostCreation *c)
{
    struct vmbus_host_channel channel = {
        .size = sizeof(channel),
        .relid = c->create.relid,
    };

    if (ioctl(c->fd, VMBUS_HOST_CHANNEL_DESTROY, &channel) &&
        errno != EINPROGRESS && errno != ENOENT) {
        error_report("vmbus-host: VMBUS_HOST_CHANNEL_DESTROY %u: %s",
                     channel.relid, strerror(errno));
    }
}

/* A bottom half that no nested event loop runs: a reset may be at it */
static void creation_end(void *opaque)
{
    VMBusHostCreation *c = opaque;

    trace_vmbus_host_create(c->create.relid, c->create.primary,
                            c->create.index, c->ret);
    if (c->forsaken) {
        if (!c->ret) {
            creation_undo(c);
        }
    } else if (c->created) {
        c->created(c->opaque, c->ret, &c->offer);
    }
    if (c->fd >= 0) {
        close(c->fd);
    }
    qemu_sem_destroy(&c->answered);
    g_free(c->config);
    g_free(c);
}

static void creation_answer(VMBusHostCreation *c)
{
    qemu_sem_post(&c->answered);
    /* which frees it */
    aio_bh_schedule_oneshot(iohandler_get_aio_context(), creation_end, c);
}

static void *creation_thread(void *opaque)
{
    VMBusHostCreation *c = opaque;

    if (ioctl(c->fd, VMBUS_HOST_CHANNEL_CREATE, &c->create)) {
        c->ret = -errno;
    }
    creation_answer(c);
    return NULL;
}

/*
 * Not qemu_thread_create(), which aborts if there can be no more threads: a
 * guest that is reset would end with QEMU.
 */
static int creation_start(VMBusHostCreation *c)
{
    sigset_t all, old;
    GThread *thread;

    if (c->fd < 0) {
        return c->fd;
    }
    /* signals are for the main loop */
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    thread = g_thread_try_new("vmbus-create", creation_thread, c, NULL);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    if (!thread) {
        return -EAGAIN;
    }
    g_thread_unref(thread);
    return 0;
}

VMBusHostCreation *
vmbus_host_creation_new(VMBusHost *host,
                        const struct vmbus_host_channel_create *create,
                        void *config, VMBusHostCreated *created, void *opaque)
{
    VMBusHostCreation *c = g_new0(VMBusHostCreation, 1);
    int ret;

    c->fd = vmbus_host_dup(host);
    c->offer.size = sizeof(c->offer);
    c->config = config;
    c->create = *create;
    c->create.config = (uintptr_t)config;
    c->create.offer = (uintptr_t)&c->offer;
    c->created = created;
    c->opaque = opaque;
    qemu_sem_init(&c->answered, 0);
    ret = creation_start(c);
    if (ret) {
        c->ret = ret;
        creation_answer(c);
    }
    return c;
}

bool vmbus_host_creation_wait(VMBusHostCreation *c, int ms, int *ret,
                              struct vmbus_host_offer *offer)
{
    if (ms < 0) {
        qemu_sem_wait(&c->answered);
    } else if (qemu_sem_timedwait(&c->answered, ms)) {
        return false;
    }
    c->created = NULL;
    *ret = c->ret;
    *offer = c->offer;
    return true;
}

void vmbus_host_creation_forsake(VMBusHostCreation *c)
{
    c->forsaken = true;
}
