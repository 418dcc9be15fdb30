/*
 * DMARC Policy Records (RFC 9989 4.7, 4.8).
 */
#pragma once

#include "dns/answers.h"
#include "verdict/findings.h"

typedef enum {
    POSTERN_DMARC_PSD_UNKNOWN, /* psd=u, and if it is not said */
    POSTERN_DMARC_PSD_YES,
    POSTERN_DMARC_PSD_NO,
} PosternDmarcPsd;

typedef struct {
    gboolean usable; /* FALSE: p= is missing, or p=, sp= or np= is wrong, and there is no rua= (4.10.1): DMARC
                        is not applied */
    PosternDmarcPolicy policy;             /* p= */
    PosternDmarcPolicy subdomain_policy;   /* sp=, else p= */
    PosternDmarcPolicy nonexistent_policy; /* np=, else sp=, else p= */
    PosternDmarcPsd psd;
    gboolean testing;     /* t=y */
    gboolean strict_dkim; /* adkim=s */
    gboolean strict_spf;  /* aspf=s */
} PosternDmarcRecord;

/*
 * Reads a TXT record of length octets. FALSE: it is no DMARC Policy Record, for it does not begin with
 * v=DMARC1, has a tag twice (RFC 6376 3.2: such a list is invalid as a whole; names are case-sensitive), or
 * is over POSTERN_DMARC_RECORD_MAX_OCTETS. Tags that are not known (pct, rf and ri are not, any more) are
 * passed over; one that is wrong counts as its default.
 */
gboolean postern_dmarc_record_parse(const char *octets, gsize length, PosternDmarcRecord *ret_record);

/*
 * What the tag called name says in a record that postern_dmarc_record_parse() takes, without blanks around
 * it; a new string, or NULL: it has none. Text up to a NUL.
 */
char *postern_dmarc_record_value(const char *record, const char *name);

/*
 * The DMARC Policy Record among those of an answer: *ret_text is it, owned by answer. FALSE: there is none,
 * or more than one, which are discarded (4.10, steps 2 and 6); *ret_count says how many.
 */
gboolean postern_dmarc_record_select(const PosternAnswer *answer, PosternDmarcRecord *ret_record,
                                     GBytes **ret_text, guint *ret_count);
