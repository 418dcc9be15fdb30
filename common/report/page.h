/*
 * A page of tables, as text for a terminal or a mail, or as HTML that needs nothing else. Cells may be
 * others' text: they are escaped.
 */
#pragma once

#include <glib.h>

typedef struct PosternReportPage PosternReportPage;

PosternReportPage *postern_report_page_new(const char *title, gboolean html);
void postern_report_page_free(PosternReportPage *page);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(PosternReportPage, postern_report_page_free)

/* Begins a table: headings, as many as it has columns, apart by '|'. What follows of rows is in it. */
void postern_report_page_table(PosternReportPage *page, const char *title, const char *headings);
/* A row: as many cells as there are headings. */
void postern_report_page_row(PosternReportPage *page, const char *const *cells);

/* The whole page; a table without rows is left out. Once; a new string. */
char *postern_report_page_finish(PosternReportPage *page);
