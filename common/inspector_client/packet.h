/*
 * Packets on the inspector's socket (SOCK_SEQPACKET, local machine only, host byte order).
 *
 * A REQUEST has content and may have a message, a RESPONSE has content: what is small stands in the packet,
 * what is not in a sealed memfd beside it (a packet holds at most about 212 kB). FAILURE: text says why no
 * response can be given. Each answer carries the id of its request.
 */
#pragma once

#include <glib.h>
#include <stddef.h>

#include "mail/fingerprint.h"

typedef enum {
    POSTERN_PACKET_REQUEST = 1,
    POSTERN_PACKET_RESPONSE = 2,
    POSTERN_PACKET_FAILURE = 3,
    POSTERN_PACKET_READY = 4,   /* worker to pool: it has proved itself; template to pool: it has loaded; pool
                                   to client, first of all and at each change: value is 1 if it can inspect,
                                   0 and no text while it starts, 0 and text that says why it cannot */
    POSTERN_PACKET_FORK = 5,    /* pool to template, with the worker's end of its socket: make a worker */
    POSTERN_PACKET_FORKED = 6,  /* template to pool, with a pidfd; id as in FORK */
    POSTERN_PACKET_LOG = 7,     /* template to pool: text for the log; value: its PosternLogLevel */
    POSTERN_PACKET_CHANGED = 8, /* template to pool: there are other signatures than those it has loaded */
    POSTERN_PACKET_FILE = 9,    /* with a descriptor; text: its name; see inspector/held_files.h */
    POSTERN_PACKET_ENDED = 10,  /* template to pool: a worker has; id as in FORK, value: the signal, or 0 */
    POSTERN_PACKET_RECALL = 11, /* pool to worker, before a REQUEST: its content is a response that was kept
                                   for the fingerprint of that */
} PosternPacketKind;

/* Bits of the value of a worker's RESPONSE. */
#define POSTERN_ANSWER_SCANNED 1 /* it was a scan or a signature */
#define POSTERN_ANSWER_KEEP 2    /* it may be kept for the fingerprint of its request */
#define POSTERN_ANSWER_GREW 4    /* it took much of the memory that a worker may have */

typedef enum {
    POSTERN_FAILURE_CRASHED = 1, /* two workers died of it */
    POSTERN_FAILURE_TIMEOUT,     /* over the scan deadline */
    POSTERN_FAILURE_OVERLOADED,  /* the queue, or this client's share, is full */
    POSTERN_FAILURE_UNAVAILABLE, /* no worker can serve now */
    POSTERN_FAILURE_INVALID,     /* the request breaks a rule */
} PosternFailure;

/*
 * Who serves a request. LIGHT: what takes microseconds, and must not stand behind scans.
 * Only a process whose role is SIGN has private keys, and it inspects nothing.
 */
typedef enum {
    POSTERN_ROLE_SCAN,  /* requests of POSTERN_STAGE_WHOLE */
    POSTERN_ROLE_LIGHT, /* of POSTERN_STAGE_ENVELOPE, HEADER and AUTHENTICATION */
    POSTERN_ROLE_SIGN,  /* of POSTERN_STAGE_SIGN */
    POSTERN_ROLES,
} PosternRole;

/* "scan", "light", "sign". */
const char *postern_role_name(PosternRole role);
/* From such a name; FALSE: it is none, or NULL. */
gboolean postern_role_parse(PosternRole *ret_role, const char *name);

#define POSTERN_PACKET_TEXT_OCTETS 400
#define POSTERN_PACKET_DESCRIPTORS_MAX 3

/* What goes with a request from the pool to a worker: a connection to clamd. */
typedef enum {
    POSTERN_SCANNER_NONE,
    POSTERN_SCANNER_CONNECTING,
    POSTERN_SCANNER_BEGUN, /* its session was begun */
} PosternScannerState;

