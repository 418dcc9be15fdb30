/*
 * Where the owner of a domain wants reports: rua= of a DMARC Policy Record (RFC 9989 4.7).
 */
#pragma once

#include <glib.h>

typedef struct {
    char *address;      /* local@domain, domain in lower case */
    guint64 octets_max; /* of a report, as the obsolete "!10m" of RFC 7489 6.4 says; 0: any */
} PosternReportAddress;

/* The domain of it, owned by it. */
const char *postern_report_address_domain(const PosternReportAddress *address);

/*
 * The mailto: addresses of a list of URIs of length octets, in order and each once, at most
 * POSTERN_REPORT_ADDRESSES_MAX; what is malformed, or of another scheme, is passed over (RFC 9990 3.5). Of
 * PosternReportAddress *, never NULL; the caller unrefs it.
 */
GPtrArray *postern_rua_parse(const char *list, gsize length);
