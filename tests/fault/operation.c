// SPDX-License-Identifier: GPL-2.0
/*
 * What operations have in common: memory that is brought in, and what the guest hears.
 */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "vmm.h"
#include "operation.h"

/* ---- Memory ---- */

/*
 * Pages that do not follow each other in memory, whatever the allocator gives: two of a
 * file, in turns.
 */
char *spare_alloc(void)
{
	int fd = memfd_create("spare", MFD_CLOEXEC);
	char *mem = MAP_FAILED;
	unsigned int i;

	if (fd < 0 || ftruncate(fd, 2 * HV_PAGE))
		return NULL;
	mem = mmap(NULL, SPARE_BYTES, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	for (i = 0; i < SPARE_PAGES && mem != MAP_FAILED; i++)
		if (mmap(mem + i * HV_PAGE, HV_PAGE, PROT_READ | PROT_WRITE,
			 MAP_SHARED | MAP_FIXED, fd, i % 2 * HV_PAGE) == MAP_FAILED)
			return NULL;
	close(fd);
	return mem == MAP_FAILED ? NULL : mem;
}

/* Take its pages, so that the next access has to allocate them. */
int rig_spare_forget(struct rig *r)
{
	return madvise(r->spare, HV_PAGE, MADV_REMOVE) ||
	       madvise(r->spare + HV_PAGE, HV_PAGE, MADV_REMOVE) ? -errno : 0;
}

int rig_spare_region(struct rig *r, __u32 slot, __u32 flags, __u32 page, __u32 nr)
{
	return vmm_region(r->vmm.fd, slot, flags, SPARE_GPA + page * HV_PAGE, nr * HV_PAGE,
			  r->spare + page * HV_PAGE);
}

int rig_spare_remove(struct rig *r, __u32 slot)
{
	return vmm_region(r->vmm.fd, slot, 0, 0, 0, NULL);
}

/* ---- Messages and their answers ---- */

/* The guest has heard nothing. */
int rig_silence(struct rig *r)
{
	return reply_read(r->vmm.fd).len == -EAGAIN ? 0 : -EPROTO;
}

int rig_status(__u32 status)
{
	switch (status) {
	case STATUS_SUCCESS:
		return 0;
	case 0xC000009A: /* STATUS_INSUFFICIENT_RESOURCES */
		return -ENOMEM;
	default:
		return -EPROTO;
	}
}

/* The answer to what was posted with result @ret */
static int rig_answer(struct rig *r, int ret, __u32 type)
{
	struct reply reply;

	if (ret)
		return rig_silence(r) ?: ret;
	reply = reply_wait(r->vmm.fd);
	if (reply.len < 0)
		return reply.len;
	return reply.type == type ? rig_status(reply.status) : -EPROTO;
}

int rig_answer_created(struct rig *r, int ret)
{
	return rig_answer(r, ret, MSG_GPADL_CREATED);
}

int rig_answer_torndown(struct rig *r, int ret)
{
	return rig_answer(r, ret, MSG_GPADL_TORNDOWN);
}

int rig_answer_opened(struct rig *r, int ret)
{
	return rig_answer(r, ret, MSG_OPENCHANNEL_RESULT);
}

int rig_establish(struct rig *r, __u32 relid)
{
	return rig_answer_created(r, guest_gpadl(r->vmm.fd, relid, &r->gpadl, false));
}

int rig_tear_down(struct rig *r, __u32 relid, __u32 handle)
{
	return rig_answer_torndown(r, guest_teardown(r->vmm.fd, relid, handle));
}

int rig_establish_small(struct rig *r)
{
	gpadl_simple(&r->gpadl, HANDLE, MEM_GPA, 4 * HV_PAGE);
	return rig_establish(r, RELID);
}

int rig_tear_down_small(struct rig *r)
{
	return rig_tear_down(r, RELID, HANDLE);
}

/* All of the guest's memory, no two pages of it adjoining: 7 and 1024 have no divisor */
void rig_scattered(struct guest_gpadl *g)
{
	__u32 i;

	gpadl_init(g, HANDLE);
	gpadl_range(g, 0, MEM_BYTES);
	for (i = 0; i < MEM_PAGES; i++)
		gpadl_pages(g, MEM_PFN + i * 7 % MEM_PAGES, 1);
}
