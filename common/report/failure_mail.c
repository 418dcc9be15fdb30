#include "report/failure_mail.h"

#include <string.h>

#include "report/mail.h"

#define HOUR_SECONDS 3600
#define DAY_SECONDS 86400
#define RECORD_MAX_OCTETS 4096

/* RFC 6591 3.2.6: the record as a quoted string. */
static void append_spf_record(GString *out, const char *domain, const char *record)
{
    g_autoptr(GString) value = g_string_new(NULL);
    g_string_printf(value, "txt : %s : \"", domain);
    for (const char *octet = record; *octet != '\0' && value->len < RECORD_MAX_OCTETS; octet++)
        g_string_append_printf(value, "%s%c", *octet == '"' || *octet == '\\' ? "\\" : "", *octet);
    g_string_append_c(value, '"');
    postern_redact_append_field(out, "SPF-DNS", value->str);
}

static char *make_text(const PosternConfiguration *configuration, const PosternTallyFailure *failure)
{
    gint64 begin = (gint64)failure->day * DAY_SECONDS + (gint64)failure->hour * HOUR_SECONDS;
    g_autoptr(GDateTime) time = g_date_time_new_from_unix_utc(begin);
    g_autofree char *hour = g_date_time_format(time, "%Y-%m-%d %H:%M");
    return g_strdup_printf(
        "This is an authentication failure report (RFC 9991) about %u messages that came in\n"
        "the hour from %s UTC on, and named %s as that of their author.\n"
        "Of the first one there is a part of the header, with mailboxes made unknown; the\n"
        "subject and the body are left out.\n"
        "Ask %s about it.\n",
        failure->incidents, hour, failure->domain, configuration->report.email);
}

GString *postern_failure_mail(const PosternConfiguration *configuration, const PosternTallyFailure *failure,
                              const char *spf_record, const GPtrArray *addresses, gint64 now)
{
    const char *organization = configuration->report.organization;
    const char *at = strrchr(configuration->report.email, '@');
    const char *submitter = at != NULL ? at + 1 : "localhost";
    g_autofree char *cause = g_compute_checksum_for_string(G_CHECKSUM_SHA256, failure->cause, -1);
    g_autofree char *id =
        g_strdup_printf("%u-%u_%.16s_%s@%s", failure->day, failure->hour, cause, failure->domain, submitter);
    g_autofree char *subject = g_strdup_printf("DMARC failure report:\r\n %s", failure->domain);
    g_autofree char *text = make_text(configuration, failure);
    g_autofree char *incidents = g_strdup_printf("%u", failure->incidents);
    g_autoptr(GString) fields = g_string_new(failure->fields);
    postern_redact_append_field(fields, "Incidents", incidents);
    if (spf_record != NULL && failure->spf_domain[0] != '\0')
        append_spf_record(fields, failure->spf_domain, spf_record);
    const PosternReportPart parts[] = {
        {.type = "message/feedback-report", .is_plain = TRUE, .octets = fields->str, .length = fields->len},
        {.type = "text/rfc822-headers",
         .is_plain = TRUE,
         .octets = failure->header,
         .length = strlen(failure->header)},
    };
    const PosternReportMail mail = {
        .from = configuration->report.email,
        .name = organization[0] != '\0' ? organization : submitter,
        .to = addresses,
        .subject = subject,
        .message_id = id,
        .text = text,
        .report_type = "feedback-report",
        .parts = parts,
        .count = G_N_ELEMENTS(parts),
        .now = now,
    };
    return postern_report_mail(&mail);
}
