// SPDX-License-Identifier: GPL-2.0
/*
 * A disk of vhost-scsi, driven as Linux' virtio_scsi does it: an indirect table for each
 * request, event indices in both directions.
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>
#include <linux/vhost.h>
#include <linux/virtio_config.h>
#include <linux/virtio_ring.h>
#include <linux/virtio_scsi.h>

#include "disk.h"

#define NUM		128u
#define QUEUES		3u	/* control, event, requests */
#define REQUESTS	2u
#define MEM_GPA		0x100000ull
#define OWN_GPA		0x100000000ull

#define FEATURES	(BIT_ULL(VIRTIO_F_VERSION_1) | BIT_ULL(VIRTIO_RING_F_EVENT_IDX) | \
			 BIT_ULL(VIRTIO_RING_F_INDIRECT_DESC))

/* What the driver itself has in the guest's memory */
struct own {
	struct {
		struct vring_desc desc[NUM];
		struct vring_avail avail;
		__u16 avail_ring[NUM + 1];	/* the last is used_event */
		__u8 pad[4096];
		struct vring_used used;
		struct vring_used_elem used_ring[NUM + 1];
	} queue[QUEUES] attribute(aligned(4096));
	struct {
		struct vring_desc table[3];
		struct virtio_scsi_cmd_req req;
		struct virtio_scsi_cmd_resp resp;
	} slot[MAX_DEPTH];
};

static struct own *own;
static char *memory;
static int fd, kick_fd;
static __u16 avail_idx, kicked_idx, used_idx;

static __u64 own_gpa(const void *p)
{
	return OWN_GPA + ((const char *)p - (const char *)own);
}

static __u16 *used_event(void)
{
	return &own->queue[REQUESTS].avail.ring[NUM];
}

static __u16 *avail_event(void)
{
	return (__u16 *)&own->queue[REQUESTS].used.ring[NUM];
}

static void vhost_submit(unsigned int slot, const struct request *r)
{
	struct virtio_scsi_cmd_req *req = &own->slot[slot].req;
	struct vring_desc *t = own->slot[slot].table;
	struct vring_desc data = {
		.addr = MEM_GPA + (r->data - memory),
		.len = r->bytes,
		.flags = VRING_DESC_F_NEXT | (r->write ? 0 : VRING_DESC_F_WRITE),
	};
	struct vring_desc resp = {
		.addr = own_gpa(&own->slot[slot].resp),
		.len = sizeof(own->slot[slot].resp),
		.flags = VRING_DESC_F_WRITE,
	};

	*req = (struct virtio_scsi_cmd_req){ .lun = { 1, 1, 0x40, 0 }, .tag = slot };
	cdb_fill(req->cdb, r);
	t[0] = (struct vring_desc){ own_gpa(req), sizeof(*req), VRING_DESC_F_NEXT, 1 };
	/* What the device reads comes before what it writes. */
	t[1] = data;
	t[1].next = 2;
	t[2] = resp;
	if (!r->write) {
		t[1] = resp;
		t[1].flags |= VRING_DESC_F_NEXT;
		t[1].next = 2;
		t[2] = data;
		t[2].flags &= ~VRING_DESC_F_NEXT;
	}
	own->queue[REQUESTS].desc[slot] = (struct vring_desc){
		own_gpa(t), sizeof(own->slot[slot].table), VRING_DESC_F_INDIRECT, 0
	};
	own->queue[REQUESTS].avail.ring[avail_idx % NUM] = slot;
	store(&own->queue[REQUESTS].avail.idx, ++avail_idx);
}

static bool vhost_kick(void)
{
	bool kick;

	barrier_all();
	kick = vring_need_event(load(avail_event()), avail_idx, kicked_idx);
	kicked_idx = avail_idx;
	if (kick)
		eventfd_write(kick_fd, 1);
	return kick;
}

static int vhost_reap(void)
{
	struct vring_used *used = &own->queue[REQUESTS].used;
	struct virtio_scsi_cmd_resp *resp;
	__u32 slot;

	if (load(&used->idx) == used_idx)
		return -1;
	slot = used->ring[used_idx++ % NUM].id;
	resp = &own->slot[slot].resp;
	if (resp->response || resp->status)
		die("vhost: request %u ended with status %#x/%#x", slot, resp->response,
		    resp->status);
	return slot;
}

static void vhost_listen(bool wanted)
{
	/* As virtqueue_disable_cb(): an index that is far away */
	store(used_event(), wanted ? used_idx : (__u16)(used_idx - 1));
	barrier_all();
}

/* ---- How it begins ---- */

static void set_memory(size_t size)
{
	struct {
		struct vhost_memory head;
		struct vhost_memory_region region[2];
	} m = { .head.nregions = 2 };

	m.region[0] = (struct vhost_memory_region){ MEM_GPA, size, (uintptr_t)memory, 0 };
	m.region[1] = (struct vhost_memory_region){ OWN_GPA, sizeof(*own), (uintptr_t)own, 0 };
	MUST(!ioctl(fd, VHOST_SET_MEM_TABLE, &m));
}

static void set_queue(unsigned int i)
{
	struct vhost_vring_state num = { i, NUM }, base = { i, 0 };
	struct vhost_vring_file kick = { i, kick_fd }, call = { i, vhost_peer.call_fd };
	struct vhost_vring_addr addr = {
		.index = i,
		.desc_user_addr = (uintptr_t)own->queue[i].desc,
		.avail_user_addr = (uintptr_t)&own->queue[i].avail,
		.used_user_addr = (uintptr_t)&own->queue[i].used,
	};

	if (i != REQUESTS) {
		kick.fd = eventfd(0, EFD_CLOEXEC);
		call.fd = eventfd(0, EFD_CLOEXEC);
	}
	MUST(!ioctl(fd, VHOST_SET_VRING_NUM, &num));
	MUST(!ioctl(fd, VHOST_SET_VRING_BASE, &base));
	MUST(!ioctl(fd, VHOST_SET_VRING_ADDR, &addr));
	MUST(!ioctl(fd, VHOST_SET_VRING_KICK, &kick));
	MUST(!ioctl(fd, VHOST_SET_VRING_CALL, &call));
}

static void vhost_start(const char *wwpn, char *mem, size_t size)
{
	struct vhost_scsi_target target = { .vhost_tpgt = 1 };
	__u64 features = FEATURES;
	unsigned int i;

	memory = mem;
	own = mmap(NULL, sizeof(*own), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	MUST(own != MAP_FAILED);
	memset(own, 0, sizeof(*own));
	fd = open("/dev/vhost-scsi", O_RDWR | O_CLOEXEC);
	MUST(fd >= 0);
	kick_fd = eventfd(0, EFD_CLOEXEC);
	vhost_peer.call_fd = eventfd(0, EFD_CLOEXEC);
	MUST(!ioctl(fd, VHOST_SET_OWNER, NULL));
	MUST(!ioctl(fd, VHOST_SET_FEATURES, &features));
	set_memory(size);
	for (i = 0; i < QUEUES; i++)
		set_queue(i);
	snprintf(target.vhost_wwpn, sizeof(target.vhost_wwpn), "%s", wwpn);
	MUST(!ioctl(fd, VHOST_SCSI_SET_ENDPOINT, &target));
}

struct peer vhost_peer = {
	.name = "vhost",
	.start = vhost_start,
	.submit = vhost_submit,
	.kick = vhost_kick,
	.reap = vhost_reap,
	.listen = vhost_listen,
};
