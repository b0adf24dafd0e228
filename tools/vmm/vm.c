// SPDX-License-Identifier: GPL-2.0-only
/* The machine: guest memory, interrupt controllers, interrupt routing. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <linux/kvm.h>

#include "vmm.h"

/* The first GSI past the IOAPIC's; one per processor, for its SINT */
#define GSI_SINT	24

struct vm vm;

static void require(int cap, const char *name)
{
	if (ioctl(vm.kvm, KVM_CHECK_EXTENSION, cap) <= 0)
		die("this kernel's KVM has no %s; it needs CONFIG_KVM_HYPERV=y", name);
}

static void open_kvm(void)
{
	vm.kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	if (vm.kvm < 0)
		die_errno("/dev/kvm (next: load kvm-amd or kvm-intel; be in its group)");
	if (ioctl(vm.kvm, KVM_GET_API_VERSION, 0) != KVM_API_VERSION)
		die("/dev/kvm speaks an unknown version");
	require(KVM_CAP_HYPERV_SYNIC2, "KVM_CAP_HYPERV_SYNIC2");
	require(KVM_CAP_HYPERV_CPUID, "KVM_CAP_HYPERV_CPUID");
	vm.fd = ioctl(vm.kvm, KVM_CREATE_VM, 0);
	if (vm.fd < 0)
		die_errno("KVM_CREATE_VM");
}

/* All kinds are ones that the host can keep pinned for long */
static void *allocate(uint64_t size, const char *kind)
{
	int flags = MAP_NORESERVE;
	void *p;

	if (!strcmp(kind, "anon") || !strcmp(kind, "thp"))
		flags |= MAP_PRIVATE | MAP_ANONYMOUS;
	else if (!strcmp(kind, "shmem"))
		flags |= MAP_SHARED | MAP_ANONYMOUS;
	else if (!strcmp(kind, "hugetlb"))
		flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB;
	else
		die("--memory-kind %s: anon, shmem, thp or hugetlb is wanted", kind);

	p = mmap(NULL, size, PROT_READ | PROT_WRITE, flags, -1, 0);
	if (p == MAP_FAILED)
		die_errno("%llu MiB of %s memory", (unsigned long long)(size / MIB),
			  kind);
	if (!strcmp(kind, "thp") && madvise(p, size, MADV_HUGEPAGE))
		die_errno("huge pages for guest memory");
	return p;
}

static void create_memory(uint64_t size, const char *kind)
{
	struct kvm_userspace_memory_region region = { .memory_size = size };

	vm.ram = allocate(size, kind);
	vm.ram_size = size;
	region.userspace_addr = (uintptr_t)vm.ram;
	if (ioctl(vm.fd, KVM_SET_USER_MEMORY_REGION, &region))
		die_errno("KVM_SET_USER_MEMORY_REGION");
}

static void create_irqchip(void)
{
	/* Three pages that Intel's KVM wants, below where firmware would be */
	if (ioctl(vm.fd, KVM_SET_TSS_ADDR, 0xfffbd000ul))
		die_errno("KVM_SET_TSS_ADDR");
	/* SINTs are delivered by KVM's own local APICs only */
	if (ioctl(vm.fd, KVM_CREATE_IRQCHIP, 0))
		die_errno("KVM_CREATE_IRQCHIP");
}

static void route_pin(struct kvm_irq_routing *r, unsigned int gsi, unsigned int chip,
		      unsigned int pin)
{
	r->entries[r->nr++] = (struct kvm_irq_routing_entry) {
		.gsi = gsi,
		.type = KVM_IRQ_ROUTING_IRQCHIP,
		.u.irqchip = { .irqchip = chip, .pin = pin },
	};
}

/*
 * This replaces KVM's default, so it says again what that is for PIC and IOAPIC.
 * A SINT can be routed to when its processor's SynIC is active, hence after the
 * processors were made.
 */
