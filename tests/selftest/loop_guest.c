// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <linux/kvm.h>

#include "loop_guest.h"

/* ---- What tools/vmm has from vm.c ---- */

struct vm vm;

int vm_event(void)
{
	return eventfd(0, EFD_CLOEXEC);
}

void *vm_memory(unsigned long gpa, size_t len)
{
	if (gpa > vm.ram_size || len > vm.ram_size - gpa)
		return NULL;
	return vm.ram + gpa;
}

void vm_attach_signal(__u32 connection_id, int fd)
{
}

/* ---- The guest ---- */

static int post(const void *msg, size_t len)
{
	struct {
		__u32 connection_id, reserved, type, size;
		__u8 payload[240];
	} *input = vm_memory(POST, 256);

	input->connection_id = VMBUS_CONNECTION_5;
	input->type = 1;
	input->size = len;
	memcpy(input->payload, msg, len);
	return vmbus_post_message(POST);
}

int post_type(__u32 type)
{
	struct vmbus_header msg = { .type = type };

	return post(&msg, sizeof(msg));
}

int post_relid(__u32 type, __u32 relid)
{
	struct vmbus_relid msg = { .header.type = type, .relid = relid };

	return post(&msg, sizeof(msg));
}

int post_contact(__u32 version)
{
	struct vmbus_initiate_contact msg = {
		.header.type = VMBUS_INITIATE_CONTACT,
		.version = version,
		.sint = VMBUS_SINT,
	};

	return post(&msg, sizeof(msg));
}

int post_open(__u32 relid, __u32 target_vp)
{
	struct vmbus_open_channel msg = {
		.header.type = VMBUS_OPENCHANNEL,
		.relid = relid,
		.open_id = 7,
		.ring_gpadl = RING_HANDLE(relid),
		.target_vp = target_vp,
		.downstream_page = RING_SPLIT,
	};
	__u8 whole[148] = {};

	memcpy(whole, &msg, sizeof(msg));
	return post(whole, sizeof(whole));
}

int post_modify(__u32 relid, __u32 target_vp)
{
	struct vmbus_modify_channel msg = {
		.header.type = VMBUS_MODIFYCHANNEL,
		.relid = relid,
		.target_vp = target_vp,
	};

	return post(&msg, sizeof(msg));
}

int post_gpadl(__u32 relid, __u32 handle, __u32 gpa, unsigned int pages)
{
	struct {
		struct vmbus_gpadl_header header;
		__u64 pfns[8];
	} __packed msg = {
		.header = {
			.header.type = VMBUS_GPADL_HEADER,
			.relid = relid,
			.gpadl = handle,
			.range_buflen = 8 + pages * 8,
			.rangecount = 1,
			.byte_count = pages * PAGE,
		},
	};
	unsigned int i;

	for (i = 0; i < pages; i++)
		msg.pfns[i] = gpa / PAGE + i;
	return post(&msg, sizeof(msg.header) + pages * 8);
}

int post_teardown(__u32 relid, __u32 handle)
{
	struct vmbus_gpadl_teardown msg = {
		.header.type = VMBUS_GPADL_TEARDOWN,
		.relid = relid,
		.gpadl = handle,
	};

	return post(&msg, sizeof(msg));
}

union message heard;

struct slot *slot(void)
{
	return (struct slot *)(vm.ram + SIMP(0)) + VMBUS_SINT;
}

__u32 hear(void)
{
	const __u64 one = 1;

	if (!WAIT_FOR(__atomic_load_n(&slot()->type, __ATOMIC_ACQUIRE)))
		return NOTHING;
	memset(&heard, 0, sizeof(heard));
	memcpy(&heard, slot()->payload, slot()->size);
	__atomic_store_n(&slot()->type, 0, __ATOMIC_SEQ_CST);
	if (write(vm.cpus[0].eom_fd, &one, sizeof(one)) < 0)
		return NOTHING;
	return heard.header.type;
}

void set_synic(unsigned int cpu, bool on)
{
	static struct kvm_run run;

	run.hyperv.u.synic.control = on;
	run.hyperv.u.synic.msg_page = SIMP(cpu) | on;
	run.hyperv.u.synic.evt_page = SIEFP(cpu) | on;
	vm.cpus[cpu].run = &run;
	synic_exit(&vm.cpus[cpu]);
	vmbus_event_flags_moved(&vm.cpus[cpu]);
}

void boot(const char *first, const char *second)
{
	struct options opt = {
		.device = "/dev/vmbus-host",
		.control = FIFO,
		.vmbus_version = VMBUS_VERSION(5, 3),
		.offers = { first, second },
		.nr_offers = second ? 2 : 1,
	};
	unsigned int i;

	unlink(FIFO);
	if (mkfifo(FIFO, 0600))
		die_errno(FIFO);
	vm.ram = mmap(NULL, RAM, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
		      -1, 0);
	if (vm.ram == MAP_FAILED)
		die_errno("memory");
	vm.ram_size = RAM;
	vm.nr_cpus = 2;
	for (i = 0; i < vm.nr_cpus; i++) {
		vm.cpus[i].id = i;
		vm.cpus[i].sint_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		vm.cpus[i].eom_fd = vm_event();
	}
	trace_open("-");
	vmbus_init(&opt);
	for (i = 0; i < vm.nr_cpus; i++)
		set_synic(i, true);
}

int operate(const char *line)
{
	int fd = open(FIFO, O_WRONLY | O_CLOEXEC);
	int ret;

	if (fd < 0)
		return -errno;
	ret = write(fd, line, strlen(line)) < 0 ? -errno : 0;
	close(fd);
	return ret;
}

__u32 one_offer(void)
{
	bool all = false;
	__u32 relid = 0;

	if (post_type(VMBUS_REQUESTOFFERS))
		return 0;
	while (!relid || !all) {
		switch (hear()) {
		case VMBUS_OFFERCHANNEL:
			if (relid || heard.offer.sub_channel)
				return 0;
			relid = heard.offer.relid;
			break;
		case VMBUS_ALLOFFERS_DELIVERED:
			all = true;
			break;
		default:
			return 0;
		}
	}
	return relid;
}
