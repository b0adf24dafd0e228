/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Model of a channel's work, for Spin: what gpadl/worker.c, host/endpoint_state.c and
 * host/endpoint_ask.c do, step by step. scripts/model.sh makes states.pml of enum endpoint_state.
 *
 * One primary channel without sub-channels, so that it is never ENDPOINT_DRAINING, of a device
 * that was made: it is ENDPOINT_NEW no more. Its thread is one of the VMM's, which is killed at any
 * time, or not; then what is queued runs in the work item of orphans. Who queues: a vCPU that
 * kicks, or a guest that tears down what the backend has mapped; whoever has the VMM's file, and
 * passes messages on; a VMM that has the channel destroyed, or not, and the last close of the file.
 * The backend refuses to open, or keeps a GPADL mapped until its revoke() or close(). In the end
 * nothing refers to the channel, and it is freed.
 *
 * What is done under a lock is a step; but an item is queued in two, as the thread that runs it may
 * do so, and end, before the one that has queued it goes on. Stores are seen in their order: where
 * the code has a barrier, the model has two steps in that order.
 *
 * Left out: rings, completions and who holds an endpoint for them (host/endpoint_ref.c);
 * sub-channels; a backend without remove(), for which whoever lets go last does the little that is
 * to do (endpoint_remove_begin()); a backend that leaves something mapped at its close(), which is a bug of its own;
 * SIGSTOP, by which everything takes longer, and nothing else. Kernel threads as workers, which
 * nobody kills.
 *
 * Checked, in every interleaving; by the name of the switch that breaks the model so that it must
 * be found:
 *
 *  ITEM_LOST		What is queued runs: who queues looks for an orphan when it is queued,
 *  LOOK_FIRST		and who orphans a worker says so before it looks at what is queued,
 *  SLEEP_LATE		a thread is about to sleep before it looks,
 *  CLEAR_LATE		an item that runs can be queued again,
 *  TODO_LOST		and what the thread has taken, and has not run, is the orphan's.
 *  TWO_AT_ONCE		One at a time,
 *  ORDER		in the order in which it was queued: after the last item comes none.
 *  FREED_EARLY		A worker is there for whoever has queued its last item,
 *  KICK_FREED		and for whoever kicks.
 *  CLOSE_TWICE		Each open() of a backend that has succeeded gets one close(),
 *  CLOSE_NEVER		not none, whatever becomes of the VMM,
 *  CLOSE_LOST		and if it is asked for while open() runs, after that;
 *  CLOSE_NOT_LAST	neither kick() nor revoke() comes after it.
 *  KICK_ORPHAN		The guest of a VMM that was killed gets no kick(),
 *  KILL_WAITS		and keeps its thread for one callback more at most.
 *  NOT_PUT		A channel that nobody comes back for is freed.
 *  ANSWER_LOST		An OPENCHANNEL is answered, or forgotten, once.
 */
#include "states.pml"
#include "breaks.pml"

byte break_rule;
#define broken(rule)	(break_rule == rule)

#ifndef MESSAGES
#define MESSAGES 2	/* OPENCHANNEL and CLOSECHANNEL, in any order */
#endif
#ifndef KICKS
#define KICKS	1
#endif

/* ---- Items, and who queues them ---- */
#define STATE_WORK	0
#define KICK_WORK	1
#define REVOKE_WORK	2
#define LAST_WORK	3
#define END_WORK	4
#define NO_WORK		5
#define ITEMS	5

#define THREAD	0
#define ORPHAN	1
#define KICKER	2
#define DRIVER	3
#define VMM	4
#define REVOKER	5
#define FREER	6

/* ---- struct gpadl_worker ---- */
chan queue = [ITEMS] of { byte };
chan todo = [ITEMS] of { byte };
bool queued[ITEMS];		/* WORK_QUEUED */
bool orphaned, orphan_due, orphan_runs, ended;
byte readers;			/* of RCU: who queues just now, as bits */

/* ---- Its thread ---- */
bool killed;			/* SIGKILL, exit, exec */
bool asleep;			/* TASK_INTERRUPTIBLE */
bool to_stop, was_killed, exited;

/* ---- struct vmbus_gpadl_channel, and a GPADL of it that the backend has mapped ---- */
byte chan_ref = 1;
bool mapped, gpadl_lock, marked;
bool free_due, freed;

/* ---- struct vmbus_endpoint ---- */
byte state = ENDPOINT_CLOSED;
bool request, opening, to_close, dying, abandoned, opened;
byte ep_ref = 1;
bool lock;			/* vmbus_device.lock */
bool signals = true, signals_lock;

/* ---- For the checks only ---- */
bool running, has;		/* an item is under way; the backend has the channel */
bool last_has_run;
byte calls;			/* callbacks begun by the thread after it was killed */
byte owed;			/* answers to OPENCHANNEL */
byte files = 2;			/* who has the file open */

