#include "report/page.h"

#include <string.h>

#include "base/escape.h"
#include "report/xml.h"

#define CELL_MAX_OCTETS 60 /* in text: a longer domain is cut */

/* Readable in the dark, on a phone, and printed; no script, nothing from elsewhere. Only names are broken. */
static const char style[] =
    ":root{color-scheme:light dark}body{font:1em/1.5 system-ui,sans-serif;margin:1em auto;max-width:45em;"
    "padding:0 .7em}"
    "th{font-size:.9em}h1{font-size:1.5em;line-height:1.2}table{border-collapse:collapse;margin:0 0 2em;"
    "width:100%}caption{font-weight:bold;text-align:left;padding:.3em 0}th,td{border-bottom:1px solid "
    "#8886;padding:.2em 0 .2em .6em;text-align:right;vertical-align:top;white-space:nowrap}"
    "td{font-variant-numeric:tabular-nums}th:first-child,td:first-child{padding-left:0;text-align:left}"
    "td:first-child{min-width:4.5em;overflow-wrap:anywhere;white-space:normal}div{overflow-x:auto}";

struct PosternReportPage {
    GString *out;
    gboolean html;
    char *title;     /* of the table that is begun, or NULL */
    char **headings; /* of it */
    GPtrArray *rows; /* of char ** */
};

static void strv_free(gpointer cells)
{
    g_strfreev(cells);
}

static void append_title(PosternReportPage *page, const char *title)
{
    if (!page->html) {
        g_string_append_printf(page->out, "%s\n", title);
        return;
    }
    g_string_append(page->out, "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">"
                               "<meta name=\"viewport\" content=\"width=device-width\"><title>");
    postern_report_xml_text(page->out, title);
    g_string_append_printf(page->out, "</title><style>%s</style></head><body><main><h1>", style);
    postern_report_xml_text(page->out, title);
    g_string_append(page->out, "</h1>\n");
}

PosternReportPage *postern_report_page_new(const char *title, gboolean html)
{
    PosternReportPage *page = g_new0(PosternReportPage, 1);
    page->out = g_string_new(NULL);
    page->html = html;
    page->rows = g_ptr_array_new_with_free_func(strv_free);
    append_title(page, title);
    return page;
}

void postern_report_page_free(PosternReportPage *page)
{
    if (page == NULL)
        return;
    g_string_free(page->out, TRUE);
    g_free(page->title);
    g_strfreev(page->headings);
    g_ptr_array_unref(page->rows);
    g_free(page);
}

static void append_html_cells(PosternReportPage *page, char *const *cells, const char *attributes)
{
    g_string_append(page->out, "<tr>");
    for (; *cells != NULL; cells++) {
        g_string_append_printf(page->out, "<%s>", attributes);
        postern_report_xml_text(page->out, *cells);
        g_string_append_printf(page->out, "</%.2s>", attributes);
    }
    g_string_append(page->out, "</tr>\n");
}

static void append_html(PosternReportPage *page)
{
    g_string_append(page->out, "<div><table><caption>");
    postern_report_xml_text(page->out, page->title);
    g_string_append(page->out, "</caption><thead>");
    append_html_cells(page, page->headings, "th scope=\"col\"");
    g_string_append(page->out, "</thead><tbody>\n");
    for (guint i = 0; i < page->rows->len; i++)
        append_html_cells(page, page->rows->pdata[i], "td");
    g_string_append(page->out, "</tbody></table></div>\n");
}

/* The first column to the left, numbers to the right. */
static void append_text_cells(PosternReportPage *page, char *const *cells, const gsize *widths)
{
    for (guint i = 0; cells[i] != NULL; i++)
        g_string_append_printf(page->out, i == 0 ? "  %-*s" : "  %*s", (int)widths[i], cells[i]);
    g_string_append_c(page->out, '\n');
}

static void append_text(PosternReportPage *page)
{
    guint columns = g_strv_length(page->headings);
    g_autofree gsize *widths = g_new0(gsize, columns);
    for (guint i = 0; i < columns; i++)
        widths[i] = strlen(page->headings[i]);
    for (guint row = 0; row < page->rows->len; row++)
        for (guint i = 0; i < columns; i++)
            widths[i] = MAX(widths[i], strlen(((char **)page->rows->pdata[row])[i]));
    g_string_append_printf(page->out, "\n%s\n", page->title);
    append_text_cells(page, page->headings, widths);
    for (guint row = 0; row < page->rows->len; row++)
        append_text_cells(page, page->rows->pdata[row], widths);
}

static void end_table(PosternReportPage *page)
{
    if (page->title != NULL && page->rows->len > 0) {
        if (page->html)
            append_html(page);
        else
            append_text(page);
    }
    g_clear_pointer(&page->title, g_free);
    g_clear_pointer(&page->headings, g_strfreev);
    g_ptr_array_set_size(page->rows, 0);
}

void postern_report_page_table(PosternReportPage *page, const char *title, const char *headings)
{
    end_table(page);
    page->title = g_strdup(title);
    page->headings = g_strsplit(headings, "|", -1);
}

void postern_report_page_row(PosternReportPage *page, const char *const *cells)
{
    guint columns = g_strv_length(page->headings);
    char **row = g_new0(char *, columns + 1);
    for (guint i = 0; i < columns; i++)
        row[i] =
            page->html ? g_strdup(cells[i]) : postern_escape(cells[i], strlen(cells[i]), CELL_MAX_OCTETS);
    g_ptr_array_add(page->rows, row);
}

char *postern_report_page_finish(PosternReportPage *page)
{
    end_table(page);
    if (page->html)
        g_string_append(page->out, "</main></body></html>\n");
    char *text = g_string_free(page->out, FALSE);
    page->out = g_string_new(NULL);
    return text;
}
