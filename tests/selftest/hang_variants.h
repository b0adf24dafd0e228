/* SPDX-License-Identifier: GPL-2.0 */
/* Variants of FIXTURE(hangs): the callbacks in which a backend can hang */

FIXTURE_VARIANT(hangs) {
	__u32 where;
};

FIXTURE_VARIANT_ADD(hangs, in_open) {
	.where = VMBUS_GPADL_TEST_HANG_OPEN,
};

FIXTURE_VARIANT_ADD(hangs, in_kick) {
	.where = VMBUS_GPADL_TEST_HANG_KICK,
};

FIXTURE_VARIANT_ADD(hangs, in_revoke) {
	.where = VMBUS_GPADL_TEST_HANG_REVOKE,
};

FIXTURE_VARIANT_ADD(hangs, in_close) {
	.where = VMBUS_GPADL_TEST_HANG_CLOSE,
};
