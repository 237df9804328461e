"""Builds the C core of betafold_ext once per instruction set and precision, and links the variants into one module.

Environment:
    BETAFOLD_NO_OPENMP=1      build without threads (they are POSIX threads; OpenMP itself is never needed)
    BETAFOLD_CYTHON_DEBUG=1   bounds checks in Cython, assertions and debug symbols in C
    BETAFOLD_SANITIZE=1       address and undefined-behaviour sanitizers
"""

import os
import platform
import runpy
from pathlib import Path

from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext

CORE = Path("betafold_ext/core")
DEBUG = os.environ.get("BETAFOLD_CYTHON_DEBUG") == "1"
SANITIZE = os.environ.get("BETAFOLD_SANITIZE") == "1"
THREADS = os.environ.get("BETAFOLD_NO_OPENMP") != "1"

# Instruction set -> bytes of a vector, compiler flags. The baseline is what any other processor gets too.
X86 = platform.machine().lower() in ("x86_64", "amd64")
INSTRUCTION_SETS = {"baseline": (16, [])}
if X86:
    INSTRUCTION_SETS["avx2"] = (32, ["-march=x86-64-v3", "-mprfchw"])
    INSTRUCTION_SETS["avx512"] = (64, ["-march=x86-64-v4", "-mprfchw", "-mprefer-vector-width=512"])

COMPILE_FLAGS = ["-std=gnu11", "-Wall", "-Wextra", "-fvisibility=hidden", "-fno-math-errno"]
COMPILE_FLAGS += ["-O1", "-g"] if DEBUG or SANITIZE else ["-O3", "-DNDEBUG"]
SANITIZE_FLAGS = ["-fsanitize=address,undefined", "-fno-omit-frame-pointer"] if SANITIZE else []


def write_ideal_header(directory):
    """Writes the ideal geometry of betafold/geometry/ideal.py as C constants."""
    backbone = runpy.run_path("betafold/geometry/ideal.py")["BACKBONE"]
    lines = ["/* Generated from betafold/geometry/ideal.py (Engh & Huber 2001): Angstrom and radians. */"]
    lines += [f"#define IDEAL_{name} {value!r}" for name, value in backbone.items()]
    Path(directory, "ideal_geometry.h").write_text("\n".join(lines) + "\n")


class BuildKernels(build_ext):
    """Compiles core/instance.c for every variant with its own flags, which setuptools cannot do by itself."""

    def build_extension(self, ext):
        build = Path(self.build_temp)
        build.mkdir(parents=True, exist_ok=True)
        write_ideal_header(build)
        ext.include_dirs += [str(CORE), str(build)]
        flags = COMPILE_FLAGS + SANITIZE_FLAGS
        ext.extra_compile_args += flags + ["-pthread"]
        ext.extra_link_args += [*SANITIZE_FLAGS, "-pthread"]
        if not THREADS:
            ext.define_macros.append(("BETAFOLD_NO_THREADS", None))
        if X86:
            ext.define_macros.append(("BETAFOLD_X86", None))
        for isa, (vector_bytes, isa_flags) in INSTRUCTION_SETS.items():
            for real in ("float", "double"):
                ext.extra_objects += self.compiler.compile(
                    [str(CORE / "instance.c")],
                    output_dir=str(build / f"{isa}-{real}"),
                    macros=[
                        ("REAL", real),
                        ("VECTOR_BYTES", str(vector_bytes)),
                        ("TABLE", f"kernels_{isa}_{real}"),
                        ("ISA_NAME", f'"{isa}"'),
                    ],
                    include_dirs=ext.include_dirs,
                    extra_postargs=flags + isa_flags,
                    depends=ext.depends,
                )
        super().build_extension(ext)


def extensions():
    from Cython.Build import cythonize

    kernels = Extension(
        "betafold_ext._kernels",
        sources=[
            "betafold_ext/_kernels.pyx",
            *(str(CORE / name) for name in ("dispatch.c", "parallel.c", "rotation.c")),
        ],
        depends=[str(path) for path in sorted(CORE.glob("*.[ch]"))] + ["betafold/geometry/ideal.py"],
    )
    directives = {"language_level": 3, "boundscheck": DEBUG, "wraparound": False, "initializedcheck": DEBUG}
    return cythonize([kernels], compiler_directives=directives)


setup(
    ext_modules=extensions(),
    cmdclass={"build_ext": BuildKernels},
)
