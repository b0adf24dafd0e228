/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Model of resident regions and of what is pinned under them, for Spin: what gpadl/region.c,
 * change.c, notifier.c, relook.c and resident.c do, and mapping.c with them, step by step.
 * scripts/model.sh makes states.pml of enum gpadl_state, and looks whether the functions that are
 * named here are still there.
 *
 * One block with two pages, which one region covers, or one for each, or one for the second only. A
 * kernel that changes the VMM's memory, or seems to; two threads, or one, that map GPADLs, of the
 * first page and of both; a VMM that sets regions: splits, merges, removes, adds, retires, or names
 * those that are there; and closes its file, while all that goes on or after it; and the work of
 * the partition. Not all of these come together: init has which do.
 *
 * A critical section is a step, and so is what is done without a lock: a look at page tables, a
 * pin, a look-up. All watches of a change are called in one step: none of them is for a page of
 * another one's. A page that comes is one that has not been there before.
 *
 * Left out: memory that is pinned on demand: its pins are the mapping's own (request.pml has the
 * change of regions under it); addresses without a page, memory errors, and what fails; the memory
 * of tables and regions (gpadl_region_put()), which is freed by counts; that who changes regions waits
 * for watches that end; requests; a guest that
 * tears down what is being mapped while its VMM sets regions (gpadl_moves(): it counts with what
 * it names now). And a page that goes does not come at another address in the same change, so that
 * nobody who has looked since is asked for it in vain: KUnit's retire suite has that.
 *
 * Checked, in every interleaving; by the name of the switch that breaks the model so that it must
 * be found:
 *
 *  MAP_STALE		A map gives no page that had gone when it was called: it looks for marks,
 *  MARK_LOST		which stay if something has changed since the look,
 *  MARK_PART		and as long as only a part of the block was looked at.
 *  SEQ_LOST		A look learns that it was overtaken,
 *  ENTER_OLD		and enters nothing then, over what another one has found meanwhile.
 *  NEW_UNMARKED	A new region does not trust what others have pinned,
 *  PIN_FIRST		is watched before it is pinned,
 *  WATCH_EARLY		and after all changes that do not call it.
 *  UNPIN_EARLY		What is mapped stays pinned when it is replaced,
 *  USERS_UNSEEN	as long as a region of the block has users,
 *  SHARES_UNSEEN	in the table or not,
 *  GONE_UNSEEN		or has just left it;
 *  DROP_EARLY		when its region goes,
 *  TRIM_EARLY		and when another one that goes covered it.
 *  STALE_KEPT		What is replaced goes when nothing is mapped,
 *  TRIM_FORGOTTEN	and so does what no region covers, when the last mapping goes.
 *  USER_UNSEEN		When a change has been done, nothing is mapped of what it took away: a map
 *			sees the change, or the change its use,
 *  MAPPING_UNSEEN	also if the map is under way,
 *  LINGER_UNSEEN	and if its region was replaced before.
 *  SPLIT_BUSY		A split or a merge is not refused.
 *  RETIRE_FORGOTTEN	Whoever has a page that is retired is asked for it.
 *  RETIRE_UNSEEN	A map gives nothing that it has listed when a change was done that has retired it.
 *  LEAK		All goes with the last mapping,
 *  FREED_EARLY		and the partition after all.
 */
#include "states.pml"
#include "breaks.pml"

byte break_rule;
#define broken(rule)	(break_rule == rule)

#define bit(n)		(1 << (n))
#define MAPS	2	/* GPADLs, with a thread that maps for each */
#define CHANGES	2	/* SET_REGIONS, at most */
#define NONE	7	/* no region */
#define VMM	MAPS	/* as a thread that looks */

/* ---- The VMM's memory: the page at each address; a page that comes has a new number ---- */
byte at[2], next_page;
byte nr_active, called;		/* mmu notifiers: changes under way; regions that were told */

