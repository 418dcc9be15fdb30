#include "report/xml.h"

#include <string.h>

#include "base/build.h"
#include "checks/dmarc/record.h"
#include "tally/rows.h"

#define NAMESPACE "urn:ietf:params:xml:ns:dmarc-2.0"

/* XML 1.0 2.2: neither controls nor the two that are no characters, escaped or not. */
void postern_report_xml_text(GString *out, const char *text)
{
    g_autofree char *valid = g_utf8_make_valid(text, -1);
    g_autoptr(GString) allowed = g_string_sized_new(strlen(valid));
    for (char *at = valid; *at != '\0'; at = g_utf8_next_char(at)) {
        gunichar letter = g_utf8_get_char(at);
        gboolean forbidden =
            letter < 0x20 || (letter >= 0x7f && letter < 0xa0) || (letter & 0xfffe) == 0xfffe;
        g_string_append_unichar(allowed, forbidden ? '?' : letter);
    }
    g_autofree char *escaped = g_markup_escape_text(allowed->str, (gssize)allowed->len);
    g_string_append(out, escaped);
}

static void open_element(GString *out, guint depth, const char *name)
{
    g_string_append_printf(out, "%*s<%s>", (int)depth * 2, "", name);
}

static void begin(GString *out, guint depth, const char *name)
{
    open_element(out, depth, name);
    g_string_append_c(out, '\n');
}

static void end(GString *out, guint depth, const char *name)
{
    g_string_append_printf(out, "%*s</%s>\n", (int)depth * 2, "", name);
}

static void element(GString *out, guint depth, const char *name, const char *text)
{
    open_element(out, depth, name);
    postern_report_xml_text(out, text);
    g_string_append_printf(out, "</%s>\n", name);
}

static void number(GString *out, guint depth, const char *name, gint64 value)
{
    g_autofree char *text = g_strdup_printf("%" G_GINT64_FORMAT, value);
    element(out, depth, name, text);
}

static void append_policy(GString *out, const PosternReportHead *head)
{
    PosternDmarcRecord record = {.usable = FALSE};
    (void)postern_dmarc_record_parse(head->record, strlen(head->record), &record);
    g_autofree char *options = postern_dmarc_record_value(head->record, "fo");
    begin(out, 1, "policy_published");
    element(out, 2, "domain", head->domain);
    element(out, 2, "discovery_method", "treewalk");
    element(out, 2, "p", postern_dmarc_policy_name(record.policy));
    element(out, 2, "sp", postern_dmarc_policy_name(record.subdomain_policy));
    element(out, 2, "np", postern_dmarc_policy_name(record.nonexistent_policy));
    element(out, 2, "fo", options != NULL ? options : "0");
    element(out, 2, "adkim", record.strict_dkim ? "s" : "r");
    element(out, 2, "aspf", record.strict_spf ? "s" : "r");
    element(out, 2, "testing", record.testing ? "y" : "n");
    end(out, 1, "policy_published");
}

void postern_report_xml_begin(GString *out, const PosternReportHead *head)
{
    g_string_append(out, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<feedback xmlns=\"" NAMESPACE "\">\n");
    element(out, 1, "version", "1.0");
    begin(out, 1, "report_metadata");
    element(out, 2, "org_name", head->organization);
    element(out, 2, "email", head->email);
    if (head->contact[0] != '\0')
        element(out, 2, "extra_contact_info", head->contact);
    element(out, 2, "report_id", head->report_id);
    begin(out, 2, "date_range");
    number(out, 3, "begin", head->begin);
    number(out, 3, "end", head->end);
    end(out, 2, "date_range");
    element(out, 2, "generator", "Postern " POSTERN_VERSION);
    end(out, 1, "report_metadata");
    append_policy(out, head);
}

static void append_evaluated(GString *out, const char *const *columns)
{
    begin(out, 3, "policy_evaluated");
    element(out, 4, "disposition", columns[POSTERN_TALLY_DISPOSITION]);
    element(out, 4, "dkim", columns[POSTERN_TALLY_DKIM]);
    element(out, 4, "spf", columns[POSTERN_TALLY_SPF]);
    if (columns[POSTERN_TALLY_REASON][0] != '\0') {
        begin(out, 4, "reason");
        element(out, 5, "type", columns[POSTERN_TALLY_REASON]);
        if (columns[POSTERN_TALLY_COMMENT][0] != '\0')
            element(out, 5, "comment", columns[POSTERN_TALLY_COMMENT]);
        end(out, 4, "reason");
    }
    end(out, 3, "policy_evaluated");
}

static void append_results(GString *out, const char *const *columns)
{
    static const char *const names[] = {"domain", "selector", "result"};
    g_auto(GStrv) signatures = g_strsplit(columns[POSTERN_TALLY_SIGNATURES], ";", -1);
    begin(out, 2, "auth_results");
    for (char **signature = signatures; *signature != NULL; signature++) {
        g_auto(GStrv) words = g_strsplit(*signature, " ", -1);
        if (g_strv_length(words) != G_N_ELEMENTS(names))
            continue;
        begin(out, 3, "dkim");
        for (gsize i = 0; i < G_N_ELEMENTS(names); i++)
            element(out, 4, names[i], words[i]);
        end(out, 3, "dkim");
    }
    if (columns[POSTERN_TALLY_SPF_RESULT][0] != '\0') {
        begin(out, 3, "spf");
        element(out, 4, "domain", columns[POSTERN_TALLY_SPF_DOMAIN]);
        element(out, 4, "scope", "mfrom");
        element(out, 4, "result", columns[POSTERN_TALLY_SPF_RESULT]);
        end(out, 3, "spf");
    }
    end(out, 2, "auth_results");
}

void postern_report_xml_row(GString *out, const char *const *columns, guint64 messages)
{
    begin(out, 1, "record");
    begin(out, 2, "row");
    element(out, 3, "source_ip", columns[POSTERN_TALLY_SOURCE]);
    number(out, 3, "count", (gint64)messages);
    append_evaluated(out, columns);
    end(out, 2, "row");
    begin(out, 2, "identifiers");
    element(out, 3, "header_from", columns[POSTERN_TALLY_HEADER_FROM]);
    element(out, 3, "envelope_from", columns[POSTERN_TALLY_ENVELOPE_FROM]);
    end(out, 2, "identifiers");
    append_results(out, columns);
    end(out, 1, "record");
}

void postern_report_xml_end(GString *out)
{
    end(out, 0, "feedback");
}
