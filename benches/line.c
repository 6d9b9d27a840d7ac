/* How far apart two processors lie. On a virtual machine they may be two threads of one core now, and cores with no cache in
   common a second later: what two threads share then takes ten times as long. */
#define _GNU_SOURCE
#include "bench.h"

#include <pthread.h>
#include <sched.h>

enum { SERIES = 5, TURNS = 1000 };

/* Two numbers on lines of their own: each is written by one thread and awaited by the other. */
static struct {
    _Alignas(128) atomic_ulong there;
    _Alignas(128) atomic_ulong back;
    _Alignas(128) atomic_bool over;
} lines;

static int processors[2];

static void stay_on(int processor)
{
    cpu_set_t only;
    CPU_ZERO(&only);
    CPU_SET(processor, &only);
    check(pthread_setaffinity_np(pthread_self(), sizeof only, &only) == 0, "pthread_setaffinity_np");
}

static bool two_processors(void)
{
    cpu_set_t allowed;
    size_t found = 0;
    check(sched_getaffinity(0, sizeof allowed, &allowed) == 0, "sched_getaffinity");
    for (int i = 0; i < CPU_SETSIZE && found < 2; i++)
        if (CPU_ISSET(i, &allowed))
            processors[found++] = i;
    return found == 2;
}

static void *answer(void *nothing)
{
    unsigned long seen = 0;
    stay_on(processors[1]);
    while (!lines.over) {
        unsigned long now = lines.there;
        if (now != seen)
            lines.back = seen = now;
    }
    return nothing;
}

static void turn(unsigned long number)
{
    lines.there = number;
    while (lines.back != number)
        ;
}

/* The least time in which a line of memory goes to the other processor and another one comes back; 0 where there is
   only one. */
void line_between_processors(void)
{
    pthread_t thread;
    unsigned long number = 0;
    double least_s = 0;
    options_done();
    if (two_processors()) {
        check(pthread_create(&thread, NULL, answer, NULL) == 0, "pthread_create");
        stay_on(processors[0]);
        turn(++number);
        for (int series = 0; series < SERIES; series++) {
            double begin = now_s();
            for (int i = 0; i < TURNS; i++)
                turn(++number);
            double passed_s = (now_s() - begin) / TURNS;
            least_s = series == 0 || passed_s < least_s ? passed_s : least_s;
        }
        lines.over = true;
        pthread_join(thread, NULL);
    }
    report_begin();
    report("line_ns", least_s * 1e9);
    report_end();
}