/* ---- The block: what is pinned ---- */
byte leaf[2], shares;		/* struct gpadl_block; 0: not pinned */
byte stale;			/* pages that were replaced, as bits */

/* ---- Regions, as bits but for these ---- */
byte covers[6], users[6];
byte nr_regions;
byte watched, marked, gone;	/* gpadl_watch, its marks; gpadl_region.gone */

/* ---- Tables: the region of either address; they do not change ---- */
byte t0[CHANGES + 2] = NONE, t1[CHANGES + 2] = NONE;
byte table;			/* in force; its number is its generation */
bool switching;
byte lingering, due_drop, due_end;
bool due_stale, due_clear;
byte ref;			/* of the partition */
bool working;			/* an item of its work is under way */
bool dead, freed;

/* ---- Maps: struct gpadl and struct gpadl_mapping ---- */
byte state[MAPS] = GPADL_READY;
byte want[MAPS];		/* pages that it names, as bits */
byte found_in[MAPS];		/* gpadl_mapping.map.table */
byte retired_in;		/* gpadl_mem.retired */
byte list[2 * MAPS];		/* what the backend has */
bool revoked[MAPS];
byte retired[MAPS];

/* ---- Looks: gpadl_watch_look() .. gpadl_watch_moved() ---- */
byte looks[MAPS + 1] = NONE;	/* at that region */
bool overtaken[MAPS + 1];

/* ---- For the checks only ---- */
byte was[MAPS];			/* pages that were there since the map began, as bits */
bool holds[MAPS];		/* it has its regions */
bool late[MAPS];		/* it has listed pages that may be the VMM's own by then */
byte went[2];			/* generation in which an address went last */
byte maps_left = MAPS;

#define busy(m)	(state[m] == GPADL_MAPPING || state[m] == GPADL_MAPPED || \
		 state[m] == GPADL_UNMAPPING)
#define has(a, r)	((covers[r] & bit(a)) != 0)
#define region(t, a)	(a == 0 -> t0[t] : t1[t])
#define is_in(t, a)	(region(t, a) != NONE)
#define set0(t, w)	((((w) & 1) && t0[t] != NONE) -> bit(t0[t]) : 0)
#define set1(t, w)	((((w) & 2) && t1[t] != NONE) -> bit(t1[t]) : 0)
/* Regions with these pages */
#define regions(t, w)	(set0(t, w) | set1(t, w))
#define is_held(p)	(list[0] == p || list[1] == p || list[2] == p || list[3] == p)

inline put()
{
	assert(!freed);
	ref--;
	if
	:: ref == 0 ->
		/* gpadl_mem_drop_regions() */
		assert(shares == 0 && leaf[0] == 0 && leaf[1] == 0 && stale == 0);
		assert(watched == 0 && lingering == 0 && due_drop == 0 && !due_stale);
		assert(due_end == 0);
		freed = true
	:: else
	fi
}

/* ---- The kernel ---- */

/* watch_invalidate() */
inline invalidate(r)
{
	if
	:: broken(SEQ_LOST)
	:: else ->
		called = called | bit(r);
		i = 0;
		do
		:: i <= VMM -> overtaken[i] = overtaken[i] || looks[i] == r; i++
		:: else -> break
		od
	fi;
	marked = marked | bit(r)
}

inline note(m)
{
	if
	:: state[m] == GPADL_MAPPING -> was[m] = was[m] | bit(at[a])
	:: else
	fi
}

/*
 * The kernel says that it will change something, has each watch called that is there, and may
 * change the page.
 */
proctype kernel(byte n)
{
	byte a, i, r;

end:	do
	:: atomic { n > 0 ->
		n--;
		if
		:: a = 0
		:: a = 1
		fi;
		nr_active++;
		do
		:: r < nr_regions ->
			if
			:: (watched & bit(r)) && has(a, r) -> invalidate(r)
			:: else
			fi;
			r++
		:: else -> break
		od;
		i = 0;
		r = 0
	   };
		atomic {
			if
			:: at[a] = next_page; next_page++; note(0); note(1)
			:: true		/* KSM, soft-dirty, a migration that fails */
			fi;
			a = 0;
			nr_active--;
			if
			:: nr_active == 0 -> called = 0
			:: else
			fi
		}
	od
}

