/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _FUZZ_H
#define _FUZZ_H

#include <linux/types.h>

/* Gives one input to what is fuzzed; under the name by which libFuzzer calls it. */
int fuzz_input(const u8 *data, size_t size) __asm__("LLVMFuzzerTestOneInput");

#endif /* _FUZZ_H */
