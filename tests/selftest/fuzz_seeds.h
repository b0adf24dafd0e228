/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What make check replays: seeds of the fuzzers, with the number of their operations, and
 * those that once found a bug.
 */
#ifdef DEVICE_SEED
/* The first one is lived twice, and must come to its end. */
DEVICE_SEED(3, 400)
DEVICE_SEED(1, 400)
/* A reply that could not be read, and came after its channel had gone */
DEVICE_SEED(2, 400)
DEVICE_SEED(4, 400)
/* A TORNDOWN after the last look at the queue: a partition that never went */
DEVICE_SEED(1795570775, 400)
/* A channel opened before a reset was through, which then waited for its close */
DEVICE_SEED(1795574441, 400)
#endif

#ifdef RING_SEED
/* Odd ones have a guest that does not wait. */
RING_SEED(1, 400)
RING_SEED(2, 400)
RING_SEED(3, 400)
RING_SEED(4, 400)
#endif

#ifdef SENDERS_SEED
/* The rest of a division by 4 is the kind of guest. */
SENDERS_SEED(4, 500)
SENDERS_SEED(5, 500)
SENDERS_SEED(6, 500)
SENDERS_SEED(7, 500)
SENDERS_SEED(8, 500)
SENDERS_SEED(9, 500)
#endif

#ifdef PACKET_SEED
/* The first one is lived twice, and must come to its end. */
PACKET_SEED(1, 300)
PACKET_SEED(2, 300)
PACKET_SEED(3, 300)
PACKET_SEED(4, 300)
PACKET_SEED(5, 300)
PACKET_SEED(6, 300)
#endif