typedef struct {
    guint32 magic; /* set and checked by the functions below */
    guint32 kind;
    guint64 id;
    guint32 failure;
    guint32 deadline_ms;    /* REQUEST: how long the client will wait; 0: the inspector's own deadline */
    guint64 value;          /* REQUEST: whose mail it is, for the account of its work (mail/envelope.h,
                               postern_address_client_number()); RESPONSE of a worker: see above; FORKED:
                               the worker's process id; READY of the template: its signatures, or keys, and
                               text that changes with signatures and options */
    guint32 role;           /* REQUEST: a PosternRole, for the pool reads no request */
    guint32 content_octets; /* of the octets below, those of the content; 0: it is in the first descriptor */
    guint32 has_message;    /* REQUEST: the rest of the octets, or of the descriptors, is a message */
    guint32 scanner; /* REQUEST to a worker: PosternScannerState; the last descriptor, if there is one */
    /* REQUEST: that of its message (inspector_client/request.h); zeros: nothing is remembered of it */
    guint8 fingerprint[POSTERN_FINGERPRINT_OCTETS];
    char text[POSTERN_PACKET_TEXT_OCTETS]; /* printable ASCII, NUL-terminated */

    /* What goes with it: */
    GBytes *octets;                                  /* owned; at most POSTERN_PACKET_OCTETS_MAX; or NULL */
    int descriptors[POSTERN_PACKET_DESCRIPTORS_MAX]; /* owned */
    guint descriptor_count;
} PosternPacket;

/* Of a packet on the socket, without the octets that go with it. */
#define POSTERN_PACKET_HEAD_OCTETS offsetof(PosternPacket, octets)

/* Frees and closes what goes with packet. */
void postern_packet_clear(PosternPacket *packet);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(PosternPacket, postern_packet_clear)

/* TRUE: its message may be remembered. */
gboolean postern_packet_has_fingerprint(const PosternPacket *packet);

/* packet with all that goes with it, which packet no longer has. */
PosternPacket postern_packet_steal(PosternPacket *packet);
/* The first of its descriptors, which it no longer has; it must have one. */
int postern_packet_take_descriptor(PosternPacket *packet);

/* Sets packet's text, cut to fit; what is not printable ASCII becomes '?'. NULL is "". */
void postern_packet_set_text(PosternPacket *packet, const char *text);

/* Gives packet its content, and message (a reference is not kept; NULL: none), once. FALSE and error: no
 * memfd can be had. */
gboolean postern_packet_set_content(PosternPacket *packet, GBytes *content, PosternMessage *message,
                                    GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* The content of a packet of an untrusted peer; NULL and error if there is none, or it is over maximum
 * octets.
 */
GBytes *postern_packet_content(PosternPacket *packet, gsize maximum,
                               GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* After the content was taken: the message of a packet of an untrusted peer into *ret_message, NULL: it has
 * none. FALSE and error: what there is is no message of at most POSTERN_MESSAGE_MAX_OCTETS. */
gboolean postern_packet_message(PosternPacket *packet, PosternMessage **ret_message,
                                GError **error) G_GNUC_WARN_UNUSED_RESULT;

/*
 * Sends packet with what goes with it, which stays the caller's. 1: sent; 0: no room now; -1: the peer is
 * gone (POSTERN_ERROR_UNAVAILABLE). Waits for room only if socket is a blocking one; so does the next
 * function.
 */
int postern_packet_send(int socket, const PosternPacket *packet, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/*
 * Receives one packet. 1: *ret_packet, to be cleared, its descriptors close-on-exec. 0: none there now. -1:
 * the peer is gone (POSTERN_ERROR_UNAVAILABLE) or broke the protocol (POSTERN_ERROR_PROTOCOL). *ret_packet is
 * set in any case.
 */
int postern_packet_receive(int socket, PosternPacket *ret_packet, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* A sealed memfd that holds octets; -1 and error. */
int postern_sealed_memfd_new(const char *name, GBytes *octets, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* The content of a sealed memfd of an untrusted peer, mapped MAP_PRIVATE; descriptor is closed. NULL and
 * error if it is not sealed or over maximum octets. */
GBytes *postern_sealed_memfd_read(int descriptor, gsize maximum, GError **error) G_GNUC_WARN_UNUSED_RESULT;
