/* SPDX-License-Identifier: GPL-2.0 */
/* As much of the kernel's lists as the rings use. */
#ifndef _HOST_LIST_H
#define _HOST_LIST_H

#include <linux/types.h>

static inline void INIT_LIST_HEAD(struct list_head *head)
{
	head->next = head;
	head->prev = head;
}

static inline void list_add_tail(struct list_head *node, struct list_head *head)
{
	node->next = head;
	node->prev = head->prev;
	head->prev->next = node;
	head->prev = node;
}

static inline void list_del(struct list_head *node)
{
	node->next->prev = node->prev;
	node->prev->next = node->next;
	node->next = NULL;
	node->prev = NULL;
}

static inline bool list_empty(const struct list_head *head)
{
	return head->next == head;
}

static inline bool list_is_first(const struct list_head *node, const struct list_head *head)
{
	return node->prev == head;
}

static inline bool list_is_singular(const struct list_head *head)
{
	return head->next != head && head->next == head->prev;
}

#define list_entry(node, type, member)	\
	((type *)((char *)(node) - offsetof(type, member)))
#define list_for_each_entry(pos, head, member)	\
	for ((pos) = list_entry((head)->next, typeof(*(pos)), member);	\
	     &(pos)->member != (head);	\
	     (pos) = list_entry((pos)->member.next, typeof(*(pos)), member))
#define list_prev_entry(pos, member)	\
	list_entry((pos)->member.prev, typeof(*(pos)), member)

#endif /* _HOST_LIST_H */
