#include "report/dmarc_mail.h"

#include <gio/gio.h>
#include <string.h>

#include "base/limits.h"
#include "report/mail.h"

#define COMPRESSION 9

PosternDmarcReport *postern_dmarc_report_new(const PosternConfiguration *configuration, guint day,
                                             const char *domain, const char *record)
{
    PosternDmarcReport *report = g_new0(PosternDmarcReport, 1);
    gint64 begin = (gint64)day * POSTERN_REPORT_DAY_SECONDS, end = begin + POSTERN_REPORT_DAY_SECONDS - 1;
    g_autoptr(GDateTime) time = g_date_time_new_from_unix_utc(begin);
    g_autofree char *date = g_date_time_format(time, "%Y-%m-%d");
    const char *at = strrchr(configuration->report.email, '@');
    report->configuration = configuration;
    report->day = day;
    report->domain = g_strdup(domain);
    report->record = g_strdup(record);
    report->submitter = g_ascii_strdown(at != NULL ? at + 1 : "localhost", -1);
    report->id = g_strdup_printf("%s_%s@%s", date, domain, report->submitter);
    report->file_name = g_strdup_printf("%s!%s!%" G_GINT64_FORMAT "!%" G_GINT64_FORMAT ".xml.gz",
                                        report->submitter, domain, begin, end);
    return report;
}

void postern_dmarc_report_free(PosternDmarcReport *report)
{
    if (report == NULL)
        return;
    g_free(report->domain);
    g_free(report->record);
    g_free(report->submitter);
    g_free(report->id);
    g_free(report->file_name);
    g_clear_pointer(&report->octets, g_byte_array_unref);
    g_free(report);
}

static gboolean append_rows(PosternDmarcReport *report, PosternDatabase *database, GString *xml,
                            GError **error)
{
    g_autofree char *query =
        g_strdup_printf("SELECT domain, source, header_from, envelope_from, disposition, dkim, spf, reason,"
                        " comment, spf_domain, spf_result, signatures, messages FROM dmarc"
                        " WHERE day = ?1 AND domain = ?2 ORDER BY messages DESC LIMIT %u",
                        POSTERN_REPORT_ROWS_MAX);
    sqlite3_stmt *rows = postern_database_prepare(database, query, error);
    int result = SQLITE_ERROR;
    if (rows == NULL)
        return FALSE;
    sqlite3_bind_int64(rows, 1, report->day);
    sqlite3_bind_text(rows, 2, report->domain, -1, SQLITE_STATIC);
    while ((result = sqlite3_step(rows)) == SQLITE_ROW) {
        const char *columns[POSTERN_TALLY_DMARC_COLUMNS];
        for (int i = 0; i < POSTERN_TALLY_DMARC_COLUMNS; i++) {
            const char *text = (const char *)sqlite3_column_text(rows, i);
            columns[i] = text != NULL ? text : "";
        }
        guint64 messages = (guint64)sqlite3_column_int64(rows, POSTERN_TALLY_DMARC_COLUMNS);
        postern_report_xml_row(xml, columns, messages);
        report->messages += messages;
    }
    sqlite3_finalize(rows);
    return result == SQLITE_DONE || postern_database_fail(database, error);
}

static GByteArray *compress(const GString *text, GError **error)
{
    g_autoptr(GZlibCompressor) compressor = g_zlib_compressor_new(G_ZLIB_COMPRESSOR_FORMAT_GZIP, COMPRESSION);
    g_autoptr(GOutputStream) memory = g_memory_output_stream_new_resizable();
    g_autoptr(GOutputStream) out = g_converter_output_stream_new(memory, G_CONVERTER(compressor));
    if (!g_output_stream_write_all(out, text->str, text->len, NULL, NULL, error) ||
        !g_output_stream_close(out, NULL, error))
        return NULL;
    GByteArray *octets = g_byte_array_new();
    GMemoryOutputStream *stream = G_MEMORY_OUTPUT_STREAM(memory);
    g_byte_array_append(octets, g_memory_output_stream_get_data(stream),
                        (guint)g_memory_output_stream_get_data_size(stream));
    return octets;
}

gboolean postern_dmarc_report_make(PosternDmarcReport *report, PosternDatabase *database, GError **error)
{
    const PosternConfiguration *configuration = report->configuration;
    const char *organization = configuration->report.organization;
    g_autoptr(GString) xml = g_string_new(NULL);
    gint64 begin = (gint64)report->day * POSTERN_REPORT_DAY_SECONDS;
    const PosternReportHead head = {
        .organization = organization[0] != '\0' ? organization : report->submitter,
        .email = configuration->report.email,
        .contact = configuration->report.contact,
        .report_id = report->id,
        .begin = begin,
        .end = begin + POSTERN_REPORT_DAY_SECONDS - 1,
        .domain = report->domain,
        .record = report->record,
    };
    report->messages = 0;
    postern_report_xml_begin(xml, &head);
    if (!append_rows(report, database, xml, error))
        return FALSE;
    postern_report_xml_end(xml);
    g_clear_pointer(&report->octets, g_byte_array_unref);
    report->octets = compress(xml, error);
    return report->octets != NULL;
}

GString *postern_dmarc_report_mail(const PosternDmarcReport *report, const GPtrArray *addresses, gint64 now)
{
    const PosternConfiguration *configuration = report->configuration;
    const char *organization = configuration->report.organization;
    g_autofree char *subject = g_strdup_printf("Report Domain: %s\r\n Submitter: %s\r\n Report-ID: <%s>",
                                               report->domain, report->submitter, report->id);
    g_autofree char *text =
        g_strdup_printf("This is a DMARC aggregate report (RFC 9990) of %s about %" G_GUINT64_FORMAT
                        " messages from %s.\nAsk %s about it.\n",
                        report->submitter, report->messages, report->domain, configuration->report.email);
    const PosternReportPart file = {.type = "application/gzip",
                                    .name = report->file_name,
                                    .octets = report->octets->data,
                                    .length = report->octets->len};
    const PosternReportMail mail = {
        .from = configuration->report.email,
        .name = organization[0] != '\0' ? organization : report->submitter,
        .to = addresses,
        .subject = subject,
        .message_id = report->id,
        .text = text,
        .parts = &file,
        .count = 1,
        .now = now,
    };
    return postern_report_mail(&mail);
}
