/* Publish and subscribe: every subscriber gets what it has subscribed to.
 *
 * The publisher waits until somebody subscribes: what is published before that goes to nobody.
 *
 *   cc publish_subscribe.c -lzmq -o publish_subscribe
 *   ./publish_subscribe publish tcp://127.0.0.1:5556 &
 *   ./publish_subscribe subscribe tcp://127.0.0.1:5556 weather.
 */
#include <stdio.h>
#include <string.h>
#include <zmq.h>

static int publish (void *context, const char *endpoint)
{
    /* An XPUB is a PUB that also receives the subscriptions: the first byte says which way, the rest is the topic. */
    void *socket = zmq_socket (context, ZMQ_XPUB);
    if (zmq_bind (socket, endpoint) != 0)
        return 1;
    char subscription[100];
    if (zmq_recv (socket, subscription, sizeof subscription, 0) < 1 || subscription[0] != 1)
        return 1;
    const char *topics[] = {"weather.berlin", "sports.chess", "weather.lisbon", "end"};
    for (int i = 0; i < 4; i++) {
        zmq_send (socket, topics[i], strlen (topics[i]), ZMQ_SNDMORE);
        zmq_send (socket, "news", 4, 0);
    }
    /* The context waits until they have left (ZMQ_LINGER). */
    zmq_close (socket);
    return 0;
}

static int subscribe (void *context, const char *endpoint, const char *topic)
{
    void *socket = zmq_socket (context, ZMQ_SUB);
    int timeout_ms = 5000;
    zmq_setsockopt (socket, ZMQ_RCVTIMEO, &timeout_ms, sizeof timeout_ms);
    /* A topic is a prefix. The end of the news is subscribed to first: the publisher starts at the first subscription. */
    zmq_setsockopt (socket, ZMQ_SUBSCRIBE, "end", 3);
    zmq_setsockopt (socket, ZMQ_SUBSCRIBE, topic, strlen (topic));
    if (zmq_connect (socket, endpoint) != 0)
        return 1;
    char found[100] = "";
    while (strncmp (found, "end", 3) != 0) {
        char news[100];
        int size = zmq_recv (socket, found, sizeof found - 1, 0);
        int rest = zmq_recv (socket, news, sizeof news, 0);
        if (size < 0 || rest < 0) {
            fprintf (stderr, "nothing comes: %s\n", zmq_strerror (zmq_errno ()));
            return 1;
        }
        found[size] = '\0';
        printf ("%s: %.*s\n", found, rest, news);
    }
    zmq_close (socket);
    return 0;
}

int main (int count, char **arguments)
{
    int publishes = count == 3 && strcmp (arguments[1], "publish") == 0;
    if (!publishes && count != 4) {
        fprintf (stderr, "usage: publish_subscribe publish ENDPOINT | subscribe ENDPOINT TOPIC\n");
        return 2;
    }
    void *context = zmq_ctx_new ();
    int status = publishes ? publish (context, arguments[2]) : subscribe (context, arguments[2], arguments[3]);
    if (status == 0)
        zmq_ctx_term (context);
    return status;
}
