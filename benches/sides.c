/* The sides of a measurement: processes that were forked before any call of the library, or threads. */
#define _GNU_SOURCE
#include "bench.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

struct shared *shared;

static size_t other_count;
static pid_t processes[MOST_SIDES];
static pthread_t threads[MOST_SIDES];

bool sides_are_threads(void)
{
    return option_is("transport", "inproc", "tcp");
}

static void *in_thread(void *run)
{
    (*(side **)run)();
    return NULL;
}

/* A side that fails has said why; without it nothing would ever end. */
static void on_child_end(int number)
{
    (void)number;
    int saved = errno, status;
    while (waitpid(-1, &status, WNOHANG) > 0)
        if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
            _exit(WIFEXITED(status) ? WEXITSTATUS(status) : 1);
    errno = saved;
}

static void start_process(side *run, size_t place)
{
    pid_t parent = getpid();
    processes[place] = fork();
    check(processes[place] >= 0, "fork");
    if (processes[place] > 0)
        return;
    signal(SIGCHLD, SIG_DFL);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent)
        _exit(1);
    run();
    /* Its end would interrupt a call of the other side. */
    for (;;)
        pause();
}

/* Starts the other sides. Whoever calls this is a side as well, and has read all its options. */
void sides_start(size_t count, side *const others[])
{
    options_done();
    shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    check(shared != MAP_FAILED, "mmap");
    other_count = count;
    if (!sides_are_threads()) {
        struct sigaction action = {.sa_handler = on_child_end, .sa_flags = SA_RESTART | SA_NOCLDSTOP};
        sigaction(SIGCHLD, &action, NULL);
    }
    for (size_t i = 0; i < count; i++)
        if (sides_are_threads()) {
            static side *runs[MOST_SIDES];
            runs[i] = others[i];
            context();
            check(pthread_create(&threads[i], NULL, in_thread, &runs[i]) == 0, "pthread_create");
        } else
            start_process(others[i], i);
}

/* Processor time that all sides together have had so far. */
double sides_cpu_s(void)
{
    double sum = cpu_of_this_process_s();
    if (!sides_are_threads())
        for (size_t i = 0; i < other_count; i++)
            sum += cpu_of_process_s(processes[i]);
    return sum;
}

/* Ends the other sides, which have nothing left to say, and the context. */
void sides_join(void)
{
    if (sides_are_threads()) {
        for (size_t i = 0; i < other_count; i++)
            pthread_join(threads[i], NULL);
        context_end();
        return;
    }
    signal(SIGCHLD, SIG_DFL);
    for (size_t i = 0; i < other_count; i++) {
        kill(processes[i], SIGKILL);
        waitpid(processes[i], NULL, 0);
    }
    context_end();
}

void raise_flag(atomic_int *flag)
{
    atomic_store(flag, 1);
}

/* Naps, as there is nothing to measure yet. */
void await_flag(atomic_int *flag)
{
    struct timespec nap = {.tv_nsec = 200 * 1000};
    while (!atomic_load(flag))
        nanosleep(&nap, NULL);
}