/* ---- Blocks ---- */

inline unpin_page(p)
{
	assert(p == 0 || !is_held(p))
}

inline unpin_stale()
{
	i = 1;
	do
	:: i < next_page ->
		if
		:: stale & bit(i) -> unpin_page(i)
		:: else
		fi;
		i++
	:: else -> break
	od;
	i = 0;
	stale = 0
}

/* The end of gpadl_resident_drop() */
inline drop_share()
{
	shares--;
	if
	:: shares == 0 ->
		unpin_stale();
		unpin_page(leaf[0]); leaf[0] = 0;
		unpin_page(leaf[1]); leaf[1] = 0
	:: else
	fi
}

/* A region of the table, in block_is_idle() */
inline idle_one(r)
{
	if
	:: ((gone & bit(r)) && !broken(GONE_UNSEEN)) ||
	   (users[r] != 1 && !broken(USERS_UNSEEN)) -> idle = false
	:: else
	fi;
	nr++
}

/* block_is_idle() */
inline look_idle(t)
{
	idle = true;
	nr = 0;
	if
	:: t0[t] != NONE -> idle_one(t0[t])
	:: else
	fi;
	if
	:: t1[t] != NONE && t1[t] != t0[t] -> idle_one(t1[t])
	:: else
	fi;
	idle = idle && (nr == shares || broken(SHARES_UNSEEN));
	nr = 0
}

/* gpadl_regions_drop_stale() */
inline drop_stale()
{
	if
	:: atomic { stale != 0 -> t = table };
		atomic {
			look_idle(t);
			if
			:: idle -> unpin_stale()
			:: else
			fi;
			idle = false;
			t = 0
		}
	:: atomic { stale == 0 -> skip }
	fi
}

#define covered(t, a)	(is_in(t, a))
#define nr_covering(t)	((t0[t] != NONE -> 1 : 0) + ((t1[t] != NONE && t1[t] != t0[t]) -> 1 : 0))

/* gpadl_regions_trim(), when @t is set to the table */
inline trim()
{
	atomic {
		/* block_trim() */
		if
		:: t == table && nr_covering(t) > 0 &&
		   (nr_covering(t) == shares || broken(TRIM_EARLY)) ->
			if
			:: !covered(t, 0) -> unpin_page(leaf[0]); leaf[0] = 0
			:: else
			fi;
			if
			:: !covered(t, 1) -> unpin_page(leaf[1]); leaf[1] = 0
			:: else
			fi
		:: else
		fi;
		t = 0
	};
	drop_stale()
}

/* ---- Looking again ---- */

/* gpadl_watch_look(), mmu_interval_read_begin() */
inline look(who, r)
{
	atomic {
		looks[who] = r;
		overtaken[who] = false;
		(called & bit(r)) == 0
	}
}

/* Find the pages @what */
inline peek(what)
{
	atomic {
		seen0 = ((what) & 1 -> at[0] : 0);
		seen1 = ((what) & 2 -> at[1] : 0)
	}
}

/* block_replace_page() */
inline replace(a, seen)
{
	if
	:: seen != 0 && leaf[a] != seen ->
		if
		:: broken(UNPIN_EARLY) -> unpin_page(leaf[a])
		:: else -> stale = stale | bit(leaf[a])
		fi;
		leaf[a] = seen
	:: else
	fi
}

/* gpadl_watch_clear() */
inline clear_mark(who, r)
{
	if
	:: !overtaken[who] || broken(MARK_LOST) -> marked = marked & ~bit(r)
	:: else
	fi
}

