/* sin, cos and atan2 of vectors.
 *
 * Range reduction after Cody & Waite (1980). A rotation needs sine and cosine to an absolute, not a relative accuracy,
 * so one reduction to [-pi/2, pi/2], with one common sign, serves both. The polynomials interpolate at the Chebyshev
 * nodes of that interval; their error is below a tenth of the rounding of `real`. atan follows Cephes (S. L. Moshier). */

/* pi in parts whose products with a number of half turns, up to LARGEST_ANGLE, are exact. */
#define PI_1 (IS_FLOAT ? 3.140625 : 3.1415926534682512)
#define PI_2 (IS_FLOAT ? 0.0009675025939941406 : 1.2154201012607932e-10)
#define PI_3 (IS_FLOAT ? 1.5099580252808664e-07 : 4.044532497591901e-21)
#define LARGEST_ANGLE (IS_FLOAT ? 8192.0 : 1e5)
/* Adding it rounds to a whole number and leaves that in the low bits. */
#define ROUNDER (IS_FLOAT ? 12582912.0 : 6755399441055744.0)
#define SIGN_SHIFT (8 * sizeof(real) - 1)

/* sin x = x + x^3 S(x^2), cos x = 1 + x^2 C(x^2), lowest power first. */
static const double SIN_FLOAT[] = {
    -0.1666666596326316, 0.008333242080932106, -0.00019822732180693118, 2.6347327186387516e-06};
static const double SIN_DOUBLE[] = {
    -0.16666666666666666, 0.008333333333333316, -0.00019841269841254955, 2.755731921915843e-06,
    -2.5052107616384595e-08, 1.6058977272815506e-10, -7.643969031052769e-13, 2.731428986122616e-15};
static const double COS_FLOAT[] = {
    -0.499999999639172, 0.04166665935422676, -0.0013888651506409103, 2.477456909725691e-05,
    -2.62972709641964e-07};
static const double COS_DOUBLE[] = {
    -0.5, 0.04166666666666634, -0.0013888888888860676, 2.4801587292437113e-05, -2.755731776616188e-07,
    2.0876630792310255e-09, -1.1464687487845909e-11, 4.627646089543635e-14};

INLINE vreal polynomial(vreal x, const double *coefficients, int count)
{
    vreal sum = splat((real)coefficients[count - 1]);
    UNROLL for (int k = count - 2; k >= 0; --k)
        sum = sum * x + (real)coefficients[k];
    return sum;
}

/* Brings the angles beyond the range of the reduction into it, one by one. Infinity becomes NaN. */
static __attribute__((noinline, cold)) void wrap_large_angles(vreal *angles, int count)
{
    for (int i = 0; i < count; ++i)
        for (int lane = 0; lane < LANES; ++lane) {
            double x = angles[i][lane];
            if (fabs(x) > LARGEST_ANGLE)
                angles[i][lane] = (real)atan2(sin(x), cos(x));
        }
}

INLINE int any_large_angle(const vreal *angles, int count)
{
    vmask large = {0};
    UNROLL for (int i = 0; i < count; ++i)
        large |= absolute(angles[i]) > (real)LARGEST_ANGLE;
    return any(large);
}

/* For |x| up to LARGEST_ANGLE; NaN gives NaN. */
INLINE void sine_cosine(vreal x, vreal *sine, vreal *cosine)
{
    vreal shifted = x * (real)0.31830988618379067154 + (real)ROUNDER, turns = shifted - (real)ROUNDER;
    vreal r = x - turns * (real)PI_1 - turns * (real)PI_2 - turns * (real)PI_3, z = r * r;
    vreal s = r + r * z * (IS_FLOAT ? polynomial(z, SIN_FLOAT, 4) : polynomial(z, SIN_DOUBLE, 8));
    vreal c = 1 + z * (IS_FLOAT ? polynomial(z, COS_FLOAT, 5) : polynomial(z, COS_DOUBLE, 8));
    vmask sign = (vmask)shifted << SIGN_SHIFT; /* an odd number of half turns negates both */
    *sine = (vreal)((vmask)s ^ sign);
    *cosine = (vreal)((vmask)c ^ sign);
}

/* atan of |x| <= tan(pi / 8). */
INLINE vreal atan_polynomial(vreal x)
{
    vreal z = x * x;
    if (IS_FLOAT)
        return x + x * z
            * ((real)-3.33329491539e-1
               + z * ((real)1.99777106478e-1 + z * ((real)-1.38776856032e-1 + z * (real)8.05374449538e-2)));
    vreal p = (real)-1.615753718733365076637e1 + z * (real)-8.750608600031904122785e-1;
    p = (real)-1.228866684490136173410e2 + z * ((real)-7.500855792314704667340e1 + z * p);
    p = (real)-6.485021904942025371773e1 + z * p;
    vreal q = (real)1.650270098316988542046e2 + z * ((real)2.485846490142306297962e1 + z);
    q = (real)4.853903996359136964868e2 + z * ((real)4.328810604912902668951e2 + z * q);
    q = (real)1.945506571482613964425e2 + z * q;
    return x + x * z * p / q;
}

/* (0, 0) gives 0; an infinity or NaN gives NaN. */
INLINE vreal arc_tangent(vreal y, vreal x)
{
    vreal ax = absolute(x), ay = absolute(y);
    vmask steep = ay > ax;
    vreal small = choose(steep, ax, ay), big = choose(steep, ay, ax);
    vmask folded = small > big * (real)0.41421356237309503;
    vreal numerator = choose(folded, small - big, small), denominator = choose(folded, small + big, big);
    denominator = choose(denominator == (real)0, splat(1), denominator);
    vreal angle = atan_polynomial(numerator / denominator) + (vreal)(folded & (vmask)splat((real)0.78539816339744830962));
    angle = choose(steep, (real)1.57079632679489661923 - angle, angle);
    angle = choose(x < (real)0, (real)3.14159265358979323846 - angle, angle);
    vmask sign = (vmask)splat(-(real)0);
    angle = (vreal)((vmask)angle | ((vmask)y & sign));
    return angle + ((x - x) + (y - y));
}
