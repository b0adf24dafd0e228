/* SPDX-License-Identifier: GPL-2.0 */
/* A file for another process, by a socket */
#ifndef _PASS_FD_H
#define _PASS_FD_H

/* 0 or -errno */
int send_fd(int sock, int fd);
/* The file, or -1 */
int receive_fd(int sock);

#endif /* _PASS_FD_H */