/* part_repin() */
inline repin(who, r, what)
{
	do
	:: look(who, r);
		peek(what);
		/* part_enter() */
		atomic {
			if
			:: overtaken[who] && !broken(ENTER_OLD) -> seen0 = 0; seen1 = 0
			:: else ->
				replace(0, seen0);
				replace(1, seen1);
				seen0 = 0; seen1 = 0;
				if
				:: broken(MARK_PART) -> clear_mark(who, r)
				:: else
				fi;
				break
			fi
		}
	od
}

/* relook_part(): the whole part of the region; then the pages that were named */
inline relook(who, r, what)
{
	/* part_is_same() */
	look(who, r);
	peek(covers[r]);
	atomic {
		same = (seen0 == 0 || seen0 == leaf[0]) && (seen1 == 0 || seen1 == leaf[1]);
		seen0 = 0; seen1 = 0
	};
	if
	:: atomic { same -> clear_mark(who, r); same = false }
	:: atomic { !same -> skip };
		repin(who, r, (what) & covers[r])
	fi;
	looks[who] = NONE;
	overtaken[who] = false
}

/* ---- Maps ---- */

/* gpadl_region_unuse() */
inline unuse(r)
{
	atomic {
		users[r]--;
		if
		:: users[r] == 0 && !broken(LEAK) -> due_drop = due_drop | bit(r)
		:: users[r] == 1 && stale != 0 && !due_stale && !broken(STALE_KEPT) ->
			due_stale = true;
			ref++
		:: else
		fi
	}
}

/* gpadl_mapping_unuse_regions() of the regions @used */
inline unfind()
{
	do
	:: atomic { used != 0 ->
		r = 0;
		do
		:: (used & bit(r)) == 0 -> r++
		:: else -> break
		od;
		used = used & ~bit(r)
	   };
		unuse(r)
	:: atomic { used == 0 -> r = 0; break }
	od
}

/* lookup_use_regions(), of those @todo */
inline use()
{
	do
	:: atomic { todo != 0 ->
		r = 0;
		do
		:: (todo & bit(r)) == 0 -> r++
		:: else -> break
		od;
		todo = todo & ~bit(r);
		if
		:: users[r] > 0 -> users[r]++; used = used | bit(r)
		:: else -> ok = false; todo = 0
		fi;
		r = 0
	   }
	:: atomic { todo == 0 -> break }
	od
}

#define names(m, a)	((want[m] & bit(a)) != 0)
/* A page of the GPADL went after it had been looked up */
#define lost(m, a)	(names(m, a) && went[a] > found_in[m])

inline list_page(m, a)
{
	if
	:: names(m, a) ->
		assert(leaf[a] != 0);
		list[2 * m + a] = leaf[a]
	:: else
	fi
}

/* gpadl_finish_map() */
inline finish(m)
{
	if
	:: dead -> state[m] = GPADL_UNMAPPING
	:: else ->
		assert(!late[m]);
		assert(!names(m, 0) || (was[m] & bit(list[2 * m])));
		assert(!names(m, 1) || (was[m] & bit(list[2 * m + 1])));
		if
		:: retired[m] != 0 && found_in[m] > retired[m] - 1 ->
			retired[m] = 0;
			revoked[m] = false
		:: else
		fi;
		state[m] = GPADL_MAPPED;
		/* It is asked for if a page has gone from where it was found, and only then. */
		assert(revoked[m] || !(lost(m, 0) || lost(m, 1)));
		assert(!revoked[m] || lost(m, 0) || lost(m, 1) || switching)
	fi;
	was[m] = 0
}

