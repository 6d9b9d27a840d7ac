// Pollers: zmq_poller_..., which the draft API has.
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "interpreter.h"

enum { POLLERS = 2, EVENTS = 6 };

static void *pollers[POLLERS];

static void *poller(int index)
{
    int at = slot(index, POLLERS);
    return at < 0 ? NULL : pollers[at];
}

// A socket must not be closed while a poller has it.
void leave_pollers(void *socket)
{
    for (int at = 0; at < POLLERS; ++at)
        if (pollers[at])
            zmq_poller_remove(pollers[at], socket);
}

void destroy_pollers(void)
{
    for (int at = 0; at < POLLERS; ++at)
        if (pollers[at])
            zmq_poller_destroy(&pollers[at]);
}

static void call_poller_new(void)
{
    int at = slot(1, POLLERS);
    if (at >= 0 && !pollers[at])
        pollers[at] = zmq_poller_new();
    printf(" %d", at >= 0 && pollers[at] != NULL);
}

static void call_poller_destroy(void)
{
    int at = slot(1, POLLERS);
    void *none = NULL;
    say_rc(zmq_poller_destroy(at < 0 ? &none : &pollers[at]));
    printf(" %d", at >= 0 && pollers[at] != NULL);
}

static void call_poller_size(void)
{
    say_rc(zmq_poller_size(poller(1)));
}

static void call_poller_add(void)
{
    say_rc(zmq_poller_add(poller(1), sock(2), (void *) (intptr_t) number(3), (short) number(4)));
}

static void call_poller_modify(void)
{
    say_rc(zmq_poller_modify(poller(1), sock(2), (short) number(3)));
}

static void call_poller_remove(void)
{
    say_rc(zmq_poller_remove(poller(1), sock(2)));
}

static void call_poller_add_fd(void)
{
    say_rc(zmq_poller_add_fd(poller(1), descriptor(2), (void *) (intptr_t) number(3), (short) number(4)));
}

static void call_poller_modify_fd(void)
{
    say_rc(zmq_poller_modify_fd(poller(1), descriptor(2), (short) number(3)));
}

static void call_poller_remove_fd(void)
{
    say_rc(zmq_poller_remove_fd(poller(1), descriptor(2)));
}

static void call_poller_fd(void)
{
    int fd = -1;
    say_rc(zmq_poller_fd(poller(1), &fd));
}

// Without an end only where there is nothing to wait for.
static long timeout(int index)
{
    return number(index) < 0 && poller(1) && zmq_poller_size(poller(1)) > 0 ? 0 : number(index);
}

static void say_event(const zmq_poller_event_t *event)
{
    int at = -1;
    for (int other = 0; other < SOCKETS; ++other)
        if (event->socket && sockets[other] == event->socket)
            at = other;
    printf(" s%d:%ld:%d:%s", at, (long) (intptr_t) event->user_data, event->events, event->fd == -1 ? "-" : "fd");
}

static void call_poller_wait(void)
{
    zmq_poller_event_t event;
    memset(&event, 0x11, sizeof event);
    int rc = zmq_poller_wait(poller(1), &event, timeout(2));
    say_rc(rc);
    say_event(&event);
}

static void call_poller_wait_all(void)
{
    zmq_poller_event_t events[EVENTS];
    int room = (int) number(2);
    memset(events, 0x11, sizeof events);
    int rc = zmq_poller_wait_all(poller(1), events, room > EVENTS ? EVENTS : room, timeout(3));
    say_rc(rc);
    for (int i = 0; i < rc && i < EVENTS; ++i)
        say_event(&events[i]);
}

static void call_poller_null(void)
{
    zmq_poller_event_t event;
    say_rc(zmq_poller_destroy(NULL));
    say_rc(zmq_poller_size(NULL));
    say_rc(zmq_poller_wait(NULL, &event, 0));
    say_rc(zmq_poller_wait_all(NULL, &event, 1, 0));
    say_rc(zmq_poller_fd(NULL, NULL));
    say_rc(zmq_poller_add(NULL, NULL, NULL, 1));
    say_rc(zmq_poller_add_fd(NULL, 0, NULL, 1));
}

const struct call poller_calls[] = {
    {"poller_new", call_poller_new, 0},
    {"poller_destroy", call_poller_destroy, 0},
    {"poller_size", call_poller_size, 0},
    {"poller_add", call_poller_add, 0},
    {"poller_modify", call_poller_modify, 0},
    {"poller_remove", call_poller_remove, 0},
    {"poller_add_fd", call_poller_add_fd, 0},
    {"poller_modify_fd", call_poller_modify_fd, 0},
    {"poller_remove_fd", call_poller_remove_fd, 0},
    {"poller_fd", call_poller_fd, 0},
    {"poller_wait", call_poller_wait, 0},
    {"poller_wait_all", call_poller_wait_all, 0},
    {"poller_null", call_poller_null, 0},
    {NULL, NULL, 0},
};
