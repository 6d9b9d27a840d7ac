/* What one process does while its system calls fail: ten pairs of sockets over every transport, messages between them before,
 * during and after the fault, and the end of it all. */
#ifndef WORKLOAD_H
#define WORKLOAD_H

#define PAIRS 10

enum phase { BEGINNING, MAKING, MADE, DURING, IDLE, RECOVERING, FRESH, CLOSING, TERMINATING, FINISHED };

/* In memory that the process shares with the one that answers its system calls. */
struct report {
    /* The fault is on: calls may be failed. The process writes it, its supervisor reads it. */
    volatile int armed;
    volatile int phase;
    /* Pairs that came about, and those that messages went through during the fault and after it. */
    volatile int made[PAIRS], during[PAIRS], after[PAIRS];
    /* A pair that is made after the fault works. */
    volatile int fresh;
    volatile int term_ms;
    /* Share of a processor, in percent, that the process used while it had nothing to do. */
    volatile double idle_percent;
    /* What calls said that failed, as text. */
    char notes[2000];
};

extern const char *const pair_names[PAIRS];

double seconds_now(void);
/* Waits without any of the system calls that are made to fail. */
void wait_ms(int ms);
/* `when`: 's' arms the fault before the context is made, 'e' once all is established, 'c' for closing alone. */
void workload(struct report *report, char when);

#endif
