/* SPDX-License-Identifier: GPL-2.0 */
/*
 * One guest for a test, as cases have it; see vm_helpers.h.
 */
#ifndef _KUNIT_VM_H
#define _KUNIT_VM_H

#include <linux/stringify.h>

#include "vm_helpers.h"

/* A case of a suite that has vm_init(): @test is the case, and @vm its guest */
#define VM_CASE(name)							\
static void name##_on(struct kunit *test, struct vm *vm);		\
static void name(struct kunit *test)					\
{									\
	name##_on(test, test->priv);					\
}									\
static void name##_on(struct kunit *test, struct vm *vm)

/*
 * A helper that fails says where the case called it: KUnit itself names the helper's line. The
 * helpers call each other by their plain names, so the caller stays the case.
 */
#define VM_CALL(fn, _vm, ...) ({						\
	struct vm *__vm = (_vm);						\
										\
	WRITE_ONCE(__vm->caller, __FILE__ ":" __stringify(__LINE__));		\
	fn(__vm, ##__VA_ARGS__);						\
})

#define vm_expect_pinned(vm, ...)	VM_CALL(vm_expect_pinned, vm, __VA_ARGS__)
#define vm_expect_sg(vm, ...)	VM_CALL(vm_expect_sg, vm, __VA_ARGS__)
#define vm_establish(vm, ...)	VM_CALL(vm_establish, vm, __VA_ARGS__)
#define vm_expect_created(vm, ...)	VM_CALL(vm_expect_created, vm, __VA_ARGS__)
#define vm_expect_torndown(vm, ...)	VM_CALL(vm_expect_torndown, vm, __VA_ARGS__)
#define vm_expect_silence(vm)	VM_CALL(vm_expect_silence, vm)
#define vm_expect_counted(vm, ...)	VM_CALL(vm_expect_counted, vm, __VA_ARGS__)
#define vm_expect_no_gpadl(vm, ...)	VM_CALL(vm_expect_no_gpadl, vm, __VA_ARGS__)
#define vm_expect_refused(vm, ...)	VM_CALL(vm_expect_refused, vm, __VA_ARGS__)
#define vm_expect_established(vm, ...)	VM_CALL(vm_expect_established, vm, __VA_ARGS__)
#define vm_expect_maps(vm, ...)	VM_CALL(vm_expect_maps, vm, __VA_ARGS__)
#define vm_start_waiting(vm, ...)	VM_CALL(vm_start_waiting, vm, __VA_ARGS__)
#define vm_map_in_thread(vm, ...)	VM_CALL(vm_map_in_thread, vm, __VA_ARGS__)
#define vm_check(vm)	VM_CALL(vm_check, vm)

#endif /* _KUNIT_VM_H */
