/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Model of the life of a GPADL, for Spin: what vmbus_gpadl_map.c and gpadl/partition.c do
 * under their locks, step by step. scripts/model.sh makes states.pml of enum gpadl_state,
 * so that a state that is renamed, added or dropped there stops this from compiling; and
 * it looks whether the functions that are named here are still there.
 *
 * One channel, two GPADLs, a backend's thread for each, two threads that pass messages of
 * the guest on (the guest may send what it likes, in any order), one that reads the
 * replies, the channel's ordered work, and a VMM that rescinds, resets, releases, and
 * closes the file or dies at any point. A GPADL may be there, complete, from the start.
 *
 * What is a step: a critical section is one, for that is what a lock is for. So is a whole
 * message, although several locks are taken for it: all of it happens under rx_mutex, of
 * the rest only the section under the GPADL's lock can be seen by a backend, and room is
 * taken under rx_mutex only, so that nobody can tell whether it was taken a bit earlier.
 * What is done without a lock (pinning, unpinning, waiting, telling the backend) is a step
 * of its own.
 *
 * What is left out: regions. They do not change here: region.pml has what a change retires, pages
 * that are replaced under a resident region, and when these are unpinned.
 *
 * Checked, in every interleaving; by the name of the switch that breaks the model so that
 * it must be found (scripts/model.sh does that too):
 *
 *  TORNDOWN_TWICE	a TEARDOWN gets one TORNDOWN,
 *  TORNDOWN_LOST	not none, unless the channel is released,
 *  TORNDOWN_EARLY	and not before the last page is unpinned.
 *  CREATED_TWICE	A HEADER that makes a GPADL gets one CREATED,
 *  CREATED_LOST	not none, unless it is dropped,
 *  CREATED_LATE	and not after TORNDOWN.
 *  UNPIN_EARLY		Who has a mapping has its pages.
 *  RESCIND_EARLY	Nothing is pinned when a rescind has returned,
 *  RESCIND_LATE	nor mapped after that,
 *  RESET_EARLY		nor when a reset has returned of what it found,
 *  RESET_LATE		which does not wait for anything else;
 *  LEAK		and in the end nothing is pinned.
 *  CLOSE_WAITS		The last close does not wait, not even for a backend that waits in
 *			a page fault for the VMM;
 *  NOT_TOLD		a backend that keeps a mapping is told when it is wanted back,
 *  ARMED_LATE		also if that was so before it could be told,
 *  TOLD_TOO_SOON	and not when it cannot be yet: it would be told once.
 *  DEADLOCK		Every end is one where all threads are through.
 *  FULL_LOSES		A full reply queue loses no reply,
 *  ROOM_LEAK		and all room is free again when its reply has been read.
 */
#include "states.pml"

#define NR	2	/* GPADLs, and their backends */
#define ROOM	1	/* replies without an object that may wait */
#ifndef TRIES
#define TRIES	1	/* maps that each backend tries */
#endif
#ifndef MESSAGES
#define MESSAGES 2	/* messages that each writer passes on */
#endif

/* What is broken: 0, or one of the names above, numbered by scripts/model.sh */
#include "breaks.pml"
byte break_rule;
#define broken(rule)	(break_rule == rule)

/* ---- struct gpadl ---- */
byte state[NR] = GPADL_DEAD;
bool tearing_down[NR], owe_torndown[NR], revoked[NR], resets[NR], mark[NR];
bool pinned[NR];
bool armed[NR], told[NR];	/* struct gpadl_mapping */

/* ---- channel and partition ---- */
bool rescinded, released;
byte nr_busy, nr_revoked, nr_resetting;
bool rx_mutex;

/* ---- replies that take room ---- */
byte free_room = ROOM, q_room;

/* ---- what the guest knows: for the checks only ---- */
bool wait_created[NR];		/* a HEADER made a GPADL, no CREATED queued yet */
bool wait_torndown[NR];		/* a TEARDOWN was accepted, no TORNDOWN queued yet */
bool torndown_done[NR];		/* TORNDOWN of this GPADL was queued */
bool before_reset[NR];		/* was busy when the partition was reset */
bool rescind_done;		/* RESCIND_CHANNELOFFER may be posted */

/* ---- threads ---- */
bool has[NR];			/* the backend has a mapping, and may unmap it */
byte backends = NR, writers = 2;
byte stuck;			/* backends that wait for the VMM in a page fault */
bool vmm_done;

#define busy(g)	(state[g] == GPADL_MAPPING || state[g] == GPADL_MAPPED || \
		 state[g] == GPADL_UNMAPPING)

