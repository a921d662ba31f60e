/* The SDEs' formulas against known answers (computed in double precision from the definitions). */
#include "prior/sde.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

static const sc_sde vp = {.kind = SC_SDE_VP, .beta_min = 0.1, .beta_max = 20};
static const sc_sde subvp = {.kind = SC_SDE_SUBVP, .beta_min = 0.1, .beta_max = 20};

static void assert_close(double found, double expected)
{
    /* the answers are printed with 9 digits */
    if (!(fabs(found - expected) <= 2e-8 * fabs(expected)))
        fail_msg("found %.10g, expected %.10g", found, expected);
}

static void ve_has_the_known_answers(void **state)
{
    (void)state;
    sc_sde ve = sc_sde_ve(0.01, 50);
    assert_close(sc_sde_std(&ve, 0.25), 0.0840896415);
    assert_close(sc_sde_std(&ve, 0.5), 0.7071067812);
    assert_close(sc_sde_std(&ve, 1e-5), 0.0100008518);
    assert_close(sc_sde_diffusion(&ve, 0.5) / sc_sde_std(&ve, 0.5), 4.1272735);
    assert_close(sc_sde_mean(&ve, 0.7), 1);
    assert_true(sc_sde_drift(&ve, 0.7) == 0);
}

static void vp_has_the_known_answers(void **state)
{
    (void)state;
    const double answer[3][4] = {{0.1, .946721799, .322052536, 2.09},
                                 {0.5, .281182881, .959654202, 10.05},
                                 {1, .00657158649, .99997841, 20}};
    for (int i = 0; i < 3; i++) {
        double t = answer[i][0], g = sc_sde_diffusion(&vp, t);
        assert_close(sc_sde_mean(&vp, t), answer[i][1]);
        assert_close(sc_sde_std(&vp, t), answer[i][2]);
        assert_close(g * g, answer[i][3]);
        assert_close(sc_sde_drift(&vp, t), -answer[i][3] / 2);
    }
}

static void subvp_has_the_known_answers(void **state)
{
    (void)state;
    const double answer[3][3] = {{0.1, .103717836, .411057609},
                                 {0.5, .920936188, 9.98717658},
                                 {1, .999956814, 20}};
    for (int i = 0; i < 3; i++) {
        double t = answer[i][0], g = sc_sde_diffusion(&subvp, t);
        assert_close(sc_sde_std(&subvp, t), answer[i][1]);
        if (i < 2) /* the last is given as 20, rounded */
            assert_close(g * g, answer[i][2]);
    }
}

/* d std^2 / dt = 2 f std^2 + g^2 for every linear SDE: ties drift, diffusion and std together. */
static void variance_obeys_its_equation(void **state)
{
    (void)state;
    const sc_sde all[] = {sc_sde_ve(0.01, 50), vp, subvp};
    for (int k = 0; k < 3; k++)
        for (double t = 0.05; t < 1; t += 0.1) {
            double h = 1e-5, low = sc_sde_std(&all[k], t - h), high = sc_sde_std(&all[k], t + h);
            double s = sc_sde_std(&all[k], t), g = sc_sde_diffusion(&all[k], t);
            double slope = (high * high - low * low) / (2 * h);
            double expected = 2 * sc_sde_drift(&all[k], t) * s * s + g * g;
            assert_true(fabs(slope - expected) <= 1e-6 * (g * g + fabs(slope)));
        }
}

static void time_inverts_std_and_is_clamped(void **state)
{
    (void)state;
    const sc_sde all[] = {sc_sde_ve(0.002, 50), vp, subvp};
    for (int k = 0; k < 3; k++)
        for (double t = 0.05; t < 1; t += 0.1)
            assert_true(fabs(sc_sde_time(&all[k], sc_sde_std(&all[k], t)) - t) < 1e-9);
    assert_true(sc_sde_time(&all[0], 1e-9) == 0);
    assert_true(sc_sde_time(&all[0], 1e9) == 1);
}

/* exp of the whole integral of beta, 10.05, is 23155.8; at 1e-3 the integral is 1.0995e-4. */
static void noise_levels_are_those_of_an_image_plus_noise(void **state)
{
    (void)state;
    const sc_sde ve = sc_sde_ve(0.002, 50);
    assert_true(sc_sde_noise_min(&ve) == 0.002 && sc_sde_noise_max(&ve) == 50);
    assert_close(sc_sde_noise_max(&vp), sqrt(expm1(10.05)));
    assert_close(sc_sde_noise_min(&vp), sqrt(expm1(1.0995e-4)));
    assert_close(sc_sde_noise_max(&subvp), -expm1(-10.05) * exp(10.05 / 2));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ve_has_the_known_answers),
        cmocka_unit_test(vp_has_the_known_answers),
        cmocka_unit_test(subvp_has_the_known_answers),
        cmocka_unit_test(variance_obeys_its_equation),
        cmocka_unit_test(time_inverts_std_and_is_clamped),
        cmocka_unit_test(noise_levels_are_those_of_an_image_plus_noise),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
