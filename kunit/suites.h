/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The suites of this module, each in the file of its name.
 */
#ifndef _KUNIT_SUITES_H
#define _KUNIT_SUITES_H

#include <kunit/test.h>

extern struct kunit_suite replay_suite;		/* replay_kunit.c */
extern struct kunit_suite ring_in_suite;	/* ring_in_kunit.c */
extern struct kunit_suite ring_out_suite;	/* ring_out_kunit.c */
extern struct kunit_suite ring_stream_suite;	/* ring_stream_kunit.c */
extern struct kunit_suite wire_suite;		/* wire_kunit.c */
extern struct kunit_suite wire_stream_suite;	/* wire_stream_kunit.c */
extern struct kunit_suite api_suite;		/* api_kunit.c */
extern struct kunit_suite input_suite;		/* input_kunit.c */
extern struct kunit_suite handle_suite;		/* handle_kunit.c */
extern struct kunit_suite region_suite;		/* region_kunit.c */
extern struct kunit_suite mem_suite;		/* mem_kunit.c */
extern struct kunit_suite pin_suite;		/* pin_kunit.c */
extern struct kunit_suite charge_suite;		/* charge_kunit.c */
extern struct kunit_suite map_suite;		/* map_kunit.c */
extern struct kunit_suite gpa_suite;		/* gpa_kunit.c */
extern struct kunit_suite request_suite;		/* request_kunit.c */
extern struct kunit_suite view_suite;		/* view_kunit.c */
extern struct kunit_suite gpa_race_suite;	/* gpa_race_kunit.c */
extern struct kunit_suite bugs_suite;		/* bugs_kunit.c */
extern struct kunit_suite object_suite;	/* object_kunit.c */
extern struct kunit_suite find_suite;		/* find_kunit.c */
extern struct kunit_suite order_suite;		/* order_kunit.c */
extern struct kunit_suite race_suite;		/* race_kunit.c */
extern struct kunit_suite retire_suite;		/* retire_kunit.c */
extern struct kunit_suite watch_suite;		/* watch_kunit.c */
extern struct kunit_suite lifetime_suite;	/* lifetime_kunit.c */
extern struct kunit_suite stress_suite;		/* stress_kunit.c */
extern struct kunit_suite resident_suite;	/* resident_kunit.c */
extern struct kunit_suite fault_suite;		/* fault_kunit.c */
extern struct kunit_suite worker_suite;		/* worker_kunit.c */
extern struct kunit_suite reply_suite;		/* reply_kunit.c */
extern struct kunit_suite same_suite;		/* same_kunit.c */
extern struct kunit_suite host_life_suite;	/* host_kunit.c */
extern struct kunit_suite host_ring_suite;	/* host_ring_kunit.c */
extern struct kunit_suite host_misuse_suite;	/* host_misuse_kunit.c */

/* The cases of these that hold for resident regions too, there. */
extern struct kunit_suite region_resident_suite;
extern struct kunit_suite mem_resident_suite;
extern struct kunit_suite map_resident_suite;
extern struct kunit_suite gpa_resident_suite;
extern struct kunit_suite request_resident_suite;
extern struct kunit_suite view_resident_suite;
extern struct kunit_suite stress_resident_suite;

#endif /* _KUNIT_SUITES_H */
