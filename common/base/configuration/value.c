#include "base/configuration.h"

#include <string.h>

#include "base/configuration/private.h"
#include "base/error.h"
#include "base/suggestion.h"

typedef struct {
    const char *name;
    guint64 factor;
} Unit;

/* From small to large; the first is what a number alone means in no type but DURATION. */
static const Unit octet_units[] = {{"", 1}, {"K", 1 << 10}, {"M", 1 << 20}, {"G", 1 << 30}, {NULL, 0}};
static const Unit time_units[] = {{"ms", 1}, {"s", 1000}, {"m", 60 * 1000}, {"h", 3600 * 1000}, {NULL, 0}};
static const Unit time_without_unit = {"", 1000};

static const Unit *units_of(const PosternOption *option)
{
    static const Unit none[] = {{"", 1}, {NULL, 0}};
    switch (option->type) {
    case POSTERN_OPTION_OCTETS:
        return octet_units;
    case POSTERN_OPTION_DURATION:
        return time_units;
    default:
        return none;
    }
}

static char *format_amount(const PosternOption *option, guint64 amount)
{
    const Unit *largest = units_of(option);
    for (const Unit *unit = largest; unit->name != NULL; unit++)
        if (amount != 0 && amount % unit->factor == 0)
            largest = unit;
    if (amount == 0)
        return g_strdup("0");
    return g_strdup_printf("%" G_GUINT64_FORMAT "%s", amount / largest->factor, largest->name);
}

char *postern_option_range(const PosternOption *option)
{
    g_autofree char *minimum = format_amount(option, option->minimum);
    g_autofree char *maximum = format_amount(option, option->maximum);

    switch (option->type) {
    case POSTERN_OPTION_BOOLEAN:
        return g_strdup("yes or no");
    case POSTERN_OPTION_NUMBER:
        return g_strdup_printf("a number from %s to %s", minimum, maximum);
    case POSTERN_OPTION_OCTETS:
        return g_strdup_printf("a size from %s to %s", minimum, maximum);
    case POSTERN_OPTION_DURATION:
        return g_strdup_printf("a time from %s to %s", minimum, maximum);
    case POSTERN_OPTION_STRING:
        return option->minimum == 0 ? g_strdup("text, or nothing") : g_strdup("text");
    case POSTERN_OPTION_LIST:
        return g_strdup_printf("a list of %s to %s, with ; between", minimum, maximum);
    case POSTERN_OPTION_CHOICE:
        break;
    }
    GString *words = g_string_new("one of ");
    gsize start = words->len;
    for (guint i = 0; option->choices[i] != NULL; i++)
        if (option->check == NULL || option->check(option->choices[i], NULL))
            g_string_append_printf(words, "%s%s", words->len > start ? ", " : "", option->choices[i]);
    return g_string_free(words, FALSE);
}

static gboolean parse_amount(const PosternOption *option, const char *text, guint64 *ret_amount,
                             GError **error)
{
    static const char *const forms[] = {
        [POSTERN_OPTION_NUMBER] = "is not a whole number",
        [POSTERN_OPTION_OCTETS] =
            "is not a size: a number, and K, M or G (powers of 1024) or nothing after it",
        [POSTERN_OPTION_DURATION] = "is not a time: a number, and ms, s, m or h after it (seconds without)",
    };
    gsize digits = strspn(text, "0123456789");
    const Unit *unit = units_of(option);

    while (unit->name != NULL && g_ascii_strcasecmp(unit->name, text + digits) != 0)
        unit++;
    if (option->type == POSTERN_OPTION_DURATION && text[digits] == '\0')
        unit = &time_without_unit;
    if (digits == 0 || unit->name == NULL)
        return postern_error_set(error, POSTERN_ERROR_CONFIGURATION, "'%s' %s", text, forms[option->type]);

    g_autofree char *number = g_strndup(text, digits);
    guint64 amount = 0;
    gboolean fits = g_ascii_string_to_unsigned(number, 10, 0, G_MAXUINT64, &amount, NULL) &&
                    g_uint64_checked_mul(&amount, amount, unit->factor);
    if (!fits || amount < option->minimum || amount > option->maximum) {
        g_autofree char *range = postern_option_range(option);
        return postern_error_set(error, POSTERN_ERROR_CONFIGURATION, "'%s' is out of range: %s", text, range);
    }
    *ret_amount = amount;
    return TRUE;
}

static gboolean parse_boolean(const char *text, gboolean *ret_value, GError **error)
{
    static const struct {
        const char *word;
        gboolean value;
    } words[] = {{"yes", TRUE}, {"no", FALSE}, {"true", TRUE}, {"false", FALSE}};

    for (guint i = 0; i < G_N_ELEMENTS(words); i++) {
        if (g_ascii_strcasecmp(text, words[i].word) == 0) {
            *ret_value = words[i].value;
            return TRUE;
        }
    }
    return postern_error_set(error, POSTERN_ERROR_CONFIGURATION, "'%s' is neither yes nor no", text);
}

static gboolean parse_choice(const PosternOption *option, const char *text, guint *ret_value, GError **error)
{
    for (guint i = 0; option->choices[i] != NULL; i++) {
        if (strcmp(text, option->choices[i]) == 0) {
            if (option->check != NULL && !option->check(text, error))
                return FALSE;
            *ret_value = i;
            return TRUE;
        }
    }
    if (g_strcmp0(text, option->former) == 0) {
        *ret_value = 0;
        return TRUE;
    }
    g_autofree char *range = postern_option_range(option);
    const char *nearest = postern_suggestion_for_name(text, option->choices);
    if (nearest == NULL)
        return postern_error_set(error, POSTERN_ERROR_CONFIGURATION, "'%s' is not %s", text, range);
    return postern_error_set(error, POSTERN_ERROR_CONFIGURATION, "'%s' is not %s (did you mean '%s'?)", text,
                             range, nearest);
}

