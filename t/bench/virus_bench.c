/*
 * What a MiB of mail costs the content and virus checks, by its shape: seconds of the processor, and how many
 * times plain text that is. The shapes are those that have been quadratic in somebody's reader of mail.
 */
#include <stdio.h>
#include <time.h>

#include "support/content.h"
#include "unit/virus_fixture.h"

#define MESSAGE_OCTETS (1024 * 1024)
#define ROUNDS 3

/* Adds to message until it has so many octets. */
typedef void (*Fill)(GString *message, gsize octets);

static void repeat(GString *message, gsize octets, const char *text)
{
    while (message->len < octets)
        g_string_append(message, text);
}

static void plain_text(GString *message, gsize octets)
{
    g_string_append(message, "Subject: x\r\n\r\n");
    for (guint i = 0; message->len < octets; i++)
        g_string_append_printf(message, "Line %u of a letter that somebody has written to somebody else.\r\n",
                               i);
}

static void bare_cr(GString *message, gsize octets)
{
    g_string_append(message, "Subject: x\r\n\r\n");
    repeat(message, octets, "\r");
}

static void bare_cr_in_header(GString *message, gsize octets)
{
    repeat(message, octets, "Content-Type: multipart/signed; boundary=x\r");
}

static void open_comments(GString *message, gsize octets)
{
    repeat(message, octets, "Content-Type: (\r\n");
}

static void folded_header(GString *message, gsize octets)
{
    g_string_append(message, "Content-Type: a/b;\r\n");
    repeat(message, octets, " name*=\r\n");
}

static void dashes(GString *message, gsize octets)
{
    g_string_append(message, "Content-Type: multipart/mixed; boundary=-\r\n\r\n");
    repeat(message, octets, "----------------------------------------------------------------------\r\n");
}

static void short_dashes(GString *message, gsize octets)
{
    g_string_append(message, "Content-Type: multipart/mixed; boundary=x\r\n\r\n");
    repeat(message, octets, "--\r\n");
}

static void begin_lines(GString *message, gsize octets)
{
    g_string_append(message, "Subject: x\r\n\r\n");
    repeat(message, octets, "begin 644 x\r\n");
}

static void ybegin_lines(GString *message, gsize octets)
{
    g_string_append(message, "Subject: x\r\n\r\n");
    repeat(message, octets, "=ybegin line=128 size=1 name=x\r\n");
}

static void from_lines(GString *message, gsize octets)
{
    g_string_append(message, "Subject: x\r\n\r\n");
    repeat(message, octets, "\r\nFrom a@b Mon Jan  1 00:00:00 2026\r\n");
}

static void boundaries(GString *message, gsize octets)
{
    g_string_append(message, "Content-Type: multipart/mixed; boundary=x\r\n\r\n");
    repeat(message, octets, "--x\r\n");
}

static void tiny_parts(GString *message, gsize octets)
{
    g_string_append(message, "Content-Type: multipart/mixed; boundary=x\r\n\r\n");
    for (guint i = 0; message->len < octets; i++)
        g_string_append_printf(message, "--x\r\nContent-Type: application/octet-stream\r\n\r\nPart %u.\r\n",
                               i);
}

static void named_parts(GString *message, gsize octets)
{
    g_string_append(message, "Content-Type: multipart/mixed; boundary=x\r\n\r\n");
    for (guint i = 0; message->len < octets; i++)
        g_string_append_printf(
            message,
            "--x\r\nContent-Type: image/png; name=\"%u.png\"\r\nContent-Transfer-Encoding: "
            "base64\r\n\r\nUGFydCAlZCBvZiB0aGVt%06u\r\n",
            i, i);
}

static void deep_multiparts(GString *message, gsize octets)
{
    for (guint i = 0; i < 90; i++)
        g_string_append_printf(message, "Content-Type: multipart/mixed; boundary=b%u\r\n\r\n--b%u\r\n", i, i);
    g_string_append(message, "\r\n");
    repeat(message, octets, "--c\r\n");
}

static void deep_messages(GString *message, gsize octets)
{
    repeat(message, octets, "Content-Type: message/rfc822\r\n\r\n");
}

static void nested_in_base64(GString *message, gsize octets)
{
    g_autoptr(GString) inner = g_string_new("Subject: innermost\r\n\r\n");
    repeat(inner, octets / 100, "A line of text.\r\n");
    while (inner->len < octets) {
        g_autofree char *text = g_base64_encode((const guchar *)inner->str, inner->len);
        g_string_assign(inner, "X-A: b\r\nMIME-Version: 1.0\r\nContent-Type: message/rfc822\r\n"
                               "Content-Transfer-Encoding: base64\r\n\r\n");
        for (gsize at = 0, rest = strlen(text); rest > 0; at += MIN(rest, 76), rest -= MIN(rest, 76))
            g_string_append_printf(inner, "%.76s\r\n", text + at);
    }
    g_string_append_len(message, inner->str, (gssize)inner->len);
}

