#include "checks/rules/evaluation.h"

#include <string.h>

#include "base/limits.h"
#include "checks/content/engine.h"
#include "checks/rules/contents.h"

#define PATH_PARTS_MAX 16

static void states_init(PosternConditionStates *states, guint count)
{
    states->holds = g_new0(guint8, count);
    states->why = g_new0(const PosternPattern *, count);
}

static void states_clear(PosternConditionStates *states)
{
    g_free(states->holds);
    g_free(states->why);
}

PosternRulesEvaluation *postern_rules_evaluation_new(PosternRulesEngine *engine)
{
    PosternRulesEvaluation *evaluation = g_new0(PosternRulesEvaluation, 1);
    evaluation->engine = engine;
    evaluation->time = postern_rule_time_begin();
    states_init(&evaluation->item, engine->conditions->len);
    states_init(&evaluation->message, engine->conditions->len);
    evaluation->rules = g_new0(guint8, engine->rules->len);
    evaluation->files = g_new0(char *, engine->rules->len);
    evaluation->reasons = g_new0(char *, engine->rules->len);
    return evaluation;
}

void postern_rules_evaluation_free(PosternRulesEvaluation *evaluation)
{
    if (evaluation == NULL)
        return;
    states_clear(&evaluation->item);
    states_clear(&evaluation->message);
    for (guint i = 0; i < evaluation->engine->rules->len; i++) {
        g_free(evaluation->files[i]);
        g_free(evaluation->reasons[i]);
    }
    g_free(evaluation->rules);
    g_free(evaluation->files);
    g_free(evaluation->reasons);
    g_free(evaluation->link);
    g_free(evaluation->undecided);
    g_free(evaluation->unread);
    g_free(evaluation);
}

static const PosternNumberedCondition *condition_of(const PosternRulesEvaluation *evaluation, guint number)
{
    return &g_array_index(evaluation->engine->conditions, PosternNumberedCondition, number);
}

void postern_rules_note_undecided(PosternRulesEvaluation *evaluation, guint number)
{
    const PosternNumberedCondition *numbered = condition_of(evaluation, number);
    const PosternContentRule *rule = g_ptr_array_index(evaluation->engine->rules, numbered->rule);
    if (evaluation->undecided != NULL)
        return;
    evaluation->undecided =
        g_strdup_printf("%s rule %s, condition %s",
                        evaluation->time.spent ? "the rules used up their processor time before"
                                               : "too many ways to match for",
                        rule->name, postern_rule_subject_name(numbered->condition->subject));
}

void postern_rules_each(PosternRulesEvaluation *evaluation, PosternRuleSubject subject,
                        PosternConditionNote note, gpointer data)
{
    for (guint i = 0; i < evaluation->engine->conditions->len; i++)
        if (condition_of(evaluation, i)->condition->subject == subject)
            note(evaluation, i, data);
}

typedef struct {
    PosternRulesEvaluation *evaluation;
    PosternConditionStates *states;
    const char *field;
} Search;

static gboolean is_wanted(guint number, gpointer data)
{
    const Search *search = data;
    const PosternRuleCondition *condition = condition_of(search->evaluation, number)->condition;
    if (search->states->holds[number] == POSTERN_HOLDS)
        return FALSE;
    return search->field == NULL || g_str_equal(condition->field, "*") ||
           g_ascii_strcasecmp(condition->field, search->field) == 0;
}

static void on_found(guint number, const PosternPattern *pattern, PosternPatternResult result, gpointer data)
{
    const Search *search = data;
    gboolean fits = result == POSTERN_PATTERN_FITS;
    search->states->holds[number] = fits ? POSTERN_HOLDS : POSTERN_HOLDS_PERHAPS;
    if (fits)
        search->states->why[number] = pattern;
}

void postern_rules_search(PosternRulesEvaluation *evaluation, PosternRuleSubject subject,
                          PosternConditionStates *states, const char *text, gsize length, const char *field)
{
    PosternPatternSet *set = evaluation->engine->sets[subject];
    Search search = {evaluation, states, field};
    const PosternPatternVisitor visitor = {.wanted = is_wanted, .found = on_found, .data = &search};
    gsize subject_length = 0;
    if (postern_pattern_set_count(set) == 0)
        return;
    g_autofree char *prepared = postern_pattern_subject(text, length, &subject_length);
    postern_pattern_set_search(set, prepared, subject_length, &evaluation->time, &visitor);
}

