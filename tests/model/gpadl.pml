/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Model of the life of a GPADL, for Spin: what vmbus_gpadl_map.c and gpadl_partition.c do
 * under their locks, step by step. scripts/model.sh makes states.pml of enum gpadl_state,
 * so that a state that is renamed, added or dropped there stops this from compiling.
 *
 * One channel, two GPADLs, a backend thread for each, two threads that pass messages of
 * the guest on (the guest may send what it likes, in any order), one that reads the
 * replies, the channel's ordered work, and a VMM that rescinds, resets, or closes the file
 * or dies at any point.
 *
 * A lock's critical section is one atomic step: that is what a lock is for. What is done
 * outside (pinning, unpinning, waiting) is a step of its own.
 *
 * Checked, in every interleaving:
 *  - CREATED exactly once for each HEADER that made a GPADL, never after its TORNDOWN;
 *  - TORNDOWN at most once, never before the last page is unpinned, and exactly once if
 *    the guest waits for it and the channel is not released;
 *  - no page is pinned when a rescind or a reset has returned, nor at the end;
 *  - the last close does not wait;
 *  - a full reply queue changes nothing and loses nothing;
 *  - no deadlock: every end is one where all threads are through.
 */
#include "states.pml"

#define NR	2	/* GPADLs, and their backends */
#define SLOTS	1	/* replies without an object that may wait */
#ifndef TRIES
#define TRIES	1	/* maps that each backend tries */
#endif
#ifndef MESSAGES
#define MESSAGES 2	/* messages that each writer passes on */
#endif

/* ---- struct gpadl ---- */
byte state[NR] = GPADL_DEAD;
bool leaving[NR], owe_torndown[NR], revoked[NR], mark[NR];
bool pinned[NR];

/* ---- channel and partition ---- */
bool closing, released, dead;
byte nr_busy, nr_revoked;
bool rx_mutex;
byte free_slots = SLOTS;

/* ---- the reply queue, by what waits in it ---- */
bool q_created[NR], q_torndown[NR];
byte q_slots;

/* ---- what the guest knows: for the checks only ---- */
bool wait_created[NR];		/* a HEADER made a GPADL, no CREATED queued yet */
bool wait_torndown[NR];		/* a TEARDOWN was accepted, no TORNDOWN queued yet */
bool torndown_done[NR];		/* TORNDOWN of this GPADL was queued */
bool rescind_done;		/* RESCIND_CHANNELOFFER may be posted */

/* ---- threads ---- */
byte backends = NR, writers = 2;
bool vmm_done;

#define busy(g)	(state[g] == GPADL_MAPPING || state[g] == GPADL_MAPPED || \
		 state[g] == GPADL_UNMAPPING)

/* gpadl_reply_created() */
inline reply_created(g)
{
	assert(wait_created[g]);
	assert(!torndown_done[g]);
	wait_created[g] = false;
	q_created[g] = true;
}

/* gpadl_die() */
inline die(g)
{
	assert(state[g] != GPADL_DEAD);
	assert(!pinned[g]);
	state[g] = GPADL_DEAD;
	mark[g] = false;
	if
	:: owe_torndown[g] ->
		assert(wait_torndown[g] && !torndown_done[g]);
		wait_torndown[g] = false;
		torndown_done[g] = true;
		q_torndown[g] = true
	:: else
	fi
}

/* gpadl_settle(): the end of a busy state, under the lock */
inline settle(g)
{
	state[g] = GPADL_READY;
	if
	:: leaving[g] -> die(g)
	:: else
	fi;
	if
	:: revoked[g] -> revoked[g] = false; nr_revoked--
	:: else
	fi;
	nr_busy--
}

/* gpadl_want_back() */
inline want_back(g)
{
	if
	:: !revoked[g] ->
		revoked[g] = true;
		nr_revoked++;
		if
		:: state[g] == GPADL_MAPPED -> mark[g] = true
		:: else
		fi
	:: else
	fi
}

