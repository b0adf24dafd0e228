// SPDX-License-Identifier: GPL-2.0-only
/*
 * Hyper-V's synthetic interrupt controller. KVM has the registers and the
 * interrupts (SINTs); the two pages that the guest names are for the VMM to write:
 *
 * - SIMP, a page of 16 message slots, one per SINT. The host writes a message
 *   and, last, its type; the guest takes it and sets the type to 0. A host that
 *   finds the slot full says so in the message's flags, and the guest then writes
 *   EOM when it has taken the message.
 * - SIEFP, a page of 16 * 2048 event flags. The host sets a channel's flag and
 *   raises the SINT if the flag was clear. The kernel does this for its channels.
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <linux/kvm.h>

#include "vmm.h"

#define PAGE_ENABLED	1ull
#define PAGE_ADDRESS	(~0xfffull)
#define MESSAGE_NONE	0u
#define MESSAGE_VMBUS	1u
#define MESSAGE_PENDING	1u

struct message {
	uint32_t type;
	uint8_t size;
	uint8_t flags;
	uint16_t reserved;
	uint64_t sender;
	uint8_t payload[SYNIC_MESSAGE_MAX];
};

static_assert(sizeof(struct message) == 256, "16 slots are a page");

/* Order: synic_lock is a leaf */
static pthread_mutex_t synic_lock = PTHREAD_MUTEX_INITIALIZER;

static void *synic_page(const struct vcpu *cpu, uint64_t msr)
{
	if (!(cpu->scontrol & PAGE_ENABLED) || !(msr & PAGE_ENABLED))
		return NULL;
	return vm_memory(msr & PAGE_ADDRESS, PAGE);
}

/*
 * The guest wrote SCONTROL, SIMP or SIEFP; it waits until we have noticed. The channels whose
 * flags are there are the caller's to tell.
 */
void synic_exit(struct vcpu *cpu)
{
	const struct kvm_hyperv_exit *exit = &cpu->run->hyperv;
	const uint64_t one = 1;

	pthread_mutex_lock(&synic_lock);
	cpu->scontrol = exit->u.synic.control;
	cpu->simp = exit->u.synic.msg_page;
	cpu->siefp = exit->u.synic.evt_page;
	pthread_mutex_unlock(&synic_lock);

	/* A wait for the old message slot would be in vain: look again */
	if (write(cpu->eom_fd, &one, sizeof(one)) < 0)
		die_errno("eventfd");
}

static void raise_sint(struct vcpu *cpu)
{
	const uint64_t one = 1;

	if (write(cpu->sint_fd, &one, sizeof(one)) < 0)
		die_errno("eventfd");
}

/* Is there room? If not, the guest will write EOM when there is. */
static bool slot_free(struct message *slot)
{
	if (__atomic_load_n(&slot->type, __ATOMIC_ACQUIRE) == MESSAGE_NONE)
		return true;
	__atomic_fetch_or(&slot->flags, MESSAGE_PENDING, __ATOMIC_SEQ_CST);
	/* It may have been taken before the guest could see that flag */
	return __atomic_load_n(&slot->type, __ATOMIC_SEQ_CST) == MESSAGE_NONE;
}

/**
 * synic_post - put a message into a processor's slot
 * @cpu: the processor
 * @payload: what the message says
 * @len: bytes, SYNIC_MESSAGE_MAX at most
 *
 * Return: SYNIC_DELIVERED; SYNIC_FULL, then read cpu->eom_fd and try again;
 * SYNIC_OFF if the guest has no message page.
 */
enum synic_result synic_post(struct vcpu *cpu, const void *payload, size_t len)
{
	enum synic_result result = SYNIC_OFF;
	struct message *slot;

	pthread_mutex_lock(&synic_lock);
	slot = synic_page(cpu, cpu->simp);
	if (slot) {
		slot += VMBUS_SINT;
		result = slot_free(slot) ? SYNIC_DELIVERED : SYNIC_FULL;
	}
	if (result == SYNIC_DELIVERED) {
		memcpy(slot->payload, payload, len);
		slot->sender = 0;
		slot->size = len;
		slot->flags = 0;
		/* This is what makes it a message */
		__atomic_store_n(&slot->type, MESSAGE_VMBUS, __ATOMIC_RELEASE);
	}
	pthread_mutex_unlock(&synic_lock);

	if (result == SYNIC_DELIVERED)
		raise_sint(cpu);
	return result;
}

/* Return: the VMBus SINT's 2048 event flags, or NULL if the guest has no such page */
uint64_t *synic_event_flags(struct vcpu *cpu)
{
	uint8_t *page;

	pthread_mutex_lock(&synic_lock);
	page = synic_page(cpu, cpu->siefp);
	pthread_mutex_unlock(&synic_lock);
	return page ? (uint64_t *)(page + VMBUS_SINT * 256) : NULL;
}
