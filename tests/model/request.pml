/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Model of the life of a request, a packet whose pages are mapped, for Spin: what gpadl/gpa.c
 * and gpadl/gpa_pool.c do, step by step. scripts/model.sh makes states.pml of enum gpa_state.
 *
 * One channel with a pool of two requests; a backend's thread that maps packets and waits,
 * after -EAGAIN, for an unmap; its device, which unmaps at any time, and leaves some to the
 * work item; and a VMM that rescinds, resets, or changes the region in which the pages are, and
 * in the end has the pool destroyed.
 *
 * Left out: what comes after the destroy. A pool with nothing but late requests is its
 * channel's no more then, so that another one can be made, and a change of regions does not ask
 * these: what they still pin keeps its region lingering, and nobody has it mapped.
 *
 * A critical section is a step, and so is what is done without a lock: parsing, pinning,
 * walking a page list, unpinning. Checked, in every interleaving; by the name of the switch that
 * breaks the model so that it must be found:
 *
 *  RESCIND_EARLY	Nothing is pinned when a rescind has returned,
 *  RESET_EARLY		nor when a reset has returned of what it found.
 *  REGION_MOVES	A region does not go while a page of it is pinned,
 *  REGION_UNSEEN	also if it was being pinned, or about to be.
 *  REUSED		A page list does not change while it is walked.
 *  POOL_EARLY		The pool is there until nothing of it is in flight,
 *  LEAK		and goes then.
 *  NO_RETRY		A packet that found no room is tried again.
 *  UNPIN_TWICE		What was pinned is unpinned once.
 */
#include "states.pml"
#include "breaks.pml"

byte break_rule;
#define broken(rule)	(break_rule == rule)

#define NR	2	/* requests of the pool */
#ifndef PACKETS
#define PACKETS	3	/* that the backend maps */
#endif

/* ---- struct gpa_request ---- */
byte state[NR] = GPA_FREE;
bool free[NR] = true;		/* in gpa_pool.free */
bool looked_at[NR], tearing_down[NR], is_late[NR], resets[NR];
bool user[NR], pinned[NR];
byte list[NR];			/* changes whenever its page list does */
bool before_reset[NR];

/* ---- pool, channel and region ---- */
byte nr_busy, nr_late, nr_resetting, refs = 1;
bool rescinded, dead, freed;
bool switching, gone;		/* the region */
bool kicked;			/* the backend is to look again */
bool backend_done, vmm_done;

#define busy(r)		(state[r] != GPA_FREE)
#define in_flight(r)	(state[r] == GPA_MAPPED || state[r] == GPA_UNMAPPING)

/* pool_put() */
inline put_pool()
{
	assert(!freed);
	refs--;
	if
	:: refs == 0 ->
		assert(nr_busy == 0);
		assert(!pinned[0] && !pinned[1]);
		freed = true
	:: broken(POOL_EARLY) && dead -> freed = true
	:: else
	fi
}

/* gpadl_request_put() */
inline put(r)
{
	assert(!pinned[r] && !user[r]);
	assert(!freed);
	state[r] = GPA_FREE;
	if
	:: !looked_at[r] || broken(REUSED) -> free[r] = true
	:: else
	fi;
	if
	:: resets[r] -> nr_resetting--; resets[r] = false
	:: else
	fi;
	before_reset[r] = false;
	tearing_down[r] = false;
	if
	:: is_late[r] -> nr_late--; is_late[r] = false
	:: else
	fi;
	nr_busy--;
	put_pool()
}

inline unpin(r)
{
	assert(pinned[r]);
	assert(!freed);
	pinned[r] = false;
	user[r] = false
}

/* gpadl_request_get(): r is NR if there is none */
inline get(r)
{
	if
	:: free[0] -> r = 0
	:: !free[0] && free[1] -> r = 1
	:: else -> r = NR
	fi;
	if
	:: r < NR ->
		free[r] = false;
		state[r] = GPA_PARSING;
		nr_busy++;
		refs++
	:: else
	fi
}

/* gpa_map(): mapped, or failed for good, or failed for want of room */
inline map(r)
{
	again = false;
	atomic {
		if
		:: dead || rescinded -> r = NR
		:: else -> get(r); again = r == NR
		fi
	};
	if
	:: r < NR ->
		list[r] = 1 - list[r];
		state[r] = GPA_MAPPING;
		/* gpadl_mapping_find(): become a user, then see whether that holds */
		do
		:: true ->
			no_region = gone;
			atomic {
				if
				:: !gone -> user[r] = true
				:: else
				fi
			};
			if
			:: broken(REGION_UNSEEN) || (!switching && gone == no_region) -> break
			:: else -> user[r] = false; !switching
			fi
		od;
		if
		:: user[r] -> pinned[r] = true
		:: else -> failed = true
		fi;
		if
		:: !failed && (tearing_down[r] || rescinded) ->
			unpin(r);
			failed = true
		:: else
		fi;
		atomic {
			if
			:: failed -> put(r); failed = false
			:: else -> state[r] = GPA_MAPPED
			fi
		}
	:: else
	fi
}

