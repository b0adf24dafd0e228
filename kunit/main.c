// SPDX-License-Identifier: GPL-2.0
/*
 * KUnit suites of vmbus_gpadl and vmbus_host, in one module.
 */
#include <kunit/test.h>
#include <linux/module.h>

#include "gpadl/compat.h"
#include "suites.h"

kunit_test_suites(&wire_suite, &wire_stream_suite, &replay_suite,
		  &ring_in_suite, &ring_out_suite, &ring_stream_suite,
		  &api_suite, &input_suite, &handle_suite, &region_suite, &mem_suite, &pin_suite,
		  &charge_suite, &map_suite, &gpa_suite, &gpa_resident_suite,
		  &request_suite, &request_resident_suite, &gpa_race_suite, &view_suite,
		  &view_resident_suite, &bugs_suite, &object_suite, &find_suite, &order_suite,
		  &race_suite, &retire_suite, &watch_suite, &lifetime_suite, &stress_suite,
		  &stress_resident_suite, &region_resident_suite, &mem_resident_suite,
		  &map_resident_suite, &resident_suite, &fault_suite, &worker_suite, &reply_suite,
		  &same_suite, &host_life_suite, &host_ring_suite, &host_misuse_suite);

MODULE_DESCRIPTION("KUnit suites of VMBus GPADL mapping");
MODULE_AUTHOR("The vmbus_gpadl_map developers");
MODULE_LICENSE("GPL");
MODULE_IMPORT_NS(VMBUS_GPADL_NS);
MODULE_IMPORT_NS(VMBUS_HOST_NS);
