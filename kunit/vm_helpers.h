/* SPDX-License-Identifier: GPL-2.0 */
/*
 * One guest for a test: its memory, its partition with two channels, and the channel
 * layer that serves it. A suite that has vm_init() and vm_exit() finds it in test->priv;
 * each case begins with a fresh one, and vm_exit() fails the case if anything is left of
 * it: a pinned or charged page, a mapped GPADL, a release() not called or called twice.
 *
 * A suite of vm_init_resident() has the same guest in resident regions. Cases that are to
 * hold for either kind are a list that both suites have.
 *
 * The memory's pages each hold words that tell their address in the VMM, so that a page
 * found by whatever way says which one it is.
 *
 * KUNIT_ASSERT_*() only in the thread of the case; others use KUNIT_EXPECT_*().
 */
#ifndef _KUNIT_VM_HELPERS_H
#define _KUNIT_VM_HELPERS_H

#include <kunit/test.h>
#include <linux/atomic.h>
#include <linux/completion.h>
#include <linux/list.h>
#include <linux/scatterlist.h>

#include "gpadl/priv.h"
#include "guest.h"

#define VM_CHANNELS	2

/* Long enough for anything that comes at all. */
#define VM_TIMEOUT	(60 * HZ)

/* Guest pages that a page of the host holds: 1, or 16 if the host's are of 64 KiB */
#define VM_PER_HOST	(PAGE_SIZE / GUEST_PAGE)

/* For a case of what is done guest page by guest page, by the host page here */
#define vm_need_small_pages(test)						\
do {										\
	if (VM_PER_HOST > 1)							\
		kunit_skip(test, "is about pages of 4 KiB; this host has larger ones"); \
} while (0)

/*
 * Guest page frame numbers at which memory begins, and how many pages there are: each region can
 * be set on a host with pages of 64 KiB.
 */
#define VM_LOW_PFN	0x100		/* two regions that adjoin, but not in the VMM */
#define VM_LOW_PAGES	256
#define VM_HIGH_PFN	(VM_LOW_PFN + VM_LOW_PAGES)
#define VM_HIGH_PAGES	256
#define VM_RO_PFN	0x1000		/* a read-only region */
#define VM_RO_PAGES	64
#define VM_ALIAS_PFN	0x2000		/* the first pages of VM_LOW_PFN again */
#define VM_ALIAS_PAGES	64
#define VM_NOWRITE_PFN	0x3000		/* a region on a VMA that cannot be written */
#define VM_NOWRITE_PAGES 16
#define VM_NOVMA_PFN	0x4000		/* a region on nothing */
#define VM_NOVMA_PAGES	16
#define VM_HOLE_PFN	0x8000		/* no region */
#define VM_BIG_PFN	0x10000
#define VM_BIG_PAGES	8192
#define VM_TOP_PFN	(BIT_ULL(GPADL_PFN_BITS) - 16)
#define VM_TOP_PAGES	16		/* the last that a guest can have */

enum vm_slot {
	VM_LOW,
	VM_HIGH,
	VM_RO,
	VM_ALIAS,
	VM_NOWRITE,
	VM_NOVMA,
	VM_BIG,
	VM_TOP,
	VM_NR_SLOTS,
	VM_FREE_SLOT = 100,
};

#define VM_RELID(i)	(10 + (i))
#define VM_HANDLE	0xe1e10u	/* as Linux begins to count */

struct vm;

/**
 * struct vm_channel - a channel and what its channel layer has seen
 * @vm: the guest
 * @chan: the channel; NULL when put
 * @relid: its number
 * @on_revoke: what the backend does, or NULL: nothing
 * @revokes: calls of revoke()
 * @revoked: handle of the last
 * @creates: how often it was created
 * @releases: calls of release()
 */
struct vm_channel {
	struct vm *vm;
	struct vmbus_gpadl_channel *chan;
	u32 relid;
	void (*on_revoke)(struct vm_channel *c, struct vmbus_mapping *map);
	atomic_t revokes;
	u32 revoked;
	int creates;
	atomic_t releases;
};

/**
 * struct vm_stall - where a thread can be held up
 * @armed: so many threads will be
 * @arrived: completed by each
 * @go: lets them all go on
 */
struct vm_stall {
	atomic_t armed;
	struct completion arrived;
	struct completion go;
};

