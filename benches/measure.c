/* Clocks, memory, percentiles, and the line of results. */
#define _GNU_SOURCE
#include "bench.h"

#include <dirent.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

/* Says what failed; 3 where the library says that it cannot do such a thing, so that the table can tell. */
_Noreturn void fail(const char *what)
{
    int code = errno;
    bool unsupported = code == ENOTSUP || code == EPROTONOSUPPORT;
    fprintf(stderr, "zmqbench: %s: %s\n", what, code ? zmq_strerror(code) : "wrong");
    _exit(unsupported ? 3 : 1);
}

void check(bool fine, const char *what)
{
    if (!fine)
        fail(what);
}

static double in_seconds(struct timespec time)
{
    return (double)time.tv_sec + (double)time.tv_nsec * 1e-9;
}

double now_s(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return in_seconds(time);
}

double cpu_of_this_process_s(void)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec)
           + (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) * 1e-6;
}

/* User and system time of all threads of another process, read at this very moment. */
double cpu_of_process_s(pid_t process)
{
    clockid_t clock;
    struct timespec time;
    check(clock_getcpuclockid(process, &clock) == 0 && clock_gettime(clock, &time) == 0, "its processor time");
    return in_seconds(time);
}

/* What the process has touched of memory that belongs to no file, in bytes. */
long anonymous_memory_bytes(void)
{
    char line[200];
    long kib = -1;
    FILE *file = fopen("/proc/self/status", "r");
    check(file != NULL, "/proc/self/status");
    while (fgets(line, sizeof line, file) != NULL)
        if (sscanf(line, "RssAnon: %ld", &kib) == 1)
            break;
    fclose(file);
    check(kib >= 0, "RssAnon");
    return kib * 1024;
}

long open_descriptors(void)
{
    DIR *folder = opendir("/proc/self/fd");
    check(folder != NULL, "/proc/self/fd");
    long count = -1; /* the folder itself is open, too */
    for (struct dirent *entry; (entry = readdir(folder)) != NULL;)
        count += entry->d_name[0] != '.';
    closedir(folder);
    return count;
}

static int by_value(const void *left, const void *right)
{
    double a = *(const double *)left, b = *(const double *)right;
    return (a > b) - (a < b);
}

/* The nearest rank: a value that was measured. */
static double percentile(const double *sorted, size_t count, double share)
{
    double rank = ceil(share * (double)count);
    size_t place = rank < 1 ? 0 : (size_t)rank - 1;
    return sorted[place < count ? place : count - 1];
}

static bool first;

void report_begin(void)
{
    first = true;
    putchar('{');
}

void report(const char *name, double value)
{
    printf("%s\"%s\": %.6g", first ? "" : ", ", name, value);
    first = false;
}

void report_percentiles_us(double *seconds, size_t count)
{
    static const struct {
        const char *name;
        double share;
    } SHARES[] = {{"p50_us", .5},  {"p75_us", .75},   {"p90_us", .9},   {"p95_us", .95},
                  {"p99_us", .99}, {"p99.5_us", .995}, {"p99.9_us", .999}};
    check(count > 0, "no samples");
    qsort(seconds, count, sizeof *seconds, by_value);
    for (size_t i = 0; i < sizeof SHARES / sizeof SHARES[0]; i++)
        report(SHARES[i].name, percentile(seconds, count, SHARES[i].share) * 1e6);
    report("samples", (double)count);
}

void report_end(void)
{
    puts("}");
    fflush(stdout);
}
