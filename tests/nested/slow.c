// SPDX-License-Identifier: GPL-2.0
/*
 * For LD_PRELOAD of a VMM: as long as there is /tmp/meddle-slow, a millisecond passes before each
 * mutex is taken. What a guest changes between two looks at its memory is changed then.
 */
#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <unistd.h>

int pthread_mutex_lock(pthread_mutex_t *mutex)
{
	static int (*real)(pthread_mutex_t *);
	int err = errno;

	if (!real)
		real = dlsym(RTLD_NEXT, __func__);
	if (!access("/tmp/meddle-slow", F_OK))
		usleep(1000);
	errno = err;
	return real(mutex);
}
