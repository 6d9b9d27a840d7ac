/* Plain blocking sockets of the operating system: what everything else is built on. */
#define _GNU_SOURCE
#include "bench.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

union address {
    struct sockaddr any;
    struct sockaddr_in tcp;
    struct sockaddr_un unix_;
};

static bool is_tcp(void)
{
    return option_is("transport", "tcp", "tcp");
}

/* Nagle's algorithm off, as in every ZeroMQ. */
static void tune(int stream)
{
    int on = 1;
    if (is_tcp())
        check(setsockopt(stream, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) == 0, "TCP_NODELAY");
}

/* Listens, and tells the other side where. */
int stream_listen(void)
{
    union address address = {.any = {0}};
    socklen_t size = sizeof address.tcp;
    int listener = socket(is_tcp() ? AF_INET : AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (is_tcp()) {
        address.tcp.sin_family = AF_INET;
        address.tcp.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    } else {
        /* No path: the kernel picks an abstract name. */
        address.unix_.sun_family = AF_UNIX;
        size = sizeof(sa_family_t);
    }
    check(listener >= 0 && bind(listener, &address.any, size) == 0 && listen(listener, 64) == 0, "listen");
    size = sizeof address;
    check(getsockname(listener, &address.any, &size) == 0, "getsockname");
    memcpy(shared->endpoint[0], &address, sizeof address);
    atomic_store(&shared->counter, (long)size);
    raise_flag(&shared->bound[0]);
    return listener;
}

int stream_accept(int listener)
{
    int stream = accept(listener, NULL, NULL);
    check(stream >= 0, "accept");
    tune(stream);
    return stream;
}

int stream_connect(void)
{
    union address address;
    await_flag(&shared->bound[0]);
    memcpy(&address, shared->endpoint[0], sizeof address);
    int stream = socket(address.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    socklen_t size = (socklen_t)atomic_load(&shared->counter);
    check(stream >= 0 && connect(stream, &address.any, size) == 0, "connect");
    tune(stream);
    return stream;
}

void stream_write(int stream, const void *data, size_t size)
{
    for (size_t done = 0; done < size;) {
        ssize_t written = send(stream, (const char *)data + done, size - done, MSG_NOSIGNAL);
        check(written > 0, "send");
        done += (size_t)written;
    }
}

void stream_read(int stream, void *data, size_t size)
{
    for (size_t done = 0; done < size;) {
        ssize_t got = recv(stream, (char *)data + done, size - done, 0);
        check(got > 0, "recv");
        done += (size_t)got;
    }
}
