/*
 * One aggregate report: its names, its file, and the mail that it travels in (RFC 9990 3.5).
 */
#pragma once

#include "base/configuration.h"
#include "report/xml.h"
#include "tally/store.h"

#define POSTERN_REPORT_DAY_SECONDS 86400

typedef struct {
    const PosternConfiguration *configuration;
    guint day; /* since 1970, UTC */
    char *domain;
    char *record;
    char *submitter; /* our domain: that of [report] email */
    char *id;        /* the same whenever it is made */
    char *file_name;
    GByteArray *octets; /* of the file: gzip; NULL before it is made */
    guint64 messages;
} PosternDmarcReport;

PosternDmarcReport *postern_dmarc_report_new(const PosternConfiguration *configuration, guint day,
                                             const char *domain, const char *record);
void postern_dmarc_report_free(PosternDmarcReport *report);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(PosternDmarcReport, postern_dmarc_report_free)

/* Makes its file of the rows in database, POSTERN_REPORT_ROWS_MAX at most, those of most messages first.
 * FALSE and error. */
gboolean postern_dmarc_report_make(PosternDmarcReport *report, PosternDatabase *database,
                                   GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* The mail with its file, to addresses (of const char *); now: seconds since 1970. A new string. */
GString *postern_dmarc_report_mail(const PosternDmarcReport *report, const GPtrArray *addresses, gint64 now);
