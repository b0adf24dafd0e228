/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the suites of packets that name pages share: the guest of vm.h, whose first channel
 * has a pool.
 */
#ifndef _KUNIT_GPA_H
#define _KUNIT_GPA_H

#include <linux/completion.h>
#include <linux/workqueue.h>

#include "gpadl/limits.h"
#include "vm.h"

#define GPA_REQUESTS	8
/* Of requests of so many bytes, wherever they begin */
#define GPA_PAGES	257
#define GPA_BYTES	((GPA_PAGES - 1) * GUEST_PAGE)

int gpa_init(struct kunit *test);
int gpa_init_resident(struct kunit *test);

int gpa_send(struct vm *vm, u32 flags, struct vmbus_mapping **map);
int gpa_send_on(struct vm *vm, struct vm_channel *c, u32 flags, struct vmbus_mapping **map);
void gpa_expect_maps(struct vm *vm, u32 flags);
void gpa_expect_refused(struct vm *vm, u32 flags, int error);
long gpa_pin_fails(struct vm *vm, unsigned long hva, unsigned long nr,
		   unsigned int gup_flags, struct page **pages);

/* A work item that holds up a workqueue which runs one at a time. */
struct vm_blocker_wq {
	struct work_struct work;
	struct completion go;
};

void gpa_block_wq(struct vm_blocker_wq *b, struct workqueue_struct *wq);
void gpa_unblock_wq(struct vm_blocker_wq *b);

#endif /* _KUNIT_GPA_H */
