/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the fuzzers of the device and of the rings share.
 *
 * A life is what one process does, from its first operation to its end, by the numbers
 * that follow from a seed: the same seed, the same sequence. What an operation returns,
 * and when, has no say in what comes next. After each life the machine must be as it was
 * before.
 */
#ifndef _FUZZ_H
#define _FUZZ_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdnoreturn.h>
#include <linux/types.h>

#ifndef ARRAY_SIZE
#define ARRAY_SIZE(a)	(sizeof(a) / sizeof((a)[0]))
#endif

/* ---- Numbers from a seed ---- */

struct dice {
	__u64 state;
};

__u64 roll64(struct dice *d);

/* 0 to @sides - 1 */
static inline unsigned int roll(struct dice *d, unsigned int sides)
{
	return (roll64(d) >> 32) * sides >> 32;
}

static inline bool one_in(struct dice *d, unsigned int n)
{
	return !roll(d, n);
}

/* ---- Operations ---- */

struct life;	/* each fuzzer has its own */

#define FUZZ_MAX_ERRNOS	14

/**
 * struct fuzz_op - one kind of operation
 * @name: as it is printed
 * @weight: how often it comes, beside the others
 * @run: does it; returns 0 or more, or a negative errno
 * @errnos: those that are documented, to the first 0
 */
struct fuzz_op {
	const char *name;
	unsigned int weight;
	int (*run)(struct life *l);
	int errnos[FUZZ_MAX_ERRNOS];
};

/* One of @ops, by weight */
unsigned int fuzz_choose(struct dice *d, const struct fuzz_op *ops, unsigned int nr);

/* What an operation returns that counts itself */
#define FUZZ_LATER	(-9999)

/* Count what an operation has returned; it fails if that is not documented. */
void fuzz_count(unsigned int op, int ret);

/* One of @ops, by weight: choose it, do it, tell it, count it. Returns which one. */
unsigned int fuzz_do(struct dice *d, const struct fuzz_op *ops, unsigned int nr, struct life *l);

/* With FUZZ_TRACE in the environment: say what is done */
void fuzz_trace(const char *format, ...);

/* ---- What all processes of all lives share ---- */

#define FUZZ_MAX_OPS	64
#define FUZZ_MAX_STATES	64
#define FUZZ_ERRNOS	134

/**
 * struct fuzz_shared - in memory that processes share
 * @ops: what the fuzzer does
 * @results: how often an operation returned an errno, or 0
 * @states: how often a state of the kernel's was seen
 * @operations: how many there were in all
 * @step: number of the operation that this life is at
 * @mortal: this life may end by SIGKILL
 * @end: sum of this life's sequence; 0 if it did not come to its end
 * @failed: something is wrong with this life
 * @why: what
 */
struct fuzz_shared {
	const struct fuzz_op *ops;
	atomic_uint results[FUZZ_MAX_OPS][FUZZ_ERRNOS];
	atomic_uint states[FUZZ_MAX_STATES];
	atomic_ulong operations;
	atomic_uint step;
	atomic_bool mortal;
	__u64 end;
	atomic_bool failed;
	char why[256];
};

extern struct fuzz_shared *fuzz;

/* Ends the process; the first one to say so is heard. */
noreturn void fuzz_fail(const char *format, ...);

/* Memory that is shared with forked processes */
void *fuzz_share(unsigned long bytes);

/* ---- Running ---- */

struct fuzz_seed {
	__u64 seed;
	unsigned int length;
};

/**
 * struct fuzz_kind - a fuzzer
 * @name: as it is printed
 * @ops: what it does
 * @nr_ops: how many these are
 * @nr_states: how many states it knows
 * @state_name: of one of them
 * @before: prepares the machine for a life; or NULL
 * @life: lives, in a process of its own, and returns or is killed
 * @seeds: those to be replayed each time
 * @nr_seeds: how many these are
 * @length: operations of another life
 */
struct fuzz_kind {
	const char *name;
	const struct fuzz_op *ops;
	unsigned int nr_ops;
	unsigned int nr_states;
	const char *(*state_name)(unsigned int state);
	void (*before)(void);
	void (*life)(__u64 seed, unsigned int length);
	const struct fuzz_seed *seeds;
	unsigned int nr_seeds;
	unsigned int length;
};

/*
 * The seeds of @kind, then others for FUZZ_SECONDS from FUZZ_BASE on; or only FUZZ_SEED,
 * with FUZZ_OPS operations, FUZZ_TIMES times at most. All of these are of the
 * environment. Returns how many lives have failed.
 */
unsigned int fuzz_run(const struct fuzz_kind *kind);

#endif /* _FUZZ_H */
