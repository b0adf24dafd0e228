// SPDX-License-Identifier: GPL-2.0
/*
 * The wire format, compiled into the test module too: the mapper does not export it.
 */
#include "gpadl/wire.c"