static void take_field(PosternRulesEvaluation *evaluation, const PosternHeaderField *field)
{
    g_autofree char *name = g_ascii_strdown(field->name, (gssize)field->name_length);
    const GHashTable *fields = evaluation->engine->fields;
    if (!g_hash_table_contains((GHashTable *)(guintptr)fields, name) &&
        !g_hash_table_contains((GHashTable *)(guintptr)fields, "*"))
        return;
    g_autofree char *value = postern_header_field_unfold(field);
    g_autofree char *decoded = postern_content_engine_decode_words(evaluation->engine->content, value);
    postern_rules_search(evaluation, POSTERN_RULE_HEADER, &evaluation->message, value, strlen(value), name);
    if (decoded != NULL && !g_str_equal(decoded, value))
        postern_rules_search(evaluation, POSTERN_RULE_HEADER, &evaluation->message, decoded, strlen(decoded),
                             name);
}

void postern_rules_take_header(PosternRulesEvaluation *evaluation, const PosternHeader *header)
{
    if (evaluation->engine->subjects[POSTERN_RULE_HEADER] == 0)
        return;
    for (guint i = 0; i < header->fields->len; i++)
        take_field(evaluation, &g_array_index(header->fields, PosternHeaderField, i));
}

/* "a.zip/b.exe": each by its first name, or its type. */
static char *path_of(const PosternItem *item)
{
    GString *path = g_string_new(NULL);
    guint parts = 0;
    for (; item != NULL && parts < PATH_PARTS_MAX; item = item->parent, parts++) {
        const char *name = item->names[0] != NULL ? item->names[0] : item->types[0];
        if (path->len > 0)
            g_string_prepend_c(path, '/');
        g_string_prepend(path, name != NULL ? name : "?");
    }
    char *shown = g_utf8_make_valid(path->str, (gssize)MIN(path->len, POSTERN_FINDING_TEXT_MAX_OCTETS));
    g_string_free(path, TRUE);
    return shown;
}

static guint place_of(const PosternItem *item)
{
    static const char *const shown[] = {"text/plain", "text/html", NULL};
    for (const PosternItem *at = item; at != NULL; at = at->parent)
        if (at->kind == POSTERN_ITEM_MEMBER)
            return POSTERN_PLACE_PACKED;
    if (item->kind == POSTERN_ITEM_TEXT || (item->names[0] == NULL && !item->attachment &&
                                            item->types[0] != NULL && g_strv_contains(shown, item->types[0])))
        return POSTERN_PLACE_BODY;
    return POSTERN_PLACE_ATTACHED;
}

static void search_names(PosternRulesEvaluation *evaluation)
{
    const PosternItem *item = evaluation->facts.item;
    if (evaluation->engine->subjects[POSTERN_RULE_FILE_NAME] > 0)
        for (const char *const *name = item->names; *name != NULL; name++) {
            g_autofree char *opened = postern_name_as_opened(*name);
            postern_rules_search(evaluation, POSTERN_RULE_FILE_NAME, &evaluation->item, *name, strlen(*name),
                                 NULL);
            if (!g_str_equal(opened, *name))
                postern_rules_search(evaluation, POSTERN_RULE_FILE_NAME, &evaluation->item, opened,
                                     strlen(opened), NULL);
        }
    if (evaluation->engine->subjects[POSTERN_RULE_FILE_TYPE] > 0)
        for (const char *const *type = item->types; *type != NULL; type++)
            postern_rules_search(evaluation, POSTERN_RULE_FILE_TYPE, &evaluation->item, *type, strlen(*type),
                                 NULL);
}

static guint contents_of(PosternRulesEvaluation *evaluation)
{
    static const guint scripts = POSTERN_CONTENTS_HTML_SCRIPT | POSTERN_CONTENTS_SVG_SCRIPT;
    PosternItemFacts *facts = &evaluation->facts;
    if (facts->contents_known)
        return facts->contents;
    facts->contents = postern_contents_of(facts->octets, facts->length);
    facts->contents_known = TRUE;
    const PosternHtml *html =
        (evaluation->engine->contents & scripts) != 0 ? postern_rules_item_html(evaluation) : NULL;
    if (html != NULL && html->script)
        facts->contents |= html->svg ? POSTERN_CONTENTS_SVG_SCRIPT : POSTERN_CONTENTS_HTML_SCRIPT;
    return facts->contents;
}

