/* Functions of one value, or of two, that are C of ours: what the table's primitives name (`c` in src/ops.toml), and sin, cos and tan
 * far from zero. */
#ifndef DZ_FUNCTIONS_H
#define DZ_FUNCTIONS_H

/* Of numbers so large that their remainder modulo pi/2 must be taken exactly (math/far.c); at least 1/1024. */
double dz_far_sin(double x);
double dz_far_cos(double x);
double dz_far_tan(double x);
float dz_far_sinf(float x);
float dz_far_cosf(float x);
float dz_far_tanf(float x);

/* The logarithm of |gamma|, its derivatives (of digamma the n-th), and the standard normal distribution (math/gamma.c). */
double dz_gammaln(double x);
double dz_digamma(double x);
double dz_polygamma(double n, double x);
double dz_polygamma1(double n, double x); /* of order n + 1 */
double dz_ndtr(double x);

#endif
