/* ZMQ_RECONNECT_STOP: what makes a socket connect no more. Each case with the flag and without. */
#include <arpa/inet.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>
#include "check.h"

static int listener(char *endpoint)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof at;
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    CHECK(fd >= 0 && bind(fd, (struct sockaddr *) &at, size) == 0);
    CHECK(getsockname(fd, (struct sockaddr *) &at, &size) == 0);
    sprintf(endpoint, "tcp://127.0.0.1:%d", ntohs(at.sin_port));
    return fd;
}

/* How many connections come, up to `most`, before nothing comes for a while. */
static int connections(int fd, int most, int close_at_once)
{
    int count = 0, fds[8];
    struct pollfd item = {.fd = fd, .events = POLLIN};
    while (count < most && poll(&item, 1, QUIET_MS * 2) == 1) {
        fds[count] = accept(fd, NULL, NULL);
        CHECK(fds[count] >= 0);
        if (close_at_once)
            CHECK(close(fds[count]) == 0);
        ++count;
    }
    for (int i = 0; i < count && !close_at_once; ++i)
        close(fds[i]);
    return count;
}

static void a_failed_handshake(int flag, int close_at_once, int expected)
{
    char endpoint[64];
    int fd = listener(endpoint);
    CHECK(listen(fd, 8) == 0);
    void *context = zmq_ctx_new();
    void *socket = new_socket(context, ZMQ_DEALER);
    set_option(socket, ZMQ_RECONNECT_IVL, 10);
    set_option(socket, ZMQ_HANDSHAKE_IVL, 50);
    set_option(socket, ZMQ_RECONNECT_STOP, flag);
    CHECK(zmq_connect(socket, endpoint) == 0);
    CHECK(connections(fd, 3, close_at_once) == expected);
    close(fd);
    finish(context, &socket, 1);
}

static void a_refused_connection(int flag, int expected)
{
    char endpoint[64];
    /* Bound and not listening: connections are refused until it does. */
    int fd = listener(endpoint);
    void *context = zmq_ctx_new();
    void *socket = new_socket(context, ZMQ_DEALER);
    set_option(socket, ZMQ_RECONNECT_IVL, 10);
    set_option(socket, ZMQ_RECONNECT_STOP, flag);
    CHECK(zmq_connect(socket, endpoint) == 0);
    CHECK(poll(NULL, 0, QUIET_MS) == 0);
    CHECK(listen(fd, 8) == 0);
    CHECK(connections(fd, 1, 1) == expected);
    close(fd);
    finish(context, &socket, 1);
}

/* With the flag, what was not sent before zmq_disconnect() does not keep the socket connecting. */
static void a_disconnected_endpoint(int flag, int expected)
{
    char endpoint[64];
    int fd = listener(endpoint), for_a_while = 1000;
    void *context = zmq_ctx_new();
    void *socket = new_socket(context, ZMQ_DEALER);
    set_option(socket, ZMQ_RECONNECT_IVL, 10);
    set_option(socket, ZMQ_RECONNECT_STOP, flag);
    set_option(socket, ZMQ_LINGER, for_a_while);
    CHECK(zmq_connect(socket, endpoint) == 0);
    say(socket, "left over");
    CHECK(zmq_disconnect(socket, endpoint) == 0);
    CHECK(poll(NULL, 0, QUIET_MS) == 0);
    CHECK(listen(fd, 8) == 0);
    CHECK(connections(fd, 1, 1) == expected);
    close(fd);
    finish(context, &socket, 1);
}

int main(void)
{
    a_failed_handshake(0, 1, 3);
    a_failed_handshake(ZMQ_RECONNECT_STOP_HANDSHAKE_FAILED, 1, 1);
    a_failed_handshake(0, 0, 3);
    a_failed_handshake(ZMQ_RECONNECT_STOP_HANDSHAKE_FAILED, 0, 1);
    a_failed_handshake(ZMQ_RECONNECT_STOP_CONN_REFUSED, 1, 3);
    a_refused_connection(0, 1);
    a_refused_connection(ZMQ_RECONNECT_STOP_CONN_REFUSED, 0);
    a_refused_connection(ZMQ_RECONNECT_STOP_HANDSHAKE_FAILED, 1);
    a_disconnected_endpoint(0, 1);
    a_disconnected_endpoint(ZMQ_RECONNECT_STOP_AFTER_DISCONNECT, 0);
    return 0;
}
