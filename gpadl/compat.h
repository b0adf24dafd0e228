/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What differs between kernel versions: the only file that asks which one it is, but for
 * backends/scsi/compat.h, of the SCSI target, and linux/vmbus_namespace.h, which a backend needs.
 *
 * The code is written for 6.12. Each block says which kernels it is for, and with which it
 * can go: "until 6.4" when no kernel before 6.5 is built for any more. The oldest is 6.1.
 */
#ifndef _GPADL_COMPAT_H
#define _GPADL_COMPAT_H

#include <linux/err.h>
#include <linux/errno.h>
#include <linux/hrtimer.h>
#include <linux/mm.h>
#include <linux/mmzone.h>
#include <linux/nodemask.h>
#include <linux/page-flags.h>
#include <linux/sched.h>
#include <linux/version.h>
#include <linux/vmbus_namespace.h>

/* Until 6.12 the namespace argument of MODULE_IMPORT_NS() is a token; then it is a string. */
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 13, 0)
#define COMPAT_KUNIT_NS	EXPORTED_FOR_KUNIT_TESTING
#else
#define COMPAT_KUNIT_NS	"EXPORTED_FOR_KUNIT_TESTING"
#endif

/* Until 6.3: KUnit has no static stubs and exports nothing for it. The suites do not run. */
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 4, 0)
#define KUNIT_STATIC_STUB_REDIRECT(fn, args...)	do { } while (0)
#define EXPORT_SYMBOL_IF_KUNIT(symbol)
#if IS_ENABLED(CONFIG_KUNIT)
#define VISIBLE_IF_KUNIT
#else
#define VISIBLE_IF_KUNIT			static
#endif
#else
#include <kunit/static_stub.h>
#include <kunit/visibility.h>
#endif

/*
 * Until 6.4 there is an argument vmas. Until 6.1 a long-term pin must not let go of the lock
 * that its caller holds: it warns, and fails.
 */
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 2, 0)
#define compat_pin_remote(mm, hva, nr, gup_flags, pages, locked)		\
	pin_user_pages_remote(mm, hva, nr, gup_flags, pages, NULL, NULL)
#elif LINUX_VERSION_CODE < KERNEL_VERSION(6, 5, 0)
#define compat_pin_remote(mm, hva, nr, gup_flags, pages, locked)		\
	pin_user_pages_remote(mm, hva, nr, gup_flags, pages, NULL, locked)
#else
#define compat_pin_remote	pin_user_pages_remote
#endif

/* Until 6.5 nothing says how many members an array has. (Late releases of 6.1 have it.) */
#ifndef __counted_by
#define __counted_by(member)
#endif

/* Until 6.7 there is an argument n, always 1. */
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 8, 0)
#define compat_eventfd_signal(ctx)	eventfd_signal(ctx, 1)
#else
#define compat_eventfd_signal		eventfd_signal
#endif

/*
 * Until 6.9 a vhost_task does not tell that it is killed, and is not used: see worker.c.
 * Until 6.13, but for late 6.12, vhost_task_create() returns NULL on failure, which says
 * nothing: most probably, that the process may have no more threads.
 */
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 10, 0)
#define COMPAT_HAS_VHOST_TASK	0
struct vhost_task;
static inline struct vhost_task *
compat_vhost_task_create(bool (*fn)(void *), void (*killed)(void *), void *data,
			 const char *name)
{
	return ERR_PTR(-EOPNOTSUPP);
}

static inline void compat_vhost_task_start(struct vhost_task *task)
{
}

static inline void compat_vhost_task_stop(struct vhost_task *task)
{
}

static inline void compat_vhost_task_wake(struct vhost_task *task)
{
}
#else
#include <linux/sched/vhost_task.h>
#define COMPAT_HAS_VHOST_TASK	1
#define compat_vhost_task_start	vhost_task_start
#define compat_vhost_task_stop	vhost_task_stop
#define compat_vhost_task_wake	vhost_task_wake
static inline struct vhost_task *
compat_vhost_task_create(bool (*fn)(void *), void (*killed)(void *), void *data,
			 const char *name)
{
	return vhost_task_create(fn, killed, data, name) ?: ERR_PTR(-EAGAIN);
}
#endif

/*
 * How many memory errors the machine has had so far. Counted since 6.3; before, nobody can
 * tell when there is one more: 1 stands for some.
 */
static inline unsigned long compat_memory_failures(void)
{
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 3, 0)
	return 1;
