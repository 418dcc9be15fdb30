/*
 * A capsule: one message with all that its verdict was made from, and the verdict. It can be replayed later,
 * with no network and on another machine, and gives the same verdict.
 *
 * As a file: POSTERN_CAPSULE_MAGIC, a line that names the form, then a GVariant of type
 * POSTERN_CAPSULE_VARIANT in normal form (little-endian): a dictionary and the message's octets. A capsule
 * has the mail of somebody in it; secrets of the configuration are none of it, which names keys by their
 * paths.
 */
#pragma once

#include "base/configuration.h"
#include "dns/answers.h"
#include "inspector_client/inspection.h"
#include "mail/envelope.h"
#include "mail/message.h"
#include "verdict/case.h"

/* 24 octets, so that the variant is aligned if the file is. Another form has another number. */
#define POSTERN_CAPSULE_MAGIC "postern capsule, form 2\n"
#define POSTERN_CAPSULE_VARIANT "(a{sv}ay)"
#define POSTERN_CAPSULE_SUFFIX ".capsule"

typedef struct {
    char *name;              /* what the message is called: its file's name, or a daemon's id of it */
    PosternMessage *message; /* sealed; a reference */
    char *client;            /* whose address was checked and who says so, for people, or NULL */
    PosternEnvelope *envelope;
    PosternAnswers *answers; /* all that was known of the DNS; a reference */
    gint64 now;              /* seconds since 1970 that signatures were judged by */
    char *receiver;          /* our name, for SPF */
    guint64 scan_octets;
    PosternChecks checks; /* those that the findings are of */
    PosternChecks
        failed;    /* of them: those that could not be done; a replay takes their findings as they are */
    char *problem; /* why they could not, or NULL */
    PosternFindings *findings; /* without steps */
    char *versions;            /* of programs and signatures, for people */
    char *configuration;       /* postern_configuration_dump() of the policy that decided */
    char *policy;              /* the name of its group [policy NAME]; "" is [policy] */
    char *authserv_id;
    PosternClientClass client_class; /* of an older capsule: UNKNOWN */
    gboolean observe;
    /* The verdict, as it was. */
    PosternAction action;
    PosternAction would;
    char *reply; /* or NULL, as are the following */
    char *would_reply;
    char *check;
} PosternCapsule;

/* Empty: what is not set is NULL or 0. */
PosternCapsule *postern_capsule_new(void);
void postern_capsule_free(PosternCapsule *capsule);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(PosternCapsule, postern_capsule_free)

/* Notes what inspection, which is done, went by; the envelope and the message are the caller's to set. */
void postern_capsule_set_inspection(PosternCapsule *capsule, PosternInspection *inspection);

/*
 * Notes message, envelope, policy, findings, and what was decided by them; of message a reference is taken,
 * all else is copied. configuration: the text of a dump. What the inspection went by is noted before, if it
 * did not end with the message.
 */
void postern_capsule_set_case(PosternCapsule *capsule, const PosternCase *mail_case, PosternMessage *message,
                              const PosternFindings *findings, const char *configuration);

/* What programs, and signatures in the directory database (or NULL), stand behind a verdict: "postern 1.0;
 * built with libclamav …"; a new string. */
char *postern_capsule_versions(const char *database);

/*
 * What stands before the message's octets in a file, and behind them: all of a capsule but the message, which
 * may be large and is written from where it lies. Both are new; message must be set.
 */
void postern_capsule_serialise(const PosternCapsule *capsule, GBytes **ret_head, GBytes **ret_tail);

/*
 * Writes a capsule that was serialised to the file name in directory (a descriptor, or AT_FDCWD), mode 0600,
 * whole or not at all, and never over anything: if name exists, a link that leads nowhere too, it fails.
 */
gboolean postern_capsule_write(int directory, const char *name, GBytes *head, PosternMessage *message,
                               GBytes *tail, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* Serialises and writes to path. */
gboolean postern_capsule_save(const PosternCapsule *capsule, const char *path,
                              GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* The capsule in octets, untrusted: form and all bounds are checked. */
PosternCapsule *postern_capsule_parse(GBytes *octets, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* Reads and parses path; errors name it. */
PosternCapsule *postern_capsule_load(const char *path, GError **error) G_GNUC_WARN_UNUSED_RESULT;