/**
 * struct vm - a guest
 * @test: the case that has it
 * @caller: where the case called the last helper that expects something
 * @mm: its VMM's address space (mmgrab'ed)
 * @resident: flag of regions that are resident wherever memory can be, or 0
 * @memory: the regions as vm_init() sets them, by &enum vm_slot
 * @p: the partition; NULL when put
 * @c: the channels
 * @s: stream of the GPADL that is being sent
 * @msg: message that was sent last
 * @page: room for a page's content
 * @wakes: calls of wake()
 * @on_wake: called there, under whatever lock; or NULL
 * @releases: calls of the partition's release()
 * @released: completed by it
 * @tasks: threads of vm_start()
 * @joined: those that vm_join() has seen the end of
 * @in_pin: holds up gpadl_mem_pin_pages() before it pins
 * @in_unmap: holds up gpadl_mapping_unmap() before it unpins
 * @after_unmap: holds it up after
 * @linger: holds up vm_linger()
 * @pin: takes the place of gpadl_mem_pin_pages(), if not NULL
 * @pin_result: for @pin
 * @pins: calls of gpadl_mem_pin_pages()
 */
struct vm {
	struct kunit *test;
	const char *caller;
	struct mm_struct *mm;
	u32 resident;
	struct vmbus_gpa_region memory[VM_NR_SLOTS];
	struct vmbus_partition *p;
	struct vm_channel c[VM_CHANNELS];
	struct guest_stream s;
	struct guest_msg msg;
	u64 *page;
	atomic_t wakes;
	void (*on_wake)(struct vm *vm);
	atomic_t releases;
	struct completion released;
	struct list_head tasks;
	struct list_head joined;
	struct vm_stall in_pin;
	struct vm_stall in_unmap;
	struct vm_stall after_unmap;
	struct vm_stall linger;
	long (*pin)(struct vm *vm, unsigned long hva, unsigned long nr,
		    unsigned int gup_flags, struct page **pages);
	long pin_result;
	atomic_t pins;
};

/**
 * struct vm_task - a thread that does one thing
 * @vm: the guest
 * @fn: the thing
 * @c: for @fn
 * @flags: for @fn
 * @handle: for @fn
 * @arg: for @fn
 * @ret: what @fn returned
 * @map: for @fn
 * @other: another guest, made by @fn
 * @done: completed when it has returned
 * @task: the thread, held
 * @node: in vm.tasks or vm.joined
 */
struct vm_task {
	struct vm *vm;
	int (*fn)(struct vm_task *t);
	struct vm_channel *c;
	u32 flags;
	u32 handle;
	void *arg;
	int ret;
	struct vmbus_mapping *map;
	struct vm *other;
	struct completion done;
	struct task_struct *task;
	struct list_head node;
};

/* Life: vm.c */
int vm_init(struct kunit *test);
int vm_init_resident(struct kunit *test);
void vm_exit(struct kunit *test);
struct vm *vm_create(struct kunit *test, u32 resident);
void vm_destroy(struct vm *vm);
void vm_new_channel(struct vm *vm, struct vm_channel *c);
void vm_put_channel(struct vm_channel *c);
int vm_await_release(struct vm_channel *c);
void vm_put_partition(struct vm *vm);

/* Memory: vm_memory.c */
int vm_memory_init(struct vm *vm);
int vm_set_region(struct vm *vm, u32 slot, u32 flags, u64 pfn, u64 pages, u64 hva);
int vm_remove_region(struct vm *vm, u32 slot);
void vm_limit(struct vm *vm, unsigned long pages);
void vm_unlimit(struct vm *vm);
struct gpadl_region *vm_region(struct vm *vm, u32 slot);
unsigned long vm_hva(struct vm *vm, u64 pfn);
void vm_page_content(unsigned long hva, u64 *words);
void vm_fill(struct vm *vm, u64 pfn, u32 nr);
void vm_fill_gpadl(struct vm *vm);
bool vm_page_is_dirty(unsigned long hva);
u32 vm_pages_pinned(struct vm *vm);
void vm_expect_pinned(struct vm *vm, bool mapped);
unsigned long vm_resident(struct vm *vm);
void vm_expect_sg(struct vm *vm, const struct sg_table *sgt);

/* What the guest sends: vm_expect.c */
void vm_begin(struct vm *vm);
void vm_range(struct vm *vm, u64 pfn, u32 nr);
void vm_shuffled_range(struct vm *vm, u32 nr, u64 seed);
int vm_post(struct vm *vm, const struct guest_msg *m);
int vm_send(struct vm *vm, struct vm_channel *c, u32 handle);
int vm_teardown(struct vm *vm, struct vm_channel *c, u32 handle);
void vm_establish(struct vm *vm, struct vm_channel *c, u32 handle, u64 pfn, u32 nr);