static void route_interrupts(void)
{
	struct {
		struct kvm_irq_routing head;
		struct kvm_irq_routing_entry entries[16 + 24 + MAX_CPUS];
	} table = { };
	struct kvm_irq_routing *r = &table.head;
	unsigned int i;

	for (i = 0; i < 16; i++)
		if (i != 2)
			route_pin(r, i, i / 8 ? KVM_IRQCHIP_PIC_SLAVE :
				  KVM_IRQCHIP_PIC_MASTER, i % 8);
	for (i = 0; i < 24; i++)
		if (i != 2)
			route_pin(r, i, KVM_IRQCHIP_IOAPIC, i ? i : 2);
	for (i = 0; i < vm.nr_cpus; i++)
		r->entries[r->nr++] = (struct kvm_irq_routing_entry) {
			.gsi = GSI_SINT + i,
			.type = KVM_IRQ_ROUTING_HV_SINT,
			.u.hv_sint = { .vcpu = i, .sint = VMBUS_SINT },
		};
	if (ioctl(vm.fd, KVM_SET_GSI_ROUTING, r))
		die_errno("KVM_SET_GSI_ROUTING");
}

int vm_event(void)
{
	int fd = eventfd(0, EFD_CLOEXEC);

	if (fd < 0)
		die_errno("eventfd");
	return fd;
}

/*
 * A write to sint_fd raises the SINT. eom_fd is signalled when the guest wrote
 * EOM, which it does if its message slot was found full, or EOI.
 */
static void attach_sint(struct vcpu *cpu)
{
	struct kvm_irqfd irqfd = {
		.gsi = GSI_SINT + cpu->id,
		.flags = KVM_IRQFD_FLAG_RESAMPLE,
	};

	cpu->sint_fd = vm_event();
	cpu->eom_fd = vm_event();
	irqfd.fd = cpu->sint_fd;
	irqfd.resamplefd = cpu->eom_fd;
	if (ioctl(vm.fd, KVM_IRQFD, &irqfd))
		die_errno("KVM_IRQFD for processor %u's SINT", cpu->id);
}

/* A machine without processors: they are made next, and then vm_connect_cpus() */
void vm_create(uint64_t memory, const char *kind, unsigned int nr_cpus)
{
	open_kvm();
	create_memory(memory, kind);
	create_irqchip();
	vm.nr_cpus = nr_cpus;
}

/* Interrupts reach the processors that cpu_create() has made */
void vm_connect_cpus(void)
{
	unsigned int i;

	route_interrupts();
	for (i = 0; i < vm.nr_cpus; i++)
		attach_sint(&vm.cpus[i]);
}

/**
 * vm_memory - where guest memory is
 * @gpa: guest physical address, as a guest names it
 * @len: bytes
 *
 * Return: the address of the first byte, or NULL if not all of it is guest memory.
 */
void *vm_memory(uint64_t gpa, size_t len)
{
	if (gpa > vm.ram_size || len > vm.ram_size - gpa)
		return NULL;
	return vm.ram + gpa;
}

void vm_irq(unsigned int gsi, bool level)
{
	struct kvm_irq_level irq = { .irq = gsi, .level = level };

	if (ioctl(vm.fd, KVM_IRQ_LINE, &irq))
		die_errno("KVM_IRQ_LINE %u", gsi);
}

/*
 * From now on the guest's HvSignalEvent to that connection is a signal on @fd
 * without an exit to us. A KVM that cannot do that exits: see vmbus_signal_event().
 */
void vm_attach_signal(uint32_t connection_id, int fd)
{
	struct kvm_hyperv_eventfd attach = { .conn_id = connection_id, .fd = fd };

	if (ioctl(vm.fd, KVM_CHECK_EXTENSION, KVM_CAP_HYPERV_EVENTFD) <= 0)
		return;
	if (ioctl(vm.fd, KVM_HYPERV_EVENTFD, &attach))
		die_errno("KVM_HYPERV_EVENTFD for connection %#x", connection_id);
}
