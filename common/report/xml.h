/*
 * An aggregate report as XML (RFC 9990 3.1.1, Appendix A), written piece by piece into a string. Texts may be
 * others': they are escaped, and what XML cannot have becomes '?'.
 */
#pragma once

#include <glib.h>

typedef struct {
    const char *organization;
    const char *email;
    const char *contact; /* "": none */
    const char *report_id;
    gint64 begin, end;  /* seconds since 1970: the first and the last one of the day */
    const char *domain; /* the DMARC Policy Domain */
    const char *record; /* the text of its record */
} PosternReportHead;

/* Appends text as character data. */
void postern_report_xml_text(GString *out, const char *text);

void postern_report_xml_begin(GString *out, const PosternReportHead *head); /* up to the first record */
/* A record; columns as of PosternTallyDmarcColumn (tally/rows.h). */
void postern_report_xml_row(GString *out, const char *const *columns, guint64 messages);
void postern_report_xml_end(GString *out); /* what closes it */