proctype map(byte m)
{
	byte used, todo, r, seen0, seen1;
	bool ok, same;

	/* gpadl_begin_map(): not GPADL_ASSEMBLING any more, nor GPADL_DEAD */
	if
	:: atomic { dead -> goto out }
	:: atomic { !dead ->
		state[m] = GPADL_MAPPING;
		was[m] = bit(at[0]) | bit(at[1]);
		ref++
	   }
	fi;
again:	/* mapping_look_up() */
	do
	:: atomic {
		found_in[m] = table;
		todo = regions(table, want[m]);
		ok = true
	   };
		use();
		/* gpadl_region_table_is_current() */
		atomic {
			ok = ok && ((!switching && table == found_in[m]) ||
				    broken(USER_UNSEEN));
			holds[m] = ok
		};
		if
		:: atomic { ok -> break }
		:: atomic { !ok -> skip }
		fi;
		unfind();
		/* gpadl_region_wait_switch() */
		!switching
	od;
	/* mapping_check() */
	if
	:: atomic { (names(m, 0) && !is_in(found_in[m], 0)) ||
		    (names(m, 1) && !is_in(found_in[m], 1)) -> ok = false; holds[m] = false }
	:: else ->
		/* lookup_is_stale(), gpadl_relook() */
		todo = used;
		do
		:: atomic { todo != 0 ->
			r = 0;
			do
			:: (todo & bit(r)) == 0 -> r++
			:: else -> break
			od;
			todo = todo & ~bit(r)
		   };
			if
			:: (marked & bit(r)) && !broken(MAP_STALE) -> relook(m, r, want[m])
			:: else
			fi
		:: atomic { todo == 0 -> r = 0; break }
		od;
		/* gpadl_sg_make(), gpadl_resident_find() */
		atomic {
			list_page(m, 0); list_page(m, 1);
			late[m] = lost(m, 0) || lost(m, 1)
		};
		/* gpadl_region_table_is_retired() */
		if
		:: atomic { retired_in > found_in[m] ->
			list[2 * m] = 0; list[2 * m + 1] = 0;
			late[m] = false;
			holds[m] = false
		   };
			unfind();
			goto again
		:: atomic { retired_in <= found_in[m] -> skip }
		fi;
		atomic { finish(m) };
		/* vmbus_gpadl_unmap(), gpadl_begin_unmap(), gpadl_mapping_unmap() */
		atomic {
			state[m] = GPADL_UNMAPPING;
			list[2 * m] = 0; list[2 * m + 1] = 0;
			holds[m] = false
		}
	fi;
	unfind();
	/* gpadl_settle() */
	atomic {
		state[m] = GPADL_READY;
		revoked[m] = false;
		retired[m] = 0;
		found_in[m] = 0;
		was[m] = 0;
		put()
	};
out:	maps_left--
}

/* ---- The end of a region ---- */

/* region_unpin() */
inline region_unpin(r)
{
	atomic { drop_share() }
}

/* gpadl_watch_end(): waits for changes that are under way */
inline watch_end(r)
{
	atomic { nr_active == 0 ->
		watched = watched & ~bit(r);
		marked = marked & ~bit(r)
	}
}

/* region_work_done() */
inline work_done()
{
	atomic {
		lingering--;
		if
		:: broken(FREED_EARLY)
		:: else -> put()
		fi
	}
}

/* gpadl_region_retire(), and gpadl_region_retired(), or gpadl_region_queue_end() of the last close */
inline retire_region(r)
{
	atomic {
		/* mem_work_begin() */
		lingering++;
		if
		:: broken(FREED_EARLY)
		:: else -> ref++
		fi;
		gone = gone | bit(r);
		users[r]--;
		zero = users[r] == 0 || broken(DROP_EARLY)
	};
	if
	:: atomic { zero -> zero = false };
		region_unpin(r);
		if
		:: atomic { dead -> due_end = due_end | bit(r) }
		:: !dead ->
			watch_end(r);
			work_done()
		fi
	:: atomic { !zero -> skip }
	fi
}

