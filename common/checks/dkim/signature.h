/*
 * One DKIM-Signature field (RFC 6376 3.5), judged as far as it can be without its key and the message.
 */
#pragma once

#include "checks/dkim/key.h"
#include "checks/signature/canonical.h"
#include "mail/header.h"
#include "verdict/findings.h"
#include "wire/tag_list.h"

typedef enum {
    POSTERN_DKIM_HASH_NOT_DONE,
    POSTERN_DKIM_HASH_MATCHES,
    POSTERN_DKIM_HASH_DIFFERS,
} PosternDkimHash;

typedef struct {
    const PosternHeaderField *field;
    PosternDkimFinding *finding;  /* owned; what will be reported */
    gboolean decided;             /* finding->result is final: no key is asked for, no hash is made */
    PosternTagList *tags;         /* owned; NULL: it is malformed */
    char *question;               /* SELECTOR._domainkey.DOMAIN, or NULL if it cannot be asked */
    guint from_fields;            /* how often h= names From */
    gint64 signed_at;             /* t=, or -1 */
    gint64 expires_at;            /* x=, or -1 */
    PosternCanonicalisation form; /* c= */
    GPtrArray *keys;              /* key.h, or NULL: not looked at yet */
    const PosternDkimKey *key;    /* of keys: the first, or the one that it was verified with */
    PosternDkimHash body_hash;    /* for people: what came of the two, if it got so far */
    PosternDkimHash header_hash;
} PosternDkimSignature;

/* field must outlive the result. Never NULL. */
PosternDkimSignature *postern_dkim_signature_new(const PosternHeaderField *field);
void postern_dkim_signature_free(PosternDkimSignature *signature);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(PosternDkimSignature, postern_dkim_signature_free)

/* Decides: the result is final. reason is copied. */
void postern_dkim_signature_decide(PosternDkimSignature *signature, PosternDkimResult result,
                                   const char *reason);

/* Takes what answer says of its key. FALSE: there is none that could be tried, and it is decided. */
gboolean postern_dkim_signature_load_keys(PosternDkimSignature *signature, PosternDkimKeyRing *ring,
                                          const PosternAnswer *answer);

/* key, one of keys, is the one that it is verified with. */
void postern_dkim_signature_use_key(PosternDkimSignature *signature, const PosternDkimKey *key);

/* Judges t= and x= by now (seconds since 1970). */
void postern_dkim_signature_judge_time(PosternDkimSignature *signature, gint64 now);