static guint disguises_of(PosternItemFacts *facts)
{
    for (const char *const *name = facts->item->names; !facts->disguises_known && *name != NULL; name++)
        facts->disguises |= postern_disguises_of(*name);
    facts->disguises_known = TRUE;
    return facts->disguises;
}

static PosternHolds sniff(PosternRulesEvaluation *evaluation, guint number)
{
    PosternItemFacts *facts = &evaluation->facts;
    if (!facts->sniffed_known) {
        facts->sniffed_known = TRUE;
        if (postern_rule_time_is_spent(&evaluation->time))
            return POSTERN_HOLDS_PERHAPS;
        const char *type = magic_buffer(evaluation->engine->magic, facts->octets,
                                        MIN(facts->length, (gsize)POSTERN_RULES_SNIFFED_OCTETS));
        if (type != NULL)
            postern_rules_search(evaluation, POSTERN_RULE_FILE_SNIFFED, &evaluation->item, type, strlen(type),
                                 NULL);
    }
    return (PosternHolds)evaluation->item.holds[number];
}

static gboolean is_within(const PosternRuleCondition *condition, guint64 number)
{
    return number >= condition->minimum && number <= condition->maximum;
}

static PosternHolds is_html_cut(const PosternRulesEvaluation *evaluation, gboolean holds)
{
    gboolean cut = evaluation->facts.html != NULL && evaluation->facts.html->cut;
    return holds ? POSTERN_HOLDS : cut ? POSTERN_HOLDS_PERHAPS : POSTERN_HOLDS_NOT;
}

/* Of the item, without "not". */
static PosternHolds file_condition_holds(PosternRulesEvaluation *evaluation, guint number)
{
    const PosternRuleCondition *condition = condition_of(evaluation, number)->condition;
    switch (condition->subject) {
    case POSTERN_RULE_FILE_CONTENTS:
        return is_html_cut(evaluation, (condition->mask & contents_of(evaluation)) != 0);
    case POSTERN_RULE_FILE_DISGUISE:
        return (condition->mask & disguises_of(&evaluation->facts)) != 0 ? POSTERN_HOLDS : POSTERN_HOLDS_NOT;
    case POSTERN_RULE_FILE_PLACE:
        return (condition->mask & evaluation->facts.place) != 0 ? POSTERN_HOLDS : POSTERN_HOLDS_NOT;
    case POSTERN_RULE_FILE_SIZE:
        return is_within(condition, evaluation->facts.length) ? POSTERN_HOLDS : POSTERN_HOLDS_NOT;
    case POSTERN_RULE_FILE_SNIFFED:
        return sniff(evaluation, number);
    default:
        return (PosternHolds)evaluation->item.holds[number];
    }
}

PosternHolds postern_holds_turn_over(PosternHolds holds, gboolean negated)
{
    if (!negated || holds == POSTERN_HOLDS_PERHAPS)
        return holds;
    return holds == POSTERN_HOLDS ? POSTERN_HOLDS_NOT : POSTERN_HOLDS;
}

PosternHolds postern_holds_both(PosternHolds a, PosternHolds b)
{
    if (a == POSTERN_HOLDS_NOT || b == POSTERN_HOLDS_NOT)
        return POSTERN_HOLDS_NOT;
    return a == POSTERN_HOLDS_PERHAPS || b == POSTERN_HOLDS_PERHAPS ? POSTERN_HOLDS_PERHAPS : POSTERN_HOLDS;
}