/* Those of @todo */
inline retire_regions()
{
	do
	:: atomic { todo != 0 ->
		r = 0;
		do
		:: (todo & bit(r)) == 0 -> r++
		:: else -> break
		od;
		todo = todo & ~bit(r)
	   };
		retire_region(r)
	:: atomic { todo == 0 -> r = 0; break }
	od
}

/* What the partition's watch_wq runs: region_end_work() */
proctype ends()
{
	byte r;

end:	do
	:: atomic { due_end != 0 ->
		r = 0;
		do
		:: (due_end & bit(r)) == 0 -> r++
		:: else -> break
		od
	   };
		watch_end(r);
		atomic { due_end = due_end & ~bit(r); r = 0 };
		work_done()
	od
}

/* What the partition's drop_wq runs, one item at a time */
proctype work()
{
	byte r, t, i, nr, todo;
	bool idle, zero;

end:	do
	/* region_drop_work() */
	:: atomic { due_drop != 0 ->
		working = true;
		r = 0;
		do
		:: (due_drop & bit(r)) == 0 -> r++
		:: else -> break
		od;
		due_drop = due_drop & ~bit(r)
	   };
		region_unpin(r);
		if
		:: broken(TRIM_FORGOTTEN)
		:: else -> atomic { t = table }; trim()
		fi;
		atomic {
			due_end = due_end | bit(r);
			r = 0;
			working = false
		}
	/* gpadl_regions_stale_work() */
	:: atomic { due_stale -> due_stale = false; working = true };
		drop_stale();
		atomic { put(); working = false }
	/* partition_clear_work(), gpadl_mem_clear_regions() */
	:: atomic { due_clear -> due_clear = false;
		todo = regions(table, 3);
		table++		/* no_regions */
	   };
		retire_regions();
		atomic {
			if
			:: due_stale -> due_stale = false; put()
			:: else
			fi
		};
		atomic { put() }
	od
}

/* ---- SET_REGIONS ---- */

#define new	(table + 1)

inline add_region(what)
{
	covers[nr_regions] = what;
	users[nr_regions] = 1;
	made = made | bit(nr_regions);
	nr_regions++
}

#define is_whole	(t0[table] == t1[table])
#define is_second	(t0[table] == NONE)

/*
 * change_enter(), change_to_table(): one region with both pages; one for each; only that of the
 * second, with VMBUS_GPA_REGIONS_RETIRE or without; or what is there.
 */
inline make_table()
{
	if
	:: !is_whole -> add_region(3); t0[new] = nr_regions - 1; t1[new] = t0[new]
	:: is_whole || is_second ->
		add_region(1); t0[new] = nr_regions - 1;
		if
		:: is_whole -> add_region(2); t1[new] = nr_regions - 1
		:: else -> t1[new] = t1[table]
		fi
	:: !is_second ->
		if
		:: is_whole -> add_region(2); t1[new] = nr_regions - 1
		:: else -> t1[new] = t1[table]
		fi;
		if
		:: true
		:: early || !is_whole -> retire = true
		fi
	:: is_whole && n == 0 && !early -> t0[new] = t0[table]; t1[new] = t1[table]
	fi
}

/* gpadl_watch_begin(): what has begun to change, and does not call us, is over then. */
inline watch_begin(r)
{
	atomic {
		watched = watched | bit(r);
		if
		:: nr_active > 0 && !broken(WATCH_EARLY) -> called = called | bit(r)
		:: else
		fi;
		(called & bit(r)) == 0
	}
}

/* region_pin_part() */
inline region_pin(r)
{
	/* gpadl_resident_claim(), gpadl_block_missing(), gpadl_mem_pin() */
	atomic {
		shares++;
		seen0 = (has(0, r) && leaf[0] == 0 -> at[0] : 0);
		seen1 = (has(1, r) && leaf[1] == 0 -> at[1] : 0)
	};
	atomic {
		/* gpadl_block_fill() */
		if
		:: seen0 != 0 -> leaf[0] = seen0
		:: else
		fi;
		if
		:: seen1 != 0 -> leaf[1] = seen1
		:: else
		fi;
		if
		:: ((has(0, r) && seen0 == 0) || (has(1, r) && seen1 == 0)) &&
		   !broken(NEW_UNMARKED) -> marked = marked | bit(r)
		:: else
		fi;
		seen0 = 0; seen1 = 0
	}
}

