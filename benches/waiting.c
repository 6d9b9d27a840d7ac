/* The three ways in which programs wait for a message. Both sides of a round trip wait in the same way. */
#include "bench.h"

#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

struct waiter waiter_for(void *socket)
{
    struct waiter waiter = {.way = WAIT_RECV, .socket = socket, .epoll = -1};
    const char *way = option_text("wait", "recv");
    if (strcmp(way, "poll") == 0)
        waiter.way = WAIT_POLL;
    else if (strcmp(way, "epoll") == 0) {
        int descriptor;
        size_t size = sizeof descriptor;
        struct epoll_event event = {.events = EPOLLIN | EPOLLET};
        waiter.way = WAIT_EPOLL;
        waiter.epoll = epoll_create1(EPOLL_CLOEXEC);
        check(zmq_getsockopt(socket, ZMQ_FD, &descriptor, &size) == 0, "ZMQ_FD");
        check(epoll_ctl(waiter.epoll, EPOLL_CTL_ADD, descriptor, &event) == 0, "epoll_ctl");
    } else
        check(strcmp(way, "recv") == 0, "wait=recv|poll|epoll");
    return waiter;
}

void waiter_end(struct waiter *waiter)
{
    if (waiter->epoll >= 0)
        close(waiter->epoll);
}

/* As an event loop has to: ask for the events first, and sleep only where there are none. */
static int by_epoll(struct waiter *waiter, void *buffer, size_t size)
{
    for (;;) {
        int events;
        size_t events_size = sizeof events;
        struct epoll_event event;
        check(zmq_getsockopt(waiter->socket, ZMQ_EVENTS, &events, &events_size) == 0, "ZMQ_EVENTS");
        if (events & ZMQ_POLLIN)
            return zmq_recv(waiter->socket, buffer, size, ZMQ_DONTWAIT);
        check(epoll_wait(waiter->epoll, &event, 1, -1) >= 0 || errno == EINTR, "epoll_wait");
    }
}

static int by_poll(struct waiter *waiter, void *buffer, size_t size)
{
    zmq_pollitem_t item = {.socket = waiter->socket, .events = ZMQ_POLLIN};
    check(zmq_poll(&item, 1, -1) == 1, "zmq_poll");
    return zmq_recv(waiter->socket, buffer, size, ZMQ_DONTWAIT);
}

/* The next message: its size. */
int waiter_recv(struct waiter *waiter, void *buffer, size_t size)
{
    int got;
    switch (waiter->way) {
        case WAIT_POLL:
            got = by_poll(waiter, buffer, size);
            break;
        case WAIT_EPOLL:
            got = by_epoll(waiter, buffer, size);
            break;
        default:
            got = zmq_recv(waiter->socket, buffer, size, 0);
    }
    check(got >= 0, "zmq_recv");
    return got;
}