/* ---- Queueing ---- */

/* gpadl_worker_queue() */
inline worker_queue(who, what, ret)
{
	if
	:: broken(ITEM_LOST) -> sees = orphaned
	:: else
	fi;
	atomic {
		assert(!freed);
		ret = !queued[what];
		queued[what] = true;
		if
		:: ret ->
			readers = readers | (1 << who);
			queue!what
		:: else
		fi
	};
	if
	:: atomic { ret ->
		assert(!freed);
		if
		:: orphaned && (sees || !broken(ITEM_LOST)) -> orphan_due = true
		:: else -> asleep = false
		fi;
		sees = false;
		readers = readers & ~(1 << who)
	   }
	:: atomic { !ret -> skip }
	fi
}

/* gpadl_channel_unref() */
inline channel_unref(who, ret)
{
	atomic {
		assert(chan_ref > 0);
		chan_ref--;
		ret = chan_ref == 0
	};
	if
	:: ret -> worker_queue(who, LAST_WORK, ret)
	:: else
	fi;
	ret = false
}

/* vmbus_ep_put(), endpoint_unlink() */
inline ep_put(who, ret)
{
	atomic {
		assert(ep_ref > 0);
		ep_ref--;
		ret = ep_ref == 0
	};
	if
	:: ret ->
		/* vmbus_ep_clear_signals() */
		atomic { !signals_lock || broken(KICK_FREED) ->
			signals = broken(KICK_FREED) };
		/* vmbus_gpadl_channel_put() */
		channel_unref(who, ret)
	:: else
	fi;
	ret = false
}

/* endpoint_queue(), with the lock, which it drops */
inline queue_state(who, ret)
{
	if
	:: state != ENDPOINT_REMOVED -> worker_queue(who, STATE_WORK, ret)
	:: else
	fi;
	atomic { lock = false; ret = false }
}

/* ---- The backend ---- */

/* A callback of it begins, in the thread or not. */
inline call(who)
{
	assert(!freed);
	if
	:: killed && who == THREAD -> calls++
	:: else
	fi;
	assert(calls <= 1)
}

/* vmbus_gpadl_unmap() */
inline unmap(who, ret)
{
	atomic { !gpadl_lock && mapped -> mapped = false; marked = false };
	channel_unref(who, ret)
}

/* ---- The channel's work ---- */

/* vmbus_ep_answer_open(), vmbus_ep_cancel_open() */
inline answer()
{
	assert(owed > 0);
	owed--
}

/* endpoint_set_closed() */
inline set_closed()
{
	state = ENDPOINT_CLOSED;
	to_close = false
}

/* endpoint_do_open(), endpoint_finish_open() */
inline do_open(who, ret)
{
	atomic {
		opened = true;
		call(who);
		assert(!has)
	};
	/* The backend refuses; or has it, and perhaps maps something that it keeps. */
	if
	:: atomic { true ->
		opened = false;
		!lock;
		answer();
		set_closed()
	   }
	:: atomic { true ->
		has = true;
		if
		:: !orphaned ->
			mapped = true;
			chan_ref++
		:: true
		fi
	   };
		atomic { !lock ->
			answer();
			state = ENDPOINT_OPEN;
			ret = false
		}
	fi
}

/* endpoint_do_close(), endpoint_finish_close() */
inline do_close(who, ret)
{
	atomic {
		call(who);
		assert(has);
		has = broken(CLOSE_TWICE) && has
	};
	if
	:: mapped -> unmap(who, ret)
	:: else
	fi;
	atomic {
		opened = false;
		!lock;
		if
		:: broken(CLOSE_TWICE) -> has = false; state = ENDPOINT_OPEN
		:: else -> set_closed()
		fi
	}
}

/* vmbus_ep_do_remove() */
inline do_remove(who, ret)
{
	atomic {
		call(who);
		assert(!has)
	};
	atomic { !lock ->
		state = ENDPOINT_REMOVED;
		ret = abandoned
	};
	if
	:: ret && !broken(NOT_PUT) -> ep_put(who, ret)
	:: else -> ret = false
	fi
}

/* endpoint_next(): what is to be done next, endpoint_next_closed() and endpoint_next_open() */
#define is_open_next	(state == ENDPOINT_CLOSED && request)
#define is_remove_next	((state == ENDPOINT_CLOSED || \
			  (state == ENDPOINT_OPEN && broken(CLOSE_NEVER))) && \
			 !request && dying)
#define is_close_next	(state == ENDPOINT_OPEN && to_close && !is_remove_next)

/* What comes next is for another run. */
inline queue_again(who, ret)
{
	if
	:: broken(KILL_WAITS)
	:: else ->
		atomic { !lock -> lock = true };
		queue_state(who, ret);
		break
	fi
}

