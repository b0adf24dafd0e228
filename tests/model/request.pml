/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Model of the life of a request, a packet whose pages are mapped, for Spin: what gpadl/gpa.c,
 * gpadl/gpa_pool.c and gpadl/gpa_all.c do, step by step. scripts/model.sh makes states.pml of
 * enum gpa_state.
 *
 * One channel with a pool of two requests; a backend's thread that maps packets and waits,
 * after -EAGAIN, for an unmap; its device, which unmaps at any time, and leaves some to the
 * work item; and a VMM that rescinds, resets, or changes the regions in which the pages are, may
 * be killed at any time of that, and in the end has the pool destroyed.
 *
 * There are two regions, and each packet names a page of either. A change takes one away, or
 * fails; a change with VMBUS_GPA_REGIONS_RETIRE takes away the other, whatever is mapped there.
 *
 * A VMM that is killed does two things in either order, or the second alone, which is the last
 * close of its file. Its thread becomes an orphan (gpadl_worker_killed()): kick() comes no more.
 * And vmbus_guest_close() asks for close(), and drops the partition. The work item may then be
 * stuck for as long as it can be: until the backend is through. The backend's thread is one of the
 * VMM's that may be another than the channel's worker, so that it becomes an orphan's at any time.
 *
 * Left out: what comes after the destroy. A pool with nothing but late requests is its
 * channel's no more then, so that another one can be made. A change of regions asks for nothing
 * that the backend has unmapped: what that still pins is no region's any more, and nobody has
 * it mapped. And that a region which was retired is set again, where it was or elsewhere: what
 * is mapped of it counts again, or does not. Which pages count is a matter of tables that are
 * compared, not of what happens at the same time: KUnit's retire suite has it.
 *
 * A critical section is a step, and so is what is done without a lock: parsing, pinning,
 * walking a page list, unpinning. Checked, in every interleaving; by the name of the switch that
 * breaks the model so that it must be found:
 *
 *  RESCIND_EARLY	Nothing is pinned when a rescind has returned,
 *  RESET_EARLY		nor when a reset has returned of what it found.
 *  REGION_MOVES	A region does not go while a page of it is mapped,
 *  REGION_UNSEEN	also if it was being pinned, or about to be,
 *  RETIRED_HIDES	or if another page of the same packet lies in one that was retired.
 *  RETIRE_WAITS	To retire a region waits for nobody,
 *  RETIRE_FOUND	no packet that comes then finds it,
 *  RETIRE_UNSEEN	and no map that had found it goes on with what is there then.
 *  REUSED		A page list does not change while it is walked.
 *  POOL_EARLY		The pool is there until nothing of it is in flight,
 *  LEAK		and goes then.
 *  NO_RETRY		A packet that found no room is tried again.
 *  UNPIN_TWICE		What was pinned is unpinned once.
 *  PUT_WAITS		The end of a VMM waits for nobody:
 *  NO_CLOSE		a backend that waits for room then has its close(),
 *  ORPHAN_WAITS	an orphan waits for no room,
 *  KILL_WAITS		and who has waited before is woken.
 *  ORPHAN_MAPS		An orphan maps nothing.
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
bool too_late[NR];		/* began when it must not be mapped any more */

/* ---- pool, channel and regions ---- */
byte nr_busy, nr_late, nr_resetting, refs = 1;
bool rescinded, dead, freed;
bool switching;
byte table;			/* in force: in 0 both regions are there, and in no other */
bool gone, retired;		/* which is not; set when the change has returned */
byte retired_in;		/* gpadl_mem.retired */

/* ---- threads ---- */
bool kicked;			/* the backend is to look again */
bool closing;			/* and this is its end */
bool killed, orphaned;		/* SIGKILL; gpadl_worker.orphaned */
bool hangs;			/* the device ends nothing */
bool backend_done;

#define busy(r)		(state[r] != GPA_FREE)
/* In the hands of the backend, or of a map that may give it to the backend */
#define mapped(r)	(pinned[r] && state[r] != GPA_UNMAPPING)

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
	too_late[r] = false;
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
	pinned[r] = false
}

/* gpadl_mapping_unuse_regions() */
inline unuse(r)
{
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
		too_late[r] = orphaned || gone || retired;
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
		/* request_map() */
		failed = orphaned && !broken(ORPHAN_MAPS);
		/*
		 * gpadl_mapping_use_regions(): become a user, then see whether that holds. One that has
		 * gone lingers while somebody uses it.
		 */
		do
		:: !failed ->
			found = table;
			atomic {
				user[r] = (found == 0 || broken(RETIRE_FOUND)) &&
					  (table == 0 || user[1 - r])
			};
			if
			:: broken(REGION_UNSEEN) || (!switching && table == found) -> break
			:: else -> user[r] = false; !switching
			fi
		:: failed -> break
		od;
		if
		:: user[r] ->
			assert(!too_late[r]);
			atomic { pinned[r] = true; late = retired };
			/* gpadl_region_table_is_retired(): it looks again, and finds it in no table */
			if
			:: retired_in > found ->
				unpin(r);
				unuse(r);
				failed = true
			:: else
			fi
		:: else -> failed = true
		fi;
		if
		:: !failed && (tearing_down[r] || rescinded) ->
			unpin(r);
			unuse(r);
			failed = true
		:: else
		fi;
		atomic {
			if
			:: failed -> put(r); failed = false
			:: else -> assert(!late); state[r] = GPA_MAPPED
			fi;
			late = false
		}
	:: else
	fi
}

