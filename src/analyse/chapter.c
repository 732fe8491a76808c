#include "analyse/chapter.h"

#include "base/str.h"

enum chapter chapter_of(const struct cell *cell)
{
    static const struct {
        const char *family;
        enum chapter chapter;
    } families[] = {
        {"cpu", CHAPTER_CPU},           {"linpack", CHAPTER_CPU},
        {"mem", CHAPTER_MEMORY},        {"ramspeed", CHAPTER_MEMORY},
        {"mm", CHAPTER_MEMORY},         {"sys", CHAPTER_CALLS},
        {"call", CHAPTER_CALLS},        {"ipc", CHAPTER_CALLS},
        {"clock", CHAPTER_CALLS},       {"unixbench", CHAPTER_CALLS},
        {"fs", CHAPTER_STORAGE},        {"disk", CHAPTER_STORAGE},
        {"blogbench", CHAPTER_STORAGE}, {"sqlite", CHAPTER_STORAGE},
        {"life", CHAPTER_LIFE},         {"crowd", CHAPTER_LIFE},
        {"parallel", CHAPTER_LIFE},     {"density", CHAPTER_DENSITY},
        {"beside", CHAPTER_ISOLATION},  {"neighbour", CHAPTER_ISOLATION},
        {"tail", CHAPTER_ISOLATION},    {"reach", CHAPTER_REACH},
        {"net", CHAPTER_NETWORK},
    };

    if (cell->app)
        return CHAPTER_APPS;
    for (size_t i = 0; cell->workload && i < ARRAY_SIZE(families); i++)
        if (str_eq(cell->workload->family, families[i].family))
            return families[i].chapter;
    return CHAPTER_OTHER;
}

#define CHAPTER_NAME(id, name, title)  [CHAPTER_##id] = name,
#define CHAPTER_TITLE(id, name, title) [CHAPTER_##id] = title,

const char *chapter_name(enum chapter c)
{
    static const char *const names[CHAPTER_COUNT] = {CHAPTERS(CHAPTER_NAME)};
    return names[c];
}

const char *chapter_title(enum chapter c)
{
    static const char *const titles[CHAPTER_COUNT] = {CHAPTERS(CHAPTER_TITLE)};
    return titles[c];
}