/* gpadl_region_begin() of those @made */
inline begin_regions()
{
	todo = made;
	do
	:: atomic { todo != 0 ->
		r = 0;
		do
		:: (todo & bit(r)) == 0 -> r++
		:: else -> break
		od;
		todo = todo & ~bit(r)
	   };
		if
		:: broken(PIN_FIRST) -> region_pin(r); watch_begin(r)
		:: else -> watch_begin(r); region_pin(r)
		fi
	:: atomic { todo == 0 -> r = 0; break }
	od
}

/* gpadl_relook_region() of those that are in both tables */
inline relook_equal()
{
	todo = regions(table, 3) & regions(new, 3);
	do
	:: atomic { todo != 0 ->
		r = 0;
		do
		:: (todo & bit(r)) == 0 -> r++
		:: else -> break
		od;
		todo = todo & ~bit(r)
	   };
		if
		:: marked & bit(r) -> relook(VMM, r, 3); drop_stale()
		:: else
		fi
	:: atomic { todo == 0 -> r = 0; break }
	od
}

/* Does the change take page @a from where it is? table_keeps() */
#define moves(a)	(is_in(table, a) && !is_in(new, a))
/* gpadl_moves(): what is MAPPING counts with what it names now */
#define moves_of(m)	(busy(m) && ((names(m, 0) && moves(0) && is_in(from, 0)) || \
				     (names(m, 1) && moves(1) && is_in(from, 1))))
#define more_users(r)	(r != NONE && users[r] > 1)
#define is_changed(a)	(region(table, a) != region(new, a))
/* change_is_near() */
#define is_near		((is_changed(0) && more_users(t0[table])) || \
			 (is_changed(1) && more_users(t1[table])) || \
			 ((is_changed(0) || is_changed(1)) && lingering > 0 && \
			  !broken(LINGER_UNSEEN)))

/* gpadl_moves(), and gpadl_retire() */
inline look_at_map(m)
{
	atomic {
		from = (state[m] == GPADL_MAPPING -> table : found_in[m]);
		near = moves_of(m) && !(state[m] == GPADL_MAPPING && broken(MAPPING_UNSEEN));
		from = 0;
		busy_now = busy_now || near;
		near = near && retire
	};
	if
	:: atomic { near -> near = false;
		if
		:: busy(m) && !broken(RETIRE_FORGOTTEN) ->
			retired[m] = table + 1;
			revoked[m] = true
		:: else
		fi
	   }
	:: atomic { !near -> skip }
	fi
}

/* Whoever has its regions, and a page that goes now */
#define is_hit(m)	(holds[m] && ((names(m, 0) && moves(0) && is_in(found_in[m], 0)) || \
				      (names(m, 1) && moves(1) && is_in(found_in[m], 1))))

inline publish()
{
	assert(retire || (!is_hit(0) && !is_hit(1)));
	assert(!(is_hit(0) && state[0] == GPADL_MAPPED) || revoked[0]);
	assert(!(is_hit(1) && state[1] == GPADL_MAPPED) || revoked[1]);
	if
	:: moves(0) -> went[0] = new
	:: else
	fi;
	if
	:: moves(1) -> went[1] = new
	:: else
	fi;
	todo = regions(table, 3) & ~regions(new, 3);
	table++;
	made = 0
}

