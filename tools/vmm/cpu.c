// SPDX-License-Identifier: GPL-2.0-only
/* Virtual processors: what CPUID says, the state they start in, their exits. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <linux/kvm.h>

#include "vmm.h"

#define MAX_CPUID	256

struct cpuid {
	struct kvm_cpuid2 head;
	struct kvm_cpuid_entry2 entries[MAX_CPUID];
};

static void query_cpuid(int fd, unsigned long request, struct cpuid *c, const char *name)
{
	memset(c, 0, sizeof(*c));
	c->head.nent = MAX_CPUID;
	if (ioctl(fd, request, &c->head))
		die_errno("%s", name);
}

/* The leaves that say which processor this is */
static void fix_identity(struct kvm_cpuid_entry2 *e, unsigned int id)
{
	switch (e->function) {
	case 1:
		e->ebx &= 0xffff;
		e->ebx |= id << 24 | vm.nr_cpus << 16;
		e->ecx |= BIT(31);		/* there is a hypervisor */
		break;
	case 0xb:
	case 0x1f:
		e->edx = id;
		break;
	}
}

/*
 * Hyper-V's leaves. KVM can do more than is passed on here:
 * - Its synthetic timers would send their messages through the VMBus's SINT, and
 *   with them Linux guests hang or crash when hv_vmbus is unloaded (seen on 6.12,
 *   nested and without hardware virtualisation; cause not known).
 * - Reenlightenment, the invariant TSC control, extended hypercalls and debugging
 *   want more from a VMM than there is here.
 *
 * Return: whether the leaf is for the guest.
 */
static bool fix_hyperv(struct kvm_cpuid_entry2 *e)
{
	switch (e->function) {
	case 0x40000000:
		/* KVM says "Linux KVM Hv"; guests look for "Microsoft Hv" */
		e->eax = 0x40000005;
		memcpy(&e->ebx, "Micr", 4);
		memcpy(&e->ecx, "osof", 4);
		memcpy(&e->edx, "t Hv", 4);
		return true;
	case 0x40000001:
	case 0x40000002:
	case 0x40000005:
		return true;
	case 0x40000003:
		/* VP runtime, reference counter, SynIC, APIC MSRs, hypercalls, VP
		 * index, reset, reference TSC, frequencies
		 */
		e->eax &= BIT(0) | BIT(1) | BIT(2) | BIT(4) | BIT(5) | BIT(6) | BIT(7) |
			  BIT(9) | BIT(11);
		/* HvPostMessage, HvSignalEvent. They are what a VMBus is made of */
		e->ebx = BIT(4) | BIT(5);
		e->ecx = 0;
		/* XMM input, frequencies, crash MSRs, flush of many ranges */
		e->edx &= BIT(4) | BIT(8) | BIT(10) | BIT(14);
		return true;
	case 0x40000004:
		e->eax &= ~BIT(14);		/* nested: leaf 0x4000000a */
		return true;
	}
	return false;
}

static void set_cpuid(struct vcpu *cpu)
{
	static struct cpuid all, hyperv;
	unsigned int i, n = 0;

	query_cpuid(vm.kvm, KVM_GET_SUPPORTED_CPUID, &all, "KVM_GET_SUPPORTED_CPUID");
	query_cpuid(cpu->fd, KVM_GET_SUPPORTED_HV_CPUID, &hyperv,
		    "KVM_GET_SUPPORTED_HV_CPUID");

	for (i = 0; i < all.head.nent; i++) {
		if (all.entries[i].function >> 8 == 0x400000)
			continue;		/* KVM's own paravirtualisation */
		fix_identity(&all.entries[i], cpu->id);
		all.entries[n++] = all.entries[i];
	}
	for (i = 0; i < hyperv.head.nent; i++) {
		if (!fix_hyperv(&hyperv.entries[i]))
			continue;
		if (n == MAX_CPUID)
			die("more than %u CPUID leaves", MAX_CPUID);
		all.entries[n++] = hyperv.entries[i];
	}
	all.head.nent = n;
	if (ioctl(cpu->fd, KVM_SET_CPUID2, &all.head))
		die_errno("KVM_SET_CPUID2");
}

/* 32-bit entry point: protected mode, flat segments, no paging, rsi = boot_params */
static void set_registers(struct vcpu *cpu)
{
	const struct kvm_segment code = {
		.limit = 0xffffffff, .selector = 0x10, .type = 11, .present = 1,
		.db = 1, .s = 1, .g = 1,
	};
	struct kvm_segment data = code;
	struct kvm_regs regs = { .rip = 0x100000, .rsi = 0x10000, .rflags = 2 };
	struct kvm_sregs sregs;

	data.selector = 0x18;
	data.type = 3;
	if (ioctl(cpu->fd, KVM_GET_SREGS, &sregs))
		die_errno("KVM_GET_SREGS");
	sregs.cs = code;
	sregs.ds = data;
	sregs.es = data;
	sregs.fs = data;
	sregs.gs = data;
	sregs.ss = data;
	sregs.cr0 |= 1;
	if (ioctl(cpu->fd, KVM_SET_SREGS, &sregs) || ioctl(cpu->fd, KVM_SET_REGS, &regs))
		die_errno("the start state of processor 0");
}

