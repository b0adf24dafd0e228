/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the files of the device's fuzzer share: what one life knows, and its operations.
 */
#ifndef _FUZZ_DEVICE_H
#define _FUZZ_DEVICE_H

#include "fuzz_vm.h"

#define VMS		2u
#define THREADS		4u
#define QUEUE		16u
#define SEND_MAX	20000u
#define COPY_MAX	16384u

/**
 * struct channel - a channel as the sequence goes
 * @backend: file of the tests' backend; -1 if none
 * @opened: the sequence has opened it, and not closed it again
 * @gone: it has to be made anew first
 * @hold: the backend may hold on to what it has mapped, if it is there
 * @holds: it does
 */
struct channel {
	int backend;
	bool opened;
	bool gone;
	bool hold;
	bool holds;
};

/* An operation in a thread of its own, since it may wait */
struct thread {
	struct task task;
	unsigned int op;
	struct fuzz_vm *vm;
	__u32 relid;
};

/* How it ends */
enum ending {
	LEAVES,
	DIES,		/* after the last operation */
	IS_KILLED,	/* some time after the operation @mark */
};

struct life {
	struct dice dice;
	struct fuzz_vm vms[VMS];
	struct channel channels[VMS][CHANNELS];
	int kick[VMS];
	int call[VMS];
	/* What the next operation is about */
	unsigned int v, c, h;
	unsigned char queue[QUEUE];
	unsigned int first, last;
	struct thread threads[THREADS];
	unsigned int nr_threads;
	int uffd;
	struct task pager;
	atomic_bool stop;
	enum ending ending;
	unsigned int mark;
	unsigned int delay;
};

enum op {
	/* The VMM */
	CREATE, REGIONS, CHANNEL, MODIFY, RESCIND, DESTROY, RESET, BAD_IOCTL, REOPEN,
	/* The guest */
	MAKE, TEARDOWN, MAKE_RING, TEARDOWN_RING, OPEN, CLOSE, RELEASE, JUNK_HEADER,
	JUNK_BODY, GARBAGE, BURST, BAD_WRITE, KICK, POKE,
	/* What comes back */
	READ, ODD_READ, BAD_READ, WAITING_READ, DRAIN, AWAIT, POLL,
	/* The backend */
	BIND, UNBIND, POLICY, HOLD, MAP, KTHREAD_MAP, ASYNC_MAP, WAIT, UNMAP, VMAP, VUNMAP,
	COPY_OUT, COPY_IN, VCOPY_OUT, VCOPY_IN, DMA_DIR, SG, SEND, RECV, STATE,
	/* Others */
	EVICT, FORK, JOIN, LOOK,
	NR_OPS,
};

static inline struct fuzz_vm *the_vm(struct life *l)
{
	return &l->vms[l->v];
}

static inline struct channel *the_channel(struct life *l)
{
	return &l->channels[l->v][l->c];
}

static inline __u32 the_handle(struct life *l)
{
	return vm_handles[l->h];
}

static inline unsigned int the_instance(struct life *l)
{
	return l->v * CHANNELS + l->c;
}

/* fuzz_device_vmm.c */
int run_regions(struct life *l);
int run_create(struct life *l);
int run_channel(struct life *l);
int run_modify(struct life *l);
void fuzz_unhold(struct life *l, unsigned int v, unsigned int c);
int run_join(struct life *l);
int run_rescind(struct life *l);
int run_destroy(struct life *l);
int run_reset(struct life *l);
int run_waiting_read(struct life *l);
int run_bad_ioctl(struct life *l);
void fuzz_device_begin(struct life *l, unsigned int v);
int run_reopen(struct life *l);
int run_evict(struct life *l);
int run_fork(struct life *l);

/* fuzz_device_guest.c */
int run_make(struct life *l);
int run_make_ring(struct life *l);
int run_teardown(struct life *l);
int run_teardown_ring(struct life *l);
int run_open(struct life *l);
int run_close(struct life *l);
int run_release(struct life *l);
int run_junk_header(struct life *l);
int run_junk_body(struct life *l);
int run_garbage(struct life *l);
int run_burst(struct life *l);
int run_bad_write(struct life *l);
int run_kick(struct life *l);
int run_poke(struct life *l);
int run_read(struct life *l);
int run_odd_read(struct life *l);
int run_bad_read(struct life *l);
int run_drain(struct life *l);
int run_await(struct life *l);
int run_poll(struct life *l);

/* fuzz_device_backend.c */
void fuzz_unbind(struct life *l);
int run_bind(struct life *l);
int run_unbind(struct life *l);
int run_policy(struct life *l);
int run_hold(struct life *l);
int run_map(struct life *l);
int run_kthread_map(struct life *l);
int run_async_map(struct life *l);
int run_wait(struct life *l);
int run_unmap(struct life *l);
int run_vmap(struct life *l);
int run_vunmap(struct life *l);
int run_copy_out(struct life *l);
int run_vcopy_out(struct life *l);
int run_copy_in(struct life *l);
int run_vcopy_in(struct life *l);
int run_dma_dir(struct life *l);
int run_sg(struct life *l);
int run_send(struct life *l);
int run_recv(struct life *l);
int run_state(struct life *l);

/* fuzz_device_look.c */
#define NR_STATES	38u
const char *fuzz_device_state_name(unsigned int state);
int run_look(struct life *l);

/* fuzz_device_plan.c */
extern const struct fuzz_op fuzz_device_ops[NR_OPS];
enum op fuzz_device_next(struct life *l);

#endif /* _FUZZ_DEVICE_H */
