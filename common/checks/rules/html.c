#include "checks/rules/html.h"

#include <libxml/HTMLparser.h>
#include <string.h>

#include "base/limits.h"

#define LINK_TEXT_MAX_OCTETS 512

typedef struct {
    PosternHtml *html;
    gboolean started;      /* an element was met */
    PosternHtmlLink *link; /* open, borrowed, or NULL */
    guint hidden;          /* open elements whose text is not shown */
} Reader;

/* In the midst of a word these do not end it. */
static const char *const inline_elements[] = {
    "a",    "abbr",   "acronym", "b",   "bdi", "bdo",  "big", "cite", "code", "dfn",
    "em",   "font",   "i",       "ins", "kbd", "mark", "q",   "s",    "samp", "small",
    "span", "strike", "strong",  "sub", "sup", "tt",   "u",   "var",  "wbr",  NULL};
static const char *const hidden_elements[] = {"script", "style", "title", "noscript", NULL};

static gboolean is_one_of(const char *name, const char *const *names)
{
    for (; *names != NULL; names++)
        if (g_ascii_strcasecmp(name, *names) == 0)
            return TRUE;
    return FALSE;
}

/* "svg:script" is one, too. */
static gboolean is_element(const char *name, const char *element)
{
    const char *colon = strrchr(name, ':');
    return g_ascii_strcasecmp(colon != NULL ? colon + 1 : name, element) == 0;
}

/* Browsers pass over controls and blanks in such an address. */
static gboolean is_script_address(const char *value)
{
    static const char *const schemes[] = {"javascript:", "vbscript:", "data:text/html", "data:image/svg"};
    char start[16];
    gsize length = 0;
    for (; *value != '\0' && length < sizeof start - 1; value++)
        if ((guchar)*value > ' ')
            start[length++] = *value;
    start[length] = '\0';
    for (gsize i = 0; i < G_N_ELEMENTS(schemes); i++)
        if (g_ascii_strncasecmp(start, schemes[i], strlen(schemes[i])) == 0)
            return TRUE;
    return FALSE;
}

static void take_attribute(Reader *reader, const char *element, const char *name, const char *value)
{
    PosternHtml *html = reader->html;
    if (g_ascii_strncasecmp(name, "on", 2) == 0 || g_ascii_strcasecmp(name, "srcdoc") == 0)
        html->script = TRUE;
    if (value == NULL)
        return;
    if (!is_element(element, "img") && is_script_address(value))
        html->script = TRUE;
    if (is_element(name, "href") && is_element(element, "a") && html->links->len < POSTERN_RULES_LINKS_MAX) {
        PosternHtmlLink *link = g_new0(PosternHtmlLink, 1);
        link->target = g_strdup(value);
        link->text = g_string_new(NULL);
        g_ptr_array_add(html->links, link);
        reader->link = link;
    }
}

static void on_start(void *data, const xmlChar *name, const xmlChar **attributes)
{
    Reader *reader = data;
    const char *element = (const char *)name;
    /* what the parser adds itself */
    if (!reader->started && !is_one_of(element, (const char *const[]){"html", "body", "p", NULL})) {
        reader->started = TRUE;
        reader->html->svg = is_element(element, "svg");
    }
    if (is_element(element, "script"))
        reader->html->script = TRUE;
    if (is_one_of(element, hidden_elements))
        reader->hidden++;
    if (!is_one_of(element, inline_elements))
        g_string_append_c(reader->html->text, '\n');
    if (is_element(element, "a"))
        reader->link = NULL;
    for (; attributes != NULL && attributes[0] != NULL; attributes += 2)
        take_attribute(reader, element, (const char *)attributes[0], (const char *)attributes[1]);
}

static void on_end(void *data, const xmlChar *name)
{
    Reader *reader = data;
    const char *element = (const char *)name;
    if (is_one_of(element, hidden_elements) && reader->hidden > 0)
        reader->hidden--;
    if (is_element(element, "a"))
        reader->link = NULL;
    if (!is_one_of(element, inline_elements))
        g_string_append_c(reader->html->text, '\n');
}

static void on_text(void *data, const xmlChar *text, int length)
{
    Reader *reader = data;
    if (reader->hidden > 0)
        return;
    g_string_append_len(reader->html->text, (const char *)text, length);
    if (reader->link != NULL && reader->link->text->len < LINK_TEXT_MAX_OCTETS)
        g_string_append_len(reader->link->text, (const char *)text, MIN(length, LINK_TEXT_MAX_OCTETS));
}

static void free_link(gpointer data)
{
    PosternHtmlLink *link = data;
    g_free(link->target);
    g_string_free(link->text, TRUE);
    g_free(link);
}

void postern_html_prepare(void)
{
    xmlInitParser();
}

PosternHtml *postern_html_read(const char *octets, gsize length, PosternRuleTime *time)
{
    PosternHtml *html = g_new0(PosternHtml, 1);
    Reader reader = {.html = html};
    htmlSAXHandler handler = {.startElement = on_start,
                              .endElement = on_end,
                              .characters = on_text,
                              .ignorableWhitespace = on_text};
    html->text = g_string_new(NULL);
    html->links = g_ptr_array_new_with_free_func(free_link);
    htmlParserCtxtPtr parser =
        htmlCreatePushParserCtxt(&handler, &reader, NULL, 0, NULL, XML_CHAR_ENCODING_UTF8);
    html->cut = parser == NULL;
    if (parser == NULL)
        return html;
    htmlCtxtUseOptions(parser, HTML_PARSE_RECOVER | HTML_PARSE_NOERROR | HTML_PARSE_NOWARNING |
                                   HTML_PARSE_NONET | HTML_PARSE_IGNORE_ENC);
    for (gsize offset = 0; offset < length && !html->cut;) {
        gsize chunk = MIN(length - offset, (gsize)POSTERN_RULES_HTML_CHUNK_OCTETS);
        htmlParseChunk(parser, octets + offset, (int)chunk, 0);
        offset += chunk;
        html->cut = postern_rule_time_is_spent(time);
    }
    htmlParseChunk(parser, "", 0, 1);
    htmlFreeParserCtxt(parser);
    return html;
}

void postern_html_free(PosternHtml *html)
{
    if (html == NULL)
        return;
    g_string_free(html->text, TRUE);
    g_ptr_array_unref(html->links);
    g_free(html);
}