/* gpadl_reply_created() */
inline reply_created(g)
{
	assert(!torndown_done[g]);
	assert(wait_created[g]);
	assert(!released);
	wait_created[g] = false
}

/* gpadl_die() */
inline die(g)
{
	assert(state[g] != GPADL_DEAD);
	assert(!pinned[g]);
	assert(!wait_created[g] || broken(CREATED_LATE));
	state[g] = GPADL_DEAD;
	mark[g] = false;
	before_reset[g] = false;
	if
	:: owe_torndown[g] ->
		assert(wait_torndown[g]);
		assert(!torndown_done[g]);
		assert(!released);
		wait_torndown[g] = false;
		torndown_done[g] = true;
		owe_torndown[g] = false
	:: else
	fi;
	tearing_down[g] = false
}

/* gpadl_settle(): the end of a busy state, under the lock */
inline settle(g)
{
	state[g] = GPADL_READY;
	armed[g] = false;
	told[g] = false;
	if
	:: tearing_down[g] && !(broken(TORNDOWN_LOST) && owe_torndown[g]) -> die(g)
	:: else
	fi;
	if
	:: revoked[g] -> revoked[g] = false; nr_revoked--
	:: else
	fi;
	if
	:: resets[g] -> resets[g] = false; nr_resetting--
	:: else
	fi;
	nr_busy--
}

/* gpadl_revoke() */
inline revoke(g)
{
	if
	:: !revoked[g] ->
		revoked[g] = true;
		nr_revoked++;
		if
		:: state[g] == GPADL_MAPPED && armed[g] -> mark[g] = !broken(NOT_TOLD)
		:: else -> mark[g] = broken(TOLD_TOO_SOON)
		fi
	:: else
	fi
}

/* gpadl_begin_teardown() */
inline leave(g, owe)
{
	tearing_down[g] = true;
	owe_torndown[g] = owe;
	if
	:: busy(g) && !(broken(TORNDOWN_EARLY) && state[g] == GPADL_MAPPED) ->
		if
		:: broken(UNPIN_EARLY) -> pinned[g] = false
		:: else
		fi;
		revoke(g)
	:: else -> die(g)
	fi
}

/* gpadl_teardown_quietly(): without a word to the guest */
inline drop(g, reset)
{
	if
	:: reset -> before_reset[g] = busy(g)
	:: else
	fi;
	if
	:: state[g] != GPADL_DEAD ->
		wait_created[g] = false;
		wait_torndown[g] = false;
		leave(g, false)
	:: else
	fi;
	if
	:: (reset || broken(RESET_LATE)) && busy(g) && !resets[g] ->
		resets[g] = true;
		nr_resetting++
	:: else
	fi
}

/*
 * gpadl_channel_teardown(): one GPADL's lock at a time, then gpadl_reply_purge(). That the
 * channel is released then, is under rx_mutex too.
 */
inline drop_all(reset, release)
{
	atomic { !rx_mutex -> rx_mutex = true; drop(0, reset) };
	atomic {
		drop(1, reset);
		if
		:: broken(ROOM_LEAK)
		:: else -> free_room = free_room + q_room
		fi;
		q_room = 0;
		released = release;
		rx_mutex = false
	}
}

/* ---- vmbus_gpadl_map() and vmbus_gpadl_unmap() ---- */

/* From MAPPED, set by gpadl_begin_unmap(), or from MAPPING, by gpadl_finish_map() */
inline unpin(g)
{
	atomic {
		assert(pinned[g] || broken(UNPIN_EARLY));
		pinned[g] = broken(LEAK) && !tearing_down[g]
	};
	atomic {
		if
		:: broken(DEADLOCK) -> !rx_mutex
		:: else
		fi;
		settle(g)
	}
}

inline unmap(g)
{
	atomic {
		assert(state[g] == GPADL_MAPPED && pinned[g]);
		state[g] = GPADL_UNMAPPING
	};
	unpin(g)
}

#define may_map(g)	(state[g] == GPADL_READY && !tearing_down[g] && \
			 (!rescinded || broken(RESCIND_LATE)))
#define is_revoked(g)	(tearing_down[g] || rescinded)

