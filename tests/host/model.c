// SPDX-License-Identifier: GPL-2.0
#include <stdlib.h>

#include "model.h"

#define MAX_CHOICES	4096
#define MAX_STEPS	100000

static struct {
	unsigned char choice[MAX_CHOICES];
	unsigned char of[MAX_CHOICES];
	unsigned int len, at;
	struct model_actor actors[MODEL_MAX_ACTORS];
	unsigned int nr_actors;
	const struct model_actor *guest;
	bool in_guest;
	unsigned int preemptions;
	const char *fault;
	const struct model_case *shown;	/* tell what happens */
} m;

/* ---- The tape ---- */

unsigned int model_choose(unsigned int n)
{
	if (n < 2)
		return 0;
	if (m.at == MAX_CHOICES)
		abort();
	if (m.at == m.len) {
		m.choice[m.len] = 0;
		m.of[m.len++] = n;
	}
	return m.choice[m.at++];
}

/* Go to the next tape; false: there is none. */
static bool tape_next(void)
{
	while (m.len && m.choice[m.len - 1] + 1 == m.of[m.len - 1])
		m.len--;
	if (!m.len)
		return false;
	m.choice[m.len - 1]++;
	return true;
}

/* ---- The actors ---- */

void model_add(struct model_actor actor)
{
	if (m.nr_actors == MODEL_MAX_ACTORS)
		abort();
	m.actors[m.nr_actors++] = actor;
}

void model_set_guest(const struct model_actor *guest)
{
	m.guest = guest;
}

void model_fail(const char *what)
{
	if (!m.fault)
		m.fault = what;
}

static void take_step(const struct model_actor *a)
{
	a->step(a->arg);
	if (!m.shown)
		return;
	printf("#   %s%s: ", a == m.guest ? "meanwhile " : "", a->name);
	m.shown->show();
}

void model_point(void)
{
	if (!m.guest || m.in_guest || !m.preemptions || !m.guest->can(m.guest->arg) ||
	    !model_choose(2))
		return;
	m.preemptions--;
	m.in_guest = true;
	do
		take_step(m.guest);
	while (m.guest->can(m.guest->arg) && model_choose(2));
	m.in_guest = false;
}

/* The actors that can take a step, the one that took the last one first */
static unsigned int runnable(unsigned int last, unsigned int *who)
{
	unsigned int i, n = 0;
	bool late;

	for (late = false; !n; late = true) {
		for (i = 0; i < m.nr_actors; i++) {
			const struct model_actor *a = &m.actors[(last + i) % m.nr_actors];

			if (a->late == late && a->can(a->arg))
				who[n++] = (last + i) % m.nr_actors;
		}
		if (late)
			break;
	}
	return n;
}

static void run_actors(void)
{
	unsigned int who[MODEL_MAX_ACTORS], last = 0, steps, n, pick;

	for (steps = 0; !m.fault; steps++) {
		n = runnable(last, who);
		if (!n)
			return;
		if (steps == MAX_STEPS) {
			model_fail("it goes on for ever");
			return;
		}
		if (who[0] == last && !m.preemptions)
			n = 1;
		pick = model_choose(n);
		if (who[0] == last && pick)
			m.preemptions--;
		last = who[pick];
		m.in_guest = m.guest && m.actors[last].step == m.guest->step;
		take_step(&m.actors[last]);
		m.in_guest = false;
	}
}

static void run_once(const struct model_case *c)
{
	m.at = 0;
	m.nr_actors = 0;
	m.guest = NULL;
	m.preemptions = c->preemptions;
	c->begin(c);
	run_actors();
	if (!m.fault)
		m.fault = c->end();
}

/* ---- Cases ---- */

/* The same again */
static void show_run(const struct model_case *c)
{
	printf("# %s:\n", c->name);
	m.shown = c;
	m.fault = NULL;
	run_once(c);
	m.shown = NULL;
}

static bool run_case(const struct model_case *c, unsigned int nr)
{
	unsigned long runs = 0, faults = 0;
	const char *first = NULL;

	m.len = 0;
	do {
		m.fault = NULL;
		run_once(c);
		runs++;
		if (m.fault && !faults++) {
			first = m.fault;
			show_run(c);
		}
	} while (tape_next());
	printf("%s %u - %s: %lu interleavings\n", faults ? "not ok" : "ok", nr, c->name, runs);
	if (faults)
		printf("# %lu of them: %s\n", faults, first);
	return !faults;
}

bool model_run(const struct model_case *cases, unsigned int n)
{
	static unsigned int nr;
	bool good = true;
	unsigned int i;

	for (i = 0; i < n; i++)
		good &= run_case(&cases[i], ++nr);
	return good;
}

int main(void)
{
	bool good;

	setvbuf(stdout, NULL, _IOLBF, 0);
	good = ring_out_model();

	good &= ring_in_model();
	return !good;
}
