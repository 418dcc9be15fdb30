/*
 * The scans of one message by libclamav, and all that was noticed beside their results.
 *
 * libclamav takes a file for mail by its first octets, and no header has to begin with any that it knows;
 * only what it takes for mail it looks into for attachments. So the message, and every file in it that looks
 * like one and was not taken for one, is scanned with a line in front that is known, and with the kinds of
 * multiparts renamed that it would pass over (multipart.h).
 *
 * What it makes of the parts of a message is one reading of several. So every leaf that readers of mail would
 * see (content/leaves.h) is decoded here too, by each of their readings (content/decode.h), and what
 * libclamav has not looked into as it stands is scanned as a file of its own. No octets are scanned twice as
 * the same thing.
 */
#pragma once

#include "checks/content/leaves.h"
#include "checks/virus/engine.h"
#include "checks/virus/scan_limits.h"

typedef struct {
    const PosternVirusEngine *engine;
    const PosternVirusScanLimits *room;
    PosternVirusFinding *finding;
    guint64 file_octets; /* libclamav's limit for one file */
    gint64 end;          /* monotonic: no scan begins after it; 0: never */
    GQueue queue;        /* of GBytes *: messages to be scanned */
    GHashTable *queued;  /* digests of all that were ever queued */
    GHashTable *seen;    /* digests of what libclamav has looked into */
    PosternVirusWork work;
    /* Of the scan at hand: */
    gsize since_look;       /* octets of layers since it was last seen whether there is room */
    guint layers;           /* looked into: the file itself, and those in it */
    guint depth;            /* of the deepest of them */
    gboolean whole_message; /* it is of a message, as mail */
    gboolean beyond_limit;  /* it is of what lies behind our own limit on levels */
    gboolean mail_in_part;  /* libclamav did not go into all parts of the mail */
} PosternVirusScan;

/* engine, room and finding must outlive it. */
void postern_virus_scan_init(PosternVirusScan *scan, const PosternVirusEngine *engine,
                             const PosternVirusScanLimits *room, PosternVirusFinding *finding);
void postern_virus_scan_clear(PosternVirusScan *scan);

/* Queues a message, unless it has been before; holds a reference. If there are too many already, that is
 * noted. */
void postern_virus_scan_queue(PosternVirusScan *scan, GBytes *message);

/* Scans a message of the queue, with the line in front, and then decodes its leaves, as it stands, and scans
 * those that libclamav has not looked into. */
void postern_virus_scan_whole(PosternVirusScan *scan, GBytes *message);

/* TRUE: no more is to be scanned: a virus was found, or the time or what may be unpacked is used up, which is
 * noted. */
gboolean postern_virus_scan_is_over(PosternVirusScan *scan);

/* libclamav calls these; context is a PosternVirusScan, or NULL outside of a scan. */
void postern_virus_scan_message(enum cl_msg severity, const char *full, const char *text, void *context);
void postern_virus_scan_name(int descriptor, const char *name, void *context);
cl_error_t postern_virus_scan_layer(int descriptor, const char *type, const char **ancestors,
                                    size_t parent_size, const char *name, size_t size, const char *octets,
                                    uint32_t depth, uint32_t attributes, void *context);