proctype backend(byte g)
{
	byte tries = TRIES;

	do
	/* gpadl_begin_map() */
	:: atomic { tries > 0 && may_map(g) ->
		tries--;
		state[g] = GPADL_MAPPING;
		nr_busy++
	   };
		/* gpadl_mapping_create(): works, does not, or waits for as long as the VMM likes */
		if
		:: pinned[g] = true
		:: true
		:: stuck++;
			atomic { vmm_done -> stuck-- }
		fi;
		/* gpadl_finish_map() */
		if
		:: atomic { !pinned[g] -> settle(g) }
		:: atomic { pinned[g] && is_revoked(g) && !broken(TOLD_TOO_SOON) &&
			    !broken(RESCIND_LATE) -> state[g] = GPADL_UNMAPPING };
			unpin(g)
		:: atomic { pinned[g] && (!is_revoked(g) || broken(TOLD_TOO_SOON) ||
					  broken(RESCIND_LATE)) ->
			state[g] = GPADL_MAPPED;
			has[g] = true
		   };
			/* It unmaps at once, or says that it can be told: vmbus_mapping_arm() */
			if
			:: atomic { has[g] -> has[g] = false };
				unmap(g)
			:: atomic { has[g] -> armed[g] = true;
				if
				:: revoked[g] -> mark[g] = !broken(NOT_TOLD) &&
							   !broken(ARMED_LATE)
				:: else
				fi
			   };
				/* It unmaps when it likes, or keeps it until it is told. */
				if
				:: atomic { has[g] -> has[g] = false };
					unmap(g)
				:: true ->
					!has[g]
				fi
			fi
		fi
	:: atomic { true -> backends--; break }
	od
}

/* gpadl_run_revokes() */
proctype ordered_work()
{
	byte g;

	do
	:: atomic { mark[0] || mark[1] ->
		g = (mark[0] -> 0 : 1);
		mark[g] = false;
		/* gpadl_take_revoked(): revoke() comes when the lock has been dropped. */
		if
		:: state[g] == GPADL_MAPPED && revoked[g] && !told[g] &&
		   (armed[g] || broken(TOLD_TOO_SOON)) -> told[g] = true
		:: else -> g = NR
		fi
	   };
		/*
		 * revoke(): the backend's thread and this agree who unmaps; that of a
		 * backend which is not ready finds nothing.
		 */
		if
		:: atomic { g < NR && has[g] && armed[g] -> has[g] = false };
			unmap(g)
		:: atomic { g == NR || !has[g] || !armed[g] -> skip }
		fi
	:: atomic { backends == 0 && writers == 0 && vmm_done && !mark[0] && !mark[1] ->
		break }
	od
}

/* ---- vmbus_partition_receive() ---- */

/* A reply that belongs to no object; gpadl_reply_reserve() was before. */
inline room_reply()
{
	assert(free_room > 0);
	free_room--;
	q_room++
}

/* Complete with this message: gpadl_complete(), or refused: gpadl_reject(); or not yet */
inline complete(g)
{
	if
	:: true -> state[g] = GPADL_READY; reply_created(g)
	:: true -> reply_created(g); die(g)
	:: true
	fi
}

inline rx_header(g)
{
	if
	:: state[g] != GPADL_DEAD -> room_reply()	/* collision */
	:: else ->
		state[g] = GPADL_ASSEMBLING;
		torndown_done[g] = false;
		wait_created[g] = true;
		complete(g)
	fi
}

inline rx_body(g)
{
	if
	:: state[g] == GPADL_ASSEMBLING -> complete(g)
	:: broken(CREATED_TWICE) && state[g] == GPADL_READY -> reply_created(g)
	:: else
	fi
}

/* gpadl_teardown() */
inline rx_teardown(g)
{
	if
	:: state[g] == GPADL_DEAD || (broken(TORNDOWN_TWICE) && tearing_down[g]) ->
		/* Unknown: TORNDOWN at once */
		assert(!wait_torndown[g]);
		room_reply()
	:: else ->
		wait_torndown[g] = true;
		if
		:: state[g] == GPADL_ASSEMBLING && !broken(CREATED_LATE) &&
		   !broken(CREATED_LOST) -> reply_created(g); leave(g, true)
		:: state[g] == GPADL_ASSEMBLING && broken(CREATED_LATE) ->
			leave(g, true); reply_created(g)
		:: else -> leave(g, true)
		fi
	fi
}

/* rx_locked(), or -EAGAIN, -ENXIO with nothing changed */
inline receive(g)
{
	if
	:: (free_room == 0 && !broken(FULL_LOSES)) || released
	:: else ->
		if
		:: true -> rx_header(g)
		:: true -> rx_body(g)
		:: true -> rx_teardown(g)
		fi
	fi
}