void cpu_create(unsigned int id)
{
	struct vcpu *cpu = &vm.cpus[id];
	struct kvm_enable_cap synic = { .cap = KVM_CAP_HYPERV_SYNIC2 };
	int size = ioctl(vm.kvm, KVM_GET_VCPU_MMAP_SIZE, 0);

	cpu->id = id;
	cpu->fd = ioctl(vm.fd, KVM_CREATE_VCPU, id);
	if (cpu->fd < 0)
		die_errno("KVM_CREATE_VCPU %u", id);
	cpu->run = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, cpu->fd, 0);
	if (cpu->run == MAP_FAILED)
		die_errno("mmap of processor %u", id);
	/* Before CPUID and before interrupts are routed: both look at it */
	if (ioctl(cpu->fd, KVM_ENABLE_CAP, &synic))
		die_errno("KVM_CAP_HYPERV_SYNIC2");
	set_cpuid(cpu);
	/* The others wait, inside KVM, until the guest starts them */
	if (id == 0)
		set_registers(cpu);
}

static void handle_io(struct kvm_run *run)
{
	uint8_t *data = (uint8_t *)run + run->io.data_offset;
	uint32_t value, i;

	for (i = 0; i < run->io.count; i++, data += run->io.size) {
		if (run->io.direction == KVM_EXIT_IO_OUT) {
			value = 0;
			memcpy(&value, data, run->io.size);
			port_out(run->io.port, run->io.size, value);
		} else {
			value = port_in(run->io.port, run->io.size);
			memcpy(data, &value, run->io.size);
		}
	}
}

static void handle_hypercall(struct kvm_run *run)
{
	uint64_t parameter = run->hyperv.u.hcall.params[0];
	uint16_t status = HV_STATUS_INVALID_HYPERCALL_CODE;

	switch (run->hyperv.u.hcall.input & 0xffff) {
	case 0x5c:
		status = vmbus_post_message(parameter);
		break;
	case 0x5d:
		/* The value, "fast" hypercall or not: KVM has read it already */
		status = vmbus_signal_event(parameter);
		break;
	}
	run->hyperv.u.hcall.result = status;
}

static void handle_system_event(struct vcpu *cpu)
{
	switch (cpu->run->system_event.type) {
	case KVM_SYSTEM_EVENT_SHUTDOWN:
		exit(VMM_POWERED_OFF);
	case KVM_SYSTEM_EVENT_RESET:
		exit(VMM_RESET);
	case KVM_SYSTEM_EVENT_CRASH:
		/* It goes on: the UNLOAD message is still to come */
		warn("the guest says that it crashed");
		vmbus_guest_crashed();
		break;
	}
}

static void handle_hyperv(struct vcpu *cpu)
{
	switch (cpu->run->hyperv.type) {
	case KVM_EXIT_HYPERV_SYNIC:
		synic_exit(cpu);
		vmbus_event_flags_moved(cpu);
		break;
	case KVM_EXIT_HYPERV_HCALL:
		handle_hypercall(cpu->run);
		break;
	}
}

static void handle_exit(struct vcpu *cpu)
{
	struct kvm_run *run = cpu->run;

	switch (run->exit_reason) {
	case KVM_EXIT_IO:
		handle_io(run);
		break;
	case KVM_EXIT_MMIO:
		/* Nothing is there */
		memset(run->mmio.data, 0xff, sizeof(run->mmio.data));
		break;
	case KVM_EXIT_HYPERV:
		handle_hyperv(cpu);
		break;
	case KVM_EXIT_SYSTEM_EVENT:
		handle_system_event(cpu);
		break;
	case KVM_EXIT_SHUTDOWN:
		warn("the guest reset itself by a triple fault");
		exit(VMM_RESET);
	case KVM_EXIT_INTERNAL_ERROR:
		/* The guest's doing: an instruction that KVM cannot emulate, for example */
		warn("processor %u: KVM cannot go on with the guest, suberror %u: it is reset",
		     cpu->id, run->internal.suberror);
		exit(VMM_RESET);
	case KVM_EXIT_INTR:
		break;
	default:
		die("processor %u: exit reason %u, which is not handled", cpu->id,
		    run->exit_reason);
	}
}

static void *cpu_thread(void *arg)
{
	struct vcpu *cpu = arg;

	for (;;) {
		if (!ioctl(cpu->fd, KVM_RUN, 0))
			handle_exit(cpu);
		else if (errno != EINTR && errno != EAGAIN)
			die_errno("KVM_RUN of processor %u", cpu->id);
	}
}

void cpu_start(unsigned int id)
{
	errno = pthread_create(&vm.cpus[id].thread, NULL, cpu_thread, &vm.cpus[id]);
	if (errno)
		die_errno("a thread for processor %u", id);
}