/* gpadl_requests_wait_late(), for an unmap that has left the rest to the work item */
inline wait_late()
{
	if
	:: nr_late == 0
	:: killed && !broken(KILL_WAITS) -> n--
	fi
}

/* Until something has been unmapped: endpoint_kick_work(), which does nothing for an orphan */
inline wait_kick()
{
	if
	:: atomic { kicked && !orphaned -> kicked = false }
	:: closing && !broken(NO_CLOSE)
	fi
}

proctype backend()
{
	byte n = PACKETS, r, found;
	bool again, failed;
	bool late;		/* it has pinned what may be the VMM's own */

	do
	:: n > 0 ->
		map(r);
		if
		:: !again -> n--
		:: again && orphaned ->
			if
			/* What orphans run in is no thread of the VMM's: no signal comes there. */
			:: broken(ORPHAN_WAITS) -> nr_late == 0
			:: else -> n--
			fi
		:: again && !orphaned ->
			if
			:: nr_busy > nr_late || broken(NO_RETRY) -> wait_kick()
			:: else -> wait_late()
			fi
		fi
	:: n == 0 || (closing && !broken(NO_CLOSE)) -> break
	od;
	backend_done = true
}

/* vmbus_gpa_unmap(), of whatever is mapped */
proctype device()
{
	byte r;

end:	do
	:: atomic { state[0] == GPA_MAPPED && !hangs -> r = 0; state[r] = GPA_UNMAPPING }; goto unmap
	:: atomic { state[1] == GPA_MAPPED && !hangs -> r = 1; state[r] = GPA_UNMAPPING }; goto unmap
	od;
unmap:	unuse(r);
	if
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

/* Who has killed the VMM may have killed, or stopped, whom this waits for: a FUSE server. */
#define is_stuck	(killed && !dead)

/* pool_late_work() */
proctype late()
{
end:	do
	:: is_late[0] && !is_stuck -> unpin(0); atomic { put(0) }
	:: is_late[1] && !is_stuck -> unpin(1); atomic { put(1) }
	od
}

/* gpadl_wait_killable(): until @nr is 0, or until it is killed */
inline await(nr)
{
	if
	:: nr == 0
	:: killed = true
	fi
}

/* vmbus_gpadl_channel_rescind() */
inline rescind()
{
	atomic { rescinded = true };
	if
	:: broken(RESCIND_EARLY)
	:: else -> await(nr_busy)
	fi;
	atomic {
		if
		:: !killed -> assert(!pinned[0] && !pinned[1])
		:: else
		fi
	}
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
			:: resets[r] || broken(RESET_EARLY)
			:: else -> resets[r] = true; nr_resetting++
			fi
		:: else
		fi
	}
}

/* vmbus_partition_reset() */
inline reset()
{
	drop(0);
	drop(1);
	await(nr_resetting);
	atomic {
		if
		:: !killed -> assert(!(before_reset[0] && pinned[0]) &&
				     !(before_reset[1] && pinned[1]))
		:: else
		fi
	}
}

/* request_moves() */
inline look(r)
{
	atomic {
		looking = (state[r] == GPA_MAPPING || state[r] == GPA_MAPPED) &&
			  !(retired && broken(RETIRED_HIDES));
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

/* table_switch() */
inline change()
{
	moves = false;
	switching = true;
	look(0);
	look(1);
	atomic {
		if
		:: !moves || broken(REGION_MOVES) ->
			table++;
			gone = true;
			assert(!mapped(0) && !mapped(1))
		:: else
		fi
	};
	/* One that began meanwhile has not got it either. */
	if
	:: gone -> assert(!mapped(0) && !mapped(1))
	:: else
	fi;
	switching = false
}

/* The same with VMBUS_GPA_REGIONS_RETIRE: nobody looks, and nobody asks for requests. */
inline retire()
{
	hangs = true;
	switching = true;
	if
	:: broken(RETIRE_WAITS) -> nr_busy == 0
	:: else
	fi;
	if
	:: broken(RETIRE_UNSEEN)
	:: else -> retired_in = table + 1
	fi;
	table++;
	switching = false;
	retired = true;
	hangs = false
}

/* vmbus_guest_close(): vmbus_ep_abandon(), vmbus_partition_put() */
inline close_file()
{
	closing = true;
	drop(0);
	drop(1);
	if
	:: broken(PUT_WAITS) -> nr_resetting == 0
	:: else
	fi
}

inline kill()
{
	hangs = true;
	if
	:: true -> killed = true; orphaned = true; close_file()
	:: true -> killed = true; close_file(); orphaned = true
	:: !killed -> close_file()
	fi;
	hangs = false
}

proctype vmm()
{
	bool looking, moves;
	byte seen;

	if
	:: true -> rescind()
	:: true -> reset()
	:: true -> change()
	:: true -> retire();
		if
		:: true -> change()
		:: true
		fi
	:: true
	fi;
	if
	:: true -> kill()
	:: !killed
	fi;
	/* vmbus_gpa_pool_destroy(), when the backend is through */
	backend_done;
	atomic { dead = true; put_pool() };
	/* What is in flight ends; then all is gone. */
	freed;
	assert(nr_busy == 0 && nr_late == 0 && nr_resetting == 0)
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
