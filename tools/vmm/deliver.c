// SPDX-License-Identifier: GPL-2.0-only
/* Messages to the guest. All of it is the delivery thread's. */
#include <errno.h>
#include <unistd.h>

#include "vmm.h"

/* Where the guest wants its messages */
static struct vcpu *message_cpu = &vm.cpus[0];

void deliver_to(struct vcpu *cpu)
{
	message_cpu = cpu;
}

/* Put a message into the guest's slot, as soon as the guest has emptied it */
void deliver(const void *msg, size_t len)
{
	enum synic_result result;
	uint64_t count;

	trace_message("host  >", msg, len, NULL);
	while ((result = synic_post(message_cpu, msg, len)) == SYNIC_FULL)
		if (read(message_cpu->eom_fd, &count, sizeof(count)) < 0 &&
		    errno != EINTR)
			die_errno("eventfd");
	if (result == SYNIC_OFF)
		trace_message("host  >", msg, len, "lost: the guest has no message page");
}
