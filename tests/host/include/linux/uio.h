/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _HOST_UIO_H
#define _HOST_UIO_H

#include <linux/types.h>

struct kvec {
	void *iov_base;
	size_t iov_len;
};

#endif /* _HOST_UIO_H */