/* gpadl_leave() */
inline leave(g, owe)
{
	leaving[g] = true;
	owe_torndown[g] = owe;
	if
	:: busy(g) -> want_back(g)
	:: else -> die(g)
	fi
}

/* gpadl_drop(): without a word to the guest */
inline drop(g)
{
	if
	:: state[g] != GPADL_DEAD ->
		wait_created[g] = false;
		wait_torndown[g] = false;
		leave(g, false)
	:: else
	fi
}

/* channel_drop_gpadls(), under rx_mutex: one GPADL's lock at a time, then the replies */
inline drop_all()
{
	atomic { drop(0) };
	atomic { drop(1) };
	d_step {
		q_created[0] = false; q_created[1] = false;
		q_torndown[0] = false; q_torndown[1] = false;
		free_slots = free_slots + q_slots;
		q_slots = 0
	}
}

inline rx_lock()
{
	atomic { !rx_mutex -> rx_mutex = true }
}

/* ---- vmbus_gpadl_map() and vmbus_gpadl_unmap() ---- */

inline unmap(g)
{
	atomic {
		assert(state[g] == GPADL_MAPPED);
		state[g] = GPADL_UNMAPPING
	};
	pinned[g] = false;
	atomic { settle(g) }
}

/* Who may unmap: the backend's thread and its revoke() agree; here, by a token. */
bool has[NR];

proctype backend(byte g)
{
	byte tries = TRIES;
	bool failed, undo;

	do
	:: tries > 0 ->
		tries--;
		atomic {
			if
			:: state[g] == GPADL_READY && !leaving[g] && !closing ->
				state[g] = GPADL_MAPPING;
				nr_busy++;
				failed = false
			:: else -> failed = true
			fi
		};
		if
		:: failed -> skip
		:: else ->
			/* Pinning: it works, or it does not. */
			if
			:: pinned[g] = true
			:: failed = true
			fi;
			atomic {
				if
				:: failed -> settle(g)
				:: !failed && (leaving[g] || closing) ->
					state[g] = GPADL_UNMAPPING;
					undo = true
				:: else ->
					state[g] = GPADL_MAPPED;
					has[g] = true
				fi
			};
			if
			:: undo ->
				undo = false;
				pinned[g] = false;
				atomic { settle(g) }
			:: else ->
				/* Work on it; a revoke() may take it meanwhile. */
				skip;
				atomic {
					if
					:: has[g] -> has[g] = false; failed = false
					:: else -> failed = true
					fi
				};
				if
				:: !failed -> unmap(g)
				:: else
				fi
			fi
		fi
	:: break
	od;
	atomic { backends-- }
}

/* gpadl_tell_revoked(): the backend's revoke() unmaps */
proctype ordered_work()
{
	byte g;
	bool mapped;

	do
	:: mark[0] || mark[1] ->
		atomic {
			if
			:: mark[0] -> g = 0
			:: mark[1] -> g = 1
			:: else -> g = NR
			fi;
			mapped = false;
			if
			:: g < NR ->
				mark[g] = false;
				mapped = (state[g] == GPADL_MAPPED && revoked[g] && has[g]);
				if
				:: mapped -> has[g] = false
				:: else
				fi
			:: else
			fi
		};
		if
		:: mapped -> unmap(g)
		:: else
		fi
	:: backends == 0 && writers == 0 && vmm_done && !mark[0] && !mark[1] -> break
	od
}

/* ---- vmbus_partition_receive() ---- */

/* A reply that belongs to no object; the slot was reserved before. */
inline slot_reply()
{
	assert(slot);
	slot = false;
	q_slots++
}

inline rx_header(g)
{
	atomic {
		if
		:: state[g] != GPADL_DEAD -> slot_reply()	/* collision */
		:: q_created[g] || q_torndown[g] -> skip	/* the guest waits for those */
		:: else ->
			state[g] = GPADL_ASSEMBLING;
			leaving[g] = false;
			owe_torndown[g] = false;
			torndown_done[g] = false;
			wait_created[g] = true
		fi
	}
}

