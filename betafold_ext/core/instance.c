/* All kernels for one instruction set and one precision; setup.py compiles this file once for each pair.
 *
 * Set by the build: REAL (float or double), VECTOR_BYTES, TABLE (name of the table), ISA_NAME. */
#include "kernels.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef REAL real;

#include "ideal_geometry.h"

#include "vector.h"
#include "rows.h"
#include "trigonometry.h"

#include "nerf.h"
#include "torsions.h"
#include "superpose.h"
#include "matrix.h"
#include "lddt.h"
#include "search.h"
#include "tm_score.h"
#include "gdt.h"
#include "distances.h"
#include "stress.h"

const KernelTable TABLE = {
    .isa = ISA_NAME,
    .lanes = VECTOR_BYTES / sizeof(real),
    .nerf = nerf,
    .nerf_vjp = nerf_vjp,
    .torsions = torsions,
    .superpose = superpose,
    .rmsd_matrix = rmsd_matrix,
    .lddt = lddt,
    .gdt = gdt,
    .tm_score = tm_score,
    .distances = distances,
    .minimise_stress = minimise_stress,
};
