#include <string.h>
#include <time.h>

#include "base/limits.h"
#include "verdict/case.h"

/* The client's words, without what could end them in a header field. */
static char *safe(const char *text)
{
    char *copy = g_strndup(text, POSTERN_DOMAIN_NAME_MAX_OCTETS);
    for (char *at = copy; *at != '\0'; at++)
        if (!g_ascii_isalnum(*at) && strchr(".-_:[]", *at) == NULL)
            *at = '?';
    return copy;
}

/* RFC 5322 3.3, whatever the locale. */
static void format_date(char *text, gsize size)
{
    static const char *const days[] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
    static const char *const months[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                         "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    const time_t now = time(NULL);
    struct tm utc = {0};
    (void)gmtime_r(&now, &utc);
    g_snprintf(text, size, "%s, %d %s %d %02d:%02d:%02d +0000", days[utc.tm_wday], utc.tm_mday,
               months[utc.tm_mon], 1900 + utc.tm_year, utc.tm_hour, utc.tm_min, utc.tm_sec);
}

void postern_case_add_received(PosternCase *mail_case, const char *hostname)
{
    const PosternEnvelope *envelope = mail_case->envelope;
    g_autofree char *helo = safe(envelope->helo != NULL ? envelope->helo : "unknown");
    g_autofree char *name = safe(envelope->client_name != NULL ? envelope->client_name : "unknown");
    g_autofree char *address = postern_address_to_string(&envelope->client);
    char date[64];
    format_date(date, sizeof date);
    /* FROM with the TCP-info of the client, BY, VIA nothing, WITH (RFC 3848), ID. */
    g_autofree char *value =
        g_strdup_printf("from %s (%s [%s%s])\r\n\tby %s (Postern) with %s id %s;\r\n\t%s", helo, name,
                        envelope->client.family == AF_INET6 ? "IPv6:" : "", address, hostname,
                        envelope->esmtp ? "ESMTP" : "SMTP", envelope->session, date);
    const PosternEdits *before = postern_case_edits(mail_case);
    PosternEdits *edits = before != NULL ? postern_edits_copy(before) : postern_edits_new();
    postern_edits_insert(edits, "Received", value);
    postern_edits_free(mail_case->edits);
    mail_case->edits = edits;
}
