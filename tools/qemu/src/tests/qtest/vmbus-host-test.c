/*
 * VMBus devices of the host's kernel: what is refused, and hot plug
 *
 * The VMBus needs KVM.  What goes as far as the kernel needs /dev/vmbus-host
 * and somebody who serves the heartbeat.
 *
 * Copyright (c) 2026 The vmbus_gpadl_map maintainers
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include <linux/kvm.h>
#include <linux/vmbus_host.h>
#include <sys/ioctl.h>
#include "libqtest.h"
#include "qapi/error.h"
#include "qobject/qdict.h"
#include "qobject/qjson.h"
#include "qobject/qlist.h"

#define MACHINE "-machine pc -accel kvm -nodefaults " \
                "-cpu host,hv-vpindex,hv-synic,hv-time -device vmbus-bridge "
#define HEARTBEAT "57164f39-9115-4e78-ab55-382f3bd5422d"
/* the same as Hyper-V's guests have it */
#define HEARTBEAT_BYTES { 0x39, 0x4f, 0x16, 0x57, 0x15, 0x91, 0x78, 0x4e, \
                          0xab, 0x55, 0x38, 0x2f, 0x3b, 0xd5, 0x42, 0x2d }

/* KVM need not have what it does for guests that are made for Hyper-V */
static bool have_synic(void)
{
    int fd = open("/dev/kvm", O_RDWR | O_CLOEXEC);
    bool have;

    if (fd < 0) {
        return false;
    }
    have = ioctl(fd, KVM_CHECK_EXTENSION, KVM_CAP_HYPERV_SYNIC2) > 0 &&
           ioctl(fd, KVM_CHECK_EXTENSION, KVM_CAP_HYPERV_VP_INDEX) > 0;
    close(fd);
    return have;
}

static bool have_kernel(void)
{
    struct vmbus_host_create create = { .size = sizeof(create) };
    struct vmbus_host_channel_create channel = {
        .size = sizeof(channel),
        .if_type = HEARTBEAT_BYTES,
        .relid = 1,
    };
    int fd = open("/dev/vmbus-host", O_RDWR | O_CLOEXEC);
    bool served;

    if (fd < 0) {
        g_test_skip("there is no /dev/vmbus-host");
        return false;
    }
    g_assert(!ioctl(fd, VMBUS_HOST_CREATE, &create));
    served = !ioctl(fd, VMBUS_HOST_CHANNEL_CREATE, &channel) ||
             errno != ENODEV;
    close(fd);
    if (!served) {
        g_test_skip("nobody in the host's kernel serves the heartbeat");
    }
    return served;
}

/* device_add with these arguments is to fail, and to say so */
static void assert_refused(QTestState *qts, const char *args, const char *why)
{
    g_autofree char *json = g_strdup_printf("{%s}", args);
    QDict *response = qtest_qmp(qts, "{'execute': 'device_add',"
                                     " 'arguments': %p}",
                                qobject_from_json(json, &error_abort));
    QDict *error = qdict_get_qdict(response, "error");

    g_assert(error);
    g_assert(strstr(qdict_get_str(error, "desc"), why));
    qobject_unref(response);
}

static void test_properties(void)
{
    QTestState *qts = qtest_init(MACHINE);

    assert_refused(qts, "'driver': 'vmbus-host'", "if-type is not set");
    assert_refused(qts, "'driver': 'vmbus-host', 'subchannels': 4000,"
                        " 'if-type': '" HEARTBEAT "'",
                   "there cannot be more than 2046");
    assert_refused(qts, "'driver': 'vmbus-host-scsi'",
                   "wwpn has to be the name of a target");
    qtest_quit(qts);
}

/* A file that is no /dev/vmbus-host leaves nothing behind */
static void test_file(void)
{
    QTestState *qts = qtest_init(MACHINE);

    assert_refused(qts, "'driver': 'vmbus-host', 'path': '/dev/null',"
                        " 'if-type': '" HEARTBEAT "'", "VMBUS_HOST_CREATE");
    assert_refused(qts, "'driver': 'vmbus-host', 'path': '/nonexistent',"
                        " 'if-type': '" HEARTBEAT "'", "No such file");
    assert_refused(qts, "'driver': 'vmbus-host', 'fd': 'unknown',"
                        " 'if-type': '" HEARTBEAT "'", "unknown");
    assert_refused(qts, "'driver': 'vmbus-host', 'fd': 'unknown',"
                        " 'path': '/dev/null', 'if-type': '" HEARTBEAT "'",
                   "path and fd exclude each other");
    qtest_quit(qts);
}

/* A configuration has to be whole, whoever looks into it */
static void test_config(void)
{
    static const char *const bad[] = { "", "0", "04", "08000000", "0400000",
                                       "0400zz00", "040000000" };
    QTestState *qts;
    int i;

    if (!have_kernel()) {
        return;
    }
    qts = qtest_init(MACHINE);
    for (i = 0; i < ARRAY_SIZE(bad); i++) {
        g_autofree char *args =
            g_strdup_printf("'driver': 'vmbus-host', 'config': '%s',"
                            " 'if-type': '" HEARTBEAT "'", bad[i]);

        assert_refused(qts, args, "config has to");
    }
    /* This one is whole, but the heartbeat wants none */
    assert_refused(qts, "'driver': 'vmbus-host', 'config': '04000000',"
                        " 'if-type': '" HEARTBEAT "'", "Invalid argument");
    qtest_quit(qts);
}

