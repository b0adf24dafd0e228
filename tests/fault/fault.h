/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Have allocations and copies from and to user space fail, by the fault injection of the
 * kernel (Documentation/fault-injection/).
 *
 * Two ways. Either the nth allocation or copy of a call fails, which is exact: nothing is
 * left when n is never reached. Or every allocation that is made below one function fails,
 * which gets behind what the kernel tries a second time.
 */
#ifndef _FAULT_H
#define _FAULT_H

#include <stdbool.h>
#include <stddef.h>

/* Addresses of code. An allocation is below them if one of its callers is in there. */
struct fault_code {
	unsigned long begin;
	unsigned long end;
};

#define FAULT_ANYWHERE	((struct fault_code){ 0, ~0ul })

/* Whose allocations fail */
enum fault_task {
	FAULT_THIS,	/* this thread's */
	FAULT_WORKERS,	/* those of channels' threads, and of the kernel's unbound workers */
};

enum fault_result {
	FAULT_NONE,	/* all there was has succeeded */
	FAULT_INJECTED,
	FAULT_NOT_ARMED,	/* a worker that has just been made has done it */
};

/* 0, or a negative errno if this kernel cannot do it */
int fault_init(void);

/* Between begin and end the @nth one that is below @where fails. */
void fault_begin_nth(enum fault_task task, unsigned int nth, struct fault_code where);
enum fault_result fault_end_nth(void);

/* Between begin and end all allocations below @where fail. */
void fault_begin_all(enum fault_task task, struct fault_code where);
enum fault_result fault_end_all(void);

/* A function: of @module, or of the kernel if that is NULL */
struct code_symbol {
	char name[96];
	struct fault_code code;
};

/* The functions of a module by address; returns how many, @most at most */
size_t code_symbols(const char *module, struct code_symbol *symbols, size_t most);
/* A function of the kernel's; { 0, 0 } if there is none */
struct fault_code code_of_kernel(const char *function);
/* All code of modules from that of the one to that of the other */
struct fault_code code_of_modules(const char *first, const char *other);

#endif /* _FAULT_H */