/* What it gets. */
void vm_expect_created(struct vm *vm, struct vm_channel *c, u32 handle, u32 status);
void vm_expect_torndown(struct vm *vm, u32 handle);
void vm_expect_silence(struct vm *vm);

/* What many cases begin or end with. */
void vm_valid_header(struct vm *vm, struct guest_msg *m, struct vm_channel *c,
		     u32 handle);
void vm_expect_counted(struct vm *vm, enum gpadl_reason reason);
void vm_expect_no_gpadl(struct vm *vm, struct vm_channel *c);
void vm_expect_refused(struct vm *vm, const struct guest_msg *m, int ret,
		       enum gpadl_reason reason);
void vm_expect_established(struct vm *vm, struct vm_channel *c, u32 handle);
void vm_expect_maps(struct vm *vm, u32 flags);

/* The backend, and what it finds: vm_backend.c */
int vm_map(struct vm_channel *c, u32 flags, u32 handle, struct sg_table **sgt);
struct vmbus_mapping *vm_mapping(struct vmbus_gpadl_channel *chan, u32 handle);
void vm_unmap(struct vm_channel *c, u32 handle);
void *vm_vmap(struct vm_channel *c, u32 handle);
void vm_vunmap(struct vm_channel *c, u32 handle);
u32 vm_handle_of(const struct vmbus_mapping *map);
struct gpadl *vm_gpadl(struct vm_channel *c, u32 handle);
void vm_flush_revokes(struct vm_channel *c);
void vm_flush_frees(struct vmbus_partition *p);

/* What must hold whenever nobody is between two steps. */
void vm_check(struct vm *vm);

/* Threads: vm_task.c */
struct vm_task *vm_start(struct vm *vm, int (*fn)(struct vm_task *t),
			 struct vm_channel *c, u32 flags, u32 handle);
struct vm_task *vm_start_with(struct vm *vm, int (*fn)(struct vm_task *t),
			      struct vm_channel *c, u32 flags, u32 handle, void *arg);
struct vm_task *vm_start_waiting(struct vm *vm, int (*fn)(struct vm_task *t),
				 struct vm_channel *c, u32 flags, u32 handle);
int vm_join(struct vm_task *t);
int vm_task_map(struct vm_task *t);
int vm_task_unmap(struct vm_task *t);
int vm_task_rescind(struct vm_task *t);
int vm_task_reset(struct vm_task *t);
/* As a kworker does: the work item @t->arg */
int vm_task_run_work(struct vm_task *t);
/* Run a work item that is queued, and waits in its queue, in a thread of the test's. */
void vm_run_work(struct vm *vm, struct work_struct *work);
int vm_map_in_thread(struct vm *vm, int (*fn)(struct vm_task *t));
bool vm_is_done(struct vm_task *t);
void vm_wait_asleep(struct vm_task *t);
void vm_wait_blocked(struct vm_task *t);
void vm_forget_tasks(struct vm *vm);
void vm_stall_init(struct vm_stall *s);
void vm_stall_here(struct vm_stall *s);
void vm_stall_arm(struct vm_stall *s, int nr);
void vm_stall_wait(struct vm *vm, struct vm_stall *s);
void vm_stall_end(struct vm_stall *s);
void vm_linger(struct vm *vm);

/* Work of a channel that holds up what comes after it. */
struct vm_blocker {
	struct vmbus_gpadl_work work;
	struct completion go;
	struct completion gone;
};

void vm_block(struct vm_blocker *b, struct vm_channel *c);
void vm_unblock(struct vm_blocker *b);

/**
 * struct alloc_fault - lets one allocation of a call fail, another one each time
 * @n: which one
 * @most: the last one that was ever reached
 * @tries: how often it has been tried
 * @seed: for the choice
 * @injected: the allocation was reached
 *
 * At random, because what the allocator and the kernel's debugging allocate on the side
 * changes from call to call, even in step with them.
 */
struct alloc_fault {
	u32 n;
	u32 most;
	u32 tries;
	u64 seed;
	bool injected;
};

void alloc_fault_need(struct kunit *test);
bool alloc_fault_next(struct alloc_fault *f);
void alloc_fault_begin(struct alloc_fault *f);
void alloc_fault_end(struct alloc_fault *f);

void vm_kill(void);
void vm_unkill(void);

/* What a helper says when it fails: where the case called it. See vm.h. */
#define VM_AT(vm)	"called at %s", (vm)->caller

#endif /* _KUNIT_VM_HELPERS_H */
