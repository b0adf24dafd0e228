/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A small model checker: a case is run again and again, each time with other choices, until
 * there are none left. Nothing is saved: the choices of a run are a tape, and the next run
 * is the one with the tape's last choice that can be another.
 *
 * Actors take turns, a step at a time. Going on costs nothing; that another one takes over while
 * one could go on takes one of a few preemptions. When nobody can take a step, the case says
 * whether that is as it should be.
 */
#ifndef _HOST_MODEL_H
#define _HOST_MODEL_H

#include <linux/types.h>

struct model_actor {
	const char *name;
	bool (*can)(void *arg);
	void (*step)(void *arg);
	void *arg;
	bool late;	/* takes a step only if nobody else can */
};

#define MODEL_MAX_ACTORS	8

struct model_case {
	const char *name;
	unsigned int preemptions;
	void (*begin)(const struct model_case *c);
	/* NULL, or what is wrong when nobody can take a step */
	const char *(*end)(void);
	/* The state, on a line, for the report of a fault */
	void (*show)(void);
	const void *arg;
};

/* One of 0 to @n - 1 */
unsigned int model_choose(unsigned int n);
void model_add(struct model_actor actor);
/* The actor that runs where the host's code reads or writes memory of the guest, or NULL */
void model_set_guest(const struct model_actor *guest);
/* Called there */
void model_point(void);
/* This run has shown a fault */
void model_fail(const char *what);

/* Runs all of it; "ok N - name" or "not ok" on stdout. Returns whether all are right. */
bool model_run(const struct model_case *cases, unsigned int n);

/* The two halves: ring_in_model.c, ring_out_model.c */
bool ring_in_model(void);
bool ring_out_model(void);

#endif /* _HOST_MODEL_H */
