/*
 * Structures of findings as tables: from one table a structure is made, freed, written as octets, read from a
 * untrusted, and told as JSON. Inner part of verdict/findings.h and of checks/.
 */
#pragma once

#include <glib.h>

typedef enum {
    POSTERN_FIELD_TEXT,      /* char *; NULL: there is none */
    POSTERN_FIELD_BOOLEAN,   /* gboolean */
    POSTERN_FIELD_NUMBER,    /* guint, or an enumeration */
    POSTERN_FIELD_OCTETS,    /* guint64, or gint64 with an initial value below 0 */
    POSTERN_FIELD_TEXTS,     /* GPtrArray * of char * */
    POSTERN_FIELD_LIST,      /* GPtrArray * of structures */
    POSTERN_FIELD_STRUCTURE, /* a structure itself */
} PosternFieldType;

typedef struct PosternStructure PosternStructure;

typedef struct {
    const char *name; /* in octets; NULL: the end of a table */
    PosternFieldType type;
    gsize offset;
    guint64 maximum;            /* of a number; of a text, its octets */
    guint entries;              /* TEXTS, LIST: at most so many */
    const PosternStructure *of; /* LIST, STRUCTURE */
    const char *json;           /* the member's name in JSON; NULL: it has none */
    /* In JSON: NUMBER: what its values are called, maximum + 1 of them; NULL: it is a number. */
    const char *const *names;
    gboolean always; /* in JSON also with its initial value */
} PosternField;

struct PosternStructure {
    gsize size;
    const PosternField *fields;
    gconstpointer initial;              /* NULL: zeros */
    GDestroyNotify free;                /* of one in a list */
    void (*settle)(gpointer structure); /* what is made of the fields that were read, or NULL */
};

/* A table's entry for the enumeration names, an array: the last number is bound to the array's length. */
#define POSTERN_FIELD_CHOICE(Owner, member, list)                                                            \
    .name = #member, .type = POSTERN_FIELD_NUMBER, .offset = G_STRUCT_OFFSET(Owner, member),                 \
    .maximum = G_N_ELEMENTS(list) - 1, .names = (list)
/* The same for a text of at most POSTERN_FINDING_TEXT_MAX_OCTETS. */
#define POSTERN_FIELD_TEXT_OF(Owner, member)                                                                 \
    .name = #member, .type = POSTERN_FIELD_TEXT, .offset = G_STRUCT_OFFSET(Owner, member),                   \
    .maximum = POSTERN_FINDING_TEXT_MAX_OCTETS
/* The same for a gboolean. */
#define POSTERN_FIELD_BOOLEAN_OF(Owner, member)                                                              \
    .name = #member, .type = POSTERN_FIELD_BOOLEAN, .offset = G_STRUCT_OFFSET(Owner, member), .maximum = 1

/* The same for a guint. */
#define POSTERN_FIELD_NUMBER_OF(Owner, member, bound)                                                        \
    .name = #member, .type = POSTERN_FIELD_NUMBER, .offset = G_STRUCT_OFFSET(Owner, member),                 \
    .maximum = (bound)
/* The same for a number of octets. */
#define POSTERN_FIELD_OCTETS_OF(Owner, member, bound)                                                        \
    .name = #member, .type = POSTERN_FIELD_OCTETS, .offset = G_STRUCT_OFFSET(Owner, member),                 \
    .maximum = (bound)
/* The same for a list of structures. */
#define POSTERN_FIELD_LIST_OF(Owner, member, bound, structure)                                               \
    .name = #member, .type = POSTERN_FIELD_LIST, .offset = G_STRUCT_OFFSET(Owner, member),                   \
    .entries = (bound), .of = &(structure)

/* names[value], or "unknown". */
#define postern_choice(names, value) ((gsize)(value) < G_N_ELEMENTS(names) ? (names)[value] : "unknown")

/* Gives one that is in use its initial values again; not for one with members of type STRUCTURE. */
void postern_structure_reset(const PosternStructure *structure, gpointer data);
/* A new one on the heap, with its initial values (lists are empty, and never NULL), and its end, with all
 * that it holds (NULL: nothing). */
gpointer postern_structure_new(const PosternStructure *structure);
void postern_structure_free(const PosternStructure *structure, gpointer data);

/*
 * As octets: for each field that has not its initial value one entry, for each of a list one: the length of
 * the name in one octet, the name, the length of the value in four (little-endian), and the value: eight
 * octets (little-endian), a text, or the entries of a structure. Texts and numbers over maximum are cut, and
 * lists at entries.
 */
void postern_structure_encode(const PosternStructure *structure, gconstpointer data, GByteArray *out);

/*
 * Back, into data that has its initial values; untrusted: FALSE and error if a value has not the
 * form or the bounds of its field, or a field that is no list comes twice; data may be freed then. Entries of
 * unknown names are left out. What is nested is so by the tables: no input can make it deeper.
 */
gboolean postern_structure_decode(const PosternStructure *structure, const guint8 *octets, gsize length,
                                  gpointer data, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* Where fields are told, as JSON is: a name is NULL within a list. */
typedef struct {
    void (*begin)(gpointer out, const char *name, gboolean list);
    void (*end)(gpointer out, gboolean list);
    void (*text)(gpointer out, const char *name, const char *text); /* NULL text: nothing */
    void (*number)(gpointer out, const char *name, gint64 number);
    void (*boolean)(gpointer out, const char *name, gboolean value);
    gpointer out;
} PosternJson;

/* Tells the fields that have a name there, in the order of the table, and not their initial value. */
void postern_structure_tell(const PosternStructure *structure, gconstpointer data, const PosternJson *json);