/* endpoint_state_work() */
inline state_work(who, ret)
{
	do
	:: atomic { !lock && is_open_next ->
		request = false;
		state = ENDPOINT_OPENING
	   };
		do_open(who, ret);
		queue_again(who, ret)
	:: atomic { !lock && is_close_next -> state = ENDPOINT_CLOSING };
		do_close(who, ret);
		queue_again(who, ret)
	:: atomic { !lock && is_remove_next -> state = ENDPOINT_REMOVING };
		do_remove(who, ret);
		break
	:: atomic { !lock && !is_open_next && !is_close_next && !is_remove_next -> break }
	od
}

/* endpoint_kick_work() */
inline kick_work(who)
{
	atomic {
		if
		:: (opened || broken(CLOSE_NOT_LAST)) && (!orphaned || broken(KICK_ORPHAN)) ->
			call(who);
			assert(has);
			assert(who == THREAD)
		:: else
		fi
	}
}

/* channel_revoke_work(), gpadl_run_revokes(), vmbus_ep_revoke() */
inline revoke_work(who, ret)
{
	if
	:: atomic { marked && opened -> marked = false; call(who); assert(has) };
		unmap(who, ret)
	:: atomic { !(marked && opened) -> marked = false }
	fi;
	channel_unref(who, ret)
}

/* The item: worker_step(), worker_orphan_work() */
inline run_item(who, what, ret)
{
	atomic {
		assert(!running);
		running = true;
		assert(!last_has_run || what == END_WORK)
	};
	if
	:: what == STATE_WORK -> state_work(who, ret)
	:: what == KICK_WORK -> kick_work(who)
	:: what == REVOKE_WORK -> revoke_work(who, ret)
	/* channel_last_work() */
	:: what == LAST_WORK -> atomic { last_has_run = true; free_due = true }
	/* worker_end_work() */
	:: what == END_WORK -> ended = true
	fi;
	atomic {
		running = false;
		if
		:: broken(CLEAR_LATE) -> queued[what] = false
		:: else
		fi;
		what = NO_WORK
	}
}

/* worker_next() */
inline next_item(what)
{
	if
	:: atomic { broken(ORDER) && orphaned && nempty(queue) && nempty(todo) ->
		queue?what; todo!what; todo?what; todo!what
	   }
	:: atomic { empty(todo) ->
		do
		:: nempty(queue) -> queue?what; todo!what
		:: empty(queue) -> break
		od;
		what = NO_WORK
	   }
	:: atomic { else -> skip }
	fi;
	if
	:: atomic { nempty(todo) ->
		todo?what;
		if
		:: broken(CLEAR_LATE)
		:: else -> queued[what] = false
		fi
	   }
	:: atomic { empty(todo) -> what = NO_WORK }
	fi
}

/* vhost_task_fn() */
proctype thread()
{
	byte what = NO_WORK;
	bool ret, sees;

	do
	:: atomic { killed -> break }
	:: atomic { !killed -> asleep = !broken(SLEEP_LATE) };
		if
		:: atomic { to_stop -> asleep = false; goto out }
		:: atomic { !to_stop -> skip }
		fi;
		next_item(what);
		if
		:: atomic { what != NO_WORK -> asleep = false };
			run_item(THREAD, what, ret)
		:: atomic { what == NO_WORK -> asleep = asleep || broken(SLEEP_LATE) };
			/* schedule() */
			!asleep || killed
		fi
	od;
	/* Between two items; of vhost_task.exit_mutex this is the half */
	atomic {
		if
		:: to_stop -> goto out
		:: else -> was_killed = true
		fi
	};
	/* gpadl_worker_killed() */
	if
	:: broken(TODO_LOST) ->
		atomic { do :: nempty(todo) -> todo?what :: empty(todo) -> break od }
	:: else
	fi;
	if
	:: broken(LOOK_FIRST) -> orphan_due = true; orphaned = true
	:: else -> orphaned = true; orphan_due = true
	fi;
out:	exited = true
}

/* worker_orphan_work() */
proctype orphan()
{
	byte what = NO_WORK;
	bool ret, sees;

end:	do
	:: atomic { orphan_due -> orphan_due = false; orphan_runs = true };
		next_item(what);
		if
		:: what != NO_WORK ->
			run_item(ORPHAN, what, ret);
			atomic { orphan_due = true; orphan_runs = false }
		:: else -> orphan_runs = false
		fi
	od
}

/* ---- Others ---- */

/* A vCPU: kick_wake(), with the lock of the eventfd */
proctype kicker()
{
	byte n = KICKS;
	bool ret, sees;

end:	do
	:: atomic { n > 0 && signals && !signals_lock -> n--; signals_lock = true };
		worker_queue(KICKER, KICK_WORK, ret);
		atomic { signals_lock = false; ret = false }
	od
}

