#include "checks/dmarc/walk.h"

#include <string.h>

/* What one name of the path has. */
typedef struct {
    enum { PENDING, NOTHING, RECORD, FAILED } state;
    PosternDmarcRecord record;
    GBytes *text; /* of it */
} Place;

typedef struct {
    PosternDmarcPath path;
    Place places[POSTERN_DMARC_WALK_QUERIES_MAX];
    guint seen; /* places up to where the walk stops; those behind do not matter */
} Places;

static guint count_labels(const char *domain)
{
    guint labels = 1;

    for (; *domain != '\0'; domain++)
        labels += *domain == '.';
    return labels;
}

/* The name without its first labels, or NULL: there are no more. */
static const char *without_labels(const char *name, guint labels)
{
    while (name != NULL && labels-- > 0) {
        name = strchr(name, '.');
        name = name != NULL ? name + 1 : NULL;
    }
    return name;
}

void postern_dmarc_path(const char *domain, PosternDmarcPath *ret_path)
{
    guint labels = count_labels(domain);
    guint first_step =
        labels < POSTERN_DMARC_WALK_QUERIES_MAX ? 1 : labels + 1 - POSTERN_DMARC_WALK_QUERIES_MAX;
    const char *name = domain;

    ret_path->count = 0;
    while (name != NULL && ret_path->count < POSTERN_DMARC_WALK_QUERIES_MAX) {
        name = ret_path->count == 1 ? without_labels(domain, first_step) : name;
        if (name == NULL)
            break;
        ret_path->names[ret_path->count++] = name;
        name = without_labels(name, 1);
    }
}

static const PosternAnswer *ask(PosternAnswers *answers, const char *name)
{
    g_autofree char *question = g_strconcat("_dmarc.", name, NULL);

    return postern_answers_look_up(answers, question, POSTERN_DNS_TXT);
}

static void tell_place(PosternFindings *findings, const char *name, const PosternAnswer *answer, GBytes *text,
                       guint count)
{
    if (!findings->explain)
        return;
    if (text != NULL) {
        g_autofree char *octets = g_strndup(g_bytes_get_data(text, NULL), g_bytes_get_size(text));

        postern_findings_step(findings, POSTERN_CHECK_DMARC, "_dmarc.%s: %s", name, octets);
    } else if (count > 1) {
        postern_findings_step(findings, POSTERN_CHECK_DMARC, "_dmarc.%s: %u records, which count as none",
                              name, count);
    } else {
        postern_findings_step(findings, POSTERN_CHECK_DMARC, "_dmarc.%s: %s", name,
                              answer->status == POSTERN_ANSWER_RECORDS
                                  ? "TXT, but no DMARC Policy Record"
                                  : postern_answer_status_name(answer->status));
    }
}

static void read_place(Place *place, const char *name, const PosternAnswer *answer, PosternFindings *findings)
{
    GBytes *text = NULL;
    guint count = 0;

    place->state = NOTHING;
    if (answer->status == POSTERN_ANSWER_SERVFAIL || answer->status == POSTERN_ANSWER_TIMEOUT)
        place->state = FAILED;
    else if (postern_dmarc_record_select(answer, &place->record, &text, &count))
        place->state = RECORD;
    place->text = text;
    tell_place(findings, name, answer, place->state == RECORD ? text : NULL, count);
}

static gboolean ends_walk(const Place *place)
{
    return place->state == RECORD && place->record.psd != POSTERN_DMARC_PSD_UNKNOWN;
}

/* All names are asked for at once; they are read upwards, to the first that ends the walk. FALSE: one of
 * those has no answer yet. */
static gboolean read_places(Places *places, PosternAnswers *answers, PosternFindings *findings)
{
    const PosternAnswer *found[POSTERN_DMARC_WALK_QUERIES_MAX] = {NULL};

    for (guint i = 0; i < places->path.count; i++)
        found[i] = ask(answers, places->path.names[i]);
    for (guint i = 0; i < places->path.count; i++) {
        if (found[i] == NULL)
            return FALSE;
        read_place(&places->places[i], places->path.names[i], found[i], findings);
        places->seen = i + 1;
        if (ends_walk(&places->places[i]))
            break;
    }
    return TRUE;
}

static gboolean any_failed(const Places *places)
{
    for (guint i = 0; i < places->seen; i++)
        if (places->places[i].state == FAILED)
            return TRUE;
    return FALSE;
}

/* The parent's child on the way to it from domain. */
static const char *one_label_below(const char *domain, const char *parent)
{
    const char *name = parent - 1;

    while (name > domain && name[-1] != '.')
        name--;
    return name;
}

/* 4.10.2, the places with a record from the longest to the shortest. No place failed. */
static const char *select_organizational(const Places *places, PosternFindings *findings)
{
    const char *domain = places->path.names[0];
    const char *highest = domain;

    for (guint i = 0; i < places->seen; i++) {
        const char *name = places->path.names[i];

        if (places->places[i].state != RECORD)
            continue;
        if (places->places[i].record.psd == POSTERN_DMARC_PSD_YES && i > 0) {
            highest = one_label_below(domain, name);
            postern_findings_step(findings, POSTERN_CHECK_DMARC,
                                  "Organizational Domain of %s: %s, for %s has psd=y", domain, highest, name);
            return highest;
        }
        highest = name;
    }
    postern_findings_step(findings, POSTERN_CHECK_DMARC, "Organizational Domain of %s: %s", domain, highest);
    return highest;
}

static const Place *find_place(const Places *places, const char *name)
{
    for (guint i = 0; i < places->seen; i++)
        if (places->path.names[i] == name && places->places[i].state == RECORD)
            return &places->places[i];
    return NULL;
}

/* 4.10.1: the record of the domain, else of its Organizational Domain, else of the Public Suffix Domain,
 * if the walk then ended. */
static void select_record(const Places *places, PosternDmarcWalk *walk)
{
    const char *candidates[] = {places->path.names[0], walk->organizational,
                                places->path.names[places->seen - 1]};

    for (guint i = 0; i < G_N_ELEMENTS(candidates); i++) {
        const Place *place = candidates[i] != NULL ? find_place(places, candidates[i]) : NULL;

        if (place == NULL)
            continue;
        walk->record_domain = candidates[i];
        walk->record = place->record;
        walk->record_text = place->text;
        return;
    }
}

int postern_dmarc_walk(const char *domain, PosternAnswers *answers, PosternFindings *findings,
                       PosternDmarcWalk *ret_walk)
{
    Places places = {.seen = 0};

    *ret_walk = (PosternDmarcWalk){.failed = FALSE};
    postern_dmarc_path(domain, &places.path);
    if (!read_places(&places, answers, findings))
        return 0;
    gboolean failed = any_failed(&places);

    if (!failed)
        ret_walk->organizational = select_organizational(&places, findings);
    if (!failed || places.places[0].state == RECORD)
        select_record(&places, ret_walk);
    ret_walk->failed = failed && ret_walk->record_domain == NULL;
    return 1;
}
