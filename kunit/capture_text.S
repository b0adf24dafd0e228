/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The messages of real guests, as text with a 0 behind it.
 */
#include <linux/linkage.h>

	.section .rodata, "a", @progbits

SYM_DATA_START(capture_text)
	.incbin "tests/data/guest-messages.txt"
	.byte 0
SYM_DATA_END(capture_text)
