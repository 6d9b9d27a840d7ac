/* The sender: records with numbers, through one socket after the other, from several threads in turn. */
#include "torture.h"
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MOST_FRAMES 4
#define GROUP "torture"

/* A socket in use. It goes from thread to thread under the lock. */
static struct sender {
    void *socket;
    uint32_t routing_id;
    /* STREAM: the connection, as its messages begin. */
    char address[256];
    int address_length;
    uint64_t name, sent, echoed;
    unsigned chance;
} sender;
static pthread_mutex_t turn = PTHREAD_MUTEX_INITIALIZER;
static double end;
static unsigned sockets_used;
/* Sockets of a sender. More would linger side by side until the process had no descriptor left to connect them with. */
enum { MAX_SOCKETS = 400 };
static char *bytes;

static int is_passing(void)
{
    int code = zmq_errno();
    return code == EAGAIN || code == EINTR || code == EHOSTUNREACH || code == EFSM;
}

static void begin(void)
{
    sender.socket = open_side(1, &sender.routing_id);
    sender.name = ((uint64_t) getpid() << 32) | ++sockets_used;
    sender.sent = sender.echoed = 0;
    sender.address_length = 0;
}

static void finish(void)
{
    printf("sent %llx %llu\n", (unsigned long long) sender.name, (unsigned long long) sender.sent);
    if (zmq_close(sender.socket))
        wrong("close");
}

static int is_framed(void)
{
    int type = settings.kind->sends;
    return type != ZMQ_CLIENT && type != ZMQ_RADIO && type != ZMQ_SCATTER && type != ZMQ_CHANNEL && type != ZMQ_PEER
        && type != ZMQ_STREAM;
}

static int size_by_chance(void)
{
    uint32_t dice = chance(&sender.chance) % 500;
    int most = dice == 0 ? 6 * settings.most_bytes : dice < 20 ? settings.most_bytes : 200;
    return chance(&sender.chance) % most;
}

/* Sends one frame. Whether it was taken; a message that was begun is finished. */
static int send_frame(const void *data, size_t length, int more)
{
    zmq_msg_t message;
    if (zmq_msg_init_size(&message, length))
        wrong("message");
    memcpy(zmq_msg_data(&message), data, length);
    if (sender.routing_id)
        zmq_msg_set_routing_id(&message, sender.routing_id);
    if (settings.kind->sends == ZMQ_RADIO)
        zmq_msg_set_group(&message, GROUP);
    if (zmq_msg_send(&message, sender.socket, more ? ZMQ_SNDMORE : 0) < 0) {
        zmq_msg_close(&message);
        if (!is_passing())
            wrong("send");
        return 0;
    }
    return 1;
}

/* Where the frames are, the rest of a message follows its first frame whatever happens. */
static int send_record(void)
{
    uint32_t frames = is_framed() ? 1 + chance(&sender.chance) % MOST_FRAMES : 1;
    uint32_t length = size_by_chance();
    struct record head = {sender.name, sender.sent, 0, frames, length};
    unsigned char *body = (unsigned char *) bytes + sizeof head;
    memset(body, (int) sender.sent, length);
    head.hash = hash_bytes(head.sender ^ head.number, body, length);
    memcpy(bytes, &head, sizeof head);
    if (settings.kind->sends == ZMQ_STREAM && !send_frame(sender.address, sender.address_length, 1))
        return 0;
    /* DEALER to REP: an envelope as REQ makes it. */
    if (settings.kind->sends == ZMQ_DEALER && settings.kind->receives == ZMQ_REP && !send_frame("", 0, 1))
        return 0;
    uint32_t first = frames == 1 ? length : length / frames, at = first;
    if (!send_frame(bytes, sizeof head + first, frames > 1))
        return 0;
    for (uint32_t frame = 1; frame < frames; ++frame) {
        uint32_t part = frame + 1 == frames ? length - at : length / frames;
        while (!send_frame(body + at, part, frame + 1 < frames)) {
        }
        at += part;
    }
    ++sender.sent;
    return 1;
}

/* Takes one echo; they come in order, and never one that was not sent. Whether one came. */
static int take_echo(int flags)
{
    struct record head;
    int seen = 0, more = 1;
    zmq_msg_t message;
    zmq_msg_init(&message);
    while (more) {
        if (zmq_msg_recv(&message, sender.socket, flags) < 0) {
            if (!is_passing())
                wrong("echo");
            zmq_msg_close(&message);
            return 0;
        }
        if (!seen && zmq_msg_size(&message) == sizeof head) {
            memcpy(&head, zmq_msg_data(&message), sizeof head);
            seen = 1;
        }
        more = zmq_msg_more(&message);
    }
    zmq_msg_close(&message);
    if (!seen || head.sender != sender.name)
        wrong("an echo of somebody else's");
    if (head.number >= sender.sent || head.number + 1 <= sender.echoed)
        wrong("echo %llu after %llu of %llu", (unsigned long long) head.number, (unsigned long long) sender.echoed,
              (unsigned long long) sender.sent);
    sender.echoed = head.number + 1;
    return 1;
}

/* STREAM: waits for the connection, which begins with its address and an empty frame. */
static int await_connection(void)
{
    if (settings.kind->sends != ZMQ_STREAM || sender.address_length)
        return 1;
    int length = zmq_recv(sender.socket, sender.address, sizeof sender.address, 0);
    if (length < 0)
        return 0;
    char nothing[8];
    zmq_recv(sender.socket, nothing, sizeof nothing, 0);
    sender.address_length = length;
    return 1;
}

static void send_run(int count)
{
    for (int i = 0; i < count && seconds_now() < end; ++i) {
        if (!await_connection() || !send_record())
            continue;
        if (settings.kind->strict)
            /* One that was lost with its peer never comes; what comes late belongs to an older request. */
            while (!take_echo(0) && seconds_now() < end && settings.kind->sends != ZMQ_REQ) {
            }
        else if (settings.kind->echoes)
            while (take_echo(ZMQ_DONTWAIT)) {
            }
    }
}

static void *take_turns(void *unused)
{
    (void) unused;
    while (seconds_now() < end) {
        pthread_mutex_lock(&turn);
        send_run(settings.handover ? settings.handover : 1000);
        if (settings.churn && sender.sent >= (uint64_t) settings.churn && sockets_used < MAX_SOCKETS
            && seconds_now() < end) {
            finish();
            begin();
        }
        pthread_mutex_unlock(&turn);
    }
    return NULL;
}

void send_all(void)
{
    pthread_t others[3];
    int threads = settings.handover ? 3 : 0;
    bytes = malloc(sizeof(struct record) + 6 * settings.most_bytes);
    sender.chance = settings.seed ^ getpid();
    end = seconds_now() + settings.seconds;
    begin();
    for (int i = 0; i < threads; ++i)
        pthread_create(&others[i], NULL, take_turns, NULL);
    take_turns(NULL);
    for (int i = 0; i < threads; ++i)
        pthread_join(others[i], NULL);
    finish();
}
