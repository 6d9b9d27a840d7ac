/* For LD_PRELOAD: makes allocations of the process fail.
 *
 * FAIL_NTH is the one that fails, counted from when the program says fail_allocations(1); FAIL_FROM the first of FAIL_COUNT
 * that do. Where the process aborts, it prints which frames of the library led to the allocation that failed last, as offsets. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <execinfo.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

extern void *__libc_malloc(size_t), *__libc_calloc(size_t, size_t), *__libc_realloc(void *, size_t), *__libc_memalign(size_t, size_t);

static volatile int armed;
static long counted, failed, nth = -1, from = -1, count = 1;
static void *frames[24];
static int depth;
/* What this file does itself must not fail. */
static __thread int inside;

static void show_frames(int signal_number)
{
    inside = 1;
    for (int i = 0; i < depth; ++i) {
        Dl_info found;
        char line[64];
        if (!dladdr(frames[i], &found) || !found.dli_fname || !strstr(found.dli_fname, "zmq"))
            continue;
        int length = snprintf(line, sizeof line, "frame %lx\n", (long) ((char *) frames[i] - (char *) found.dli_fbase));
        if (write(2, line, length) < 0)
            break;
    }
    signal(signal_number, SIG_DFL);
    raise(signal_number);
}

static long number(const char *name, long otherwise)
{
    const char *text = getenv(name);
    return text ? atol(text) : otherwise;
}

__attribute__((constructor)) static void begin(void)
{
    void *first[2];
    inside = 1;
    /* Loads what it needs now. */
    backtrace(first, 2);
    inside = 0;
    nth = number("FAIL_NTH", -1);
    from = number("FAIL_FROM", -1);
    count = number("FAIL_COUNT", 1);
    signal(SIGABRT, show_frames);
}

void fail_allocations(int on)
{
    armed = on;
}

long allocations_counted(void)
{
    return counted;
}

long allocations_failed(void)
{
    return failed;
}

static int fails(void)
{
    if (!armed || inside)
        return 0;
    long number = __atomic_add_fetch(&counted, 1, __ATOMIC_RELAXED);
    if (number != nth && !(from > 0 && number >= from && number < from + count))
        return 0;
    __atomic_add_fetch(&failed, 1, __ATOMIC_RELAXED);
    inside = 1;
    depth = backtrace(frames, 24);
    inside = 0;
    errno = ENOMEM;
    return 1;
}

void *malloc(size_t size)
{
    return fails() ? NULL : __libc_malloc(size);
}

void *calloc(size_t number, size_t size)
{
    return fails() ? NULL : __libc_calloc(number, size);
}

void *realloc(void *old, size_t size)
{
    return size && fails() ? NULL : __libc_realloc(old, size);
}

int posix_memalign(void **place, size_t alignment, size_t size)
{
    void *made = fails() ? NULL : __libc_memalign(alignment, size);
    if (!made)
        return ENOMEM;
    *place = made;
    return 0;
}

void *aligned_alloc(size_t alignment, size_t size)
{
    return fails() ? NULL : __libc_memalign(alignment, size);
}

void *memalign(size_t alignment, size_t size)
{
    return fails() ? NULL : __libc_memalign(alignment, size);
}
