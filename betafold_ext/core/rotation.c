#include "rotation.h"

#include <math.h>

/* Cyclic Jacobi of the symmetric matrix `a`; the columns of `vectors` become its eigenvectors. */
static void jacobi4(double a[4][4], double vectors[4][4])
{
    for (int i = 0; i < 4; ++i)
        for (int j = 0; j < 4; ++j)
            vectors[i][j] = i == j;
    for (int sweep = 0; sweep < 32; ++sweep) {
        double off_diagonal = 0.0, diagonal = 0.0;
        for (int p = 0; p < 4; ++p) {
            diagonal += a[p][p] * a[p][p];
            for (int q = p + 1; q < 4; ++q)
                off_diagonal += a[p][q] * a[p][q];
        }
        if (off_diagonal <= 1e-36 * diagonal)
            return;
        for (int p = 0; p < 4; ++p)
            for (int q = p + 1; q < 4; ++q) {
                if (a[p][q] == 0.0)
                    continue;
                double theta = (a[q][q] - a[p][p]) / (2.0 * a[p][q]);
                double t = copysign(1.0, theta) / (fabs(theta) + sqrt(theta * theta + 1.0));
                double c = 1.0 / sqrt(t * t + 1.0), s = t * c;
                for (int k = 0; k < 4; ++k) {
                    double kp = a[k][p], kq = a[k][q];
                    a[k][p] = c * kp - s * kq;
                    a[k][q] = s * kp + c * kq;
                }
                for (int k = 0; k < 4; ++k) {
                    double pk = a[p][k], qk = a[q][k];
                    a[p][k] = c * pk - s * qk;
                    a[q][k] = s * pk + c * qk;
                }
                for (int k = 0; k < 4; ++k) {
                    double kp = vectors[k][p], kq = vectors[k][q];
                    vectors[k][p] = c * kp - s * kq;
                    vectors[k][q] = s * kp + c * kq;
                }
            }
    }
}

double best_rotation(const double m[3][3], double rotation[3][3])
{
    double k[4][4] = {
        {m[0][0] + m[1][1] + m[2][2], m[1][2] - m[2][1], m[2][0] - m[0][2], m[0][1] - m[1][0]},
        {m[1][2] - m[2][1], m[0][0] - m[1][1] - m[2][2], m[0][1] + m[1][0], m[2][0] + m[0][2]},
        {m[2][0] - m[0][2], m[0][1] + m[1][0], m[1][1] - m[0][0] - m[2][2], m[1][2] + m[2][1]},
        {m[0][1] - m[1][0], m[2][0] + m[0][2], m[1][2] + m[2][1], m[2][2] - m[0][0] - m[1][1]},
    };
    double vectors[4][4];
    jacobi4(k, vectors);
    int best = 0;
    for (int i = 1; i < 4; ++i)
        if (k[i][i] > k[best][best])
            best = i;
    double w = vectors[0][best], x = vectors[1][best], y = vectors[2][best], z = vectors[3][best];
    double scale = 1.0 / sqrt(w * w + x * x + y * y + z * z);
    w *= scale, x *= scale, y *= scale, z *= scale;
    rotation[0][0] = w * w + x * x - y * y - z * z;
    rotation[0][1] = 2.0 * (x * y - w * z);
    rotation[0][2] = 2.0 * (x * z + w * y);
    rotation[1][0] = 2.0 * (x * y + w * z);
    rotation[1][1] = w * w - x * x + y * y - z * z;
    rotation[1][2] = 2.0 * (y * z - w * x);
    rotation[2][0] = 2.0 * (x * z - w * y);
    rotation[2][1] = 2.0 * (y * z + w * x);
    rotation[2][2] = w * w - x * x - y * y + z * z;
    return k[best][best];
}
