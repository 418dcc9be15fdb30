#include "base/configuration/check.h"
#include "base/configuration/private.h"
#include "base/configuration/row.h"

static const PosternOption options[] = {
    {"report", "store", STRING(report.store, 0, TEXT), "",
     "Where postern-report finds what was judged each day (absolute path); empty: nothing is kept.",
     postern_configuration_check_path, .reload = WHO_ASKS},
    {"report", "dmarc", BOOLEAN(report.dmarc), "no",
     "Keep what DMARC aggregate reports are made of, and let postern-report send them (RFC 9990).",
     .reload = WHO_ASKS},
    {"report", "failures", BOOLEAN(report.failures), "no",
     "Keep redacted headers if a domain asks for DMARC failure reports (RFC 9991), and send them.",
     .reload = WHO_ASKS},
    {"report", "failure_rate", NUMBER(report.failure_rate, 1, 1000), "10",
     "Most failure reports about one domain an hour; like failures are one report.", .reload = WHO_ASKS},
    {"report", "organization", STRING(report.organization, 0, TEXT), "",
     "Who reports, in words; empty: the domain of email."},
    {"report", "email", STRING(report.email, 0, POSTERN_PATH_MAX_OCTETS), "",
     "The address that reports come from, and that their readers can write to.",
     postern_configuration_check_mailbox, .reload = WHO_ASKS},
    {"report", "contact", STRING(report.contact, 0, TEXT), "",
     "More about whom to ask, such as a web page; empty: nothing."},
    {"report", "envelope_sender", STRING(report.envelope_sender, 0, POSTERN_PATH_MAX_OCTETS), "",
     "Whom bounces of reports go to; empty: nobody (the null sender), which cannot loop.",
     postern_configuration_check_mailbox},
    {"report", "daily", STRING(report.daily, 0, POSTERN_PATH_MAX_OCTETS), "",
     "Who gets a summary of each day from postern-report.timer; empty: nobody.",
     postern_configuration_check_mailbox},
    {"report", "server", STRING(report.server, 1, TEXT), "127.0.0.1:25",
     "The mail server that takes reports for delivery: ADDRESS:PORT.", postern_configuration_check_endpoint},
    {"report", "keep_days", NUMBER(report.keep_days, 2, 366), "14", "Days that are kept.",
     .reload = WHO_ASKS},
    {"report", "max_rows", NUMBER(report.max_rows, 1000, 100000000), "500000",
     "Most rows of the store, of about 200 octets; one day has at most half of them.", .reload = WHO_ASKS},
    {"report", "interval", DURATION(report.interval_ms, 100), "10s",
     "How often what was judged is written; a crash loses what came since.", .reload = WHO_ASKS},
};

const PosternOption *postern_configuration_report_options(gsize *ret_length)
{
    *ret_length = G_N_ELEMENTS(options);
    return options;
}

void postern_configuration_agree_report(const PosternConfiguration *configuration,
                                        PosternDiagnostics *diagnostics)
{
    const char *which = configuration->report.dmarc      ? "dmarc"
                        : configuration->report.failures ? "failures"
                                                         : NULL;
    if (which != NULL && configuration->report.store[0] == '\0')
        postern_diagnostics_add(diagnostics, "report", which, "needs store: a file for what is reported");
    if (which != NULL && configuration->report.email[0] == '\0')
        postern_diagnostics_add(diagnostics, "report", which, "needs email: who reports must be reachable");
}
