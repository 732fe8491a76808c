/* The paper's isolation figures out of its own inputs (section 5.8, figures 19 to 22 and text). */
#include "unit.h"

#include "stats/isolation.h"

#include <math.h>

#define near(a, b, eps) assert_true(fabs((a) - (b)) <= (eps))

static const struct {
    const char *runtime;
    double before, with, loss; /* GFlops of the affected container; I as stated */
} losses[] = {
    {"RunC", 77.19, 53.59, .306},
    {"Kata", 73.02, 53.66, .265},
    {"gVisor ptrace", 47.68, 43.20, .094},
    {"gVisor KVM", 47.84, 44.11, .078},
};

static void losses_as_stated(void **state)
{
    for (size_t i = 0; i < sizeof(losses) / sizeof(losses[0]); i++)
        near(isolation_loss(losses[i].before, losses[i].with), losses[i].loss, .0005);
    near(isolation_loss(10, 12), .2, 1e-12); /* a gain is a difference, too: the paper's bars */
    near(isolation_loss(10, 10), 0, 0);
    assert_true(isnan(isolation_loss(0, 1)));
}

/* Kata's utilisation is printed; RunC's follows from the 51 % that Kata's shrinkage is above it. */
static void shrinkage_as_stated(void **state)
{
    double kata = isolation_shrinkage(197.38, 182.26), runc = kata / 1.51;
    near(kata, .0766, .00005);
    near(runc, .0507, .00005);
    near(.11 / kata, 1.43, .01); /* "gVisor over Kata" */
    near(isolation_shrinkage(100, 110), -.1, 1e-12);
    assert_true(isnan(isolation_shrinkage(0, 1)));
    /* Loss against shrinkage, which orders the runtimes as the paper's text does. */
    near(isolation_combined(.306, runc, .01), 6.0, .05);
    near(isolation_combined(.265, kata, .01), 3.46, .005);
    near(isolation_combined(.094, .11, .01), .85, .005);
    near(isolation_combined(.078, .21, .01), .37, .005);
}

static void nothing_to_divide_by(void **state)
{
    assert_true(isnan(isolation_combined(.3, .009, .01)));
    assert_true(isnan(isolation_combined(.3, -.2, .01)));
    assert_true(isnan(isolation_combined(.3, NAN, .01)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(losses_as_stated),
        cmocka_unit_test(shrinkage_as_stated),
        cmocka_unit_test(nothing_to_divide_by),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
