/* Claims files: any bytes. What parses refers to names that are declared, has texts wherever a
 * report reads one, and its own figures can be computed. */
#include "model/claims.h"

#include <math.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds)
{
    if (!holds)
        abort();
}

static void name_is_known(const struct claims *c, size_t name)
{
    require(name == CLAIM_NO_NAME || name < c->n_names);
}

static void look_at(const struct claims *c, const struct claim_item *claim)
{
    require(claim->id[0] && claim->text[0] && claim->section && claim->place && claim->note);
    require(claim->test < CLAIM_TEST_COUNT && claim->cells.n <= CLAIM_CELLS_MAX);
    require(claim->test == CLAIM_FIGURES || claim->cells.n > 0);
    require(claim->test != CLAIM_FIGURES || claim->printed.formula != FORMULA_NONE);
    require(isfinite(claim->figure.value) && claim->times > 0);
    require(claim->printed.n <= CLAIM_PRINTED_MAX && claim->facts.n <= CLAIM_FACTS_MAX);
    name_is_known(c, claim->of);
    name_is_known(c, claim->over);
    for (size_t g = 0; g < claim->n_groups; g++)
        for (size_t i = 0; i < claim->groups[g].n; i++)
            require(claim->groups[g].name[i] < c->n_names);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const drivers[] = {"host", "oci", "docker"};
    struct claims *c;
    struct err err = ERR_INIT;

    if (claims_parse((const char *)data, size, "c.yaml", drivers, 3, NULL, &c, &err) < 0) {
        require(err.kind == ERR_USAGE && str_starts(err.msg, "c.yaml:"));
        return 0;
    }
    require(c->name[0] && c->title);
    for (size_t i = 0; i < c->n_names; i++)
        require(c->names[i].n > 0 && c->names[i].title);
    VEC_FOREACH (&c->all, const struct claim_item, claim)
        look_at(c, claim);
    VEC_FOREACH (&c->steps, const struct claim_step, s)
        require(s->place && s->what);
    claims_free(c);
    return 0;
}
