/* Imported runs: any bytes. Nothing of a document that is refused stays behind; one that is taken
 * can be exported, and what was exported is taken again. */
#include "store/database.h"
#include "store/exchange.h"

#include <errno.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* One store for all inputs: making its tables takes longer than an import. Every import happens
 * inside a transaction that is rolled back. */
static struct store *the_store(void)
{
    static struct store *s;
    struct err err = ERR_INIT;
    if (!s && store_open(":memory:", true, &s, &err) < 0) {
        fprintf(stderr, "%s\n", err.msg);
        abort();
    }
    return s;
}

static void must(bool cond, const struct err *err)
{
    if (!cond) {
        fprintf(stderr, "%s\n", err->msg);
        abort();
    }
}

static void roll_back(struct store *s)
{
    db_end(s, -EINVAL, NULL);
    int64_t left = -1;
    struct err err = ERR_INIT;
    must(db_number(s, "SELECT (SELECT count(*) FROM run) + (SELECT count(*) FROM sample)", &left,
                   &err) == 0 &&
             left == 0,
         &err);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct store *s = the_store();
    struct err err = ERR_INIT;
    int64_t run = 0;
    must(db_begin(s, &err) == 0, &err);
    int r = exchange_import(s, (const char *)data, size, "run.json", &run, &err);
    if (r < 0) {
        must(err.kind == ERR_USAGE || r == -EPROTONOSUPPORT, &err);
        roll_back(s);
        return 0;
    }
    json_t *doc = NULL;
    must(exchange_export(s, run, NULL, &doc, &err) == 0, &err);
    roll_back(s);
    char *text = json_dumps(doc, JSON_COMPACT);
    must(text != NULL, &err);
    json_decref(doc);
    must(db_begin(s, &err) == 0, &err);
    must(exchange_import(s, text, strlen(text), "again.json", &run, &err) == 0, &err);
    roll_back(s);
    free(text);
    return 0;
}
