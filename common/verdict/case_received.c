#include <string.h>
#include <time.h>

#include "base/limits.h"
#include "verdict/case.h"

/* The client's words, or "unknown", without what could end them in a header field. */
static void append_safe(GString *value, const char *text)
{
    gsize start = value->len;
    g_string_append(value, text != NULL ? text : "unknown");
    g_string_truncate(value, MIN(value->len, start + POSTERN_DOMAIN_NAME_MAX_OCTETS));
    for (char *at = value->str + start; *at != '\0'; at++)
        if (!g_ascii_isalnum(*at) && strchr(".-_:[]", *at) == NULL)
            *at = '?';
}

static void put_two_digits(char *at, int number)
{
    at[0] = (char)('0' + number / 10);
    at[1] = (char)('0' + number % 10);
}

/* RFC 5322 3.3, whatever the locale. */
static void append_date(GString *value)
{
    static const char days[] = "SunMonTueWedThuFriSat";
    static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    char date[] = "Day, 00 Mon 0000 00:00:00 +0000";
    const time_t now = time(NULL);
    struct tm utc = {0};
    (void)gmtime_r(&now, &utc);
    memcpy(date, days + (gsize)(3 * utc.tm_wday), 3);
    put_two_digits(date + 5, utc.tm_mday);
    memcpy(date + 8, months + (gsize)(3 * utc.tm_mon), 3);
    put_two_digits(date + 12, (1900 + utc.tm_year) / 100);
    put_two_digits(date + 14, utc.tm_year % 100);
    put_two_digits(date + 17, utc.tm_hour);
    put_two_digits(date + 20, utc.tm_min);
    put_two_digits(date + 23, utc.tm_sec);
    g_string_append_len(value, date, (gssize)strlen(date));
}

static void append_all(GString *value, const char *const *texts)
{
    for (; *texts != NULL; texts++)
        g_string_append(value, *texts);
}

void postern_case_add_received(PosternCase *mail_case, const char *hostname)
{
    const PosternEnvelope *envelope = mail_case->envelope;
    g_autoptr(GString) value = g_string_sized_new(256);
    char address[INET6_ADDRSTRLEN];
    postern_address_write(&envelope->client, address);
    /* FROM with the TCP-info of the client, BY, VIA nothing, WITH (RFC 3848), ID. */
    g_string_append(value, "from ");
    append_safe(value, envelope->helo);
    g_string_append(value, " (");
    append_safe(value, envelope->client_name);
    append_all(value, (const char *const[]){envelope->client.family == AF_INET6 ? " [IPv6:" : " [", address,
                                            "])\r\n\tby ", hostname, " (Postern) with ",
                                            envelope->esmtp ? "ESMTP" : "SMTP", " id ", envelope->session,
                                            ";\r\n\t", NULL});
    append_date(value);
    const PosternEdits *before = postern_case_edits(mail_case);
    PosternEdits *edits = before != NULL ? postern_edits_copy(before) : postern_edits_new();
    postern_edits_insert(edits, "Received", value->str);
    postern_edits_free(mail_case->edits);
    mail_case->edits = edits;
}
