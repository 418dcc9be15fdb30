/*
 * Settings of the programs that a milter of Postern takes the place of, as lines for postern.conf:
 * opendkim.conf, opendmarc.conf, clamav-milter.conf and policyd-spf.conf. What has no equivalent is said,
 * never dropped silently.
 */
#pragma once

#include <glib.h>

/* How a setting is taken over; what text of its row is, in brackets. */
typedef enum {
    POSTERN_IMPORT_MAP,      /* words that stand for others ("Reject=reject False=mark", whatever the case) */
    POSTERN_IMPORT_VALUE,    /* as it is */
    POSTERN_IMPORT_SECONDS,  /* a number of seconds */
    POSTERN_IMPORT_NETWORKS, /* addresses and networks: a list, or a file of them */
    POSTERN_IMPORT_DOMAINS,  /* names: a list, or a file of them */
    POSTERN_IMPORT_CLAMD,    /* clamd's socket */
    POSTERN_IMPORT_SOCKET,   /* the milter's own socket: what the mail server is to be told */
    POSTERN_IMPORT_KEY,      /* of opendkim: domain, selector, key, or their tables */
    POSTERN_IMPORT_NOTE,     /* not taken over (why) */
    POSTERN_IMPORT_NEEDLESS, /* nothing is lost without it */
} PosternImportKind;

typedef struct {
    const char *program; /* "opendkim" */
    const char *key;     /* compared whatever the case */
    PosternImportKind kind;
    const char *group;
    const char *option;
    const char *text;
} PosternImportRow;

/* The table, and its length; rows of one program stand together, and one key may have several. */
const PosternImportRow *postern_import_rows(gsize *ret_length);

/*
 * The lines for postern.conf that say what the files at paths (NULL-terminated) say, a new string. Which
 * program a file is of is told by its settings. Files of keys and networks that they name are read where they
 * are. NULL and error: a file cannot be read, or is of none of the programs.
 */
char *postern_import(const char *const *paths, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* The tables of postern-migrate(7), in mdoc(7): each setting and what becomes of it. A new string. */
char *postern_import_document(void);