proctype backend()
{
	byte n = PACKETS, r;
	bool again, failed, no_region;

	do
	:: n > 0 ->
		map(r);
		if
		:: !again -> n--
		:: else ->
			if
			:: nr_busy > nr_late || broken(NO_RETRY) ->
				/* Until something has been unmapped */
				atomic { kicked -> kicked = false }
			:: else ->
				/* gpadl_requests_wait_late() */
				nr_late == 0
			fi
		fi
	:: n == 0 -> break
	od;
	backend_done = true
}

/* vmbus_gpa_unmap(), of whatever is mapped */
proctype device()
{
	byte r;

end:	do
	:: atomic { state[0] == GPA_MAPPED -> r = 0; state[r] = GPA_UNMAPPING }; goto unmap
	:: atomic { state[1] == GPA_MAPPED -> r = 1; state[r] = GPA_UNMAPPING }; goto unmap
	od;
unmap:	if
	:: true -> unpin(r);
		if
		:: broken(UNPIN_TWICE) -> unpin(r)
		:: else
		fi;
		atomic { put(r); kicked = true }
	:: broken(LEAK) -> atomic { pinned[r] = false; user[r] = false; state[r] = GPA_FREE;
			nr_busy--; kicked = true }
	:: true -> atomic { is_late[r] = true; nr_late++ ; kicked = true }
	fi;
	goto end
}

/* pool_late_work() */
proctype late()
{
end:	do
	:: is_late[0] -> unpin(0); atomic { put(0) }
	:: is_late[1] -> unpin(1); atomic { put(1) }
	od
}

inline rescind()
{
	atomic { rescinded = true };
	if
	:: broken(RESCIND_EARLY)
	:: else -> nr_busy == 0
	fi;
	atomic { assert(!pinned[0] && !pinned[1]) }
}

/* gpadl_requests_teardown() of one */
inline drop(r)
{
	atomic {
		if
		:: busy(r) ->
			tearing_down[r] = true;
			before_reset[r] = true;
			if
			:: broken(RESET_EARLY)
			:: else -> resets[r] = true; nr_resetting++
			fi
		:: else
		fi
	}
}

inline reset()
{
	drop(0);
	drop(1);
	nr_resetting == 0;
	atomic {
		assert(!(before_reset[0] && pinned[0]) && !(before_reset[1] && pinned[1]))
	}
}

/* request_moves() */
inline look(r)
{
	atomic {
		looking = state[r] != GPA_FREE && state[r] != GPA_PARSING;
		looked_at[r] = looking;
		seen = list[r]
	};
	if
	:: looking ->
		/* The walk: it is the list that was there */
		assert(list[r] == seen);
		atomic {
			assert(list[r] == seen);
			moves = true;
			looked_at[r] = false;
			if
			:: state[r] == GPA_FREE && !broken(REUSED) -> free[r] = true
			:: else
			fi
		}
	:: else
	fi
}

/* table_switch(), without RETIRE */
inline change()
{
	moves = false;
	switching = true;
	look(0);
	look(1);
	atomic {
		if
		:: !moves || broken(REGION_MOVES) ->
			gone = true;
			assert(!pinned[0] && !pinned[1])
		:: else
		fi
	};
	/* One that began meanwhile has not got it either. */
	if
	:: gone -> assert(!pinned[0] && !pinned[1])
	:: else
	fi;
	switching = false
}

proctype vmm()
{
	bool looking, moves;
	byte seen;

	if
	:: true -> rescind()
	:: true -> reset()
	:: true -> change()
	:: true
	fi;
	/* vmbus_gpa_pool_destroy(), when the backend is through */
	backend_done;
	atomic { dead = true; put_pool() };
	/* What is in flight ends; then all is gone. */
	freed;
	assert(nr_busy == 0 && nr_late == 0 && nr_resetting == 0);
	vmm_done = true
}

init
{
	atomic {
		c_code { now.break_rule = getenv("BREAK") ? atoi(getenv("BREAK")) : 0; };
		run backend();
		run device();
		run late();
		run vmm()
	}
}
