/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A small VMM on /dev/kvm whose guests have VMBus devices in the host's kernel.
 *
 * It is an example to copy from: host.c is all that a VMM needs to add to use
 * /dev/vmbus-host; vmbus.c and synic.c are what it needs to have already.
 *
 *	main.c		options, and the order in which things are set up
 *	vm.c		guest memory, interrupt controllers, interrupt routing
 *	boot.c		the Linux boot protocol: bzImage, initramfs, memory map
 *	acpi.c		tables; the one that names the VMBus device is the DSDT
 *	cpu.c		virtual processors: CPUID, start state, exits
 *	devices.c	serial port, clock, power button: what Linux cannot do without
 *	synic.c		Hyper-V's interrupt controller: message slots, event flags
 *	deliver.c	messages to the guest
 *	vmbus.c		VMBus: versions, offers, and which messages go to the kernel
 *	kinds.c		the kinds of devices that can be offered
 *	offers.c	the life of a channel, from its offer to its end
 *	channels.c	the channels that there are, and their signals
 *	host.c		/dev/vmbus-host
 *	control.c	what an operator asks for while the guest runs
 *	trace.c		VMBus messages in words
 *	report.c	warnings and last words
 *
 * Threads: one per virtual processor, which does all that the guest asks for
 * and that needs no waiting; one (vmbus.c), a loop that delivers messages to the guest,
 * which means waiting for the guest to take them; one for the console's input. None
 * ever waits for a backend to let go of what it has. The loop makes channels, too, for which
 * a backend may need its time: no processor waits for that.
 *
 * One process is one guest, so what belongs to the guest is global. Whatever
 * cannot be set up ends the process with the reason (die()). A guest ends it by powering
 * off, or by a reset: it asks for one, has a triple fault, or does what KVM can neither run
 * nor emulate. Nothing else that a guest does ends it.
 */
#ifndef VMM_H
#define VMM_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../compiler.h"

#define MAX_CPUS	16
#define PAGE		4096u
#define MIB		1048576ull

/* Below the hole for devices, so that one memory slot is enough */
#define MAX_MEMORY	(3072 * MIB)

enum { VMM_POWERED_OFF = 0, VMM_FAILED = 1, VMM_RESET = 2 };

#define MAX_DEVICES	32

struct options {
	const char *kernel;
	const char *initrd;
	const char *append;
	const char *memory_kind;
	const char *trace;
	const char *device;
	const char *control;
	const char *offers[MAX_DEVICES];	/* --offer, --disk; in this order */
	bool is_disk[MAX_DEVICES];
	unsigned int nr_offers;
	uint64_t memory;
	unsigned int cpus;
	uint32_t vmbus_version;
};

/**
 * struct vcpu - a virtual processor
 * @id: number, APIC id and Hyper-V VP index in one
 * @fd: of KVM
 * @run: what KVM and we share
 * @thread: that runs it
 * @sint_fd: eventfd; a write raises the processor's SINT 2
 * @eom_fd: eventfd; signalled when the guest may have emptied its message slot
 * @simp: message page as the guest set it, &synic_lock
 * @siefp: event flags page as the guest set it, &synic_lock
 * @scontrol: whether the guest switched its SynIC on, &synic_lock
 */
struct vcpu {
	unsigned int id;
	int fd;
	struct kvm_run *run;
	pthread_t thread;
	int sint_fd;
	int eom_fd;
	uint64_t simp;
	uint64_t siefp;
	uint64_t scontrol;
};

struct vm {
	int kvm;
	int fd;
	uint8_t *ram;			/* guest physical address 0 */
	uint64_t ram_size;
	unsigned int nr_cpus;
	struct vcpu cpus[MAX_CPUS];
};

extern struct vm vm;

/* report.c */
__printf(1, 2) __noreturn void die(const char *fmt, ...);
__printf(1, 2) __noreturn void die_errno(const char *fmt, ...);
__printf(1, 2) void warn(const char *fmt, ...);

/* vm.c */
void vm_create(uint64_t memory, const char *kind, unsigned int nr_cpus);
void vm_connect_cpus(void);
void *vm_memory(uint64_t gpa, size_t len);
void vm_irq(unsigned int gsi, bool level);
int vm_event(void);
void vm_attach_signal(uint32_t connection_id, int fd);

/* boot.c, acpi.c */
void boot_load(const struct options *opt);
uint64_t acpi_write(void);

/* cpu.c */
void cpu_create(unsigned int id);
void cpu_start(unsigned int id);

/* devices.c */
#define IRQ_SERIAL	4
#define IRQ_SCI		9
#define PORT_PM		0x600
void devices_init(void);
void port_out(uint16_t port, unsigned int size, uint32_t value);
uint32_t port_in(uint16_t port, unsigned int size);

/* synic.c */
#define VMBUS_SINT		2
#define SYNIC_MESSAGE_MAX	240

enum synic_result { SYNIC_DELIVERED, SYNIC_FULL, SYNIC_OFF };

void synic_exit(struct vcpu *cpu);
enum synic_result synic_post(struct vcpu *cpu, const void *payload, size_t len);
uint64_t *synic_event_flags(struct vcpu *cpu);

/* deliver.c */
void deliver_to(struct vcpu *cpu);
void deliver(const void *msg, size_t len);

/* vmbus.c, channels.c; what a hypercall returns */
#define HV_STATUS_SUCCESS			0
#define HV_STATUS_INVALID_HYPERCALL_CODE	2
#define HV_STATUS_INVALID_PARAMETER		5
#define HV_STATUS_INVALID_CONNECTION_ID		18
#define HV_STATUS_INSUFFICIENT_BUFFERS		19

void vmbus_init(const struct options *opt);
uint16_t vmbus_post_message(uint64_t gpa);
uint16_t vmbus_signal_event(uint64_t connection_id);
void vmbus_event_flags_moved(struct vcpu *cpu);
void vmbus_guest_crashed(void);

/* trace.c */
void trace_open(const char *path);
void trace_message(const char *direction, const void *msg, size_t len,
		   const char *remark);

#endif /* VMM_H */
