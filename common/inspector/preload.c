#include "inspector/preload.h"

#include <glib.h>
#include <iconv.h>
#include <locale.h>
#include <time.h>

/* The character sets that libclamav may ask for. */
static const char *const character_sets[] = {
    "BIG5",           "CP1025",       "CP866",         "CP875",         "CP949",          "EUC-CN",
    "EUC-JP",         "EUC-KR",       "GB18030",       "GB2312",        "IBM037",         "IBM1026",
    "IBM273",         "IBM277",       "IBM278",        "IBM280",        "IBM284",         "IBM285",
    "IBM290",         "IBM297",       "IBM420",        "IBM423",        "IBM424",         "IBM437",
    "IBM500",         "IBM775",       "IBM850",        "IBM852",        "IBM855",         "IBM857",
    "IBM860",         "IBM861",       "IBM863",        "IBM864",        "IBM865",         "IBM869",
    "IBM870",         "IBM871",       "IBM880",        "IBM905",        "ISO-10646/UCS2", "ISO-10646/UCS4",
    "ISO-10646/UTF8", "ISO-2022-JP",  "ISO-2022-JP-2", "ISO-2022-JP-3", "ISO-2022-KR",    "ISO-8859-1",
    "ISO-8859-13",    "ISO-8859-15",  "ISO-8859-2",    "ISO-8859-3",    "ISO-8859-4",     "ISO-8859-5",
    "ISO-8859-6",     "ISO-8859-7",   "ISO-8859-8",    "ISO-8859-9",    "JOHAB",          "KOI8-R",
    "KOI8-U",         "MACINTOSH",    "SHIFT_JIS",     "UCS-4",         "UCS-4BE",        "UCS-4LE",
    "UTF-16",         "UTF-16BE",     "UTF-16LE",      "UTF-32",        "UTF-32BE",       "UTF-32LE",
    "UTF-7",          "WINDOWS-1250", "WINDOWS-1251",  "WINDOWS-1252",  "WINDOWS-1253",   "WINDOWS-1254",
    "WINDOWS-1255",   "WINDOWS-1256", "WINDOWS-1257",  "WINDOWS-1258",  "WINDOWS-874",
};

/* A converter stays open, and so its module loaded, for the life of the process. */
void postern_preload(void)
{
    setlocale(LC_ALL, "C.UTF-8");
    tzset();
    for (gsize i = 0; i < G_N_ELEMENTS(character_sets); i++) {
        (void)iconv_open("UTF-8//TRANSLIT", character_sets[i]);
        (void)iconv_open(character_sets[i], "UTF-8");
    }
}
