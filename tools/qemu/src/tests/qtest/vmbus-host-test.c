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
#include "libqtest.h"
#include "qapi/error.h"
#include "qobject/qdict.h"
#include "qobject/qjson.h"

#define MACHINE "-machine pc -accel kvm -nodefaults " \
                "-cpu host,hv-vpindex,hv-synic,hv-time -device vmbus-bridge "
#define HEARTBEAT "57164f39-9115-4e78-ab55-382f3bd5422d"

static bool have_kernel(void)
{
    if (!access("/dev/vmbus-host", R_OK | W_OK)) {
        return true;
    }
    g_test_skip("there is no /dev/vmbus-host");
    return false;
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
                       "fd is for the first device");
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

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);

    if (!qtest_has_accel("kvm")) {
        g_test_skip("there is no KVM");
        return g_test_run();
    }
    qtest_add_func("/vmbus-host/properties", test_properties);
    qtest_add_func("/vmbus-host/file", test_file);
    qtest_add_func("/vmbus-host/no-backend", test_no_backend);
    qtest_add_func("/vmbus-host/hotplug", test_hotplug);
    qtest_add_func("/vmbus-host/reset", test_reset);
    qtest_add_func("/vmbus-host/migration", test_migration);
    return g_test_run();
}