#elif defined(CONFIG_MEMORY_FAILURE)
	unsigned long sum = 0;
	int nid;

	/* Each map looks twice: mostly there is one node, and no search for the first one. */
	if (nr_online_nodes == 1)
		return READ_ONCE(NODE_DATA(node_online(0) ? 0 : first_online_node)->mf_stats.total);
	for_each_online_node(nid)
		sum += READ_ONCE(NODE_DATA(nid)->mf_stats.total);
	return sum;
#else
	return 0;
#endif
}

/* From 7.2 on a work queue that is of a processor has to say so; 6.18 surely can. */
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 18, 0)
#define COMPAT_WQ_PERCPU	0
#else
#define COMPAT_WQ_PERCPU	WQ_PERCPU
#endif

/* Until 6.12 a timer takes a call and an assignment. */
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 13, 0)
static inline void compat_hrtimer_setup(struct hrtimer *timer,
					enum hrtimer_restart (*fn)(struct hrtimer *timer),
					clockid_t clock, enum hrtimer_mode mode)
{
	hrtimer_init(timer, clock, mode);
	timer->function = fn;
}
#else
#define compat_hrtimer_setup	hrtimer_setup
#endif

/* compat_pin_raw() of pages that this thread has to take the lock of their address space for. */
static inline long compat_pin_locked(struct mm_struct *mm, unsigned long hva, unsigned long nr,
				     unsigned int gup_flags, struct page **pages)
{
	int locked = 1;
	long ret;

	if (gup_flags & FOLL_NOFAULT) {
		if (!mmap_read_trylock(mm))
			return -EAGAIN;
	} else if (mmap_read_lock_killable(mm)) {
		return -EINTR;
	}
	ret = compat_pin_remote(mm, hva, nr, gup_flags, pages, &locked);
	if (locked)
		mmap_read_unlock(mm);
	return ret;
}

/*
 * Pin adjoining pages; @remote: of an address space that is not current's. With FOLL_NOFAULT a
 * kernel thread, which may serve several VMMs, does not wait for the lock of one's address space:
 * pin_user_pages_fast() does, for what is not in the page tables.
 */
static __always_inline long compat_pin_raw(struct mm_struct *mm, bool remote, unsigned long hva,
					   unsigned long nr, unsigned int gup_flags,
					   struct page **pages)
{
	if (unlikely(remote || ((gup_flags & FOLL_NOFAULT) && (current->flags & PF_KTHREAD))))
		return compat_pin_locked(mm, hva, nr, gup_flags, pages);
	return pin_user_pages_fast(hva, nr, gup_flags, pages);
}

/*
 * Until 6.4. A long-term pin for reading must see what the process writes later. From 6.2 on
 * it does: the kernel breaks copy-on-write before it pins. Before, a pin for writing does
 * that. It must not be a page of a file whose changes are tracked, though: its writeback
 * does not expect one. From 6.5 on the kernel refuses that itself; before, anonymous,
 * shmem and hugetlb pages are told by their flags. A shared mapping of a file is pinned
 * for reading: it has no copy-on-write. Pins of a request want nothing of this.
 */
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 5, 0)
static inline bool compat_untracked(struct page **pages, long nr)
{
	long i;

	/* Anonymous pages are PageSwapBacked() too, but for MADV_FREE. */
	for (i = 0; i < nr; i++)
		if (!PageAnon(pages[i]) && !PageSwapBacked(pages[i]) && !PageHuge(pages[i]))
			return false;
	return true;
}

static inline long compat_pin_pages(struct mm_struct *mm, bool remote, unsigned long hva,
				    unsigned long nr, unsigned int gup_flags,
				    struct page **pages)
{
	bool write = gup_flags & FOLL_WRITE;
	long ret;

	if (!(gup_flags & FOLL_LONGTERM))
		return compat_pin_raw(mm, remote, hva, nr, gup_flags, pages);
	ret = compat_pin_raw(mm, remote, hva, nr,
			     gup_flags | FOLL_WRITE | (write ? 0 : FOLL_FORCE), pages);
	if (ret > 0 && !compat_untracked(pages, ret)) {
		unpin_user_pages(pages, ret);
		ret = -EFAULT;
	}
	/*
	 * Where nothing may be brought in, copy-on-write is not broken either: that is for
	 * who may.
	 */
	if (ret == -EFAULT && !write && !(gup_flags & FOLL_NOFAULT))
		ret = compat_pin_raw(mm, remote, hva, nr, gup_flags, pages);
	return ret;
}
#else
#define compat_pin_pages	compat_pin_raw
#endif

#endif /* _GPADL_COMPAT_H */