inline rx_body(g)
{
	atomic {
		if
		:: state[g] == GPADL_ASSEMBLING ->
			if
			:: state[g] = GPADL_READY; reply_created(g)
			:: reply_created(g); die(g)	/* refused */
			fi
		:: else
		fi
	}
}

inline rx_teardown(g)
{
	atomic {
		if
		:: state[g] == GPADL_DEAD -> slot_reply()	/* unknown: TORNDOWN */
		:: else ->
			if
			:: state[g] == GPADL_ASSEMBLING -> reply_created(g)
			:: else
			fi;
			wait_torndown[g] = true;
			leave(g, true)
		fi
	}
}

proctype writer()
{
	byte n = MESSAGES, g;
	bool slot;

	do
	:: n > 0 && !dead ->
		n--;
		if
		:: g = 0
		:: g = 1
		fi;
		rx_lock();
		atomic {
			slot = (free_slots > 0);
			if
			:: slot -> free_slots--
			:: else
			fi
		};
		if
		:: !slot || released || dead -> skip	/* -EAGAIN, -ENXIO: nothing changed */
		:: else ->
			if
			:: true -> rx_header(g)
			:: true -> rx_body(g)
			:: true -> rx_teardown(g)
			fi
		fi;
		atomic {
			if
			:: slot -> free_slots++; slot = false
			:: else
			fi;
			rx_mutex = false
		}
	:: break
	od;
	atomic { writers-- }
}

/* vmbus_partition_next_reply() */
proctype reader()
{
end:	do
	:: atomic { q_created[0] -> q_created[0] = false }
	:: atomic { q_created[1] -> q_created[1] = false }
	/* A GPADL's CREATED stands before its TORNDOWN in the queue. */
	:: atomic { q_torndown[0] && !q_created[0] -> q_torndown[0] = false }
	:: atomic { q_torndown[1] && !q_created[1] -> q_torndown[1] = false }
	:: atomic { q_slots > 0 -> q_slots--; free_slots++ }
	od
}

/* ---- The VMM ---- */

inline rescind()
{
	rx_lock();
	closing = true;
	atomic { if :: busy(0) -> want_back(0) :: else fi };
	atomic { if :: busy(1) -> want_back(1) :: else fi };
	rx_mutex = false;
	/* Killable: it may go away unsatisfied. */
	if
	:: nr_busy == 0 ->
		assert(!pinned[0] && !pinned[1]);
		rescind_done = true
	:: true
	fi
}

inline reset()
{
	rx_lock();
	drop_all();
	rx_mutex = false;
	if
	:: nr_revoked == 0
	:: true
	fi
}

proctype vmm()
{
	if
	:: true -> rescind()
	:: true -> reset()
	:: true -> rescind(); reset()
	:: true
	fi;
	if
	:: closing ->
		/* RELID_RELEASED */
		rx_lock();
		drop_all();
		released = true;
		rx_mutex = false
	:: true
	fi;
	/* Last close: no message comes any more, and this does not wait for anything. */
	if
	:: atomic { writers == 0 -> dead = true };
		assert(!rx_mutex);
		rx_mutex = true;
		drop_all();
		rx_mutex = false
	fi;
	vmm_done = true
}

/* Nothing gets pinned once RESCIND_CHANNELOFFER may have been posted. */
active proctype watch()
{
end:	do
	:: atomic { rescind_done && (state[0] == GPADL_MAPPED || state[1] == GPADL_MAPPED) ->
		assert(false) }
	:: atomic { backends == 0 && writers == 0 && vmm_done && nr_busy == 0 &&
		    !mark[0] && !mark[1] ->
		assert(!pinned[0] && !pinned[1]);
		assert(nr_revoked == 0);
		assert(state[0] == GPADL_DEAD && state[1] == GPADL_DEAD);
		assert(!wait_torndown[0] && !wait_torndown[1]);
		break }
	od
}

init {
	atomic {
		run backend(0);
		run backend(1);
		run ordered_work();
		run writer();
		run writer();
		run reader();
		run vmm()
	}
}