static void test_no_backend(void)
{
    QTestState *qts;

    if (!have_kernel()) {
        return;
    }
    qts = qtest_init(MACHINE);
    assert_refused(qts, "'driver': 'vmbus-host',"
                        " 'if-type': '00000000-0000-0000-0000-00000000dead'",
                   "No such device");
    qtest_quit(qts);
}

/* A guest that does not run has nothing to let go of */
static void test_hotplug(void)
{
    QTestState *qts;
    int i;

    if (!have_kernel()) {
        return;
    }
    qts = qtest_init(MACHINE);
    for (i = 0; i < 3; i++) {
        qtest_qmp_device_add(qts, "vmbus-host", "dev",
                             "{'if-type': '" HEARTBEAT "'}");
        assert_refused(qts, "'driver': 'vmbus-host', 'fd': '0',"
                            " 'if-type': '" HEARTBEAT "'",
                       "path and fd are for the first device");
        assert_refused(qts, "'driver': 'vmbus-host', 'path': '/dev/null',"
                            " 'if-type': '" HEARTBEAT "'",
                       "path and fd are for the first device");
        qtest_qmp_device_del(qts, "dev");
    }
    qtest_quit(qts);
}

static void test_reset(void)
{
    QTestState *qts;
    int i;

    if (!have_kernel()) {
        return;
    }
    qts = qtest_init(MACHINE "-device vmbus-host,if-type=" HEARTBEAT);
    for (i = 0; i < 3; i++) {
        qtest_qmp_assert_success(qts, "{'execute': 'system_reset'}");
        qtest_qmp_eventwait(qts, "RESET");
    }
    qtest_quit(qts);
}

static char *temporary_file(void)
{
    char *name;
    int fd = g_file_open_tmp("vmbus-host-XXXXXX", &name, NULL);

    g_assert(fd >= 0);
    close(fd);
    return name;
}

static bool migration_is(QTestState *qts, const char *status)
{
    QDict *response = qtest_qmp(qts, "{'execute': 'query-migrate'}");
    QDict *ret = qdict_get_qdict(response, "return");
    bool is = !g_strcmp0(qdict_get_try_str(ret, "status"), status);

    qobject_unref(response);
    return is;
}

static void test_migration(void)
{
    QTestState *qts;
    QDict *response, *error;

    if (!have_kernel()) {
        return;
    }
    qts = qtest_init(MACHINE "-device vmbus-host,if-type=" HEARTBEAT);
    response = qtest_qmp(qts, "{'execute': 'migrate',"
                              " 'arguments': {'uri': 'exec:cat>/dev/null'}}");
    error = qdict_get_qdict(response, "error");
    g_assert(error);
    g_assert(strstr(qdict_get_str(error, "desc"), "the host's kernel"));
    qobject_unref(response);
    qtest_quit(qts);
}

/* The state of a bus without such devices is not for one that has them */
static void test_incoming(void)
{
    g_autofree char *file = NULL, *save = NULL, *load = NULL;
    QTestState *qts;
    int i;

    if (!have_kernel()) {
        return;
    }
    file = temporary_file();
    save = g_strdup_printf("exec:cat >%s", file);
    load = g_strdup_printf("exec:cat %s", file);
    qts = qtest_init(MACHINE);
    qtest_qmp_assert_success(qts, "{'execute': 'migrate',"
                                  " 'arguments': {'uri': %s}}", save);
    while (!migration_is(qts, "completed")) {
        g_assert(!migration_is(qts, "failed"));
        g_usleep(10000);
    }
    qtest_quit(qts);

    qts = qtest_init(MACHINE "-incoming defer"
                     " -device vmbus-host,if-type=" HEARTBEAT);
    qtest_set_expected_status(qts, EXIT_FAILURE);
    qtest_qmp_assert_success(qts, "{'execute': 'migrate-incoming',"
                                  " 'arguments': {'uri': %s}}", load);
    for (i = 0; qtest_probe_child(qts); i++) {
        g_assert(i < 6000);
        g_usleep(10000);
    }
    qtest_quit(qts);
    unlink(file);
}

/*
 * A bridge that cannot have a bus is an error by itself, and not only for those
 * who look for the bus.  QEMU ends before a qtest can talk to it.
 */