static void long_line(GString *message, gsize octets)
{
    g_string_append(message, "Subject: x\r\n\r\n");
    repeat(message, octets, "abcdefghijklmnopqrstuvwxyz ");
}

static void long_field(GString *message, gsize octets)
{
    g_string_append(message, "Content-Type: text/plain; name=\"");
    repeat(message, octets, "=?utf-8?Q?x?= ");
}

static void charsets(GString *message, gsize octets)
{
    g_string_append(message, "Content-Type: multipart/mixed; boundary=x\r\n\r\n");
    while (message->len < octets) {
        g_string_append(message, "--x\r\nContent-Type: a/b; ");
        for (guint i = 0; i < 5000; i++)
            g_string_append(message, "*=");
        g_string_append(message, "\r\n\r\n");
    }
}

static void base64_pieces(GString *message, gsize octets)
{
    g_string_append(message, "Content-Type: a/b\r\nContent-Transfer-Encoding: base64\r\n\r\n");
    repeat(message, octets, "QQ==\r\n");
}

static void soft_breaks(GString *message, gsize octets)
{
    g_string_append(message, "Content-Type: a/b\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n");
    repeat(message, octets, "= \r\n");
}

static void attachment(GString *message, gsize octets)
{
    g_string_append(message,
                    "Content-Type: application/octet-stream\r\nContent-Transfer-Encoding: base64\r\n\r\n");
    for (guint32 seed = 1; message->len < octets;) {
        guchar line[57];
        for (gsize i = 0; i < sizeof line; i++)
            line[i] = (guchar)((seed = seed * 1664525 + 1013904223) >> 24);
        g_autofree char *text = g_base64_encode(line, sizeof line);
        g_string_append_printf(message, "%s\r\n", text);
    }
}

static const struct {
    const char *name;
    Fill fill;
} shapes[] = {
    {"plain text", plain_text},
    {"bare CR", bare_cr},
    {"bare CR in a header", bare_cr_in_header},
    {"comments that do not end", open_comments},
    {"a header of folds", folded_header},
    {"dashes", dashes},
    {"short dashes", short_dashes},
    {"'begin' lines", begin_lines},
    {"'=ybegin' lines", ybegin_lines},
    {"'From ' lines", from_lines},
    {"boundaries alone", boundaries},
    {"tiny parts", tiny_parts},
    {"tiny parts with names, base64", named_parts},
    {"false boundaries, 90 levels deep", deep_multiparts},
    {"messages in messages", deep_messages},
    {"messages in messages, base64", nested_in_base64},
    {"one long line", long_line},
    {"one long field", long_field},
    {"character sets that do not end", charsets},
    {"base64 in pieces", base64_pieces},
    {"soft breaks with blanks", soft_breaks},
    {"an attachment, base64", attachment},
};

static double processor_seconds(void)
{
    struct timespec time;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

/* The least of the rounds, a MiB. */
static double measure(VirusFixture *fixture, const GString *message, char **ret_said,
                      PosternVirusWork *ret_work, double *ret_content)
{
    double least = 0;
    *ret_content = 0;
    for (guint i = 0; i < ROUNDS; i++) {
        g_autoptr(PosternFindings) findings = postern_findings_new();
        double begin = processor_seconds();
        content_check(fixture->content, message->str, message->len, findings);
        double content = processor_seconds() - begin;
        *ret_content = i == 0 ? content : MIN(*ret_content, content);
        postern_check_virus(fixture->engine, message->str, message->len, fixture->folder, &findings->virus);
        double took = processor_seconds() - begin;
        least = i == 0 ? took : MIN(least, took);
        g_free(*ret_said);
        *ret_said = postern_virus_finding_word(&findings->virus);
    }
    *ret_work = postern_virus_engine_work(fixture->engine);
    return least / ((double)message->len / MESSAGE_OCTETS);
}

int main(void)
{
    VirusFixture fixture = {NULL};
    double plain = 0;
    virus_set_up(&fixture, NULL);
    printf("%-34s %12s %10s %7s %7s %7s  %s\n", "shape, 1 MiB of it", "CPU s a MiB", "of content", "times",
           "scans", "files", "finding");
    for (gsize i = 0; i < G_N_ELEMENTS(shapes); i++) {
        g_autoptr(GString) message = g_string_new(NULL);
        g_autofree char *said = NULL;
        PosternVirusWork work;
        shapes[i].fill(message, MESSAGE_OCTETS);
        double content = 0;
        double seconds = measure(&fixture, message, &said, &work, &content);
        if (i == 0)
            plain = seconds;
        printf("%-34s %12.4f %10.4f %7.1f %7u %7u  %s\n", shapes[i].name, seconds, content, seconds / plain,
               work.scans, work.layers, said);
        fflush(stdout);
    }
    virus_tear_down(&fixture, NULL);
    return 0;
}