proctype writer()
{
	byte n = MESSAGES;

	do
	:: atomic { n > 0 && !rx_mutex ->
		n--;
		if
		:: true -> receive(0)
		:: true -> receive(1)
		fi
	   }
	:: atomic { true -> writers--; break }
	od
}

/* vmbus_partition_next_reply(): those that take no room cannot be too many */
proctype reader()
{
end:	do
	:: atomic { q_room > 0 ->
		q_room--;
		if
		:: broken(ROOM_LEAK)
		:: else -> free_room++
		fi
	   }
	od
}

/* ---- The VMM ---- */

/*
 * gpadl_wait_killable(): until @nr is 0, or until it is killed, which happens at the latest when
 * it waits for a backend that waits for it.
 */
inline await(nr)
{
	if
	:: true ->
		if
		:: nr == 0 -> satisfied = true
		:: stuck > 0
		fi
	:: true
	fi
}

/* vmbus_gpadl_channel_rescind() */
inline rescind()
{
	atomic { !rx_mutex ->
		rx_mutex = true;
		rescinded = true;
		if
		:: busy(0) -> revoke(0)
		:: else
		fi
	};
	atomic {
		if
		:: busy(1) -> revoke(1)
		:: else
		fi;
		rx_mutex = false
	};
	if
	:: broken(RESCIND_EARLY) -> satisfied = true
	:: else -> await(nr_busy)
	fi;
	atomic {
		if
		:: satisfied -> assert(!pinned[0] && !pinned[1])
		:: else
		fi;
		rescind_done = satisfied;
		satisfied = false
	}
}

/*
 * vmbus_partition_reset(). The VMM may pass on messages of a new life meanwhile, and what
 * they make may be mapped.
 */
inline reset()
{
	drop_all(true, released);
	if
	:: broken(DEADLOCK) -> rx_mutex = true
	:: else
	fi;
	if
	:: broken(RESET_EARLY) -> satisfied = true
	:: else -> await(nr_resetting)
	fi;
	atomic {
		if
		:: satisfied -> assert(!(before_reset[0] && pinned[0]) &&
				       !(before_reset[1] && pinned[1]))
		:: else
		fi;
		satisfied = false;
		if
		:: broken(DEADLOCK) -> rx_mutex = false
		:: else
		fi
	}
}

proctype vmm()
{
	bool satisfied;

	if
	:: rescind()
	:: true
	fi;
	if
	:: reset()
	:: true
	fi;
	if
	/* vmbus_gpadl_channel_relid_released() */
	:: rescinded -> drop_all(false, true)
	:: true
	fi;
	/* Last close, host_fop_release(): who writes has the file open. */
	atomic { writers == 0 -> assert(!rx_mutex) };
	drop_all(true, released);
	if
	:: broken(CLOSE_WAITS) -> nr_busy == 0
	:: else
	fi;
	vmm_done = true
}

#define is_mapped(g)	(state[g] == GPADL_MAPPED)
#define is_owed(g)	(wait_torndown[g] && !busy(g))
#define is_found(g)	(before_reset[g] && busy(g))

/* What holds at any time, and in the end. */
active proctype watch()
{
end:	do
	/* Nothing gets mapped once RESCIND_CHANNELOFFER may have been posted. */
	:: atomic { rescind_done && (is_mapped(0) || is_mapped(1)) ->
		assert(!is_mapped(0) && !is_mapped(1)) }
	/* A guest waits for a TORNDOWN only for as long as a backend is at it. */
	:: atomic { is_owed(0) || is_owed(1) ->
		assert(!wait_torndown[0] && !wait_torndown[1]) }
	/* A reset waits only for what was busy when it came. */
	:: atomic { nr_resetting > is_found(0) + is_found(1) ->
		assert(nr_resetting <= is_found(0) + is_found(1)) }
	:: atomic { backends == 0 && writers == 0 && vmm_done && nr_busy == 0 &&
		    !mark[0] && !mark[1] && q_room == 0 ->
		assert(!pinned[0] && !pinned[1]);
		assert(free_room == ROOM);
		assert(nr_revoked == 0 && nr_resetting == 0);
		assert(state[0] == GPADL_DEAD && state[1] == GPADL_DEAD);
		break }
	od
}

init {
	atomic {
		c_code { now.break_rule = getenv("BREAK") ? atoi(getenv("BREAK")) : 0; };
		if
		:: true
		:: state[0] = GPADL_READY
		:: state[0] = GPADL_READY; state[1] = GPADL_READY
		fi;
		run backend(0);
		run backend(1);
		run ordered_work();
		run writer();
		run writer();
		run reader();
		run vmm()
	}
}
