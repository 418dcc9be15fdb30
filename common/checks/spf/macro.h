/*
 * SPF macros (RFC 7208 7): their syntax and their expansion. Pure: what a macro stands for is given.
 */
#pragma once

#include <glib.h>

#include "mail/envelope.h"

/* Where a text with macros stands, which decides what it may contain (7.1, 7.2). */
typedef enum {
    POSTERN_SPF_MACRO_DOMAIN,      /* domain-spec: ends in a top label or a macro; not the letters c, r, t */
    POSTERN_SPF_MACRO_MODIFIER,    /* macro-string: the value of a modifier that is not known */
    POSTERN_SPF_MACRO_EXPLANATION, /* explain-string: spaces too */
} PosternSpfMacroUse;

/* What the letters stand for; text is borrowed. */
typedef struct {
    const char *local_part;     /* l, and s before the '@' */
    const char *sender_domain;  /* o, and s after the '@' */
    const char *domain;         /* d: the domain whose record is evaluated */
    const char *validated_name; /* p; NULL: "unknown" */
    const char *helo;           /* h */
    const char *receiver;       /* r */
    PosternAddress client;      /* i, c, v: AF_INET or AF_INET6 */
    gint64 now;                 /* t */
} PosternSpfMacroValues;

/* TRUE if text is well formed for use. */
gboolean postern_spf_macro_is_valid(const char *text, gsize length, PosternSpfMacroUse use);

/* TRUE if one of letters (lower case) is a macro of text, in either case. text must be valid. */
gboolean postern_spf_macro_uses(const char *text, gsize length, const char *letters);

/*
 * Expands a valid domain-spec: a new string without a final dot; labels are taken off the left until at most
 * POSTERN_DOMAIN_NAME_MAX_OCTETS stay (7.3). It may still be no name that can be asked.
 */
char *postern_spf_macro_expand_domain(const char *text, gsize length, const PosternSpfMacroValues *values);

/* Expands a valid explain-string: a new string of printable ASCII, cut at POSTERN_SPF_EXPLANATION_MAX_OCTETS.
 */
char *postern_spf_macro_expand_explanation(const char *text, gsize length,
                                           const PosternSpfMacroValues *values);
