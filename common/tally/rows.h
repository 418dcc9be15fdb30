/*
 * Rows that are counted: what happened on a day, and how often. Gathered in memory, and written together.
 */
#pragma once

#include <glib.h>

/* The columns of a row but its number, in the order of the tables in the store. */
typedef enum {
    POSTERN_TALLY_DMARC, /* what an aggregate report tells of messages (RFC 9990 3.1.1.7) */
    POSTERN_TALLY_COUNT, /* kind, name, domain */
} PosternTallyTable;

typedef enum {
    POSTERN_TALLY_DOMAIN, /* the DMARC Policy Domain */
    POSTERN_TALLY_SOURCE,
    POSTERN_TALLY_HEADER_FROM,
    POSTERN_TALLY_ENVELOPE_FROM,
    POSTERN_TALLY_DISPOSITION,
    POSTERN_TALLY_DKIM, /* pass or fail, of an aligned domain */
    POSTERN_TALLY_SPF,
    POSTERN_TALLY_REASON, /* a type of policy override, or "" */
    POSTERN_TALLY_COMMENT,
    POSTERN_TALLY_SPF_DOMAIN,
    POSTERN_TALLY_SPF_RESULT, /* "": it was not checked */
    POSTERN_TALLY_SIGNATURES, /* "DOMAIN SELECTOR RESULT" each, ';' between them */
    POSTERN_TALLY_DMARC_COLUMNS,
} PosternTallyDmarcColumn;
#define POSTERN_TALLY_COUNT_COLUMNS 3

typedef struct PosternTallyRows PosternTallyRows;

PosternTallyRows *postern_tally_rows_new(void);
void postern_tally_rows_free(PosternTallyRows *rows);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(PosternTallyRows, postern_tally_rows_free)

/* Days since 1970, UTC. */
guint postern_tally_day(gint64 seconds);

/*
 * Counts one of a row. columns: texts, as many as the table has; what a sender wrote in them is cut, and
 * controls become '?'. FALSE: there are POSTERN_TALLY_WAITING_MAX other rows already, and it is lost.
 */
gboolean postern_tally_rows_add(PosternTallyRows *rows, PosternTallyTable table, guint day,
                                const char *const *columns);
/* The DMARC Policy Record that domain has on that day, in place of one of before. */
void postern_tally_rows_set_policy(PosternTallyRows *rows, guint day, const char *domain, const char *record);

/* Different rows. */
guint postern_tally_rows_count(const PosternTallyRows *rows);

/* Texts are for the call. FALSE ends it. */
typedef gboolean (*PosternTallyRow)(PosternTallyTable table, guint day, char *const *columns, guint messages,
                                    gpointer user_data);
typedef gboolean (*PosternTallyPolicy)(guint day, const char *domain, const char *record, gpointer user_data);
/* Calls row for each, then policy for each; FALSE if one of them returned it. */
gboolean postern_tally_rows_each(const PosternTallyRows *rows, PosternTallyRow row, PosternTallyPolicy policy,
                                 gpointer user_data);
