/*
 * Whether a destination outside of a domain wants its reports (RFC 9990 4, RFC 9991 5), by the DNS. Waits for
 * answers.
 */
#pragma once

#include "base/configuration.h"
#include "report/rua.h"

typedef struct PosternReportDns PosternReportDns;

/* As [dns] of configuration says. NULL and error. */
PosternReportDns *postern_report_dns_new(const PosternConfiguration *configuration,
                                         GError **error) G_GNUC_WARN_UNUSED_RESULT;
void postern_report_dns_free(PosternReportDns *dns);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(PosternReportDns, postern_report_dns_free)

/*
 * 1: reports of domain may go to address, in whose place the destination may have put another one of its own
 * domain by tag: "rua" or "ruf". -1: not. 0: the DNS failed; later it may be known.
 */
int postern_report_authorize(PosternReportDns *dns, const char *domain, const char *tag,
                             PosternReportAddress *address);

/* The SPF record (RFC 7208 4.5) of domain, a new string, or NULL: it has none, or the DNS failed. */
char *postern_report_spf_record(PosternReportDns *dns, const char *domain);
