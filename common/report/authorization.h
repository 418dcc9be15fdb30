/*
 * Whether a destination outside of a domain wants its reports (RFC 9990 4), by the DNS. Waits for answers.
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
 * domain. -1: not. 0: the DNS failed; later it may be known.
 */
int postern_report_authorize(PosternReportDns *dns, const char *domain, PosternReportAddress *address);
