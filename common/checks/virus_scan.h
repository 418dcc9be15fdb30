/*
 * The scan of one message by libclamav, and all that was noticed beside its results.
 *
 * libclamav takes a file for mail by its first octets, and no header has to begin with any that it knows;
 * only what it takes for mail it looks into for attachments. So the message, and every file in it that looks
 * like one and was not taken for one, is scanned with a line in front that is known, and with the kinds of
 * multiparts renamed that it would pass over (virus_multipart.h).
 */
#pragma once

#include "checks/virus_engine.h"
#include "checks/virus_room.h"

typedef struct {
    const PosternVirusEngine *engine;
    const PosternVirusRoom *room;
    guint64 file_octets; /* libclamav's limit for one file */
    GQueue queue;        /* of GBytes *: what is to be scanned, with the line in front */
    guint64 octets;      /* of all that was ever queued */
    guint files;         /* how many */
    guint layers;        /* looked into by the scan at hand: the file itself, and those in it */
    char *problem;       /* the first thing that makes CLEAN impossible, or NULL; owned */
} PosternVirusScan;

/* Queues octets with the line in front. Where there are too many already: a problem. */
void postern_virus_scan_queue(PosternVirusScan *scan, const char *octets, gsize length);
void postern_virus_scan_clear(PosternVirusScan *scan);

/* Notes a problem; the first is kept. */
void postern_virus_scan_note(PosternVirusScan *scan, const char *problem);

/* TRUE where octets look like a message: a field in the first line, or a field of MIME before the first empty
 * line. */
gboolean postern_virus_scan_looks_like_mail(const char *octets, gsize length);

/* libclamav calls these; context is a PosternVirusScan, or NULL outside of a scan. */
void postern_virus_scan_message(enum cl_msg severity, const char *full, const char *text, void *context);
cl_error_t postern_virus_scan_layer(int descriptor, const char *type, const char **ancestors,
                                    size_t parent_size, const char *name, size_t size, const char *octets,
                                    uint32_t depth, uint32_t attributes, void *context);
