#include "wire/foreign.h"

#include <string.h>

static void test_lines(void)
{
    static const struct {
        const char *line;
        gboolean foreign;
    } lines[] = {
        {"GET / HTTP/1.1", TRUE},
        {"get /", TRUE},
        {"POST", TRUE},
        {"CONNECT mx.test:25 HTTP/1.0", TRUE},
        {"PRI * HTTP/2.0", TRUE},
        {"PROPFIND /a HTTP/1.1", TRUE},
        {"whatever http/9.9", TRUE},
        {"Host: mx.test", TRUE},
        {"Subject: x", TRUE},
        {"Subject :x", TRUE},
        {"X-A\t: x", TRUE},
        {"A:", TRUE},
        {"MAIL:", TRUE},
        {":", TRUE},
        {"\x16\x03\x01\x02", TRUE},
        {"\xc3\xa4", TRUE},
        {"{\"a\": 1}", TRUE},
        {"<html>", TRUE},
        {"*1", TRUE},
        {"--boundary", TRUE},
        {".", TRUE},
        {"12", TRUE},
        {"", FALSE},
        {" EHLO x", FALSE},
        {"BOGUS", FALSE},
        {"BOGUS a:b", FALSE},
        {"MAIL FROM:<a@b>", FALSE},
        {"MAIL  FROM : <a@b>", FALSE},
        {"XFORWARD NAME=a:b", FALSE},
        {"GETS /", FALSE},
        {"POSTAL", FALSE},
        {"HTTP/1.1", FALSE},
        {"x HTTP/1", FALSE},
        {"x HTTP/a.1", FALSE},
        {"xHTTP/1.1", FALSE},
        {"a\x01: b", FALSE},
    };
    for (gsize i = 0; i < G_N_ELEMENTS(lines); i++) {
        g_autofree char *exact = g_memdup2(lines[i].line, MAX(1, strlen(lines[i].line)));
        if (postern_line_is_foreign(exact, strlen(lines[i].line)) != lines[i].foreign)
            g_error("'%s'", lines[i].line);
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/foreign/lines", test_lines);
    return g_test_run();
}