/* The guest tears down what is mapped: gpadl_revoke(), gpadl_channel_queue_revoke(). */
proctype revoker()
{
	bool ret, sees;

end:	atomic { mapped && !gpadl_lock ->
		gpadl_lock = true;
		marked = true;
		chan_ref++
	};
	worker_queue(REVOKER, REVOKE_WORK, ret);
	if
	:: !ret -> channel_unref(REVOKER, ret)
	:: else
	fi;
	gpadl_lock = false
}

/* vmbus_ep_open(), endpoint_may_open() */
inline open_channel(who, ret)
{
	atomic { !lock ->
		if
		:: dying || request ||
		   (!to_close && (state == ENDPOINT_OPENING || state == ENDPOINT_OPEN))
		:: else -> request = true; owed++; lock = true; ret = true
		fi
	};
	if
	:: ret -> queue_state(who, ret)
	:: else
	fi
}

/* endpoint_close_one() */
inline close_one(ret)
{
	if
	:: request -> request = false;
		if
		:: broken(ANSWER_LOST)
		:: else -> answer()
		fi
	:: else
	fi;
	if
	:: (state == ENDPOINT_OPENING && !broken(CLOSE_LOST)) || state == ENDPOINT_OPEN ->
		to_close = true;
		ret = true
	:: else
	fi
}

/* vmbus_ep_close() */
inline close_channel(who, ret)
{
	atomic { !lock ->
		close_one(ret);
		lock = ret
	};
	if
	:: ret -> queue_state(who, ret)
	:: else
	fi
}

/* Whoever has the file passes messages of the guest on. */
proctype driver()
{
	byte n = MESSAGES;
	bool ret, sees;

	do
	:: n > 0 -> n--;
		if
		:: open_channel(DRIVER, ret)
		:: close_channel(DRIVER, ret)
		fi
	:: n == 0 -> break
	od;
	files--
}

/* vmbus_ep_die(), vmbus_ep_abandon(): endpoint_die_locked(), endpoint_die_one() */
inline die(leave)
{
	atomic { !lock ->
		lock = true;
		close_one(ret);
		dying = true;
		ret = false;
		removed = (leave) && state == ENDPOINT_REMOVED;
		abandoned = leave
	};
	queue_state(VMM, ret)
}

proctype vmm()
{
	bool ret, sees, removed, gone;

	if
	/* vmbus_guest_destroy_channel(): it waits until that is done, or it is killed */
	:: true ->
		atomic { ep_ref++ };
		die(false);
		if
		:: atomic { state == ENDPOINT_REMOVED && !mapped ->
			/* guest_forget_one() */
			gone = true };
			ep_put(VMM, ret)
		:: killed
		fi;
		ep_put(VMM, ret)
	:: true
	fi;
	files--;
	/* The last close, perhaps in another process: vmbus_guest_close() */
	files == 0;
	if
	:: !gone ->
		die(true);
		if
		:: removed -> ep_put(VMM, ret)
		:: else
		fi
	:: else
	fi;
	/* Then all is gone. */
	freed;
	assert(state == ENDPOINT_REMOVED && !has && owed == 0)
}

/* channel_free_work(), after a grace period; gpadl_worker_destroy() */
proctype freer()
{
	bool ret, sees;
	byte who;

end:	atomic { free_due -> who = 0 };
	do
	:: atomic { who <= REVOKER && ((readers & (1 << who)) == 0 || broken(FREED_EARLY)) -> who++ }
	:: atomic { who > REVOKER -> who = 0; break }
	od;
	worker_queue(FREER, END_WORK, ret);
	ended;
	/* vhost_task_stop() */
	atomic {
		if
		:: !was_killed -> to_stop = true; asleep = false
		:: else
		fi
	};
	exited;
	/* cancel_work_sync() */
	atomic { !orphan_runs -> orphan_due = false };
	atomic {
		assert(empty(queue) && empty(todo));
		assert(chan_ref == 0 && readers == 0);
		freed = true
	}
}

/* Who is killed says so himself, and not while an item of his runs. */
proctype killer()
{
	if
	:: atomic { true ->
		killed = true;
		orphaned = orphaned || broken(TWO_AT_ONCE);
		orphan_due = orphan_due || broken(TWO_AT_ONCE)
	   }
	:: true
	fi
}

init
{
	atomic {
		c_code { now.break_rule = getenv("BREAK") ? atoi(getenv("BREAK")) : 0; };
		run thread();
		run orphan();
		if
		:: run kicker()
		:: run revoker()
		fi;
		run driver();
		run vmm();
		run freer();
		run killer()
	}
}
