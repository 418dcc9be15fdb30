#include "checks/virus/sample.h"

#include <string.h>
#include <zlib.h>

static const char eicar_backwards[] = "*H+H$!ELIF-TSET-SURIVITNA-DRADNATS-RACIE$}7)CC7)^P(45XZP\\4[PA@%P!O5X";

char *postern_virus_sample_eicar(void)
{
    return g_strreverse(g_strdup(eicar_backwards));
}

/* As it is defined: the 68 octets begin a file, which has at most 128, and only white space behind them. Text
 * that quotes it is no such file. */
char *postern_virus_sample_signature(void)
{
    g_autofree char *eicar = postern_virus_sample_eicar();
    GString *line = g_string_new("Eicar-Test-Signature;Engine:81-255,FileSize:68-128,Target:0;0&1;0:");
    for (const char *place = eicar; *place != '\0'; place++)
        g_string_append_printf(line, "%02x", (guint)*place);
    g_string_append(line, ";0/^.{68}[ \\t\\r\\n\\x1a]*$/s\n");
    return g_string_free(line, FALSE);
}

static void put(GByteArray *out, guint64 value, guint octets)
{
    for (guint i = 0; i < octets; i++) {
        guint8 octet = (guint8)(value >> (8 * i));
        g_byte_array_append(out, &octet, 1);
    }
}

/* What local header and central directory have in common (APPNOTE.TXT 4.3.7, 4.3.12). */
static void put_file(GByteArray *out, const char *name, const void *octets, gsize length)
{
    put(out, 10, 2);
    put(out, 0, 2);
    put(out, 0, 2);
    put(out, 0x00210000, 4);
    put(out, crc32(0, octets, (uInt)length), 4);
    put(out, length, 4);
    put(out, length, 4);
    put(out, strlen(name), 2);
    put(out, 0, 2);
}

GByteArray *postern_virus_sample_zip(const char *name, const void *octets, gsize length)
{
    GByteArray *out = g_byte_array_new();
    put(out, 0x04034b50, 4);
    put_file(out, name, octets, length);
    g_byte_array_append(out, (const guint8 *)name, (guint)strlen(name));
    g_byte_array_append(out, octets, (guint)length);
    guint directory = out->len;
    put(out, 0x02014b50, 4);
    put(out, 20, 2);
    put_file(out, name, octets, length);
    put(out, 0, 2);
    put(out, 0, 2);
    put(out, 0, 2);
    put(out, 0, 4);
    put(out, 0, 4);
    g_byte_array_append(out, (const guint8 *)name, (guint)strlen(name));
    guint directory_length = out->len - directory;
    put(out, 0x06054b50, 4);
    put(out, 0, 4);
    put(out, 1, 2);
    put(out, 1, 2);
    put(out, directory_length, 4);
    put(out, directory, 4);
    put(out, 0, 2);
    return out;
}

char *postern_virus_sample_message(const char *name, const void *attachment, gsize length)
{
    GString *out = g_string_new(NULL);
    g_autofree char *text = g_base64_encode(attachment, length);
    g_string_append_printf(
        out,
        "From: postern@localhost\r\nTo: postern@localhost\r\nSubject: test\r\nMIME-Version: 1.0\r\n"
        "Content-Type: multipart/mixed; boundary=\"part\"\r\n\r\n--part\r\n"
        "Content-Type: application/octet-stream; name=\"%s\"\r\n"
        "Content-Transfer-Encoding: base64\r\n"
        "Content-Disposition: attachment; filename=\"%s\"\r\n\r\n",
        name, name);
    for (gsize place = 0, rest = strlen(text); rest > 0;) {
        gsize line = MIN(rest, 76);
        g_string_append_len(out, text + place, (gssize)line);
        g_string_append(out, "\r\n");
        place += line;
        rest -= line;
    }
    g_string_append(out, "--part--\r\n");
    return g_string_free(out, FALSE);
}