static void test_no_synic(void)
{
    const char *argv[] = { getenv("QTEST_QEMU_BINARY"), "-machine", "pc",
                           "-accel", "kvm", "-nodefaults", "-display", "none",
                           "-cpu", "host", "-device", "vmbus-bridge",
                           "-device", "vmbus-host,if-type=" HEARTBEAT, NULL };
    g_autofree char *said = NULL;
    int status;

    g_assert(g_spawn_sync(NULL, (char **)argv, NULL, G_SPAWN_STDOUT_TO_DEV_NULL,
                          NULL, NULL, NULL, &said, &status, NULL));
    g_assert(strstr(said, "VMBus requires usable Hyper-V SynIC"));
    g_assert(!strstr(said, "bus found"));
}

/* A job of one step: that it is concluded is all to wait for */
static void assert_creates(QTestState *qts, const char *options)
{
    g_autofree char *json = g_strdup_printf("{'job-id': 'create',"
                                            " 'options': {%s}}", options);
    bool concluded = false;
    QDict *response, *job;
    QList *jobs;

    qtest_qmp_assert_success(qts, "{'execute': 'blockdev-create',"
                                  " 'arguments': %p}",
                             qobject_from_json(json, &error_abort));
    while (!concluded) {
        response = qtest_qmp(qts, "{'execute': 'query-jobs'}");
        jobs = qdict_get_qlist(response, "return");
        job = qobject_to(QDict, qlist_peek(jobs));
        concluded = !strcmp(qdict_get_str(job, "status"), "concluded");
        g_assert(!concluded || !qdict_haskey(job, "error"));
        qobject_unref(response);
    }
    qtest_qmp_assert_success(qts, "{'execute': 'job-dismiss',"
                                  " 'arguments': {'id': 'create'}}");
}

/* An image that can have snapshots, which is all that this needs a disk for */
static void add_image(QTestState *qts, const char *file)
{
    g_autofree char *options =
        g_strdup_printf("'driver': 'file', 'filename': '%s', 'size': 0", file);

    assert_creates(qts, options);
    qtest_qmp_assert_success(qts, "{'execute': 'blockdev-add', 'arguments':"
                                  " {'driver': 'file', 'node-name': 'file',"
                                  "  'filename': %s}}", file);
    assert_creates(qts, "'driver': 'qcow2', 'file': 'file', 'size': 1048576");
    qtest_qmp_assert_success(qts, "{'execute': 'blockdev-add', 'arguments':"
                                  " {'driver': 'qcow2', 'node-name': 'image',"
                                  "  'file': 'file'}}");
}

static void assert_says(QTestState *qts, const char *command, const char *what)
{
    g_autofree char *said = qtest_hmp(qts, "%s", command);

    g_assert(*what ? !!strstr(said, what) : !*said);
}

/* Neither is there a snapshot with such a device, nor one from before it */
static void test_snapshot(void)
{
    g_autofree char *file = NULL;
    QTestState *qts;

    if (!have_kernel()) {
        return;
    }
    file = temporary_file();
    qts = qtest_init(MACHINE);
    add_image(qts, file);
    assert_says(qts, "savevm before", "");
    qtest_qmp_device_add(qts, "vmbus-host", "dev",
                         "{'if-type': '" HEARTBEAT "'}");
    assert_says(qts, "savevm with", "the host's kernel");
    assert_says(qts, "loadvm before", "the host's kernel");
    qtest_quit(qts);
    unlink(file);
}

/*
 * A vCPU goes as a guest ejects it, by the ports that its ACPI names, and comes
 * again, with a SynIC of the same name
 */
static void test_eject(void)
{
    QTestState *qts = qtest_init(MACHINE "-smp 2,sockets=2");
    g_autofree char *cpu = g_strdup_printf("host-%s-cpu", qtest_get_arch());
    int i;

    /* not the interface that old guests have */
    qtest_outl(qts, 0xaf00, 0);
    for (i = 0; i < 3; i++) {
        qtest_outl(qts, 0xaf00, 1);
        qtest_outb(qts, 0xaf04, 8);
        qtest_qmp_device_add(qts, cpu, "cpu",
                             "{'socket-id': 1, 'core-id': 0, 'thread-id': 0}");
    }
    qtest_quit(qts);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);

    if (!qtest_has_machine("pc")) {
        g_test_skip("there is no PC");
        return g_test_run();
    }
    if (!qtest_has_accel("kvm")) {
        g_test_skip("there is no KVM");
        return g_test_run();
    }
    if (!have_synic()) {
        g_test_skip("KVM has no SynIC for the VMBus");
        return g_test_run();
    }
    qtest_add_func("/vmbus-host/properties", test_properties);
    qtest_add_func("/vmbus-host/file", test_file);
    qtest_add_func("/vmbus-host/config", test_config);
    qtest_add_func("/vmbus-host/no-backend", test_no_backend);
    qtest_add_func("/vmbus-host/hotplug", test_hotplug);
    qtest_add_func("/vmbus-host/reset", test_reset);
    qtest_add_func("/vmbus-host/migration", test_migration);
    qtest_add_func("/vmbus-host/incoming", test_incoming);
    qtest_add_func("/vmbus-host/no-synic", test_no_synic);
    qtest_add_func("/vmbus-host/snapshot", test_snapshot);
    qtest_add_func("/vmbus-host/eject", test_eject);
    return g_test_run();
}
