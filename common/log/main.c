#include <locale.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "base/build.h"
#include "base/command_line.h"
#include "base/day.h"
#include "log/answer.h"
#include "log/reader.h"

#define PROGRAM "postern-log"

typedef struct {
    gboolean summary, journal, version;
    char *day, *since;
    char **files;
    char **words; /* WHAT… */
} Options;

typedef struct {
    const Options *options;
    gint64 from, until; /* microseconds; 0: any time */
    PosternLogSummary *summary;
    GString *out;
    guint64 found;
} Search;

static gboolean parse_options(Options *options, int *argc, char ***argv, gboolean *ret_done, GError **error)
{
    const GOptionEntry entries[] = {
        {"summary", 's', 0, G_OPTION_ARG_NONE, &options->summary, "Print what happened, and how often", NULL},
        {"day", 'd', 0, G_OPTION_ARG_STRING, &options->day,
         "Only of that day: YYYY-MM-DD, today or yesterday", "DAY"},
        {"file", 'f', 0, G_OPTION_ARG_FILENAME_ARRAY, &options->files,
         "Read this log (.gz too; -: standard input)", "FILE"},
        {"journal", 'j', 0, G_OPTION_ARG_NONE, &options->journal,
         "Read the journal (the default without --file)", NULL},
        {"since", 0, 0, G_OPTION_ARG_STRING, &options->since,
         "Of the journal: from then on, as journalctl has it", "TIME"},
        {"version", 0, 0, G_OPTION_ARG_NONE, &options->version, "Print the version, and end", NULL},
        {G_OPTION_REMAINING, 0, 0, G_OPTION_ARG_STRING_ARRAY, &options->words, NULL, "[WHAT…]"},
        {NULL, 0, 0, G_OPTION_ARG_NONE, NULL, NULL, NULL},
    };
    const GOptionEntry *const tables[] = {entries, NULL};
    const PosternCommandLine line = {
        .program = PROGRAM,
        .summary = "Says what became of a message: by an id of session or message, a Message-ID,\n"
                   "the address of a client, a mail address or a domain (@example.org); or prints\n"
                   "a summary.",
        .tables = tables,
        .operands = TRUE,
    };
    return postern_command_line_parse(&line, argc, argv, ret_done, error);
}

/* The day's first microsecond, and that of the next. */
static gboolean parse_day(const char *text, Search *search, GError **error)
{
    g_autoptr(GTimeZone) zone = g_time_zone_new_local();
    g_autoptr(GDateTime) start = postern_day_parse(text, zone);
    if (start == NULL) {
        g_set_error(error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE,
                    "'%s' is no day: write " POSTERN_DAY_FORM, text);
        return FALSE;
    }
    g_autoptr(GDateTime) end = g_date_time_add_days(start, 1);
    search->from = g_date_time_to_unix(start) * G_USEC_PER_SEC;
    search->until = g_date_time_to_unix(end) * G_USEC_PER_SEC;
    return TRUE;
}

static void on_entry(const PosternLogEntry *entry, gpointer user_data)
{
    Search *search = user_data;
    if (search->until > 0 && (entry->time < search->from || entry->time >= search->until))
        return;
    char *const *word = search->options->words;
    gboolean wanted = word == NULL;
    for (; word != NULL && *word != NULL && !wanted; word++)
        wanted = postern_log_answers(entry, *word);
    if (!wanted)
        return;
    search->found++;
    if (search->summary != NULL) {
        postern_log_summary_add(search->summary, entry);
        return;
    }
    g_string_truncate(search->out, 0);
    postern_log_tell(entry, search->out);
    g_print("%s", search->out->str);
}

static gboolean read_all(const Options *options, Search *search, GError **error)
{
    for (char **file = options->files; file != NULL && *file != NULL; file++)
        if (!postern_log_read_file(*file, on_entry, search, error))
            return FALSE;
    if (options->files != NULL && !options->journal)
        return TRUE;
    return postern_log_read_journal(options->since != NULL ? options->since : options->day, on_entry, search,
                                    error);
}

static int fail(const char *text, int status)
{
    g_printerr(PROGRAM ": %s\n", text);
    return status;
}

int main(int argc, char **argv)
{
    Options options = {FALSE};
    g_autoptr(GError) error = NULL;
    gboolean done = FALSE;
    setlocale(LC_ALL, "C.UTF-8");
    if (!parse_options(&options, &argc, &argv, &done, &error))
        return fail(error->message, EX_USAGE);
    if (done)
        return EXIT_SUCCESS;
    if (options.version) {
        g_print(PROGRAM " " POSTERN_VERSION "\n");
        return EXIT_SUCCESS;
    }
    g_autoptr(GString) out = g_string_new(NULL);
    Search search = {.options = &options, .out = out};
    if (options.day != NULL && !parse_day(options.day, &search, &error))
        return fail(error->message, EX_USAGE);
    if (!options.summary && options.words == NULL)
        return fail("what is asked for? Name an id, an address or a Message-ID, or say --summary; see --help",
                    EX_USAGE);
    g_autoptr(PosternLogSummary) summary = options.summary ? postern_log_summary_new() : NULL;
    search.summary = summary;
    if (!read_all(&options, &search, &error))
        return fail(error->message, EX_NOINPUT);
    if (summary != NULL) {
        g_string_truncate(out, 0);
        postern_log_summary_tell(summary, out);
        g_print("%s", out->str);
        return EXIT_SUCCESS;
    }
    return search.found > 0 ? EXIT_SUCCESS : fail("nothing is known of it", EXIT_FAILURE);
}
