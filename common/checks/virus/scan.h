/*
 * The scans of one message by libclamav, and all that was noticed beside their results.
 *
 * libclamav does not take mail apart (CL_SCAN_PARSE_MAIL is off): what readers of mail would see comes as
 * items (content/item.h), and each is scanned as a file of its own. The message as it stands, and each that
 * is enclosed and encoded, is scanned once for signatures of mail. No octets are scanned twice as the same
 * thing.
 */
#pragma once

#include <openssl/evp.h>

#include "checks/content/item.h"
#include "checks/virus/clamd.h"
#include "checks/virus/engine.h"
#include "checks/virus/scan_limits.h"

typedef struct {
    const PosternVirusEngine *engine;
    PosternClamd *clamd; /* scans in the place of libclamav; or NULL */
    const char *name;    /* of the file at hand, or NULL */
    PosternVirusScanLimits room;
    PosternVirusFinding *finding;
    PosternFindings *findings; /* for steps of an explanation; NULL: none are wanted */
    guint64 file_octets;       /* libclamav's limit for one file */
    gint64 end;                /* monotonic: no scan begins after it; 0: never */
    GQueue queue;              /* of GBytes *: messages and containers in files, to be scanned and walked */
    EVP_MD *digest;            /* of octets, fetched once for all */
    GHashTable *walked;        /* digests of all that were ever in it */
    GHashTable *messages;      /* digests of the messages scanned */
    PosternItemBudget budget;  /* of the walks of the queue */
    GHashTable *seen;          /* digests of what libclamav has looked into */
    GBytes *held;              /* a file that is scanned when the next one is known, or NULL */
    GHashTable *taken;         /* digests of the files that were taken, and so are opened by the walk */
    PosternVirusWork work;
    /* Of the scan at hand: */
    gsize since_look;  /* octets of layers since it was last seen whether there is room */
    gboolean text;     /* libclamav knows what it was given as text or HTML */
    gboolean phishing; /* it is for heuristics on phishing alone */
    guint layers;      /* looked into: the file itself, and those in it */
} PosternVirusScan;

/*
 * Scans the whole message for signatures of mail. engine, octets and finding must outlive the scan; room
 * and clamd (NULL: libclamav scans) become its own.
 */
PosternVirusScan *postern_virus_scan_new(const PosternVirusEngine *engine, const PosternVirusScanLimits *room,
                                         PosternClamd *clamd, const char *octets, gsize length,
                                         PosternVirusFinding *finding);
void postern_virus_scan_free(PosternVirusScan *scan);

/*
 * Scans an item, unless the same octets have been. FALSE: no more is to be scanned: a virus was found, or
 * the time or what may be unpacked is used up, which is noted.
 */
gboolean postern_virus_scan_take(const PosternItem *item, gpointer scan);
/* Notes what the walk did not look into. */
void postern_virus_scan_note(PosternVirusKind kind, const char *text, gpointer scan);
/* Scans and walks the messages that libclamav found in files, and opens the containers. */
void postern_virus_scan_finish(PosternVirusScan *scan);

/* libclamav calls these; context is a PosternVirusScan, or NULL outside of a scan. */
void postern_virus_scan_message(enum cl_msg severity, const char *full, const char *text, void *context);
void postern_virus_scan_name(int descriptor, const char *name, void *context);
cl_error_t postern_virus_scan_layer(int descriptor, const char *type, const char **ancestors,
                                    size_t parent_size, const char *name, size_t size, const char *octets,
                                    uint32_t depth, uint32_t attributes, void *context);
