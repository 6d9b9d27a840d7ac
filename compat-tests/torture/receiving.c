/* The receiver: checks each record's hash and each sender's order, and sends it back where that is the kind's way. */
#include "torture.h"
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MOST_SENDERS (1 << 18)
#define MOST_PARTS 16
/* Once its standard input has ended, it waits so many timeouts in a row for what may still come. */
#define QUIET_TURNS 4

/* What was seen of one sender. */
static struct seen {
    uint64_t sender, first, next, gaps;
} seen[MOST_SENDERS];
static int senders;
static void *receiver;

/* Bytes of a STREAM connection that are not a whole record yet. */
static struct stream {
    char address[256];
    int address_length;
    char *bytes;
    size_t length;
} streams[MOST_SENDERS];
static int stream_count;

static struct seen *find(uint64_t sender)
{
    for (int i = senders - 1; i >= 0; --i)
        if (seen[i].sender == sender)
            return &seen[i];
    if (senders == MOST_SENDERS)
        wrong("more than %d senders", MOST_SENDERS);
    seen[senders].sender = sender;
    return &seen[senders++];
}

/* Counts a record whose body lies in parts. */
static void check(const struct record *head, uint64_t hash, size_t bytes)
{
    if (bytes != head->bytes || hash != head->hash)
        wrong("record %llu of %llx has %zu of %u bytes, or others", (unsigned long long) head->number,
              (unsigned long long) head->sender, bytes, head->bytes);
    struct seen *from = find(head->sender);
    if (settings.unordered) {
        ++from->next;
        return;
    }
    if (!from->next)
        from->first = from->next = head->number;
    if (head->number < from->next)
        wrong("record %llu of %llx after %llu", (unsigned long long) head->number, (unsigned long long) head->sender,
              (unsigned long long) from->next);
    from->gaps += head->number - from->next;
    from->next = head->number + 1;
}

/* Whole records at the front of what a connection has brought. */
static void take_stream(struct stream *from)
{
    size_t at = 0;
    struct record head;
    while (from->length - at >= sizeof head) {
        memcpy(&head, from->bytes + at, sizeof head);
        if (head.bytes > (uint32_t) 6 * settings.most_bytes)
            wrong("a record of %u bytes", head.bytes);
        if (from->length - at < sizeof head + head.bytes)
            break;
        const char *body = from->bytes + at + sizeof head;
        check(&head, hash_bytes(head.sender ^ head.number, body, head.bytes), head.bytes);
        at += sizeof head + head.bytes;
    }
    memmove(from->bytes, from->bytes + at, from->length - at);
    from->length -= at;
}

static void add_to_stream(const void *address, int address_length, const void *bytes, size_t length)
{
    struct stream *from = NULL;
    for (int i = 0; i < stream_count && !from; ++i)
        if (streams[i].address_length == address_length && memcmp(streams[i].address, address, address_length) == 0)
            from = &streams[i];
    if (!from) {
        if (stream_count == MOST_SENDERS)
            wrong("more than %d streams", MOST_SENDERS);
        from = &streams[stream_count++];
        memcpy(from->address, address, address_length);
        from->address_length = address_length;
    }
    from->bytes = realloc(from->bytes, from->length + length + 1);
    memcpy(from->bytes + from->length, bytes, length);
    from->length += length;
    take_stream(from);
}

/* Sends the address and the head back: what is behind it was checked here. */
static void echo(zmq_msg_t *parts, int heads_at, const struct record *head)
{
    for (int i = 0; i < heads_at; ++i)
        if (zmq_send(receiver, zmq_msg_data(&parts[i]), zmq_msg_size(&parts[i]), ZMQ_SNDMORE | ZMQ_DONTWAIT) < 0)
            return;
    zmq_msg_t back;
    zmq_msg_init_size(&back, sizeof *head);
    memcpy(zmq_msg_data(&back), head, sizeof *head);
    uint32_t routing_id = zmq_msg_routing_id(&parts[0]);
    if (routing_id)
        zmq_msg_set_routing_id(&back, routing_id);
    if (zmq_msg_send(&back, receiver, ZMQ_DONTWAIT) < 0)
        zmq_msg_close(&back);
}

/* How many frames come before the record. */
static int envelope(void)
{
    if (settings.kind->receives == ZMQ_ROUTER)
        return settings.kind->sends == ZMQ_REQ ? 3 : 1;
    return 0;
}

static void take_message(zmq_msg_t *parts, int count)
{
    int at = envelope();
    struct record head;
    if (settings.kind->receives == ZMQ_STREAM) {
        if (count != 2)
            wrong("%d frames of a stream", count);
        add_to_stream(zmq_msg_data(&parts[0]), zmq_msg_size(&parts[0]), zmq_msg_data(&parts[1]), zmq_msg_size(&parts[1]));
        return;
    }
    if (count <= at || zmq_msg_size(&parts[at]) < sizeof head)
        wrong("a message of %d frames that nobody has sent", count);
    memcpy(&head, zmq_msg_data(&parts[at]), sizeof head);
    if (head.frames != (uint32_t) (count - at))
        wrong("%d of %u frames", count - at, head.frames);
    uint64_t hash = head.sender ^ head.number;
    size_t bytes = 0;
    static char *whole;
    whole = realloc(whole, head.bytes + 1);
    for (int i = at; i < count; ++i) {
        size_t skip = i == at ? sizeof head : 0, length = zmq_msg_size(&parts[i]) - skip;
        if (bytes + length > head.bytes)
            wrong("more than %u bytes", head.bytes);
        memcpy(whole + bytes, (char *) zmq_msg_data(&parts[i]) + skip, length);
        bytes += length;
    }
    check(&head, hash_bytes(hash, whole, bytes), bytes);
    if (settings.kind->echoes)
        echo(parts, at, &head);
}

/* Receives one message with all its frames. Whether one came in time. */
static int receive_one(void)
{
    zmq_msg_t parts[MOST_PARTS];
    int count = 0, more = 1;
    while (more) {
        if (count == MOST_PARTS)
            wrong("a message without an end");
        zmq_msg_init(&parts[count]);
        if (zmq_msg_recv(&parts[count], receiver, 0) < 0) {
            int code = zmq_errno();
            zmq_msg_close(&parts[count]);
            if (count > 0)
                wrong("a message ends after %d frames", count);
            if (code != EAGAIN && code != EINTR && code != EFSM)
                wrong("recv");
            return 0;
        }
        more = zmq_msg_more(&parts[count++]);
    }
    take_message(parts, count);
    for (int i = 0; i < count; ++i)
        zmq_msg_close(&parts[i]);
    return 1;
}

static int is_told_to_end(void)
{
    struct pollfd input = {0, POLLIN, 0};
    char byte;
    return poll(&input, 1, 0) == 1 && read(0, &byte, 1) == 0;
}

void receive_all(void)
{
    uint32_t unused;
    receiver = open_side(0, &unused);
    printf("open\n");
    int quiet = 0, ending = 0;
    for (unsigned turn = 0; quiet < QUIET_TURNS; ++turn) {
        int came = receive_one();
        if (!ending && (!came || turn % 64 == 0))
            ending = is_told_to_end();
        quiet = ending && !came ? quiet + 1 : 0;
    }
    for (int i = 0; i < senders; ++i)
        printf("received %llx %llu %llu %llu\n", (unsigned long long) seen[i].sender, (unsigned long long) seen[i].first,
               (unsigned long long) seen[i].next, (unsigned long long) seen[i].gaps);
    if (zmq_close(receiver))
        wrong("close");
}