static gboolean check_text(const PosternOption *option, const char *text, GError **error)
{
    for (const char *octet = text; *octet != '\0'; octet++)
        if (g_ascii_iscntrl(*octet))
            return postern_error_set(error, POSTERN_ERROR_CONFIGURATION, "has a control character in it");
    gsize length = strlen(text);
    if (length > 0 && (text[0] == ' ' || text[length - 1] == ' '))
        return postern_error_set(error, POSTERN_ERROR_CONFIGURATION, "begins or ends with a space");
    return length == 0 || option->check == NULL || option->check(text, error);
}

static gboolean parse_string(const PosternOption *option, const char *text, char **ret_value, GError **error)
{
    gsize length = strlen(text);
    if (length < option->minimum)
        return postern_error_set(error, POSTERN_ERROR_CONFIGURATION, "must not be empty");
    if (length > option->maximum)
        return postern_error_set(error, POSTERN_ERROR_CONFIGURATION,
                                 "is too long: %" G_GSIZE_FORMAT " octets, and at most %" G_GUINT64_FORMAT
                                 " are allowed",
                                 length, option->maximum);
    if (!check_text(option, text, error))
        return FALSE;
    *ret_value = g_strdup(text);
    return TRUE;
}

static gboolean parse_list(const PosternOption *option, const char *text, char ***ret_value, GError **error)
{
    g_autoptr(GPtrArray) items = g_ptr_array_new_with_free_func(g_free);
    g_auto(GStrv) parts = g_strsplit_set(text, ";,", -1);

    for (guint i = 0; parts[i] != NULL; i++) {
        const char *item = g_strstrip(parts[i]);
        if (*item == '\0')
            continue;
        if (!check_text(option, item, error))
            return FALSE;
        g_ptr_array_add(items, option->lower_case ? g_ascii_strdown(item, -1) : g_strdup(item));
    }
    if (items->len < option->minimum || items->len > option->maximum) {
        g_autofree char *range = postern_option_range(option);
        return postern_error_set(error, POSTERN_ERROR_CONFIGURATION, "has %u items and should be %s",
                                 items->len, range);
    }
    g_ptr_array_add(items, NULL);
    *ret_value = (char **)g_ptr_array_steal(items, NULL);
    return TRUE;
}

gboolean postern_configuration_value_set(gpointer place, const PosternOption *option, const char *text,
                                         GError **error)
{
    guint64 amount = 0;
    char *string = NULL;
    char **list = NULL;

    switch (option->type) {
    case POSTERN_OPTION_BOOLEAN:
        return parse_boolean(text, place, error);
    case POSTERN_OPTION_CHOICE:
        return parse_choice(option, text, place, error);
    case POSTERN_OPTION_NUMBER:
    case POSTERN_OPTION_DURATION:
        if (!parse_amount(option, text, &amount, error))
            return FALSE;
        *(guint *)place = (guint)amount;
        return TRUE;
    case POSTERN_OPTION_OCTETS:
        return parse_amount(option, text, place, error);
    case POSTERN_OPTION_STRING:
        if (!parse_string(option, text, &string, error))
            return FALSE;
        g_free(*(char **)place);
        *(char **)place = string;
        return TRUE;
    case POSTERN_OPTION_LIST:
        if (!parse_list(option, text, &list, error))
            return FALSE;
        g_strfreev(*(char ***)place);
        *(char ***)place = list;
        return TRUE;
    }
    g_return_val_if_reached(FALSE);
}

char *postern_configuration_value_text(gconstpointer place, const PosternOption *option)
{
    switch (option->type) {
    case POSTERN_OPTION_BOOLEAN:
        return g_strdup(*(const gboolean *)place ? "yes" : "no");
    case POSTERN_OPTION_CHOICE:
        return g_strdup(option->choices[*(const guint *)place]);
    case POSTERN_OPTION_NUMBER:
    case POSTERN_OPTION_DURATION:
        return format_amount(option, *(const guint *)place);
    case POSTERN_OPTION_OCTETS:
        return format_amount(option, *(const guint64 *)place);
    case POSTERN_OPTION_STRING:
        return g_strdup(*(char *const *)place);
    case POSTERN_OPTION_LIST:
        return g_strjoinv("; ", *(char **const *)place);
    }
    g_return_val_if_reached(NULL);
}

void postern_configuration_value_copy(gpointer place, gconstpointer source, const PosternOption *option)
{
    switch (option->type) {
    case POSTERN_OPTION_BOOLEAN:
    case POSTERN_OPTION_CHOICE:
    case POSTERN_OPTION_NUMBER:
    case POSTERN_OPTION_DURATION:
        *(guint *)place = *(const guint *)source;
        break;
    case POSTERN_OPTION_OCTETS:
        *(guint64 *)place = *(const guint64 *)source;
        break;
    case POSTERN_OPTION_STRING:
        *(char **)place = g_strdup(*(char *const *)source);
        break;
    case POSTERN_OPTION_LIST:
        *(char ***)place = g_strdupv(*(char **const *)source);
        break;
    }
}

void postern_configuration_value_clear(gpointer place, const PosternOption *option)
{
    if (option->type == POSTERN_OPTION_STRING)
        g_clear_pointer((char **)place, g_free);
    else if (option->type == POSTERN_OPTION_LIST)
        g_clear_pointer((char ***)place, g_strfreev);
}
