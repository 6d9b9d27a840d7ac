/*
 * Loaded before the library (LD_PRELOAD): says which cancellation points of libc's the library makes on a thread that can be
 * cancelled. glibc would unwind such a thread from inside of the library. The process ends with 86 after the first one, unless POINTS_GO_ON
 * is set.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <execinfo.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static void look(const char *name, void *caller)
{
    Dl_info info;
    int state;
    if (!dladdr(caller, &info) || !info.dli_fname || !strstr(info.dli_fname, "libzmq"))
        return;
    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &state);
    if (state == PTHREAD_CANCEL_ENABLE) {
        void *frames[40];
        dprintf(2, "points: %s, on a thread that can be cancelled\n", name);
        backtrace_symbols_fd(frames, backtrace(frames, 40), 2);
        if (!getenv("POINTS_GO_ON"))
            _exit(86);
    }
    pthread_setcancelstate(state, &state);
}

#define POINT(type, name, parameters, arguments)                                                                       \
    type name parameters                                                                                               \
    {                                                                                                                  \
        static type(*next) parameters;                                                                                 \
        if (!next)                                                                                                     \
            *(void **) &next = dlsym(RTLD_NEXT, #name);                                                                \
        look(#name, __builtin_return_address(0));                                                                      \
        return next arguments;                                                                                         \
    }

POINT(int, accept, (int a, struct sockaddr *b, socklen_t *c), (a, b, c))
POINT(int, accept4, (int a, struct sockaddr *b, socklen_t *c, int d), (a, b, c, d))
POINT(int, close, (int a), (a))
POINT(int, connect, (int a, const struct sockaddr *b, socklen_t c), (a, b, c))
POINT(int, epoll_wait, (int a, struct epoll_event *b, int c, int d), (a, b, c, d))
POINT(int, epoll_pwait, (int a, struct epoll_event *b, int c, int d, const sigset_t *e), (a, b, c, d, e))
POINT(int, poll, (struct pollfd * a, nfds_t b, int c), (a, b, c))
POINT(int, ppoll, (struct pollfd * a, nfds_t b, const struct timespec *c, const sigset_t *d), (a, b, c, d))
POINT(ssize_t, read, (int a, void *b, size_t c), (a, b, c))
POINT(ssize_t, readv, (int a, const struct iovec *b, int c), (a, b, c))
POINT(ssize_t, recv, (int a, void *b, size_t c, int d), (a, b, c, d))
POINT(ssize_t, recvfrom, (int a, void *b, size_t c, int d, struct sockaddr *e, socklen_t *f), (a, b, c, d, e, f))
POINT(ssize_t, recvmsg, (int a, struct msghdr *b, int c), (a, b, c))
POINT(ssize_t, send, (int a, const void *b, size_t c, int d), (a, b, c, d))
POINT(ssize_t, sendto, (int a, const void *b, size_t c, int d, const struct sockaddr *e, socklen_t f), (a, b, c, d, e, f))
POINT(ssize_t, sendmsg, (int a, const struct msghdr *b, int c), (a, b, c))
POINT(ssize_t, write, (int a, const void *b, size_t c), (a, b, c))
POINT(ssize_t, writev, (int a, const struct iovec *b, int c), (a, b, c))
POINT(ssize_t, pread64, (int a, void *b, size_t c, off_t d), (a, b, c, d))
POINT(ssize_t, getrandom, (void *a, size_t b, unsigned c), (a, b, c))
POINT(int, fsync, (int a), (a))
POINT(int, open, (const char *a, int b, mode_t c), (a, b, c))
POINT(int, open64, (const char *a, int b, mode_t c), (a, b, c))
POINT(int, openat64, (int d, const char *a, int b, mode_t c), (d, a, b, c))
POINT(int, nanosleep, (const struct timespec *a, struct timespec *b), (a, b))
POINT(int, clock_nanosleep, (clockid_t a, int b, const struct timespec *c, struct timespec *d), (a, b, c, d))
POINT(int, usleep, (useconds_t a), (a))
POINT(pid_t, waitpid, (pid_t a, int *b, int c), (a, b, c))
POINT(int, pthread_cond_wait, (pthread_cond_t * a, pthread_mutex_t *b), (a, b))