void postern_rules_add_reason(const PosternRulesEvaluation *evaluation, const PosternConditionStates *states,
                              guint number, GString *reason)
{
    const PosternRuleCondition *condition = condition_of(evaluation, number)->condition;
    const PosternPattern *why = states->why[number];
    g_string_append_printf(reason, "%s%s%s", reason->len > 0 ? ", " : "", condition->negated ? "not " : "",
                           postern_rule_subject_name(condition->subject));
    if (condition->field != NULL)
        g_string_append_printf(reason, " %s", condition->field);
    if (why != NULL)
        g_string_append_printf(reason, " %s", postern_pattern_text(why));
    const char *const *words = condition->subject == POSTERN_RULE_FILE_CONTENTS   ? postern_contents_words
                               : condition->subject == POSTERN_RULE_FILE_DISGUISE ? postern_disguise_words
                               : condition->subject == POSTERN_RULE_FILE_PLACE    ? postern_place_words
                                                                                  : NULL;
    for (guint i = 0; words != NULL && words[i] != NULL; i++)
        if ((condition->mask & (1U << i)) != 0)
            g_string_append_printf(reason, " %s", words[i]);
    if (condition->subject == POSTERN_RULE_LINK && evaluation->link != NULL)
        g_string_append_printf(reason, " (%s)", evaluation->link);
}

/* Its conditions on files come first, and those that cost most last. */
static PosternHolds files_hold(PosternRulesEvaluation *evaluation, guint rule_number)
{
    const PosternContentRule *rule = g_ptr_array_index(evaluation->engine->rules, rule_number);
    guint first = g_array_index(evaluation->engine->first_conditions, guint, rule_number);
    PosternHolds holds = POSTERN_HOLDS;
    for (guint i = 0; i < rule->conditions->len && holds != POSTERN_HOLDS_NOT; i++) {
        const PosternRuleCondition *condition = &g_array_index(rule->conditions, PosternRuleCondition, i);
        if (!postern_rule_subject_is_file(condition->subject))
            break;
        holds = postern_holds_both(
            holds, postern_holds_turn_over(file_condition_holds(evaluation, first + i), condition->negated));
    }
    return holds;
}

static void note_file(PosternRulesEvaluation *evaluation, guint rule_number)
{
    const PosternContentRule *rule = g_ptr_array_index(evaluation->engine->rules, rule_number);
    guint first = g_array_index(evaluation->engine->first_conditions, guint, rule_number);
    g_autoptr(GString) reason = g_string_new(NULL);
    for (guint i = 0; i < rule->conditions->len; i++)
        if (postern_rule_subject_is_file(condition_of(evaluation, first + i)->condition->subject))
            postern_rules_add_reason(evaluation, &evaluation->item, first + i, reason);
    evaluation->files[rule_number] = path_of(evaluation->facts.item);
    evaluation->reasons[rule_number] = g_strdup(reason->str);
}

static void judge_files(PosternRulesEvaluation *evaluation)
{
    const GArray *rules = evaluation->engine->file_rules;
    for (guint i = 0; i < rules->len; i++) {
        guint rule = g_array_index(rules, guint, i);
        PosternHolds holds =
            evaluation->rules[rule] != POSTERN_HOLDS ? files_hold(evaluation, rule) : POSTERN_HOLDS_NOT;
        if (holds == POSTERN_HOLDS_NOT)
            continue;
        if (holds == POSTERN_HOLDS)
            note_file(evaluation, rule);
        evaluation->rules[rule] = (guint8)holds;
    }
}

gboolean postern_rules_take_item(const PosternItem *item, gpointer data)
{
    PosternRulesEvaluation *evaluation = data;
    gsize length = 0;
    const char *octets = g_bytes_get_data(item->octets, &length);
    evaluation->facts = (PosternItemFacts){
        .item = item, .octets = octets != NULL ? octets : "", .length = length, .place = place_of(item)};
    if (postern_rule_time_is_spent(&evaluation->time))
        return FALSE;
    if (item->reading == 0 && evaluation->facts.place == POSTERN_PLACE_ATTACHED) {
        evaluation->file_count++;
        evaluation->file_octets += length;
    }
    evaluation->items++;
    memset(evaluation->item.holds, 0, evaluation->engine->conditions->len);
    memset(evaluation->item.why, 0, evaluation->engine->conditions->len * sizeof(gconstpointer));
    search_names(evaluation);
    judge_files(evaluation);
    postern_rules_take_text(evaluation);
    g_clear_pointer(&evaluation->facts.html, postern_html_free);
    return !evaluation->time.spent;
}

void postern_rules_take_note(PosternVirusKind kind, const char *text, gpointer data)
{
    PosternRulesEvaluation *evaluation = data;
    if (evaluation->unread == NULL)
        evaluation->unread = g_strndup(text, POSTERN_FINDING_TEXT_MAX_OCTETS);
}
