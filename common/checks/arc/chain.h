/*
 * The ARC Sets of a header (RFC 8617 4), gathered and judged as far as they can be without keys.
 */
#pragma once

#include "base/limits.h"
#include "checks/signature/canonical.h"
#include "mail/header.h"
#include "wire/tag_list.h"

/* ARC-Message-Signature or ARC-Seal. */
typedef struct {
    const PosternHeaderField *field;
    PosternTagList *tags;
    char *domain;      /* d= */
    char *selector;    /* s= */
    char *algorithm;   /* a=, "rsa-sha256" or "ed25519-sha256" */
    char *question;    /* where its key is */
    GBytes *signature; /* b=, decoded */
} PosternArcSignature;

typedef struct {
    const PosternHeaderField *results; /* ARC-Authentication-Results */
    PosternArcSignature message;
    PosternArcSignature seal;
} PosternArcLink;

typedef struct {
    guint count;                                /* of links; 0 and no problem: the message has no ARC */
    PosternArcLink links[POSTERN_ARC_SETS_MAX]; /* by instance; the first has i=1 */
    char *problem;                              /* why the chain fails, or NULL */
    /* Of the newest ARC-Message-Signature. */
    PosternCanonicalisation canonicalisation;
    gboolean canonicalisation_given; /* by c= */
    GBytes *body_hash;
    gint64 body_length;   /* l=, or -1 */
    gboolean covers_from; /* its h= names every From field */
} PosternArcChain;

/* header must outlive the result. Never NULL. */
PosternArcChain *postern_arc_chain_new(const PosternHeader *header);
void postern_arc_chain_free(PosternArcChain *chain);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(PosternArcChain, postern_arc_chain_free)
