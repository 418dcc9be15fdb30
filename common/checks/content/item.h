/*
 * What a message is made of, as readers of mail would show or save it: one walk yields *items*, and each
 * check that registers for them (PosternItemUse, checks/check.h) gets all of them. The message is walked and
 * decoded once for all checks.
 */
#pragma once

#include "checks/check.h"

typedef enum {
    POSTERN_ITEM_TEXT,    /* text/plain without a name: shown, not saved */
    POSTERN_ITEM_FILE,    /* any other leaf */
    POSTERN_ITEM_MESSAGE, /* an enclosed message; its own parts follow, with it as their parent */
    POSTERN_ITEM_PIECE,   /* message/partial: the rest is elsewhere (RFC 2046 5.2.2) */
    POSTERN_ITEM_MEMBER,  /* of the container that is its parent */
} PosternItemKind;

struct PosternItem {
    const PosternItem *parent; /* the enclosed message or container that it is in; NULL: the message itself */
    PosternItemKind kind;
    guint depth;              /* of parents */
    gboolean attachment;      /* Content-Disposition says so */
    const char *const *names; /* each file name that a reader would use: UTF-8, NULL-terminated, never NULL */
    const char *const *types; /* each declared media type, lower case, likewise; the first is the default type
                                 if none is declared */
    gboolean guessed;         /* found in text: its letters may be a word, a digest or a key as well */
    gboolean verbatim;        /* its octets stand as they are in those of its parent, or of the message */
    const char *charset;      /* that text is said to be in, lower case, or NULL */
    GBytes *octets;           /* decoded, by one reading */
    const char *decoding;     /* for people: "base64", "uuencode", "as it stands"; NULL: a member */
    guint reading;            /* of that part: 0 is the first; each has other octets */
};

/* What a walk may still take; it counts down, through enclosed messages and containers. */
typedef struct {
    guint parts;     /* items, of all readings */
    guint levels;    /* of items in items */
    guint readings;  /* of one part; this one is not counted down */
    guint64 octets;  /* of items, of all readings */
    gint64 deadline; /* monotonic, microseconds; 0: none */
} PosternItemBudget;

typedef struct {
    /* The item and what it points to live for the call; octets may be kept by a reference. FALSE: no more
     * are wanted. */
    gboolean (*take)(const PosternItem *item, gpointer data);
    /* What was not looked into, and why; text is for people. */
    void (*note)(PosternVirusKind kind, const char *text, gpointer data);
    gpointer data;
} PosternItemVisitor;

/* The budget of a whole message of length octets, from limits.h, without a deadline: each check has its own.
 */
PosternItemBudget postern_item_budget(gsize length);

/*
 * Walks the message: each item by every reading that readers of mail are known to have, and what is in it if
 * it is a container (checks/container/container.h). What the budget does not allow is noted as TOO_LARGE,
 * what cannot be read as AMBIGUOUS, want of memory as SCAN_ERROR. octets must stay as they are while a
 * reference to an item's octets is held.
 */
void postern_items_walk(PosternContentEngine *engine, const char *octets, gsize length,
                        PosternItemBudget *budget, const PosternItemVisitor *visitor);

/*
 * Walks what a file in a message turned out to be: a message, whose items get parent (or NULL) and its depth
 * and one more. As above otherwise.
 */
void postern_items_walk_in(PosternContentEngine *engine, GBytes *message, const PosternItem *parent,
                           PosternItemBudget *budget, const PosternItemVisitor *visitor);

/* Opens a file that turned out to be a container: its members, and what is in them, are the items. As above
 * otherwise. */
void postern_items_open(PosternContentEngine *engine, GBytes *file, PosternItemBudget *budget,
                        const PosternItemVisitor *visitor);