/* table_switch() */
inline table_switch()
{
	switching = true;
	atomic { near = is_near };
	if
	:: atomic { near -> near = false };
		if
		:: broken(SPLIT_BUSY) -> busy_now = !retire
		:: else ->
			if
			:: retire && !broken(RETIRE_UNSEEN) -> retired_in = new
			:: else
			fi;
			look_at_map(0);
			look_at_map(1)
		fi
	:: atomic { !near -> skip }
	fi;
	atomic {
		if
		:: busy_now && !retire ->
			assert(moves(0) || moves(1));
			todo = made;
			t0[new] = NONE; t1[new] = NONE;
			failed = true
		:: else -> publish()
		fi;
		busy_now = false;
		made = 0;
		switching = false
	}
}

/* gpadl_region_end() of those that were made for nothing: change_end() */
inline end_regions()
{
	do
	:: atomic { todo != 0 ->
		r = 0;
		do
		:: (todo & bit(r)) == 0 -> r++
		:: else -> break
		od;
		todo = todo & ~bit(r)
	   };
		region_unpin(r);
		watch_end(r)
	:: atomic { todo == 0 -> r = 0; break }
	od
}

/* gpadl_mem_set_regions() */
inline set_regions()
{
	atomic { made = 0; make_table() };
	begin_regions();
	relook_equal();
	table_switch();
	if
	:: atomic { failed -> failed = false };
		end_regions()
	:: atomic { !failed -> skip };
		retire_regions()
	fi;
	/* Only this thread changes the table. */
	atomic { retire = false; t = table };
	trim()
}

#define is_settled	(maps_left == 0 && due_drop == 0 && due_end == 0 && !due_stale && !working && \
			 nr_active == 0)
#define is_pinned(a)	((leaf[a] != 0) == is_in(table, a))

proctype vmm(byte n; bool early)
{
	byte r, t, i, nr, todo, made, seen0, seen1, from;
	bool idle, same, zero, retire, near, busy_now, failed;

	do
	:: atomic { n > 0 -> n-- }; set_regions()
	:: atomic { n == 0 -> break }
	od;
	if
	:: early
	/* When all has come to its end, what is pinned is what is there. */
	:: atomic { !early && is_settled ->
		assert(stale == 0);
		assert(is_pinned(0) && is_pinned(1)) }
	fi;
	/* The last close: vmbus_partition_put() */
	atomic { dead = true; due_clear = true };
	/* Then all is gone. */
	freed
}

inline whole()
{
	covers[0] = 3; nr_regions = 1; t0[0] = 0; t1[0] = 0; leaf[0] = 1
}

inline split()
{
	covers[0] = 1; covers[1] = 2; nr_regions = 2; t0[0] = 0; t1[0] = 1;
	users[1] = 1; leaf[0] = 1
}

inline second()
{
	covers[0] = 2; nr_regions = 1; t1[0] = 0
}

init
{
	atomic {
		c_code { now.break_rule = getenv("BREAK") ? atoi(getenv("BREAK")) : 0; };
		at[0] = 1; at[1] = 2; next_page = 3;
		ref = 1;
		looks[0] = NONE; looks[1] = NONE; looks[2] = NONE;
		/*
		 * What happens: changes of the VMM's memory, and of the regions; the file may be
		 * closed meanwhile, or not; and there are two maps, or one.
		 */
		if
		:: whole(); run kernel(2); run vmm(0, false); run map(0)
		:: second(); run kernel(1); run vmm(1, false); maps_left--
		:: whole(); run kernel(1); run vmm(0, true); run map(0)
		:: whole(); run kernel(0); run vmm(1, true); run map(0)
		:: whole(); run kernel(1); run vmm(1, false); maps_left--
		:: whole(); run kernel(0); run vmm(2, false); maps_left--
		:: split(); run kernel(1); run vmm(1, false); run map(0)
		fi;
		leaf[1] = 2;
		users[0] = 1;
		shares = nr_regions;
		watched = (nr_regions == 1 -> 1 : 3);
		want[0] = 1;
		want[1] = 3;
		run map(1);
		run work();
		run ends()
	}
}
