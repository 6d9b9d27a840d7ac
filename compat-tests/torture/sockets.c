/* Sockets of either side, with all that the settings ask for. */
#include "torture.h"
#include <stdio.h>
#include <string.h>

/* Of the tests alone. */
#define SERVER_SECRET "JTKVSB%%)wK0E.X)V>+}o?pNmC{O&4W4b!Ni{Lh6"
#define SERVER_PUBLIC "rq:rM>}U?@Lns47E1%kR.o@n%FcmmsL/@{H8]yf7"
#define CLIENT_SECRET "D:)Q[IlAW!ahhC2ac:9*A}h:p?([4%wOTJ%JR%cs"
#define CLIENT_PUBLIC "Yne@$w-vo<fVvi]a<NY6T1ed:M$fCG*[IaLV{hID"
#define PATIENCE_MS 500

/* Options that only a draft build of the original shows. */
enum { WSS_KEY_PEM = 103, WSS_CERT_PEM = 104, WSS_TRUST_PEM = 105, LARGEST_PEM = 4096 };

static void set_int(void *socket, int option, int value)
{
    if (zmq_setsockopt(socket, option, &value, sizeof value))
        wrong("option %d", option);
}

static void use_curve(void *socket, int server)
{
    if (server) {
        set_int(socket, ZMQ_CURVE_SERVER, 1);
        zmq_setsockopt(socket, ZMQ_CURVE_SECRETKEY, SERVER_SECRET, 41);
        return;
    }
    zmq_setsockopt(socket, ZMQ_CURVE_SERVERKEY, SERVER_PUBLIC, 41);
    zmq_setsockopt(socket, ZMQ_CURVE_PUBLICKEY, CLIENT_PUBLIC, 41);
    zmq_setsockopt(socket, ZMQ_CURVE_SECRETKEY, CLIENT_SECRET, 41);
}

static void set_file(void *socket, int option, const char *name)
{
    char path[512], text[LARGEST_PEM];
    snprintf(path, sizeof path, "%s/%s", settings.certificates, name);
    FILE *file = fopen(path, "r");
    if (!file)
        wrong("no file %s", path);
    size_t size = fread(text, 1, sizeof text, file);
    fclose(file);
    if (zmq_setsockopt(socket, option, text, size))
        wrong("option %d", option);
}

static void use_tls(void *socket, int server)
{
    if (!server) {
        set_file(socket, WSS_TRUST_PEM, "authority.pem");
        return;
    }
    set_file(socket, WSS_CERT_PEM, "server.pem");
    set_file(socket, WSS_KEY_PEM, "server.key.pem");
}

static void *new_socket(int type, int binds)
{
    void *socket = zmq_socket(context, type);
    if (!socket)
        wrong("socket");
    set_int(socket, ZMQ_SNDHWM, settings.hwm);
    set_int(socket, ZMQ_RCVHWM, settings.hwm);
    set_int(socket, ZMQ_LINGER, settings.linger_ms);
    set_int(socket, ZMQ_RCVTIMEO, PATIENCE_MS);
    set_int(socket, ZMQ_SNDTIMEO, PATIENCE_MS);
    set_int(socket, ZMQ_RECONNECT_IVL, 20);
    set_int(socket, ZMQ_BACKLOG, 1000);
    if (settings.heartbeat_ivl_ms) {
        set_int(socket, ZMQ_HEARTBEAT_IVL, settings.heartbeat_ivl_ms);
        set_int(socket, ZMQ_HEARTBEAT_TIMEOUT, settings.heartbeat_timeout_ms);
    }
    if (settings.curve)
        use_curve(socket, binds);
    if (strncmp(settings.endpoint, "tls:", 4) == 0)
        use_tls(socket, binds);
    if (type == ZMQ_REQ) {
        set_int(socket, ZMQ_REQ_RELAXED, 1);
        set_int(socket, ZMQ_REQ_CORRELATE, 1);
    }
    if (type == ZMQ_SUB)
        zmq_setsockopt(socket, ZMQ_SUBSCRIBE, "", 0);
    if (type == ZMQ_DISH && zmq_join(socket, "torture"))
        wrong("join");
    return socket;
}

void *open_side(int sends, uint32_t *routing_id)
{
    int type = sends ? settings.kind->sends : settings.kind->receives;
    int binds = (strcmp(settings.bind_side, "sender") == 0) == sends;
    void *socket = new_socket(type, binds);
    *routing_id = 0;
    /* What a receiver has to say, subscriptions and echoes, is nothing to wait for: its peers have ended by then. */
    if (!sends)
        set_int(socket, ZMQ_LINGER, 0);
    if (binds) {
        if (zmq_bind(socket, settings.endpoint))
            wrong("bind %s", settings.endpoint);
    } else if (type == ZMQ_PEER) {
        *routing_id = zmq_connect_peer(socket, settings.endpoint);
        if (!*routing_id)
            wrong("connect %s", settings.endpoint);
    } else if (zmq_connect(socket, settings.endpoint)) {
        wrong("connect %s", settings.endpoint);
    }
    if (type == ZMQ_XSUB)
        zmq_send(socket, "\1", 1, 0);
    return socket;
}
