#include "report/mail.h"

#include <string.h>

#define LINE_OCTETS 57 /* that 76 letters of base64 are, RFC 2045 6.8 */
#define BOUNDARY "=_postern_report_="

static void append_base64(GString *out, gconstpointer octets, gsize length)
{
    for (gsize at = 0; at < length; at += LINE_OCTETS) {
        g_autofree char *line = g_base64_encode((const guchar *)octets + at, MIN(LINE_OCTETS, length - at));
        g_string_append_printf(out, "%s\r\n", line);
    }
}

static void append_part(GString *out, const PosternReportPart *part)
{
    g_string_append_printf(out, "--" BOUNDARY "\r\nContent-Type: %s\r\n", part->type);
    g_string_append_printf(out, "Content-Transfer-Encoding: %s\r\n", part->is_plain ? "7bit" : "base64");
    if (part->name != NULL)
        g_string_append_printf(out, "Content-Disposition: attachment;\r\n filename=\"%s\"\r\n", part->name);
    g_string_append(out, "\r\n");
    if (part->is_plain)
        g_string_append_len(out, part->octets, (gssize)part->length);
    else
        append_base64(out, part->octets, part->length);
}

/* A display name: a quoted string if it is ASCII, else an encoded word (RFC 2047). */
static void append_name(GString *out, const char *name)
{
    if (g_str_is_ascii(name)) {
        g_string_append_c(out, '"');
        for (; *name != '\0'; name++)
            g_string_append_printf(out, "%s%c", *name == '"' || *name == '\\' ? "\\" : "",
                                   (guchar)*name < 0x20 || *name == 0x7f ? ' ' : *name);
        g_string_append(out, "\" ");
        return;
    }
    g_autofree char *short_name = g_utf8_substring(name, 0, MIN(g_utf8_strlen(name, -1), 10));
    g_autofree char *encoded = g_base64_encode((const guchar *)short_name, strlen(short_name));
    g_string_append_printf(out, "=?utf-8?B?%s?= ", encoded);
}

GString *postern_report_mail(const PosternReportMail *mail)
{
    GString *out = g_string_new("From: ");
    g_autoptr(GDateTime) time = g_date_time_new_from_unix_utc(mail->now);
    g_autofree char *date = g_date_time_format(time, "%a, %d %b %Y %H:%M:%S +0000");
    append_name(out, mail->name);
    g_string_append_printf(out, "<%s>\r\nTo: ", mail->from);
    for (guint i = 0; i < mail->to->len; i++)
        g_string_append_printf(out, "%s<%s>", i > 0 ? ",\r\n " : "", (const char *)mail->to->pdata[i]);
    g_string_append_printf(out, "\r\nSubject: %s\r\nDate: %s\r\nMessage-ID: <%s>\r\n", mail->subject, date,
                           mail->message_id);
    g_string_append(out, "Auto-Submitted: auto-generated\r\nMIME-Version: 1.0\r\n");
    g_string_append_printf(out, "Content-Type: multipart/%s%s;\r\n boundary=\"" BOUNDARY "\"\r\n\r\n",
                           mail->report_type != NULL ? "report; report-type=" : "mixed",
                           mail->report_type != NULL ? mail->report_type : "");
    append_part(out, &(PosternReportPart){.type = "text/plain; charset=utf-8",
                                          .octets = mail->text,
                                          .length = strlen(mail->text)});
    for (gsize i = 0; i < mail->count; i++)
        append_part(out, &mail->parts[i]);
    g_string_append(out, "--" BOUNDARY "--\r\n");
    return out;
}
